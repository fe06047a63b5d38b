//! Byte-range locks that belong to an open file, not to a process (fcntl_locking(2), `F_OFD_SETLK`): whoever shares the open file
//! holds the lock, the kernel drops it with the last descriptor, and anybody can ask about it without touching it.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::{Error, Result};

fn range(byte: i64) -> libc::flock {
    // SAFETY: an all-zero flock is valid: every field is an integer.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_start = byte;
    lock.l_len = 1;
    lock
}

fn set(file: BorrowedFd<'_>, byte: i64, lock: &libc::flock) -> Result<bool> {
    // SAFETY: `lock` is a valid flock, read only.
    if unsafe {
        libc::fcntl(
            file.as_raw_fd(),
            libc::F_OFD_SETLK,
            std::ptr::from_ref(lock),
        )
    } == 0
    {
        return Ok(true);
    }
    match Errno::last() {
        Errno::EAGAIN | Errno::EACCES => Ok(false),
        errno => Err(Error::new(
            "fcntl",
            format!("F_OFD_SETLK of byte {byte}"),
            errno,
        )),
    }
}

/// Takes the lock of `byte`; false: somebody else has it.
///
/// # Errors
/// The errno of fcntl.
pub fn try_lock(file: BorrowedFd<'_>, byte: i64) -> Result<bool> {
    set(file, byte, &range(byte))
}

/// Takes a shared lock of `byte`, for which the file need not be open for writing: on a directory, say. [`is_held`] tells
/// of it. False: somebody has the byte for himself.
///
/// # Errors
/// The errno of fcntl.
pub fn hold(file: BorrowedFd<'_>, byte: i64) -> Result<bool> {
    let mut lock = range(byte);
    lock.l_type = libc::F_RDLCK as i16;
    set(file, byte, &lock)
}

/// Does somebody else hold the lock of `byte`? Changes nothing.
///
/// # Errors
/// The errno of fcntl.
pub fn is_held(file: BorrowedFd<'_>, byte: i64) -> Result<bool> {
    let mut lock = range(byte);
    // SAFETY: `lock` is a valid flock that the kernel may write.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) } != 0 {
        return Err(Error::last("fcntl", format!("F_OFD_GETLK of byte {byte}")));
    }
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::fd::AsFd;

    #[test]
    fn held_by_the_open_file_until_its_last_descriptor_closes() {
        let path = std::env::temp_dir().join(format!("lock-test-{}", std::process::id()));
        let open = || {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .read(true)
                .open(&path)
                .unwrap()
        };
        let (holder, other) = (open(), open());
        assert!(try_lock(holder.as_fd(), 0).unwrap());
        assert!(is_held(other.as_fd(), 0).unwrap());
        assert!(
            !is_held(other.as_fd(), 1).unwrap(),
            "another byte is another lock"
        );
        assert!(!try_lock(other.as_fd(), 0).unwrap());
        let copy = holder.try_clone().unwrap();
        drop(holder);
        assert!(
            is_held(other.as_fd(), 0).unwrap(),
            "the copy still holds it"
        );
        drop(copy);
        assert!(!is_held(other.as_fd(), 0).unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}
