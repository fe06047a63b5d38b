//! `exec` with a terminal: in the foreground, and for the peer of `--console-socket`.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

use integration::{Pty, Signal, TempDir, hang, need_root, readable, receive_fd, signal};

use crate::exec::{detached, exec, running};

#[test]
fn a_terminal_in_the_foreground() {
    need_root!();
    let c = running();
    let mut pty = Pty::new(33, 99);
    let args = [
        "exec",
        "-t",
        &c.id,
        "sh",
        "-c",
        "test -t 0 && test -t 1 && test -t 2 && stty size; stty -echo; echo ready; read x; echo got [$x]; exit 5",
    ];
    let (mut command, _, _) = c.runtime.command(&args);
    command
        .stdin(pty.open_slave())
        .stdout(pty.open_slave())
        .stderr(pty.open_slave());
    let mut child = command.spawn().unwrap();
    pty.expect("33 99");
    pty.expect("ready");
    pty.type_in("words\n");
    pty.expect("got [words]");
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn signals_are_passed_on() {
    need_root!();
    let c = running();
    let mut ready = c.fifo("ready");
    let args = [
        "exec",
        &c.id,
        "sh",
        "-c",
        "trap 'exit 9' TERM; echo up >/ready; sleep 1000 </dev/null >/dev/null 2>&1 & wait",
    ];
    let (mut command, out, err) = c.runtime.command(&args);
    let child = command.spawn().unwrap();
    ready.line();
    signal(child.id(), Signal::TERM);
    c.runtime.wait(child, &args, out, err).exits(9);
}

#[test]
fn the_peer_gets_the_master() {
    need_root!();
    let c = running();
    let dir = TempDir::new("console");
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let options = ["-t", "--console-socket", path.to_str().unwrap()];
    let program = [
        "sh",
        "-c",
        "stty -echo && echo ready; read x; echo got [$x]; sleep 1000",
    ];
    let _process = detached(&c, &options, &program);
    let (stream, _) = listener.accept().unwrap();
    let (name, master) = receive_fd(&stream);
    assert_eq!(name, b"/dev/ptmx");
    let mut master = std::fs::File::from(master);
    let mut expect = |words: &str, say: &str| {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(words) {
            assert!(readable(master.as_fd(), hang()), "{words:?} does not come");
            let mut piece = [0; 1024];
            let count = master.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..count]);
        }
        master.write_all(say.as_bytes()).unwrap();
    };
    expect("ready", "words\n");
    expect("got [words]", "");
}

#[test]
fn terminals_that_cannot_be() {
    need_root!();
    let c = running();
    exec(&c, &["-d", "-t"], &["true"])
        .exits(255)
        .says("cannot allocate tty if runc will detach without setting console socket");
    exec(&c, &["--console-socket", "/x"], &["true"])
        .exits(255)
        .says("cannot use console socket if runc will not detach or allocate tty");
    exec(&c, &["-d", "-t", "--console-socket", "/none"], &["true"])
        .exits(255)
        .says("dial unix /none: connect: no such file or directory");
    // The harness gives no terminal.
    exec(&c, &["-t"], &["true"]).exits(255).says("/dev/tty");
}
