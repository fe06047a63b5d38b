//! From the container's socket to the manager's.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{pipe2, read};

use super::{Ear, Error, Manager, PATIENCE};
use crate::sys;

/// The most that systemd takes in one message, too.
const MESSAGE: usize = 4096;

/// So many messages are read before anything else is looked at again: more than wait in a socket's queue.
const AT_ONCE: usize = 1024;

/// What the manager is still to be told.
#[derive(Debug)]
enum Next {
    /// The program has not said it yet.
    Ready,
    /// Its own line.
    ReadyLine(Vec<u8>),
    /// Whom to watch.
    MainPid,
    /// One end of a pipe, which the manager closes when it comes to it.
    Barrier,
    /// It has that end. Ours.
    Acknowledgement(OwnedFd),
    /// Nothing, or it cannot be told.
    Nothing,
}

/// Hears the container, and tells the manager. All that it does by itself is done without waiting.
#[derive(Debug)]
pub struct Proxy {
    container: Ear,
    manager: Option<Manager>,
    main_pid: i32,
    next: Next,
    pub(super) patience: Duration,
}

/// A place for poll(2).
pub type Place<'a> = Option<(BorrowedFd<'a>, PollFlags)>;

impl Proxy {
    /// `main_pid`: whom the manager is to watch from now on. Without a `manager` the container is only heard.
    pub fn new(container: Ear, manager: Option<Manager>, main_pid: i32) -> Self {
        let next = match manager {
            Some(_) => Next::Ready,
            None => Next::Nothing,
        };
        Self {
            container,
            manager,
            main_pid,
            next,
            patience: PATIENCE,
        }
    }

    /// What [`Proxy::serve`] is to be called for.
    pub fn places(&self) -> [Place<'_>; 2] {
        let told = match (&self.next, &self.manager) {
            (Next::ReadyLine(_) | Next::MainPid | Next::Barrier, Some(manager)) => {
                Some((manager.0.as_fd(), PollFlags::POLLOUT))
            }
            (Next::Acknowledgement(pipe), _) => Some((pipe.as_fd(), PollFlags::POLLIN)),
            _ => None,
        };
        [
            Some((self.container.socket.as_fd(), PollFlags::POLLIN)),
            told,
        ]
    }

    /// Reads what the container says, and tells the manager what can be told now.
    pub fn serve(&mut self) {
        self.hear();
        loop {
            match self.tell() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(
                        "cannot notify $NOTIFY_SOCKET that the container is ready: {error}"
                    );
                    self.next = Next::Nothing;
                }
            }
        }
    }

    /// Descriptors that come along are closed by that: a barrier of the container's is answered when it is read.
    fn hear(&mut self) {
        let mut message = [0_u8; MESSAGE];
        for _ in 0..AT_ONCE {
            match recv(
                self.container.socket.as_raw_fd(),
                &mut message,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(count) => {
                    if let (Next::Ready, Some(line)) = (&self.next, ready_line(&message[..count])) {
                        self.next = Next::ReadyLine(line);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// One step; false: none can be taken now.
    fn tell(&mut self) -> sys::Result<bool> {
        let Some(Manager(socket)) = &self.manager else {
            return Ok(false);
        };
        let after = match &self.next {
            Next::ReadyLine(line) => say(socket, line)?.then_some(Next::MainPid),
            Next::MainPid => {
                let line = format!("MAINPID={}\n", self.main_pid);
                say(socket, line.as_bytes())?.then_some(Next::Barrier)
            }
            Next::Barrier => {
                let (ours, theirs) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
                    .map_err(|errno| sys::Error::new("pipe2", "", errno))?;
                let said = said(sys::tty::send_fd(socket, b"BARRIER=1", &theirs))?;
                said.then_some(Next::Acknowledgement(ours))
            }
            Next::Acknowledgement(pipe) => match read(pipe, &mut [0]) {
                Err(Errno::EAGAIN | Errno::EINTR) => None,
                // Its end. (A byte: it was read.)
                _ => Some(Next::Nothing),
            },
            Next::Ready | Next::Nothing => None,
        };
        let done = after.is_some();
        if let Some(after) = after {
            self.next = after;
        }
        Ok(done)
    }

    /// Until the manager knows, or `init` is dead without having been ready: returns false then. Not longer than [`PATIENCE`] from
    /// the program's word on. `None`: it is dead.
    ///
    /// # Errors
    /// That of poll(2).
    pub fn wait(&mut self, init: Option<BorrowedFd<'_>>) -> Result<bool, Error> {
        let mut dead = init.is_none();
        let mut deadline = None;
        loop {
            // After the look at init: what it had said before its death is here.
            self.serve();
            let waiting = matches!(self.next, Next::Ready);
            if matches!(self.next, Next::Nothing) || dead && waiting {
                return Ok(!waiting);
            }
            let mut timeout = PollTimeout::NONE;
            if !waiting {
                let end = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    self.give_up();
                    return Ok(true);
                }
                // Rounded up: a rest of less than a millisecond must not become a loop.
                timeout = u16::try_from(left.as_millis() + 1)
                    .unwrap_or(u16::MAX)
                    .into();
            }
            let init_place = init
                .filter(|_| waiting)
                .map(|init| (init, PollFlags::POLLIN));
            let [container, told] = self.places();
            let mut fds: Vec<PollFd<'_>> = [init_place, container, told]
                .into_iter()
                .flatten()
                .map(|(fd, events)| PollFd::new(fd, events))
                .collect();
            match poll(&mut fds, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(sys::Error::new("poll", "", errno).into()),
            }
            let is_dead = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
            dead = waiting && init.is_some() && fds.first().is_some_and(is_dead);
        }
    }

    fn give_up(&mut self) {
        let what = match self.next {
            Next::Acknowledgement(_) => "does not acknowledge",
            _ => "does not take",
        };
        let seconds = self.patience.as_secs();
        tracing::warn!(
            "$NOTIFY_SOCKET: for {seconds} s the peer {what} that the container is ready"
        );
        self.next = Next::Nothing;
    }
}

/// The line `READY=...` of a message, with a newline.
fn ready_line(message: &[u8]) -> Option<Vec<u8>> {
    let mut lines = message.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.starts_with(b"READY="))?;
    Some([line, b"\n"].concat())
}

fn say(socket: &OwnedFd, line: &[u8]) -> sys::Result<bool> {
    let sent = send(
        socket.as_raw_fd(),
        line,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    );
    said(
        sent.map(drop)
            .map_err(|errno| sys::Error::new("send", "", errno)),
    )
}

/// False: not yet.
fn said(sent: sys::Result<()>) -> sys::Result<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.errno, Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(error) => Err(error),
    }
}
