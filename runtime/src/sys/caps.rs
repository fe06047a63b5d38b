//! Capabilities and no-new-privs of the calling thread: capabilities(7), capget(2), prctl(2).

use nix::errno::Errno;

use super::{Error, Result};

/// The thread's own three sets, bit n = capability n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sets {
    /// CapEff
    pub effective: u64,
    /// CapPrm
    pub permitted: u64,
    /// CapInh
    pub inheritable: u64,
}

/// `_LINUX_CAPABILITY_VERSION_3`: 64-bit sets, as two 32-bit halves.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The half of `set` that holds capabilities `32 * index ..`.
#[allow(clippy::cast_possible_truncation)] // the mask is the point
const fn half(set: u64, index: usize) -> u32 {
    (set >> (32 * index)) as u32
}

/// Sets the calling thread's sets. `EPERM`: a capability is asked for that the thread does not have.
pub fn capset(sets: Sets) -> Result<()> {
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let data = [0, 1].map(|i| Half {
        effective: half(sets.effective, i),
        permitted: half(sets.permitted, i),
        inheritable: half(sets.inheritable, i),
    });
    // SAFETY: both pointers are to live values of the layout that version 3 prescribes (two halves); the kernel only reads.
    let rc = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("capset", "", errno))
}

/// Reads the calling thread's sets.
pub fn capget() -> Result<Sets> {
    let mut header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Half::default(); 2];
    // SAFETY: both pointers are to live, writable values of the layout that version 3 prescribes.
    let rc = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    Errno::result(rc).map_err(|errno| Error::new("capget", "", errno))?;
    let join = |of: fn(&Half) -> u32| u64::from(of(&data[0])) | u64::from(of(&data[1])) << 32;
    Ok(Sets {
        effective: join(|h| h.effective),
        permitted: join(|h| h.permitted),
        inheritable: join(|h| h.inheritable),
    })
}

/// prctl(2) with options that take plain numbers only.
fn prctl(option: libc::c_int, arg2: u64, arg3: u64) -> nix::Result<libc::c_int> {
    // SAFETY: none of the options used in this file takes a pointer; unused arguments are zero, as some options demand.
    Errno::result(unsafe { libc::prctl(option, arg2, arg3, 0u64, 0u64) })
}

/// Is `cap` in the bounding set? `None`: this kernel does not know the capability.
pub fn bounding_has(cap: u8) -> Result<Option<bool>> {
    match prctl(libc::PR_CAPBSET_READ, cap.into(), 0) {
        Ok(bit) => Ok(Some(bit == 1)),
        Err(Errno::EINVAL) => Ok(None),
        Err(errno) => Err(Error::new("prctl(PR_CAPBSET_READ)", cap.to_string(), errno)),
    }
}

/// Removes `cap` from the bounding set, for ever. `EPERM` without CAP_SETPCAP, `EINVAL` for a capability unknown to the kernel.
pub fn bounding_drop(cap: u8) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, cap.into(), 0)
        .map(drop)
        .map_err(|errno| Error::new("prctl(PR_CAPBSET_DROP)", cap.to_string(), errno))
}

#[allow(clippy::cast_sign_loss)] // small positive constants
fn ambient(operation: libc::c_int, cap: u8, name: &'static str) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, operation as u64, cap.into())
        .map(drop)
        .map_err(|errno| Error::new(name, cap.to_string(), errno))
}

/// Empties the ambient set.
pub fn ambient_clear() -> Result<()> {
    ambient(
        libc::PR_CAP_AMBIENT_CLEAR_ALL,
        0,
        "prctl(PR_CAP_AMBIENT_CLEAR_ALL)",
    )
}

/// Adds `cap` to the ambient set. `EPERM`: it is not both permitted and inheritable, or the securebits forbid it.
pub fn ambient_raise(cap: u8) -> Result<()> {
    ambient(
        libc::PR_CAP_AMBIENT_RAISE,
        cap,
        "prctl(PR_CAP_AMBIENT_RAISE)",
    )
}

/// Keep the permitted set over the coming change to a user other than root. execve(2) takes it back by itself.
pub fn keep_caps() -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1, 0)
        .map(drop)
        .map_err(|errno| Error::new("prctl(PR_SET_KEEPCAPS)", "", errno))
}

/// `PR_SET_NO_NEW_PRIVS`: no later execve(2) can gain privileges.
pub fn no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
        .map(drop)
        .map_err(|errno| Error::new("prctl(SET_NO_NEW_PRIVS)", "", errno))
}
