//! Processes by descriptor: no signal can reach a process that merely has the same number (pidfd_open(2)).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use super::{Error, Result};

/// A descriptor of process `pid`.
///
/// # Errors
/// `ESRCH`: there is none.
pub fn open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(Error::last("pidfd_open", format!("{pid}")));
    }
    // SAFETY: a new descriptor, which fits an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal (0: only asks).
///
/// # Errors
/// `ESRCH`: the process is gone.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed: the kernel fills in its own.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            no_info,
            0,
        )
    };
    if done < 0 {
        Err(Error::last("pidfd_send_signal", format!("signal {signal}")))
    } else {
        Ok(())
    }
}

/// Waits for a child to die. With `keep`, it stays a zombie: its /proc entry can still be read.
///
/// # Errors
/// `ECHILD`: it is not our child.
pub fn wait(pidfd: BorrowedFd<'_>, keep: bool) -> Result<WaitStatus> {
    let mut flags = WaitPidFlag::WEXITED;
    if keep {
        flags |= WaitPidFlag::WNOWAIT;
    }
    loop {
        match waitid(Id::PIDFd(pidfd), flags) {
            Err(Errno::EINTR) => {}
            other => return other.map_err(|errno| Error::new("waitid", "init", errno)),
        }
    }
}

/// As [`wait`], at once: `None` while the child lives.
///
/// # Errors
/// `ECHILD`: it is not our child.
pub fn try_wait(pidfd: BorrowedFd<'_>, keep: bool) -> Result<Option<WaitStatus>> {
    let mut flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    if keep {
        flags |= WaitPidFlag::WNOWAIT;
    }
    match waitid(Id::PIDFd(pidfd), flags) {
        Ok(WaitStatus::StillAlive) => Ok(None),
        Ok(status) => Ok(Some(status)),
        Err(errno) => Err(Error::new("waitid", "init", errno)),
    }
}
