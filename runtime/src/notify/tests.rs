//! A manager and a program, both of them sockets of the test.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Instant;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::*;

/// A manager, a state directory, and a proxy between its socket and the manager.
struct Pair {
    path: PathBuf,
    manager: UnixDatagram,
    proxy: Proxy,
}

impl Pair {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("notify-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let manager = UnixDatagram::bind(path.join("host")).unwrap();
        let address = path.join("host");
        let state = File::open(&path).unwrap();
        std::fs::create_dir(path.join(DIR)).unwrap();
        let ear = listen(state.as_fd(), &path).unwrap().unwrap();
        let connection = Manager::connect(address.as_os_str()).unwrap();
        let proxy = Proxy::new(ear, Some(connection), 77);
        Self {
            path,
            manager,
            proxy,
        }
    }

    /// The program's word.
    fn say(&self, words: &str) {
        let speaker = UnixDatagram::unbound().unwrap();
        speaker.set_nonblocking(true).unwrap();
        speaker
            .send_to(words.as_bytes(), self.path.join(DIR).join(SOCKET))
            .unwrap();
    }

    /// Until its queue takes no more.
    fn fill(&self) {
        let other = UnixDatagram::unbound().unwrap();
        other.set_nonblocking(true).unwrap();
        while other.send_to(b"x", self.path.join("host")).is_ok() {}
    }

    /// What the manager gets next, with the descriptor beside it.
    fn hears(&self) -> (String, Option<OwnedFd>) {
        let mut bytes = [0; 256];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let fd = self.manager.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(fd, &mut buffers, Some(&mut space), flags).unwrap();
        let got = message.cmsgs().unwrap().find_map(|it| match it {
            ControlMessageOwned::ScmRights(fds) => Some(sys::fd::inherited(fds[0])),
            _ => None,
        });
        let count = message.bytes;
        (String::from_utf8_lossy(&bytes[..count]).into_owned(), got)
    }

    fn hears_nothing(&self) {
        self.manager.set_nonblocking(true).unwrap();
        assert!(self.manager.recv(&mut [0; 16]).is_err());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[test]
fn only_the_ready_line_goes_on() {
    let mut pair = Pair::new("line");
    for words in ["STATUS=READY=1", "MAINPID=1", "XREADY=1", "", "\n\n"] {
        pair.say(words);
    }
    pair.proxy.serve();
    pair.hears_nothing();
    pair.say("STATUS=up\nREADY=1\nMAINPID=1");
    pair.proxy.serve();
    assert_eq!(pair.hears().0, "READY=1\n");
    assert_eq!(pair.hears().0, "MAINPID=77\n");
    let (barrier, pipe) = pair.hears();
    assert_eq!(barrier, "BARRIER=1");
    let mut told = false;
    for _ in 0..2 {
        pair.proxy.serve();
        told = pair.proxy.places()[1].is_none();
        if pipe.is_some() {
            break;
        }
    }
    assert!(!told, "the manager has not acknowledged it");
    drop(pipe);
    pair.proxy.serve();
    assert!(pair.proxy.places()[1].is_none());
    pair.say("READY=1");
    pair.proxy.serve();
    pair.hears_nothing();
}

#[test]
fn a_manager_that_does_not_read_is_not_waited_for_for_ever() {
    let mut pair = Pair::new("full");
    pair.proxy.patience = Duration::from_millis(50);
    pair.fill();
    pair.say("READY=1");
    let begin = Instant::now();
    assert!(pair.proxy.wait(None).unwrap());
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_barrier_that_is_not_acknowledged_is_not_waited_for_for_ever() {
    let mut pair = Pair::new("barrier");
    pair.proxy.patience = Duration::from_millis(50);
    pair.say("READY=1");
    assert!(pair.proxy.wait(None).unwrap());
    assert_eq!(pair.hears().0, "READY=1\n");
}

#[test]
fn a_manager_that_goes_away_ends_it() {
    let mut pair = Pair::new("gone");
    pair.say("READY=1");
    pair.manager = UnixDatagram::unbound().unwrap();
    let begin = Instant::now();
    assert!(pair.proxy.wait(None).unwrap());
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_dead_who_were_not_ready_are_told_from_those_who_were() {
    let mut pair = Pair::new("dead");
    pair.say("STATUS=x");
    assert!(!pair.proxy.wait(None).unwrap());
}

#[test]
fn a_barrier_of_the_programs_is_answered() {
    let mut pair = Pair::new("theirs");
    let (read_end, write_end) = std::io::pipe().unwrap();
    let speaker = UnixDatagram::unbound().unwrap();
    speaker.connect(pair.path.join(DIR).join(SOCKET)).unwrap();
    sys::tty::send_fd(&speaker, b"BARRIER=1", &write_end).unwrap();
    drop(write_end);
    pair.proxy.serve();
    // Its end has come: this does not wait.
    assert_eq!(std::io::read_to_string(read_end).unwrap(), "");
}

#[test]
fn one_listens_at_a_time() {
    let pair = Pair::new("two");
    let state = File::open(&pair.path).unwrap();
    assert!(listen(state.as_fd(), &pair.path).unwrap().is_none());
}
