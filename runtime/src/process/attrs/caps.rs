//! Capabilities: names, and the steps that leave a process with exactly what its plan says.
//!
//! runc's order: shrink the bounding set while still privileged, keep the permitted set over the change of user
//! (`creds`), then set everything at once. Nothing is ever regained.

use nix::errno::Errno;

use super::Error;
use crate::plan::Capabilities;
use crate::sys::caps as kernel;
use crate::sys::status::Status;

/// linux/capability.h in order, without `CAP_`. One string: a table of slices would cost a relocation each at every start.
const NAMES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE \
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL \
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// The number of the capability `name` ("CAP_KILL", exactly so: runc knows no other spelling). `None`: unknown.
pub fn from_name(name: &str) -> Option<u8> {
    let name = name.strip_prefix("CAP_")?;
    (0..)
        .zip(NAMES.split_ascii_whitespace())
        .find_map(|(number, known)| (known == name).then_some(number))
}

/// Every capability known here, "CAP_CHOWN" first, in the kernel's order.
pub fn all_names() -> impl Iterator<Item = String> {
    NAMES
        .split_ascii_whitespace()
        .map(|name| format!("CAP_{name}"))
}

/// The names in `set`; a bit without a name shows as its number.
pub fn names(set: u64) -> Vec<String> {
    let mut known = all_names();
    (0..u64::BITS)
        .map(|bit| (bit, known.next()))
        .filter(|(bit, _)| (set >> bit) & 1 == 1)
        .map(|(bit, name)| name.unwrap_or_else(|| format!("capability {bit}")))
        .collect()
}

/// Is `cap` known to the running kernel?
///
/// # Errors
/// What prctl(2) says other than `EINVAL`.
pub fn supported(cap: u8) -> Result<bool, Error> {
    Ok(kernel::bounding_has(cap)?.is_some())
}

/// The numbers in `set`, lowest first.
fn each(mut set: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = u8::try_from(set.trailing_zeros()).ok().filter(|_| set != 0);
        set &= set.wrapping_sub(1);
        lowest
    })
}

/// Drops what the plan's bounding set leaves out, one call for each that is really there.
///
/// # Errors
/// [`Error::Bounding`]: without CAP_SETPCAP nothing can be dropped. (runc goes on then; but a container must not run with
/// more than it asked for.)
pub fn drop_bounding(plan: &Capabilities, status: &Status) -> Result<(), Error> {
    each(status.bounding & !plan.bounding)
        .try_for_each(kernel::bounding_drop)
        .map_err(Error::Bounding)
}

/// Sets effective, permitted, inheritable and ambient set. `uid` is the user that the process has by now; what is in `keep`
/// stays permitted besides, for [`raise`].
///
/// Returns the ambient capabilities that could not be raised: runc warns of them and goes on.
///
/// # Errors
/// [`Error::Capabilities`] names what is asked for and not to be had.
pub fn apply(plan: &Capabilities, uid: u32, status: &Status, keep: u64) -> Result<u64, Error> {
    kernel::capset(kernel::Sets {
        effective: plan.effective,
        permitted: plan.permitted | keep,
        inheritable: plan.inheritable,
    })
    .map_err(|source| refused(plan, status, keep, source))?;

    // The kernel keeps the ambient set within permitted and inheritable: capset has just cut an inherited one down, and
    // a change to another user than root has emptied it.
    let possible = plan.permitted & plan.inheritable;
    if uid == 0 && status.ambient & possible & !plan.ambient != 0 {
        match kernel::ambient_clear() {
            Err(error) if error.errno != Errno::EINVAL => return Err(error.into()),
            // EINVAL: a kernel without ambient capabilities.
            _ => (),
        }
    }
    // What is not both cannot be raised, so it is not tried.
    let failed = each(plan.ambient & possible).filter(|cap| kernel::ambient_raise(*cap).is_err());
    let failed = failed.fold(0, |set, cap| set | 1 << cap);
    Ok(failed | plan.ambient & !possible)
}

/// Makes effective what [`apply`] kept. Nothing has to be given back: execve(2) computes the program's sets from the bounding,
/// the inheritable and the ambient one, not from those that are permitted or effective before it (capabilities(7)).
///
/// # Errors
/// [`Error::Capabilities`]
pub fn raise(plan: &Capabilities, kept: u64) -> Result<(), Error> {
    kernel::capset(kernel::Sets {
        effective: plan.effective | kept,
        permitted: plan.permitted | kept,
        inheritable: plan.inheritable,
    })
    .map_err(|source| Error::Capabilities {
        source,
        missing: kept,
    })
}

/// Finds what made the kernel say no.
fn refused(plan: &Capabilities, status: &Status, keep: u64, source: crate::sys::Error) -> Error {
    // capset(2): the new permitted set is within the old, the effective one within the new permitted, and nothing new becomes
    // inheritable that the bounding set does not have any more.
    let bounding = status.bounding & plan.bounding;
    let missing = kernel::capget().map_or(0, |has| {
        ((plan.permitted | keep) & !has.permitted)
            | (plan.effective & !plan.permitted)
            | (plan.inheritable & !(has.inheritable | bounding))
    });
    Error::Capabilities { source, missing }
}
