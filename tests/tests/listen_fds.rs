//! `$LISTEN_FDS` (sd_listen_fds(3)): sockets that systemd has passed to the runtime are the program's.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use integration::{
    Config, Container, Output, is_ours, need_root, readable, skip, this_test, wait_until,
};
use serde_json::json;

use crate::hangs::ours_alone;
use crate::preserve_fds::with_bundle;

/// Says which descriptors from 3 on are open, what they hold, and the variables.
const TELL: &str = "i=3; while [ $i -lt 40 ]; do [ -e /proc/$$/fd/$i ] && { read x <&$i; all=\"$all $i:$x\"; }; i=$((i+1)); done; \
    echo \"$all; $LISTEN_FDS $LISTEN_PID ${LISTEN_FDNAMES-no names}\"";

fn telling(change: impl FnOnce(&mut Config)) -> Container {
    let c = Container::new(|g| {
        g.sh(TELL);
        change(g);
    });
    for word in ["three", "four", "five"] {
        std::fs::write(c.bundle.path().join(word), word).unwrap();
    }
    c
}

/// `COMMAND OPTIONS` of a process that was given `variables`, and the first `count` of three descriptors.
fn given(c: &Container, variables: &str, count: usize, command: &str, options: &[&str]) -> Output {
    given_to(c, variables, count, &with_bundle(c, command, options))
}

/// The same of any command.
fn given_to(c: &Container, variables: &str, count: usize, args: &[&str]) -> Output {
    let path = c.bundle.path().display();
    let files = ["3<three", "4<four", "5<five"];
    let files: String = files[..count]
        .iter()
        .map(|it| format!(" {}", it.replace('<', &format!("<{path}/"))))
        .collect();
    let script = format!("export {variables}; exec \"$@\"{files}");
    c.runtime.in_shell(&script).run(args)
}

const OWN: &str = "LISTEN_PID=$$ LISTEN_FDNAMES=a:b";

#[test]
fn they_are_the_programs() {
    need_root!();
    let c = telling(|_| {});
    let out = given(&c, &format!("{OWN} LISTEN_FDS=2"), 2, "run", &[]).ok();
    // runc passes no names.
    assert_eq!(out.text(), "3:three 4:four; 2 1 no names");
}

#[test]
fn no_more_than_were_announced() {
    need_root!();
    let c = telling(|_| {});
    let out = given(&c, &format!("{OWN} LISTEN_FDS=1"), 3, "run", &[]).ok();
    assert_eq!(out.text(), "3:three; 1 1 no names");
}

#[test]
fn preserved_ones_come_behind() {
    need_root!();
    let c = telling(|_| {});
    let options = ["--preserve-fds", "1"];
    let out = given(&c, &format!("{OWN} LISTEN_FDS=2"), 3, "run", &options).ok();
    assert_eq!(out.text(), "3:three 4:four 5:five; 2 1 no names");
}

#[test]
fn with_create_and_start() {
    need_root!();
    let c = telling(|_| {});
    let out = given(&c, &format!("{OWN} LISTEN_FDS=2"), 2, "create", &[]).ok();
    c.start().ok();
    assert!(wait_until(|| c.status() == "stopped"));
    let said = std::fs::read_to_string(&out.stdout_path).unwrap();
    assert_eq!(said.trim(), "3:three 4:four; 2 1 no names");
    c.delete().ok();
}

#[test]
fn in_a_user_namespace() {
    need_root!();
    let c = telling(|g| {
        g.user_namespace(0, 65536);
    });
    let out = given(&c, &format!("{OWN} LISTEN_FDS=2"), 2, "run", &[]).ok();
    assert_eq!(out.text(), "3:three 4:four; 2 1 no names");
}

/// They are for the container's own program: what `exec` is given is as any other descriptor of the caller's.
#[test]
fn exec_passes_none() {
    need_root!();
    let c = telling(|g| {
        g.args(&["sleep", "1000"]);
    });
    c.detach();
    let sh = |options: &[&str]| {
        let mut args = vec!["exec"];
        args.extend(options);
        args.extend([&c.id, "sh", "-c", TELL]);
        given_to(&c, &format!("{OWN} LISTEN_FDS=2"), 3, &args).ok()
    };
    assert_eq!(sh(&[]).text(), ";   no names");
    let out = sh(&["--preserve-fds", "1"]);
    assert_eq!(out.text(), "3:three;   no names");
    let own = [
        "--preserve-fds",
        "1",
        "-e",
        "LISTEN_FDS=1",
        "-e",
        "LISTEN_PID=1",
    ];
    assert_eq!(sh(&own).text(), "3:three; 1 1 no names");
}

