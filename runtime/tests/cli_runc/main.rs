//! The command line beside Debian's runc, where no container is needed: the same exit status, the same error line, the
//! same first line on stdout. Ours is called by a link named `runc`, and then bears that name.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const OURS: &str = env!("CARGO_BIN_EXE_runc-rs");

/// Debian's runc, of the version that these tests know.
fn theirs() -> Option<PathBuf> {
    let path = ["/usr/sbin/runc", "/usr/bin/runc"]
        .map(PathBuf::from)
        .into_iter()
        .find(|p| p.is_file());
    let version = path
        .as_ref()
        .and_then(|p| Command::new(p).arg("--version").output().ok());
    let known = version.is_some_and(|v| v.stdout.starts_with(b"runc version 1.1."));
    if !known {
        eprintln!("skipped: needs runc 1.1 (Debian 12: apt install runc) to compare with");
        return None;
    }
    path
}

/// A directory with `ours/runc`, `theirs/runc`, and an empty bundle.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Option<Self> {
        let theirs = theirs()?;
        let dir = std::env::temp_dir().join(format!("cli-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        for (who, binary) in [("ours", Path::new(OURS)), ("theirs", &theirs)] {
            fs::create_dir(dir.join(who)).unwrap();
            symlink(binary, dir.join(who).join("runc")).unwrap();
        }
        fs::create_dir(dir.join("bundle")).unwrap();
        Some(Self(dir))
    }

    /// Exit status, stdout, stderr and the log.
    fn run(&self, who: &str, line: &[&str], env: &[(&str, &str)]) -> Seen {
        let log = self.0.join(who).join("log");
        let _ = fs::remove_file(&log);
        let line = line
            .iter()
            .map(|word| word.replace("LOG", log.to_str().unwrap()));
        // The same argv[0] for both.
        let path = format!("{}:/usr/bin:/bin", self.0.join(who).display());
        // Files: a detached container keeps what it is given.
        let files = ["stdout", "stderr"].map(|name| self.0.join(who).join(name));
        let status = Command::new("/usr/bin/env")
            .args(["runc", "--root"])
            .arg(self.0.join(who).join("root"))
            .args(line)
            .env("PATH", path)
            .env_remove("XDG_RUNTIME_DIR")
            .envs(env.iter().copied())
            .current_dir(self.0.join("bundle"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(&files[0]).unwrap())
            .stderr(fs::File::create(&files[1]).unwrap())
            .status()
            .unwrap();
        let text = |path: &Path| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
            without_time(&text.replace(log.to_str().unwrap(), "LOG"))
        };
        Seen {
            code: status.code(),
            stdout: text(&files[0]),
            stderr: text(&files[1]),
            log: text(&log),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a failed test left running.
        for who in ["ours", "theirs"] {
            for id in self.run(who, &["list", "-q"], &[]).stdout.lines() {
                self.run(who, &["delete", "-f", id], &[]);
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    log: String,
}

/// Digits of times become 0.
fn without_time(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line
            .find("time=\"")
            .map(|at| at + 6)
            .or_else(|| line.find("\"time\":\"").map(|at| at + 8))
        {
            Some(at) => {
                let (head, tail) = line.split_at(at);
                let (time, tail) = tail.split_at(tail.find('"').unwrap_or(0));
                out.push_str(head);
                out.push_str(&time.replace(|c: char| c.is_ascii_digit(), "0"));
                out.push_str(tail);
            }
            None => out.push_str(line),
        }
    }
    out
}

/// The same in all but the help, of which the first line is compared.
fn same(place: &Place, line: &[&str], env: &[(&str, &str)]) {
    let first_line = |mut seen: Seen| {
        if ["NAME:", "Incorrect Usage"]
            .iter()
            .any(|start| seen.stdout.starts_with(start))
        {
            seen.stdout.truncate(seen.stdout.find('\n').unwrap_or(0));
        }
        seen
    };
    let ours = first_line(place.run("ours", line, env));
    let theirs = first_line(place.run("theirs", line, env));
    assert_eq!(
        ours, theirs,
        "runc {line:?}, {env:?}\n left: ours, right: runc's"
    );
}

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
        "spec a",
        "features a",
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
fn a_life_is_runcs() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root to run containers");
        return;
    }
    let Some(place) = Place::new("life") else {
        return;
    };
    let laid = Command::new(OURS)
        .args(["spec", "--busybox", "-b"])
        .arg(place.0.join("bundle"))
        .output()
        .unwrap();
    if !laid.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&laid.stderr));
        return;
    }
    let config = place.0.join("bundle/config.json");
    let text = fs::read_to_string(&config).unwrap();
    // The cgroup of each is named for the container, as that of none else on this host.
    let text = text.replacen('{', "{\"annotations\": {\"b\": \"<2>\", \"a\": \"1\"},", 1);
    fs::write(&config, text.replace("\"sh\"", "\"sleep\", \"1000\"")).unwrap();

    let lives = ["ours", "theirs"].map(|who| {
        let id = format!("cli-life-{who}-{}", std::process::id());
        let step = |line: &str| {
            let line: Vec<String> = line
                .split(' ')
                .map(|word| word.replace("ID", &id))
                .collect();
            let seen = place.run(
                who,
                &line.iter().map(String::as_str).collect::<Vec<_>>(),
                &[],
            );
            // The exit status as a word: numbers are taken out.
            let code = match seen.code {
                Some(0) => "well",
                Some(1) => "failed",
                _ => "otherwise",
            };
            format!("{line:?} {code}\n{seen:#?}\n").replace(&id, "ID")
        };
        let mut life = String::new();
        for line in [
            "create ID",
            "create ID",
            "run ID",
            "state ID",
            "list",
            "list -f json",
            "list -q",
            "kill ID BOGUS",
            "start ID",
            "start ID",
            "delete ID",
            "create ID",
            "state ID",
            "kill ID 0",
            "kill ID KILL",
        ] {
            life.push_str(&step(line));
        }
        // A death takes its time; nothing else tells of it to who did not start the container.
        let stopped = (0..2000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            step("state ID").contains("stopped")
        });
        assert!(stopped, "{life}");
        for line in [
            "state ID",
            "list",
            "kill ID KILL",
            "kill --all ID KILL",
            "start ID",
            "delete ID",
            "delete ID",
            "run -d --pid-file ../pid ID",
            "delete -f ID",
            "delete -f ID",
            "list -q",
        ] {
            life.push_str(&step(line));
        }
        plain(&life)
    });
    assert!(
        lives[0].contains("well") && lives[0].contains("failed"),
        "{}",
        lives[0]
    );
    for (ours, theirs) in lives[0].split("\n[").zip(lives[1].split("\n[")) {
        assert_eq!(ours, theirs, "\nleft: ours, right: runc's");
    }
    assert_eq!(lives[0], lives[1]);
}

/// Without pids, times, the length of names, and the version of the specification.
fn plain(life: &str) -> String {
    let mut out = String::new();
    let life = life.replace("-dev", "");
    let mut chars = life.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            while chars
                .next_if(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
                .is_some()
            {}
            out.push('0');
        } else {
            out.push(c);
        }
    }
    // Columns are as wide as the names in them.
    out.split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
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
        eprintln!("skipped: no static busybox (Debian: apt install busybox-static)");
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
