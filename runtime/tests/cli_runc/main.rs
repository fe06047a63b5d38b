//! The command line beside Debian's runc, where no container is needed: the same exit status, the same error line, the
//! same first line on stdout. Ours is called by a link named `runc`, and then bears that name.
#![allow(clippy::unwrap_used)]

mod life;
mod place;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use integration::{skip, this_test};
use place::{Place, same};

const OURS: &str = env!("CARGO_BIN_EXE_runc-rs");

#[test]
fn usage_errors_are_runcs() {
    let Some(place) = Place::new("usage") else {
        return;
    };
    for line in [
        "",
        "bogus",
        "--bogus",
        "--debug=xx list",
        "--root",
        "-- list",
        "-",
        "--log-format xml list",
        "help",
        "h",
        "help bogus",
        "help create",
        "-h",
        "--help list",
        "create",
        "create a b",
        "create --bogus x",
        "create x --bogus",
        "create -b",
        "create -b /a --bundle /b x",
        "create --no-pivot=xx x",
        "create --preserve-fds z x",
        "create --=3 x",
        "create ---x x",
        "create --no-pivot --help",
        "create -h extra --bogus",
        "run",
        "run a b c",
        "run --detach=maybe x",
        "start",
        "start a b",
        "state",
        "state a b",
        "state -h=false nope",
        "kill",
        "kill a b c",
        "delete",
        "delete a b",
        "delete --force=",
        "list extra",
        "list -f",
        "list -f xml",
        "list -f=",
        "list --help extra",
        // Go's habits.
        "-debug list",
        "-debug=false list",
        "--debug=0 -log-format=json list",
        "--log-format text --log-format json state nope",
        "--log-format=json -log-format text state nope",
        "-log-format -log-format list",
        "list -quiet=true -q=false",
        "list -quiet=true -quiet=false",
        "list --quiet false",
        "list -qf json",
        "list -f table -f json",
        "list -f json -f table",
        "list -format -q",
        "delete -force=true -force=false nope",
        "delete --force=F nope",
        "delete nope -force=T",
        "kill nope -9",
        "kill -9 nope",
        "kill nope -- -9",
        "state -- nope",
        "state -- -nope",
        "run -no-subreaper -b /nonexistent x",
        "run --no-subreaper=false x -b=/nonexistent",
        "run -no-subreaper=x y",
        "create --preserve-fds 0x1 --preserve-fds z x",
        "spec a",
        "features a",
        "pause",
        "pause a b",
        "resume",
        "resume a b",
        "pause --bogus x",
        "pause x --bogus",
        "ps",
        "ps --format",
        "ps --bogus x",
        "events",
        "events a b",
        "events --interval 1x a",
        "events --interval= a",
        "events --interval a",
        "events --interval",
        "events --interval 5 a",
        "events --stats=maybe a",
        "update",
        "update a b",
        "update --bogus a",
        "update --pids-limit x a",
        "update --pids-limit= a",
        "update --blkio-weight 1.5 a",
        "update -r /a --resources /b a",
        "update -memory",
        "update --memory",
    ] {
        same(&place, &line.split_whitespace().collect::<Vec<_>>(), &[]);
    }
}

#[test]
fn missing_containers_are_runcs() {
    let Some(place) = Place::new("missing") else {
        return;
    };
    for line in [
        "state nope",
        "start nope",
        "kill nope",
        "kill nope KILL",
        "kill --all nope",
        "delete nope",
        "delete -f nope",
        "delete nope --force",
        "state a/b",
        "state ..",
        "start a:b",
        "list",
        "list -q",
        "list --format json",
        "create x -b /nonexistent",
        "run --bundle=/nonexistent x",
        "run -detach -b /nonexistent x",
        "create x",
        "run x",
        "kill nope BOGUS",
        "pause nope",
        "resume nope",
        "pause a/b",
        "ps nope",
        "ps nope -ef",
        "ps nope --bogus",
        "ps -- nope -ef",
        "ps -f json nope",
        "ps -format=bogus nope",
        "events nope",
        "events -stats nope",
        "events nope --stats",
        "events --interval 0 nope",
        "events --interval=-1h nope",
        "update nope",
        "update --memory x nope",
        "update nope --memory x",
        "update -r /nonexistent nope",
        "update -r - nope",
    ] {
        same(&place, &line.split_whitespace().collect::<Vec<_>>(), &[]);
    }
}

#[test]
fn log_lines_are_runcs() {
    let Some(place) = Place::new("log") else {
        return;
    };
    for zone in ["", "UTC", "Asia/Kolkata", "America/St_Johns"] {
        for line in [
            "state nope",
            "--log-format json state nope",
            "--log LOG state nope",
            "--log LOG --log-format json state nope",
            "--log LOG --log-format=json bogus",
            "--log LOG --log-format text bogus",
            "--log /nonexistent/x list",
            "--log / list",
            "--log LOG list",
        ] {
            same(
                &place,
                &line.split_whitespace().collect::<Vec<_>>(),
                &[("TZ", zone)],
            );
        }
    }
    // Text that needs quoting.
    for id in ["\u{1}", "\"", "<é>", "a\nb\\", "\u{200b}"] {
        same(
            &place,
            &[
                "--log-format",
                "json",
                "create",
                "--bundle",
                &format!("/nonexistent{id}"),
                "x",
            ],
            &[],
        );
        same(
            &place,
            &["create", "--bundle", &format!("/nonexistent{id}"), "x"],
            &[],
        );
    }
}

