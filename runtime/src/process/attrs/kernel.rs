//! Limits, the OOM killer, names, sysctl, loopback, the session keyring: one small step each.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::write;

use super::Error;
use crate::plan::{InitPlan, Rlimit};
use crate::sys;

/// The kernel's resource numbers in order, without `RLIMIT_`.
const LIMITS: &str = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME";

/// The name of the limit `resource`.
pub(super) fn rlimit_name(resource: u32) -> String {
    let name = usize::try_from(resource)
        .ok()
        .and_then(|n| LIMITS.split(' ').nth(n));
    format!("RLIMIT_{}", name.unwrap_or("?"))
}

/// Sets the limits of the calling process. Init sets its own, last of all but its user: a tight one hits init too.
///
/// # Errors
/// [`Error::Rlimit`]
pub fn rlimits(limits: &[Rlimit]) -> Result<(), Error> {
    limits.iter().try_for_each(|limit| {
        sys::creds::setrlimit(limit.resource, limit.soft, limit.hard)
            .map_err(|source| rlimit_refused(limit, source))
    })
}

/// A limit's value in words.
pub(super) fn limit_value(limit: u64) -> String {
    match limit {
        u64::MAX => String::from("unlimited"),
        _ => limit.to_string(),
    }
}

/// The error of a limit that was refused to a process with the caller's limits.
pub fn rlimit_refused(limit: &Rlimit, source: sys::Error) -> Error {
    let hint = match (source.errno, sys::creds::getrlimit(limit.resource)) {
        (Errno::EPERM, Ok((_, now))) if limit.hard > now => format!(
            " (raising the hard limit from {} needs CAP_SYS_RESOURCE)",
            limit_value(now)
        ),
        (Errno::EINVAL, _) if limit.soft > limit.hard => {
            String::from(" (the soft limit is above the hard one)")
        }
        _ => String::new(),
    };
    Error::Rlimit {
        limit: *limit,
        hint,
        source,
    }
}

/// Writes the calling process's oom_score_adj, through the host's /proc: before pivot_root.
///
/// # Errors
/// [`Error::OomScoreAdj`]
pub fn oom_score_adj(score: i32) -> Result<(), Error> {
    const PATH: &str = "/proc/self/oom_score_adj";
    open(PATH, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| sys::Error::new("open", PATH, errno))
        .and_then(|file| {
            write(&file, score.to_string().as_bytes())
                .map_err(|errno| sys::Error::new("write", PATH, errno))
        })
        .map(drop)
        .map_err(|source| Error::OomScoreAdj { score, source })
}

/// Sets hostname and domainname of the (new) uts namespace.
///
/// # Errors
/// "sethostname: invalid argument" and the like.
pub fn names(plan: &InitPlan) -> Result<(), Error> {
    set_names(plan.hostname.as_deref(), plan.domainname.as_deref())
}

pub(super) fn set_names(hostname: Option<&str>, domainname: Option<&str>) -> Result<(), Error> {
    if let Some(name) = hostname {
        nix::unistd::sethostname(name)
            .map_err(|errno| sys::Error::new("sethostname", "", errno))?;
    }
    if let Some(name) = domainname {
        sys::net::set_domainname(name)?;
    }
    Ok(())
}

/// The inode of a procfs's root.
const PROC_ROOT_INO: u64 = 1;

/// The container's /proc. That mount is the config's and may be anything: it must be the root of a procfs.
fn containers_proc() -> sys::Result<OwnedFd> {
    let failed = |call, errno| sys::Error::new(call, "/proc", errno);
    let proc = open(
        "/proc",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed("open", errno))?;
    let fs = fstatfs(&proc).map_err(|errno| failed("fstatfs", errno))?;
    let stat = fstat(&proc).map_err(|errno| failed("fstat", errno))?;
    if fs.filesystem_type() != PROC_SUPER_MAGIC || stat.st_ino != PROC_ROOT_INO {
        let object = "/proc (not a procfs, as sysctl needs)";
        return Err(sys::Error::new("open", object, Errno::ENODEV));
    }
    Ok(proc)
}

/// Over no link and no other mount.
fn beneath(dir: &OwnedFd, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_XDEV
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_SYMLINKS,
    );
    openat2(dir, path, how)
}

/// Does the container's procfs say that this user namespace denies setgroups(2)? One that does not answer has not said so.
pub fn containers_proc_denies_setgroups() -> bool {
    let path = format!("{}/setgroups", std::process::id());
    let mut word = [0; 4];
    containers_proc()
        .ok()
        .and_then(|proc| beneath(&proc, &path, OFlag::O_RDONLY).ok())
        .and_then(|file| nix::unistd::read(&file, &mut word).ok())
        .is_some_and(|_| word == *b"deny")
}

/// Writes the plan's sysctls through the container's /proc, in the container's namespaces, before /proc/sys becomes read-only.
///
/// No file below is reached over a link or another mount (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
///
/// # Errors
/// "open /proc/sys/...", "write /proc/sys/...", as runc words them.
pub fn sysctl(entries: &[(String, String)]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let proc = containers_proc()?;
    let sys = beneath(&proc, "sys", OFlag::O_PATH | OFlag::O_DIRECTORY)
        .map_err(|errno| sys::Error::new("open", "/proc/sys", errno))?;
    for (path, value) in entries {
        let failed = |call, errno| sys::Error::new(call, format!("/proc/sys/{path}"), errno);
        let file = beneath(&sys, path, OFlag::O_WRONLY | OFlag::O_NOCTTY)
            .map_err(|errno| failed("open", errno))?;
        let written = write(&file, value.as_bytes()).map_err(|errno| failed("write", errno))?;
        // A value cut off is not the value.
        if written != value.len() {
            return Err(failed("write", Errno::EINVAL).into());
        }
    }
    Ok(())
}

/// Brings `lo` of a new network namespace up.
///
/// # Errors
/// What the kernel says.
pub fn loopback_up() -> Result<(), Error> {
    Ok(sys::net::device_up("lo")?)
}

/// linux/key.h: what the kernel gives a new session keyring (all for its possessor; view, read, link for its owner) ...
const NEW_KEYRING: u32 = 0x3f13_0000;
/// ... and `KEY_USR_SEARCH`, without which no other process of the container (`exec`) could join it ...
const OWNER_SEARCH: u32 = 0x0008_0000;
/// ... or `KEY_OTH_SEARCH`, in a user namespace.
const OTHER_SEARCH: u32 = 0x0000_0008;

/// Joins the session keyring of the container `id`, which is made if it is not there. `false`: a kernel without keyrings.
///
/// # Errors
/// [`Error::KeyringJoin`]
pub fn join_session_keyring(id: &str) -> Result<bool, Error> {
    match sys::creds::join_session_keyring(&format!("_ses.{id}")) {
        Err(error) if error.errno == Errno::ENOSYS => Ok(false),
        other => other.map(|()| true).map_err(Error::KeyringJoin),
    }
}

/// Joins the container's own session keyring, `_ses.<id>`, so that the caller's stays out of reach.
///
/// Its permissions are set, not read and changed as by runc: what a new one has is the kernel's fixed choice.
///
/// # Errors
/// A kernel without keyrings (`ENOSYS`) is none.
pub fn session_keyring(id: &str, user_namespace: bool) -> Result<(), Error> {
    if !join_session_keyring(id)? {
        return Ok(());
    }
    let search = if user_namespace {
        OTHER_SEARCH
    } else {
        OWNER_SEARCH
    };
    sys::creds::set_session_keyring_permissions(NEW_KEYRING | search)
        .map_err(Error::KeyringPermissions)
}
