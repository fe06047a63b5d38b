//! The caller's stdin and stdout, read and written without ever blocking and without changing them for their other users.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{MsgFlags, send};

use crate::sys::tty::reopen_nonblocking;

/// One of them.
#[derive(Debug)]
pub(super) struct Stream {
    shared: BorrowedFd<'static>,
    /// The same terminal or pipe as an open file description of our own, which does not block.
    own: Option<OwnedFd>,
}

impl Stream {
    pub(super) fn new(shared: BorrowedFd<'static>, access: OFlag) -> Self {
        Self {
            shared,
            own: reopen_nonblocking(shared, access),
        }
    }

    /// As read(2). What is not a terminal or pipe is a file, which never blocks, or a socket, read only when it is ready.
    pub(super) fn read(&self, bytes: &mut [u8]) -> nix::Result<usize> {
        nix::unistd::read(self, bytes)
    }

    /// As write(2), `EAGAIN` instead of waiting.
    pub(super) fn write(&self, bytes: &[u8]) -> nix::Result<usize> {
        use std::os::fd::AsRawFd;
        if self.own.is_none() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.shared.as_raw_fd(), bytes, flags) {
                Err(Errno::ENOTSOCK) => (),
                other => return other,
            }
        }
        nix::unistd::write(self, bytes)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.own.as_ref().map_or(self.shared, AsFd::as_fd)
    }
}
