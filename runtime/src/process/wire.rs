//! The handshake's wire: a stream socket, and the news of the peer's death beside it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};
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

    /// Waits at most so many seconds for each word (`ETIMEDOUT`): for a peer that may be stopped.
    #[must_use]
    pub fn with_patience(mut self, seconds: u64) -> Self {
        self.set_patience(seconds);
        self
    }

    /// As [`Wire::with_patience`], from now on. More than poll(2) knows (24 days) is for ever.
    pub fn set_patience(&mut self, seconds: u64) {
        let milliseconds = seconds.saturating_mul(1000);
        self.patience = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::NONE);
    }

    /// Takes back what was said: a gate that learns of this before it hears the request drops it, and can no longer answer.
    /// An answer that has come already is still read; nothing more is waited for.
    pub fn hang_up(&mut self) {
        self.patience = PollTimeout::ZERO;
        // Without a connection there is nobody who could hear the request either.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
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
            // A filter may refuse even write(2), with any errno or none.
            let said = match self.plainly {
                true => nix::unistd::write(&self.socket, bytes).unwrap_or(0),
                false => 0,
            };
            if said > 0 {
                return Ok(Sent::Bytes(said));
            }
            match send(self.socket.as_raw_fd(), bytes, flags) {
                // It takes at least one byte, or it is not the kernel's answer.
                Ok(0) if !bytes.is_empty() => return Ok(Sent::PeerGone),
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
