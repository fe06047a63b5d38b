//! `--console-socket`: the master of the container's terminal goes to the caller's peer, as engines want it.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener;
use std::time::Instant;

use integration::{Agent, Container, TempDir, is_ours, need_root, receive_fd, skip, this_test};
use serde_json::json;

fn terminal(script: &str) -> Container {
    Container::new(|g| {
        g.set("/process/terminal", true).sh(script);
    })
}

/// Reads from a terminal's master until these words have come.
fn expect(master: &mut std::fs::File, words: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(words) {
        assert!(
            integration::readable(master.as_fd(), integration::hang()),
            "{words:?} does not come: {:?}",
            String::from_utf8_lossy(&seen)
        );
        let mut piece = [0; 1024];
        let count = master.read(&mut piece).expect("read the terminal");
        seen.extend_from_slice(&piece[..count]);
    }
}

fn talks(c: &Container, listener: &UnixListener, make: impl FnOnce()) {
    make();
    let (stream, _) = listener.accept().unwrap();
    let (name, master) = receive_fd(&stream);
    assert_eq!(name, b"/dev/ptmx");
    let mut master = std::fs::File::from(master);
    if c.status() == "created" {
        c.start().ok();
    }
    expect(&mut master, "ready");
    master.write_all(b"words\n").unwrap();
    expect(&mut master, "got [words]");
}

const SCRIPT: &str = "test -t 0 && test -t 1 && test -t 2 && stty -echo && echo ready; read x; echo got [$x]; sleep 1000";

#[test]
fn the_peer_gets_the_master() {
    need_root!();
    let dir = TempDir::new("console");
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let option = ["--console-socket", path.to_str().unwrap()];
    let c = terminal(SCRIPT);
    talks(&c, &listener, || {
        c.create_with(&option).ok();
    });
    let c = terminal(SCRIPT);
    talks(&c, &listener, || {
        c.run_with(&["--detach", option[0], option[1]]).ok();
    });
}

/// A socket's address holds 108 bytes; a bundle's path may be longer.
#[test]
fn a_long_path() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 says \"invalid argument\"");
    }
    let dir = TempDir::new("console");
    let deep = dir.path().join("long-name-".repeat(15));
    std::fs::create_dir(&deep).unwrap();
    let held = std::fs::File::open(&deep).unwrap();
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/sock", held.as_raw_fd())).unwrap();
    let path = deep.join("sock");
    let c = terminal(SCRIPT);
    talks(&c, &listener, || {
        c.create_with(&["--console-socket", path.to_str().unwrap()])
            .ok();
    });
}

/// runc connects when it has gone to the bundle: for `exec` as well, but for a process from a file. Files are the caller's.
#[test]
fn relative_paths() {
    need_root!();
    let c = terminal(SCRIPT);
    let caller = TempDir::new("caller");
    let call = |args: &[&str]| {
        let (mut command, out, err) = c.runtime.command(args);
        command.current_dir(caller.path());
        c.runtime.finish(command, args, out, err)
    };
    let bind = |dir: &std::path::Path, name| UnixListener::bind(dir.join(name)).unwrap();
    let of_bundle = bind(c.bundle.path(), "sock");
    let pidfds = bind(c.bundle.path(), "pidfds");
    let bundle = c.bundle.path().to_str().unwrap();
    let mut options = vec!["--console-socket", "sock", "--pid-file", "pid"];
    if is_ours() {
        options.extend(["--pidfd-socket", "pidfds"]);
    }
    let taken = |listener: &UnixListener, name: &[u8]| {
        assert!(integration::readable(listener.as_fd(), integration::hang()));
        let (word, fd) = receive_fd(&listener.accept().unwrap().0);
        assert_eq!(word, name);
        fd
    };
    let has_pid = || {
        let file = caller.path().join("pid");
        let pid: u32 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        std::fs::remove_file(file).unwrap();
        pid
    };
    call(&[&["create", "--bundle", bundle][..], &options, &[&c.id]].concat()).ok();
    // Init ends with its terminal.
    let _master = taken(&of_bundle, b"/dev/ptmx");
    assert_eq!(has_pid(), c.pid());
    c.start().ok();
    let exec = ["exec", "--detach", "--tty"];
    call(&[&exec, &options[..], &[&c.id, "true"]].concat()).ok();
    taken(&of_bundle, b"/dev/ptmx");
    integration::wait_gone(has_pid());
    if is_ours() {
        taken(&pidfds, b"standard");
        taken(&pidfds, b"setns");
    }
    let of_caller = bind(caller.path(), "sock");
    let _also = is_ours().then(|| bind(caller.path(), "pidfds"));
    let process = r#"{"args": ["true"], "cwd": "/", "terminal": true, "env": ["PATH=/bin"]}"#;
    std::fs::write(caller.path().join("process"), process).unwrap();
    let exec = ["exec", "--detach", "--process", "process"];
    call(&[&exec, &options[..], &[&c.id]].concat()).ok();
    taken(&of_caller, b"/dev/ptmx");
    integration::wait_gone(has_pid());
}

