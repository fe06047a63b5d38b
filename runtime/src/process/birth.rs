//! The first words of exec's process, raw and before the handshake: its number, or what kept it out of the container.
//!
//! Who is born in a pid namespace does not know its number outside of it; the one that it is born of does. It says the number on
//! the wire, and ends: the handshake begins when the other side has read it, so that there is one writer at any time.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::{AsFd, OwnedFd};

use super::peer::Peer;
use crate::sys::{Error, Result};

/// What the process was at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Stage {
    /// It is in the container.
    Born = 0,
    /// Getting ready.
    Prepare = 1,
    /// Joining the namespaces.
    Join = 2,
    /// Becoming root of the user namespace.
    Root = 3,
    /// Being born in the pid namespace.
    Birth = 4,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// How far it came.
    pub stage: Stage,
    /// Why no further.
    pub errno: i32,
    /// The process of the handshake; 0: the one that was started.
    pub pid: i32,
}

impl Certificate {
    /// The bytes on the wire.
    pub fn encode(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let words = [self.stage as i32, self.errno, self.pid];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn decode(bytes: [u8; 12]) -> Option<Self> {
        let ([stage, errno, pid], []) = bytes.as_chunks::<4>() else {
            return None;
        };
        let stages = [
            Stage::Born,
            Stage::Prepare,
            Stage::Join,
            Stage::Root,
            Stage::Birth,
        ];
        let number = i32::from_ne_bytes(*stage);
        Some(Self {
            stage: *stages.iter().find(|stage| **stage as i32 == number)?,
            errno: i32::from_ne_bytes(*errno),
            pid: i32::from_ne_bytes(*pid),
        })
    }

    /// Says it. False: nobody is there to hear.
    pub fn say(self, wire: &OwnedFd) -> bool {
        send(wire.as_raw_fd(), &self.encode(), MsgFlags::MSG_NOSIGNAL).is_ok()
    }

    /// Waits for it, or for the death of `started`: `None`. Whenever nothing has come for a second, `give_up` is asked: true is
    /// `ETIMEDOUT`.
    ///
    /// # Errors
    /// That of the call that failed; `EBADMSG`: something else has come.
    pub fn hear(
        wire: &OwnedFd,
        started: &Peer,
        give_up: impl Fn() -> bool,
    ) -> Result<Option<Self>> {
        let failed = |call, errno| Error::new(call, "the first words of exec's process", errno);
        let mut bytes = [0; 12];
        loop {
            let mut fds = [
                PollFd::new(wire.as_fd(), PollFlags::POLLIN),
                PollFd::new(started.pidfd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::from(1000_u16)) {
                Ok(0) if give_up() => return Err(failed("poll", Errno::ETIMEDOUT)),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(failed("poll", errno)),
            }
            // What it said before it ended comes first.
            match recv(wire.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(12) => {
                    let heard = Self::decode(bytes);
                    return heard.map(Some).ok_or(failed("recv", Errno::EBADMSG));
                }
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(_) => return Err(failed("recv", Errno::EBADMSG)),
                Err(Errno::EAGAIN) if started.is_dead(0)? => {
                    // It may have spoken between the two calls.
                    match recv(wire.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                        Ok(12) => return Ok(Self::decode(bytes)),
                        _ => return Ok(None),
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(failed("recv", errno)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        for stage in [Stage::Born, Stage::Join, Stage::Birth] {
            let said = Certificate {
                stage,
                errno: 3,
                pid: 0x0102_0304,
            };
            assert_eq!(Certificate::decode(said.encode()), Some(said));
        }
        assert_eq!(Certificate::decode([9; 12]), None);
    }
}
