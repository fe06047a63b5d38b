//! Calls on open files.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// flock(2), on a descriptor that somebody else owns (nix's wrapper takes the descriptor).
pub fn flock(fd: BorrowedFd<'_>, how: i32) -> std::result::Result<(), Errno> {
    // SAFETY: the descriptor is open for the borrow's life; flock touches no memory of ours.
    Errno::result(unsafe { libc::flock(fd.as_raw_fd(), how) }).map(drop)
}
