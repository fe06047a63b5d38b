//! Ptys of the real devpts.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
};

use super::*;
use crate::sys::fork::in_one_thread;
use crate::testing::solo;

#[test]
fn a_pty_has_its_size() {
    let pty = Pty::open(Some((33, 99))).unwrap();
    assert_eq!(tty::size(pty.slave()), Ok((33, 99)));
    for size in [None, Some((0, 80)), Some((24, 0))] {
        let pty = Pty::open(size).unwrap();
        assert_eq!(tty::size(pty.slave()), Ok((0, 0)), "{size:?}");
    }
}

solo! {
    fn it_becomes_the_console() {
        in_one_thread(|| {
            let pty = Pty::open(None).unwrap();
            let master = pty.master().try_clone_to_owned().unwrap();
            let name = fs::read_link(format!("/proc/self/fd/{}", pty.slave().as_raw_fd())).unwrap();
            nix::unistd::setsid().unwrap();
            pty.become_console().unwrap();
            for fd in 0..3 {
                assert_eq!(fs::read_link(format!("/proc/self/fd/{fd}")).unwrap(), name);
            }
            // The controlling terminal is field 7 of stat, and can be opened by its general name.
            let stat = fs::read_to_string("/proc/self/stat").unwrap();
            let field = stat.rsplit(") ").next().unwrap().split(' ').nth(4).unwrap();
            assert_ne!(field, "0", "{stat}");
            fs::File::open("/dev/tty").unwrap();
            // Its hang-up would end us.
            std::mem::forget(master);
        });
    }
}

solo! {
    fn without_devpts_there_is_none() {
        use nix::mount::{MsFlags, mount};
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        mount(Some("tmpfs"), "/dev/pts", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        // CVE-2025-52565's kind: a file of the image's in its place is not even opened.
        fs::write("/dev/pts/ptmx", "").unwrap();
        let error = Pty::open(None).unwrap_err().to_string();
        assert_eq!(error, "open /dev/pts/ptmx (no devpts): no such device");
    }
}

/// As runc's peers have it: one message, its bytes a name, one descriptor.
#[test]
fn the_master_is_sent() {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let pty = Pty::open(Some((5, 6))).unwrap();
    pty.send_master(&ours).unwrap();
    let mut bytes = [0; 64];
    let mut space = nix::cmsg_space!([i32; 4]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(
        theirs.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )
    .unwrap();
    let fds: Vec<_> = message
        .cmsgs()
        .unwrap()
        .filter_map(|message| match message {
            ControlMessageOwned::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!((message.bytes, fds.len()), (9, 1));
    let master = crate::sys::fd::inherited(fds[0]);
    assert_eq!(tty::size(master.as_fd()), Ok((5, 6)));
    assert_eq!(&bytes[..9], b"/dev/ptmx");

    drop(theirs);
    assert!(pty.send_master(&ours).is_err(), "no SIGPIPE, an error");
}
