//! Terminals: the console socket, input, and changes of the size.

use integration::Pty;

use super::sleeping;
use crate::engine::{Engine, wait};

/// `args` of the client on a terminal that says `tty` and its size.
fn says_tty(e: &Engine, args: &[&str], code: i32) {
    let mut pty = Pty::new(33, 99);
    let mut all = args.to_vec();
    all.extend(["sh", "-c", "tty; echo done; exit 4"]);
    let child = e.on_terminal(&all, &pty);
    let seen = pty.expect("done");
    assert!(seen.contains("/dev/pts/"), "{seen:?}");
    assert_eq!(wait(child), code, "{seen:?}");
}

fn talks(e: &Engine, args: &[&str]) {
    let mut pty = Pty::new(33, 99);
    let mut all = args.to_vec();
    // Waits until the size is the one of outside: the client passes it on when the program already runs.
    all.extend([
        "sh",
        "-c",
        "until stty size | grep -q '33 99'; do sleep 0.05; done; echo ready; read a; echo got $a; until stty size | grep -q '44 111'; do sleep 0.05; done; echo resized; exit 6",
    ]);
    let child = e.on_terminal(&all, &pty);
    pty.expect("ready");
    pty.type_in("words\n");
    pty.expect("got words");
    pty.resize(44, 111);
    pty.expect("resized");
    assert_eq!(wait(child), 6);
}

pub fn run(e: &Engine) {
    says_tty(e, &["run", "--rm", "-t", "busybox:1"], 4);
    // The image's terminal type.
    let out = e
        .run(&[
            "run",
            "--rm",
            "-t",
            "busybox:1",
            "sh",
            "-c",
            "echo $TERM; tty",
        ])
        .ok();
    assert!(
        out.stdout.contains("xterm") && out.stdout.contains("/dev/pts/0"),
        "{out}"
    );
}

pub fn typed(e: &Engine) {
    talks(e, &["run", "--rm", "-it", "busybox:1"]);
}

pub fn exec(e: &Engine) {
    sleeping(e, "x1");
    says_tty(e, &["exec", "-t", "x1"], 4);
}

pub fn exec_typed(e: &Engine) {
    sleeping(e, "x1");
    talks(e, &["exec", "-it", "x1"]);
}