/// Refused before anything is made.
#[test]
fn nobody_to_take_the_terminal() {
    need_root!();
    let dir = TempDir::new("console");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let gone = dir.path().join("gone");
    drop(UnixListener::bind(&gone).unwrap());
    for (path, words) in [
        (
            dir.path().join("none"),
            "connect: no such file or directory",
        ),
        (file, "connect: connection refused"),
        (gone, "connect: connection refused"),
    ] {
        let c = terminal("true");
        let path = path.to_str().unwrap();
        c.create_with(&["--console-socket", path])
            .refused(&format!("dial unix {path}: {words}"));
        c.nothing_left();
    }
}

#[test]
fn a_socket_without_a_terminal() {
    need_root!();
    let words = "cannot use console socket if runc will not detach or allocate tty";
    let c = Container::sh("true");
    c.create_with(&["--console-socket", "/x"]).refused(words);
    c.nothing_left();
    let c = terminal("true");
    c.run_with(&["--console-socket", "/x"]).refused(words);
    c.nothing_left();
}

/// A peer that is gone when the terminal is sent: the container has nobody to show itself to, and does not come to be.
#[test]
fn a_peer_that_hangs_up() {
    need_root!();
    let dir = TempDir::new("console");
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let closed = dir.path().join("closed");
    let wait = format!("while ! test -e {}; do sleep 0.02; done", closed.display());
    let closer = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        std::fs::write(closed, "").unwrap();
    });
    let c = terminal("true").with_config(|g| {
        // It has hung up when the terminal is sent.
        g.set(
            "/hooks/prestart",
            json!([{"path": "/bin/sh", "args": ["sh", "-c", wait]}]),
        );
    });
    c.create_with(&["--console-socket", path.to_str().unwrap()])
        .exits(1)
        .says(match is_ours() {
            true => "sendmsg the terminal to its socket: broken pipe",
            false => "broken pipe",
        });
    closer.join().unwrap();
    c.nothing_left();
}

/// The queue of those who wait to be accepted is full, and stays so.
#[test]
fn a_console_socket_that_nobody_accepts() {
    need_root!();
    if !is_ours() {
        return skip(
            &this_test(),
            "Go's connect does not wait: \"resource temporarily unavailable\"",
        );
    }
    let peer = Agent::new();
    let queue: Vec<_> = std::iter::from_fn(|| peer.try_connect()).collect();
    let c = terminal("true");
    let begin = Instant::now();
    c.create_with(&["--console-socket", peer.path().to_str().unwrap()])
        .refused("nobody accepts the connection");
    let limit = integration::at_most(std::time::Duration::from_secs(8));
    assert!(begin.elapsed() < limit, "{:?}", begin.elapsed());
    c.nothing_left();
    drop(queue);
}
