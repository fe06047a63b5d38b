//! Namespaces by file: setns(2), ioctl_ns(2).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open as open_file};
use nix::sys::stat::Mode;

use super::{Error, Result};

/// `_IO(0xb7, 3)` of linux/nsfs.h.
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;

/// Opens the file at `path`; a FIFO or a device there keeps nobody waiting.
///
/// # Errors
/// That of open(2).
pub fn open(path: &str) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    open_file(path, flags, Mode::empty())
}

/// The `CLONE_NEW*` bit of an open namespace file.
///
/// # Errors
/// `ENOTTY`: it is no namespace.
pub fn kind(file: BorrowedFd<'_>) -> Result<u64> {
    // SAFETY: the request takes no argument and returns a number.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    Errno::result(kind)
        .map(|kind| kind as u32 as u64)
        .map_err(|errno| Error::new("ioctl", "NS_GET_NSTYPE", errno))
}

/// Moves the calling process, which has one thread, into those namespaces of the process `pidfd` that are of `kinds`, all at once.
///
/// # Errors
/// That of setns(2): `ESRCH`: the process has ended.
pub fn enter_all(pidfd: BorrowedFd<'_>, kinds: u64) -> Result<()> {
    // SAFETY: numbers only; the process is single-threaded.
    let done = unsafe { libc::setns(pidfd.as_raw_fd(), kinds as libc::c_int) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new("setns", "the container's namespaces", errno))
}

/// Moves the calling process, which has one thread, into a namespace of `kind`.
///
/// # Errors
/// That of setns(2); `object` is for its text.
pub fn enter(file: BorrowedFd<'_>, kind: u64, object: &str) -> Result<()> {
    // SAFETY: numbers only; the process is single-threaded.
    let done = unsafe { libc::setns(file.as_raw_fd(), kind as libc::c_int) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new("setns", object, errno))
}