/// A variable of the config gives way to what is true; without sockets it stays.
#[test]
fn the_configs_own_variables() {
    need_root!();
    let change = |g: &mut Config| {
        for entry in ["LISTEN_FDS=7", "LISTEN_PID=9", "LISTEN_FDNAMES=own"] {
            g.push("/process/env", json!(entry));
        }
    };
    let c = telling(change);
    let out = given(&c, &format!("{OWN} LISTEN_FDS=1"), 1, "run", &[]).ok();
    assert_eq!(out.text(), "3:three; 1 1 own");
    let c = telling(change);
    let out = given(&c, "LISTEN_PID=1 LISTEN_FDS=1", 1, "run", &[]).ok();
    assert_eq!(out.text(), "; 7 9 own");
}

/// Those of another process, none, or no number.
#[test]
fn not_meant_for_the_runtime() {
    need_root!();
    for variables in [
        "LISTEN_PID=1 LISTEN_FDS=2",
        "LISTEN_FDS=2",
        "LISTEN_PID=$$ LISTEN_FDS=0",
        "LISTEN_PID=$$ LISTEN_FDS=2x",
        "LISTEN_PID=$$ LISTEN_FDS=",
    ] {
        let c = telling(|_| {});
        let out = given(&c, variables, 2, "run", &[]).ok();
        assert_eq!(out.text(), ";   no names", "{variables}");
    }
    if is_ours() {
        let c = telling(|_| {});
        let out = given(&c, "LISTEN_PID=$$ LISTEN_FDS=-1", 2, "run", &[]).ok();
        assert_eq!(out.text(), ";   no names");
    } else {
        skip(
            &this_test(),
            "1.1.5 panics on -1 and leaves the container's record",
        );
    }
}

#[test]
fn one_that_is_not_open() {
    need_root!();
    if !ours_alone("1.1.5 passes descriptors of its own: the program gets an epoll") {
        return;
    }
    let c = telling(|_| {});
    given(&c, &format!("{OWN} LISTEN_FDS=9"), 2, "run", &[])
        .refused("$LISTEN_FDS is 9, but descriptor 5 is not open");
    given(
        &c,
        &format!("{OWN} LISTEN_FDS=2"),
        2,
        "create",
        &["--preserve-fds", "1"],
    )
    .refused(
        "unable to stat preserved-fd 0 (of 1): stat /proc/self/fd/5: no such file or directory",
    );
    given(&c, &format!("{OWN} LISTEN_FDS=4294967295"), 0, "run", &[])
        .refused("descriptor 3 is not open");
    c.nothing_left();
}

/// Without a pid namespace of its own the program has another number than 1.
#[test]
fn the_programs_number() {
    need_root!();
    if !ours_alone("1.1.5 says 1, and the program takes the sockets for another's") {
        return;
    }
    let c = Container::new(|g| {
        g.without_namespace("pid")
            .sh("[ $LISTEN_PID = $$ ] && echo mine, $LISTEN_FDS");
    });
    std::fs::write(c.bundle.path().join("three"), "").unwrap();
    let out = given(&c, &format!("{OWN} LISTEN_FDS=1"), 1, "run", &[]).ok();
    assert_eq!(out.text(), "mine, 1");
}

/// systemd's own starter: the connection is the program's.
#[test]
fn systemd_socket_activate() {
    need_root!();
    const PROGRAM: &str = "/usr/bin/systemd-socket-activate";
    if !std::path::Path::new(PROGRAM).exists() {
        return skip(
            &this_test(),
            "no systemd-socket-activate (apt-get install systemd)",
        );
    }
    let c = Container::sh("echo $LISTEN_FDS $LISTEN_PID >&3");
    let path = c.bundle.path().join("sock");
    let bundle = c.bundle.path().to_str().unwrap();
    let (plain, _, _) = c.runtime.command(&["run", "--bundle", bundle, &c.id]);
    let mut activator = Command::new(PROGRAM)
        .args(["--accept", "--listen", path.to_str().unwrap()])
        .arg(plain.get_program())
        .args(plain.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut connection = None;
    assert!(wait_until(|| {
        connection = UnixStream::connect(&path).ok();
        connection.is_some()
    }));
    let mut connection = connection.unwrap();
    assert!(readable(connection.as_fd(), integration::hang()));
    let mut said = [0; 16];
    let count = connection.read(&mut said).unwrap();
    assert_eq!(String::from_utf8_lossy(&said[..count]), "1 1\n");
    assert!(wait_until(|| c.state_entries().is_empty()));
    activator.kill().unwrap();
    activator.wait().unwrap();
}
