//! seccomp(2): a filter for the calling process, which has one thread.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Error, Result};
use crate::seccomp::{Filter, Flags};

/// Loads the filter. With `NEW_LISTENER` among its flags: the notify descriptor, close-on-exec.
///
/// # Errors
/// `EACCES`: neither no_new_privs nor CAP_SYS_ADMIN; `EINVAL`: a program or flags that this kernel does not take; `ENOMEM`;
/// `EBUSY`: a filter with a listener is there already.
pub fn load(filter: &Filter) -> Result<Option<OwnedFd>> {
    let program = libc::sock_fprog {
        // At most 4,096, or the kernel says EINVAL; more than 16 bits cannot be said.
        len: u16::try_from(filter.program.len()).unwrap_or(u16::MAX),
        filter: filter.program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: `Instruction` has the layout of `struct sock_filter` (repr(C): u16, u8, u8, u32), and the slice has `len` of
    // them, or the kernel refuses before it reads (`u16::MAX` is above its limit). It only reads them.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            filter.flags.0,
            &raw const program,
        )
    };
    if rc < 0 {
        return Err(Error::last("seccomp", "SECCOMP_SET_MODE_FILTER"));
    }
    if filter.flags.0 & Flags::NEW_LISTENER == 0 {
        return Ok(None);
    }
    // SAFETY: with this flag the answer is a new descriptor, which fits an int.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(rc as i32) }))
}

/// Does the kernel take filters with these flags? Nothing is loaded: it looks at the flags before it looks for the program.
pub fn takes(flags: Flags) -> bool {
    let nothing = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: a null program is EFAULT, after the flags were found good (EINVAL, or ENOSYS, otherwise).
    let rc = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags.0,
            nothing,
        )
    };
    rc < 0 && nix::errno::Errno::last() == nix::errno::Errno::EFAULT
}

/// A copy of another process's descriptor (pidfd_getfd(2)), close-on-exec.
///
/// # Errors
/// `EBADF`: it has no such descriptor; `EPERM`: it may not be traced; `ESRCH`: it is gone.
pub fn fetch(pidfd: BorrowedFd<'_>, number: u32) -> Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    if fd < 0 {
        return Err(Error::last("pidfd_getfd", format!("descriptor {number}")));
    }
    // SAFETY: a new descriptor, which fits an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_asked_for_without_a_filter() {
        assert!(takes(Flags(0)));
        assert!(takes(Flags(Flags::LOG | Flags::SPEC_ALLOW)));
        assert!(!takes(Flags(1 << 31)));
        // The kernel's own rule: only with a listener.
        assert!(!takes(Flags(Flags::WAIT_KILLABLE_RECV)));
    }
}
