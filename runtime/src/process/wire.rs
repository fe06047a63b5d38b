//! The handshake's wire: a stream socket, and the news of the peer's death beside it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use sync_model::{Fate, Recv, Sent, Transport};

use super::peer::Peer;
use crate::sys::{Error, Result};

/// One end of the wire.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    /// `None`: init's end. It has no descriptor of its creator, whose death it sees as the end of the wire.
    peer: Option<Peer>,
    /// How long to wait for the next word.
    patience: PollTimeout,
    /// By read(2) and write(2) only.
    plainly: bool,
}

impl Wire {
    /// The end that a command holds: `peer` is init.
    pub fn to_init(socket: OwnedFd, peer: Peer) -> Self {
        Self {
            socket,
            peer: Some(peer),
            patience: PollTimeout::NONE,
            plainly: false,
        }
    }

    /// Waits at most so many milliseconds for each word (`ETIMEDOUT`): for a peer that may be stopped.
    #[must_use]
    pub fn with_patience(mut self, milliseconds: u16) -> Self {
        self.patience = PollTimeout::from(milliseconds);
        self
    }

    /// As [`Wire::with_patience`], from now on; `None`: for ever.
    pub fn set_patience(&mut self, milliseconds: Option<u16>) {
        self.patience = milliseconds.map_or(PollTimeout::NONE, PollTimeout::from);
    }

    /// For init, which a seccomp filter may forbid anything: from now on only read(2) and write(2) are used, which every
    /// filter allows that lets a program do anything at all (runc's init uses the same). They wait, and a write to a
    /// creator that has gone is the end of init: there is nobody left to tell.
    pub fn speak_plainly(&mut self) {
        self.plainly = true;
    }

    /// Init's end.
    pub fn from_init(socket: OwnedFd) -> Self {
        Self {
            socket,
            peer: None,
            patience: PollTimeout::NONE,
            plainly: false,
        }
    }

    /// The process at the other end.
    pub fn peer(&mut self) -> Option<&mut Peer> {
        self.peer.as_mut()
    }

    /// The socket, to be watched.
    pub fn socket(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Both parts.
    pub fn into_parts(self) -> (OwnedFd, Option<Peer>) {
        (self.socket, self.peer)
    }

    /// `None`: nothing has come, or a signal.
    fn read(&self, buffer: &mut [u8], flags: MsgFlags) -> Result<Option<Recv>> {
        let received = if self.plainly {
            nix::unistd::read(&self.socket, buffer)
        } else {
            recv(self.socket.as_raw_fd(), buffer, flags)
        };
        match received {
            // A reset is what the end looks like when the peer died with something unread.
            Ok(0) | Err(Errno::ECONNRESET) => Ok(Some(Recv::Eof)),
            Ok(count) => Ok(Some(Recv::Bytes(count))),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(Error::new("recv", "the wire", errno)),
        }
    }
}

impl Transport for Wire {
    type Error = Error;

    fn send(&mut self, bytes: &[u8]) -> Result<Sent> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            let sent = if self.plainly {
                nix::unistd::write(&self.socket, bytes)
            } else {
                send(self.socket.as_raw_fd(), bytes, flags)
            };
            match sent {
                Ok(count) => return Ok(Sent::Bytes(count)),
                Err(Errno::EAGAIN) => return Ok(Sent::Bytes(0)),
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => {
                    return Ok(Sent::PeerGone);
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::new("send", "the wire", errno)),
            }
        }
    }

    fn recv(&mut self, buffer: &mut [u8], or_writable: bool) -> Result<Recv> {
        loop {
            if self.peer.is_none() && !or_writable {
                // The end of the wire is all the news that init gets: no need to ask first.
                if let Some(received) = self.read(buffer, MsgFlags::empty())? {
                    return Ok(received);
                }
                continue;
            }
            let mut events = PollFlags::POLLIN;
            if or_writable {
                events |= PollFlags::POLLOUT;
            }
            let mut fds = [
                PollFd::new(self.socket.as_fd(), events),
                // Asked twice about the socket when there is no peer: simpler than two lengths.
                PollFd::new(
                    self.peer
                        .as_ref()
                        .map_or(self.socket.as_fd(), |peer| peer.pidfd()),
                    PollFlags::POLLIN,
                ),
            ];
            match poll(&mut fds, self.patience) {
                Ok(0) => {
                    return Err(Error::new(
                        "poll",
                        "container init does not answer",
                        Errno::ETIMEDOUT,
                    ));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::new("poll", "the wire", errno)),
            }
            let ready = |index: usize| fds[index].revents().unwrap_or(PollFlags::empty());
            let (wire, death) = (ready(0), ready(1));
            // What a dying peer wrote comes before the news of its death.
            if wire.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
                && let Some(received) = self.read(buffer, MsgFlags::MSG_DONTWAIT)?
            {
                return Ok(received);
            }
            if wire.contains(PollFlags::POLLOUT) {
                return Ok(Recv::Writable);
            }
            if let Some(peer) = &self.peer
                && death.contains(PollFlags::POLLIN)
            {
                // It may have written between the poll and its death.
                return Ok(match self.read(buffer, MsgFlags::MSG_DONTWAIT)? {
                    Some(received) => received,
                    None => Recv::Died(peer.death()),
                });
            }
        }
    }

    fn fate(&mut self) -> Result<Fate> {
        match &self.peer {
            Some(peer) => peer.fate(),
            None => Ok(Fate::Unknown),
        }
    }
}
