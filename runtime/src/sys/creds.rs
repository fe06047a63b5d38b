//! User, groups, umask, limits and the session keyring: credentials(7), getrlimit(2), keyctl(2).
//!
//! The ids are changed by raw system calls: the C library's versions signal every thread of the process to follow,
//! and init is single-threaded (its driver asserts so), as every process between clone and execve here is.

use std::ffi::CString;

use nix::errno::Errno;

use super::{Error, Result};

/// setgroups(2) of the calling thread. `EPERM` also where a user namespace has `setgroups` denied.
pub fn setgroups(gids: &[u32]) -> Result<()> {
    // SAFETY: the pointer and the length are those of one live slice of 32-bit ids; the kernel only reads.
    let rc = unsafe { libc::syscall(libc::SYS_setgroups, gids.len(), gids.as_ptr()) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("setgroups", "", errno))
}

/// Real, effective, saved (and so filesystem) group id of the calling thread.
pub fn setresgid(gid: u32) -> Result<()> {
    // SAFETY: takes plain numbers.
    let rc = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("setresgid", gid.to_string(), errno))
}

/// Real, effective, saved (and so filesystem) user id of the calling thread.
pub fn setresuid(uid: u32) -> Result<()> {
    // SAFETY: takes plain numbers.
    let rc = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("setresuid", uid.to_string(), errno))
}

/// umask(2); it cannot fail. Returns the old mask.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: takes and returns plain numbers.
    unsafe { libc::umask(mask) }
}

/// Sets soft and hard limit of `resource` (`RLIMIT_*`) for the calling process.
pub fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let new = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `new` is a live rlimit64, which the kernel only reads; no old value is asked for.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            &raw const new,
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("prlimit64", resource.to_string(), errno))
}

/// Raises the hard limit of `resource` of process `pid` to `hard`, if it is lower.
pub fn raise_hard_limit(pid: i32, resource: u32, hard: u64) -> Result<()> {
    let error = || Error::last("prlimit64", format!("{resource} of {pid}"));
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let none = std::ptr::null::<libc::rlimit64>();
    // SAFETY: `limit` is a live, writable rlimit64; no new value is given.
    let rc = unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, none, &raw mut limit) };
    if rc < 0 {
        return Err(error());
    }
    if limit.rlim_max >= hard {
        return Ok(());
    }
    limit.rlim_max = hard;
    let none = std::ptr::null_mut::<libc::rlimit64>();
    // SAFETY: `limit` is a live rlimit64, which the kernel only reads.
    let rc = unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, none) };
    if rc < 0 {
        return Err(error());
    }
    Ok(())
}

/// Soft and hard limit of `resource` (`RLIMIT_*`) of the calling process.
pub fn getrlimit(resource: u32) -> Result<(u64, u64)> {
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `old` is a live, writable rlimit64; no new value is given.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0,
            resource,
            std::ptr::null::<libc::rlimit64>(),
            &raw mut old,
        )
    };
    Errno::result(rc).map_err(|errno| Error::new("prlimit64", resource.to_string(), errno))?;
    Ok((old.rlim_cur, old.rlim_max))
}

/// `KEYCTL_JOIN_SESSION_KEYRING` and `KEYCTL_SETPERM` of linux/keyctl.h.
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
const KEYCTL_SETPERM: libc::c_int = 5;

/// `KEY_SPEC_SESSION_KEYRING`
const SESSION_KEYRING: libc::c_int = -3;

/// Leaves the inherited session keyring for the one called `name`, made if need be.
pub fn join_session_keyring(name: &str) -> Result<()> {
    let failed = |errno| Error::new("keyctl(JOIN_SESSION_KEYRING)", name, errno);
    let c_name = CString::new(name).map_err(|_| failed(Errno::EINVAL))?;
    // SAFETY: the name is a live NUL-terminated string, which the kernel copies.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            c_name.as_ptr(),
        )
    };
    Errno::result(rc).map(drop).map_err(failed)
}

/// Sets the permission bits (linux/key.h, `KEY_*`) of the session keyring.
///
/// By its special name: joining returns no serial number where the keyring has been the session's already.
pub fn set_session_keyring_permissions(permissions: u32) -> Result<()> {
    // SAFETY: takes plain numbers.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_SETPERM,
            SESSION_KEYRING,
            permissions,
        )
    };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("keyctl(SETPERM)", "", errno))
}
