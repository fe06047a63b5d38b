//! `--preserve-fds`: descriptors of the caller for the program, and no others.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use integration::{Container, Output, is_ours, need_root, skip, this_test};
use serde_json::json;

/// `COMMAND --bundle B OPTIONS ID`, under a shell that opens descriptors as `redirections` say.
fn redirected(c: &Container, redirections: &str, command: &str, options: &[&str]) -> Output {
    let script = format!("exec \"$@\" {redirections}");
    let args = with_bundle(c, command, options);
    c.runtime.in_shell(&script).run(&args)
}

/// `COMMAND --bundle B OPTIONS ID`
pub fn with_bundle<'a>(c: &'a Container, command: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let bundle = c.bundle.path().to_str().unwrap();
    [&[command, "--bundle", bundle], options, &[&c.id]].concat()
}

/// Says which descriptors from 3 to 80 are open, and what the first two hold.
const LIST: &str = "read a <&3; read b <&4; i=3; while [ $i -lt 80 ]; do [ -e /proc/$$/fd/$i ] && all=\"$all $i\"; i=$((i+1)); done; echo $a $b:$all";

fn listing(change: impl FnOnce(&mut integration::Config)) -> Container {
    let c = Container::new(|g| {
        g.sh(LIST);
        change(g);
    });
    for word in ["three", "four"] {
        std::fs::write(c.bundle.path().join(word), word).unwrap();
    }
    c
}

fn files(c: &Container) -> String {
    let path = c.bundle.path().display();
    format!("3<{path}/three 4<{path}/four")
}

#[test]
fn they_have_the_same_numbers_and_nothing_else_is_there() {
    need_root!();
    let c = listing(|_| {});
    let more = format!("{} 5</dev/null 9</dev/null", files(&c));
    let out = redirected(&c, &more, "run", &["--preserve-fds", "2"]).ok();
    assert_eq!(out.text(), "three four: 3 4");
}

#[test]
fn more_than_init_has_of_its_own() {
    need_root!();
    let c = listing(|_| {});
    let numbers: Vec<String> = (5..45).map(|n| n.to_string()).collect();
    let mut all = files(&c);
    for number in &numbers {
        // dash knows one digit only.
        if number.len() == 1 {
            all += &format!(" {number}</dev/null");
        }
    }
    let out = redirected(&c, &all, "run", &["--preserve-fds", "7"]).ok();
    assert_eq!(out.text(), "three four: 3 4 5 6 7 8 9");
}

#[test]
fn with_create_and_start() {
    need_root!();
    let c = listing(|_| {});
    let out = redirected(&c, &files(&c), "create", &["--preserve-fds", "2"]).ok();
    c.start().ok();
    assert!(integration::wait_until(|| c.status() == "stopped"));
    let said = std::fs::read_to_string(&out.stdout_path).unwrap();
    assert_eq!(said.trim(), "three four: 3 4");
    c.delete().ok();
}

#[test]
fn in_a_user_namespace() {
    need_root!();
    let c = listing(|g| {
        g.user_namespace(0, 65536);
    });
    let more = format!("{} 5</dev/null 9</dev/null", files(&c));
    let out = redirected(&c, &more, "run", &["--preserve-fds", "2"]).ok();
    assert_eq!(out.text(), "three four: 3 4");
}

#[test]
fn a_closed_one_is_refused() {
    need_root!();
    if !is_ours() {
        skip(
            &this_test(),
            "runc takes a descriptor of its own for the caller's: the program gets /sys/fs/cgroup",
        );
        return;
    }
    let c = listing(|_| {});
    let three = format!("3<{}/three", c.bundle.path().display());
    for (redirections, log) in [(three.as_str(), false), ("", true), ("4</dev/null", true)] {
        // A log is opened before, at the first free number.
        let path = c.bundle.path().join("log");
        let mut c2 = listing(|_| {});
        if log {
            let path = path.to_str().unwrap().to_owned();
            c2.runtime.globals.extend(["--log".to_owned(), path]);
        }
        let place = u32::from(!log);
        redirected(&c2, redirections, "run", &["--preserve-fds", "2"]).refused(&format!(
            "unable to stat preserved-fd {place} (of 2): stat /proc/self/fd/{}: no such file or directory",
            3 + place
        ));
        c2.nothing_left();
    }
}

#[test]
fn hooks_do_not_get_them() {
    need_root!();
    let c = listing(|_| {});
    let dir = c.bundle.path().to_str().unwrap().to_owned();
    let hook = c.bundle.path().join("hook");
    std::fs::write(
        &hook,
        format!(
            "#!/bin/sh\n[ -e /proc/self/fd/4 ] && echo leak >>{dir}/seen\necho ran >>{dir}/seen\n"
        ),
    )
    .unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let it = json!([{"path": hook}]);
    let c = c.with_config(|g| {
        g.set(
            "/hooks",
            json!({"createRuntime": it, "poststart": it, "poststop": it}),
        );
    });
    redirected(&c, &files(&c), "run", &["--preserve-fds", "2"]).ok();
    let seen = std::fs::read_to_string(c.bundle.path().join("seen")).unwrap();
    assert_eq!(seen, "ran\nran\nran\n");
}

#[test]
fn the_command_keeps_no_copy() {
    need_root!();
    if !is_ours() {
        skip(
            &this_test(),
            "runc keeps its copies until the container ends",
        );
        return;
    }
    // The program closes its end, and lives on until the other end has been seen to end.
    let c = Container::sh("exec 3>&-; read x < /go; echo over");
    let mut go = c.fifo("go");
    let data = c.bundle.path().join("data");
    assert!(
        Command::new("mkfifo")
            .arg(&data)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let data = data.clone();
        move || {
            let text = std::fs::read(data).unwrap();
            go.say("go");
            // With the last descriptor of a fifo goes what nobody has read yet.
            (text, go)
        }
    });
    let to = format!("3>{}", data.display());
    let out = redirected(&c, &to, "run", &["--preserve-fds", "1"]).ok();
    assert_eq!(out.text(), "over");
    assert_eq!(reader.join().unwrap().0, b"");
}
