//! A seccomp agent: it waits on `listenerPath` for a notify descriptor, and answers what the kernel asks it.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use libseccomp::{ScmpNotifReq, ScmpNotifResp, ScmpNotifRespFlags, ScmpSyscall};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;

use crate::TempDir;
use crate::host::{hang, readable};

/// What an agent says of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Continue,
    /// It failed with this errno.
    Error(i32),
    /// It succeeded, which is a lie.
    Pretend,
}

/// An agent in a thread of the test.
#[derive(Debug)]
pub struct Agent {
    dir: TempDir,
    listener: UnixListener,
}

/// An agent that has got its descriptor.
#[derive(Debug)]
pub struct Served {
    /// The container process state.
    pub state: Value,
    /// The names of the calls that it was asked about.
    pub asked: Vec<String>,
}

impl Agent {
    /// Listens; nobody is accepted yet.
    pub fn new() -> Self {
        let dir = TempDir::new("agent");
        let listener = UnixListener::bind(dir.path().join("sock")).expect("bind");
        Self { dir, listener }
    }

    /// For `listenerPath`.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    /// Waits for a connection.
    pub fn accept(&self) -> UnixStream {
        assert!(
            readable(self.listener.as_fd(), hang()),
            "nobody came to {}",
            self.path().display()
        );
        self.listener.accept().expect("accept").0
    }

    /// A connection, if there is room for one more that waits to be accepted.
    pub fn try_connect(&self) -> Option<OwnedFd> {
        try_connect(&self.path())
    }

    /// Accepts everybody and reads nothing, until what is returned is called.
    pub fn hold(self) -> impl FnOnce() {
        let Self { dir, listener } = self;
        let ear = listener.try_clone().expect("dup");
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                held.push(stream);
            }
        });
        move || {
            // accept(2) ends with an error then.
            rustix::net::shutdown(&ear, rustix::net::Shutdown::Both).expect("shutdown");
            thread.join().expect("the agent");
            drop(dir);
        }
    }

    /// Serves one container in a thread, until its last process is gone.
    pub fn serve(self, answer: impl Fn(&str) -> Answer + Send + 'static) -> JoinHandle<Served> {
        std::thread::spawn(move || {
            let (state, notify) = receive(&self.accept());
            let mut asked = Vec::new();
            while let Some(request) = next(&notify) {
                let name = ScmpSyscall::get_name(request.data.syscall).unwrap_or_default();
                let reply = match answer(&name) {
                    Answer::Continue => {
                        ScmpNotifResp::new_continue(request.id, ScmpNotifRespFlags::empty())
                    }
                    Answer::Pretend => {
                        ScmpNotifResp::new_val(request.id, 0, ScmpNotifRespFlags::empty())
                    }
                    Answer::Error(errno) => {
                        ScmpNotifResp::new_error(request.id, -errno, ScmpNotifRespFlags::empty())
                    }
                };
                asked.push(name);
                // Who asked may have died.
                let _ = reply.respond(notify.as_raw_fd());
            }
            Served { state, asked }
        })
    }
}

/// A connection to this socket, if there is room for one more that waits to be accepted.
pub fn try_connect(path: &Path) -> Option<OwnedFd> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .expect("socket");
    let address = SocketAddrUnix::new(path).expect("a path");
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Some(socket),
        Err(rustix::io::Errno::AGAIN) => None,
        Err(e) => panic!("connect: {e}"),
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self::new()
    }
}

/// One message: the state, and the notify descriptor beside it.
pub fn receive(stream: &UnixStream) -> (Value, OwnedFd) {
    let mut text = Vec::new();
    let mut notify = None;
    loop {
        let mut piece = vec![0; 64 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        assert!(readable(stream.as_fd(), hang()), "the state does not come");
        let got = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut piece)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .expect("recvmsg");
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                notify = fds.last();
            }
        }
        text.extend_from_slice(&piece[..got.bytes]);
        if got.bytes == 0 || serde_json::from_slice::<Value>(&text).is_ok() {
            break;
        }
    }
    let state = serde_json::from_slice(&text)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&text)));
    (state, notify.expect("no descriptor came with the state"))
}

/// One message of a console socket: its bytes, and the one descriptor beside them.
pub fn receive_fd(stream: &UnixStream) -> (Vec<u8>, OwnedFd) {
    let mut bytes = vec![0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    assert!(readable(stream.as_fd(), hang()), "no descriptor comes");
    let got = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .expect("recvmsg");
    bytes.truncate(got.bytes);
    let mut fds: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(fds.len(), 1, "one descriptor");
    (bytes, fds.remove(0))
}

/// The next question; `None`: nobody is left to ask.
fn next(notify: &OwnedFd) -> Option<ScmpNotifReq> {
    loop {
        let mut fds = [PollFd::new(notify, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
        let [fd] = fds;
        if fd.revents().contains(PollFlags::IN) {
            // Who asked may have died meanwhile.
            if let Ok(request) = ScmpNotifReq::receive(notify.as_raw_fd()) {
                return Some(request);
            }
        } else if fd.revents().contains(PollFlags::HUP) {
            return None;
        }
    }
}
