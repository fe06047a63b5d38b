//! One read or write of a cgroup file, in as few calls as it takes.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};

use super::error::{Error, Result};
use crate::sys;

/// Mode of every directory made here, as runc's.
pub(super) const DIR_MODE: Mode = Mode::from_bits_truncate(0o755);

/// Room for one line of a small file, or for all of a table that the kernel returns with one read.
const READ_SIZE: usize = 4096;

/// Opens a file of the kernel's.
pub(super) fn open_file(path: &str, flags: OFlag) -> sys::Result<OwnedFd> {
    retry(|| {
        open(
            path,
            flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW,
            Mode::empty(),
        )
    })
    .map_err(|errno| sys::Error::new("open", path, errno))
}

/// Opens, writes, closes.
pub(super) fn write_file(path: &str, value: &str) -> Result<()> {
    let fd = open_file(path, OFlag::O_WRONLY).map_err(|source| Error::Write {
        value: value.to_owned(),
        source,
    })?;
    write_to(&fd, path, value)
}

/// One write. The kernel takes a value whole or not at all.
pub(super) fn write_to(fd: &OwnedFd, path: &str, value: &str) -> Result<()> {
    retry(|| write(fd.as_fd(), value.as_bytes()))
        .map(drop)
        .map_err(|errno| Error::Write {
            value: value.to_owned(),
            source: sys::Error::new("write", path, errno),
        })
}

/// The rest of an open file. Kernel tables end with an empty read; it is saved for files known to fit one
/// (see [`read_one`]).
pub(super) fn read_all(fd: &OwnedFd, path: &str) -> sys::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while read_more(fd, path, &mut bytes)? != 0 {}
    Ok(bytes)
}

/// One read: for a file of one record, which the kernel returns whole when it fits.
pub(super) fn read_one(fd: &OwnedFd, path: &str) -> sys::Result<String> {
    let mut bytes = Vec::new();
    if read_more(fd, path, &mut bytes)? == READ_SIZE {
        while read_more(fd, path, &mut bytes)? != 0 {}
    }
    String::from_utf8(bytes).map_err(|_| sys::Error::new("read", path, Errno::EILSEQ))
}

/// Opens, reads once, closes.
pub(super) fn read_line(path: &str) -> sys::Result<String> {
    let fd = open_file(path, OFlag::O_RDONLY)?;
    read_one(&fd, path)
}

/// Reads at most [`READ_SIZE`] bytes more; 0 is the end.
pub(super) fn read_more(fd: &OwnedFd, path: &str, bytes: &mut Vec<u8>) -> sys::Result<usize> {
    let start = bytes.len();
    bytes.resize(start + READ_SIZE, 0);
    let count = retry(|| read(fd.as_fd(), &mut bytes[start..]))
        .map_err(|errno| sys::Error::new("read", path, errno))?;
    bytes.truncate(start + count);
    Ok(count)
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}