#[test]
fn spec_is_runcs() {
    let Some(place) = Place::new("spec") else {
        return;
    };
    let config = place.0.join("bundle/config.json");
    for line in [&["spec"][..], &["spec", "--rootless"]] {
        let mut texts = ["ours", "theirs"].map(|who| {
            let seen = place.run(who, line, &[]);
            assert_eq!(
                (seen.code, seen.stdout.as_str(), seen.stderr.as_str()),
                (Some(0), "", "")
            );
            let text = fs::read_to_string(&config).unwrap();
            // And both refuse to write it again.
            let again = place.run(who, line, &[]);
            assert_eq!(again.code, Some(1));
            assert!(
                again
                    .stderr
                    .contains("File config.json exists. Remove it first"),
                "{}",
                again.stderr
            );
            assert_eq!(fs::read_to_string(&config).unwrap(), text);
            fs::remove_file(&config).unwrap();
            text
        });
        for text in &mut texts {
            *text = text
                .lines()
                .filter(|l| !l.contains("ociVersion"))
                .collect::<Vec<_>>()
                .join("\n");
        }
        assert_eq!(texts[0], texts[1], "{line:?}");
    }
}

#[test]
fn version_says_who_we_are() {
    let output = Command::new(OURS).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(concat!("runc-rs version ", env!("CARGO_PKG_VERSION")))
    );
    assert!(
        lines.all(|l| l.starts_with("spec: ") || l.starts_with("commit: ")),
        "{text}"
    );
}

/// The words that the table names for a value, and no other.
#[test]
fn the_words_of_the_table_are_taken() {
    use runc_rs::cli::defs::{Command as Entry, GLOBAL, Kind, Opt};
    let exit = |before: &[String], after: &[String]| {
        let mut command = Command::new(OURS);
        command.args(["--root", "/nonexistent/root"]);
        command.args(before).arg("list").args(after);
        command.output().unwrap().status.code()
    };
    let list = Entry::find(b"list").unwrap().options;
    let options = GLOBAL.iter().map(|o| (o, true));
    let mut seen = 0;
    for (option, global) in options.chain(list.iter().map(|o| (o, false))) {
        let Opt {
            long,
            kind: Kind::OneOf(_, words),
            ..
        } = option
        else {
            continue;
        };
        for (word, code) in words.iter().map(|w| (*w, 0)).chain([("bogus", 1)]) {
            let line = [format!("--{long}"), word.to_owned()];
            let (before, after) = match global {
                true => (&line[..], &[][..]),
                false => (&[][..], &line[..]),
            };
            assert_eq!(exit(before, after), Some(code), "{line:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3 + 4 + 3);
}

#[test]
fn a_log_file_is_appended_to() {
    let dir = std::env::temp_dir().join(format!("cli-append-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let log = dir.join("log");
    for _ in 0..2 {
        let status = Command::new(OURS)
            .args([
                "--root",
                dir.join("r").to_str().unwrap(),
                "--log",
                log.to_str().unwrap(),
                "state",
                "nope",
            ])
            .stderr(Stdio::null())
            .status();
        assert_eq!(status.unwrap().code(), Some(1));
    }
    let lines = fs::read_to_string(&log).unwrap().lines().count();
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(lines, 2);
}

/// stderr is a full pipe that nobody reads: the command ends all the same.
#[test]
fn a_full_stderr_does_not_hold_the_command() {
    use std::io::Write;
    let (reader, mut writer) = std::io::pipe().unwrap();
    nix::fcntl::fcntl(
        &writer,
        nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
    )
    .unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
    nix::fcntl::fcntl(
        &writer,
        nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty()),
    )
    .unwrap();
    let mut child = Command::new(OURS)
        .args(["--root", "/nonexistent", "state", "nope"])
        .stderr(writer)
        .spawn()
        .unwrap();
    // Waited for with a bound, so that a hang is a failure: a pipe that the child's end closes.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (done, ended) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || done.send(child.wait()));
    match ended.recv_timeout(std::time::Duration::from_secs(20)) {
        Ok(status) => assert_eq!(status.unwrap().code(), Some(1)),
        Err(_) => {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            panic!("still there after 20 s");
        }
    }
    waiter.join().unwrap().unwrap();
    drop(reader);
}

/// Nobody reads stderr any more: no death by SIGPIPE, the exit status is the command's.
#[test]
fn a_closed_stderr_does_not_kill_the_command() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(OURS)
        .args(["--root", "/nonexistent", "state", "nope"])
        .stderr(writer)
        .status();
    assert_eq!(status.unwrap().code(), Some(1));
}

#[test]
fn spec_busybox_lays_a_whole_bundle() {
    let dir = std::env::temp_dir().join(format!("cli-busybox-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let spec = |dir: &Path| {
        Command::new(OURS)
            .args(["spec", "--busybox", "-b"])
            .arg(dir)
            .output()
            .unwrap()
    };
    let made = spec(&dir);
    if String::from_utf8_lossy(&made.stderr).contains("busybox-static") {
        skip(
            &this_test(),
            "no static busybox (Debian: apt install busybox-static)",
        );
        fs::remove_dir_all(&dir).unwrap();
        return;
    }
    assert!(made.status.success(), "{made:?}");
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["terminal"], false);
    assert_eq!(config["process"]["args"][0], "sh");
    assert_eq!(
        fs::read_link(dir.join("rootfs/bin/sh")).unwrap(),
        Path::new("busybox")
    );
    let ran = Command::new(dir.join("rootfs/bin/echo"))
        .arg("works")
        .output()
        .unwrap();
    assert_eq!(ran.stdout, b"works\n");

    // A root that holds something is left as it is, and then there is no config.json either.
    fs::remove_file(dir.join("config.json")).unwrap();
    let refused = spec(&dir);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("rootfs is not empty"),
        "{refused:?}"
    );
    assert!(!dir.join("config.json").exists());
    fs::remove_dir_all(&dir).unwrap();
}
