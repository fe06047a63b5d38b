//! The birth of init: the wire, the sealed executable, clone3.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::gate::Gate;
use crate::cgroup::Entrance;
use crate::plan::Namespaces;
use crate::sys::clone::{Child, FIRST_FD, Spawn, spawn_in};
use crate::sys::close::Batch;
use crate::sys::{Error, Result, sealed_exe};

/// `argv` of init. The first is what `ps` shows.
const ARGS: [&CStr; 2] = [c"runc-rs", c"init"];

/// Init's descriptors, as [`init`] hands them over.
#[derive(Debug, Clone, Copy)]
pub struct InitFds;

impl InitFds {
    /// The wire to the creator.
    pub const WIRE: RawFd = FIRST_FD;
    /// The start gate's lock.
    pub const GATE: RawFd = FIRST_FD + 1;
    /// The first of the optional ones: the gate's listener, then the console socket, then the sources of mounts, as the config says.
    pub const OPTIONAL: RawFd = FIRST_FD + 2;
}

/// Init, and the creator's end of the wire.
#[derive(Debug)]
pub struct Init {
    /// The process.
    pub child: Child,
    /// A stream of the handshake's frames.
    pub wire: OwnedFd,
}

/// Starts init in new `namespaces` and in its `cgroups`; `used` is closed with the rest. What init got is closed here when this returns: the end of a descriptor that only
/// init holds tells of its death.
///
/// # Errors
/// That of the call that failed; nothing is left.
pub fn init(
    namespaces: Namespaces,
    cgroups: &mut Entrance,
    gate: Gate,
    console: Option<OwnedFd>,
    trees: Vec<OwnedFd>,
    mut used: Batch,
) -> Result<Init> {
    let (wire, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(|errno| Error::new("socketpair", "the wire to init", errno))?;
    let program = sealed_exe()?;
    let fds: Vec<BorrowedFd<'_>> = [
        Some(&theirs),
        Some(&gate.lock),
        gate.listener.as_ref(),
        console.as_ref(),
    ]
    .into_iter()
    .flatten()
    .chain(&trees)
    .map(AsFd::as_fd)
    .collect();
    let what = Spawn {
        // The cgroup namespace is unshared by init itself, when it is in its cgroup.
        namespaces: namespaces.0 & !Namespaces::CGROUP,
        cgroup: cgroups.v2(),
        program: program.as_fd(),
        args: &ARGS,
        env: &[],
        fds: &fds,
    };
    let spawned = spawn_in(&what, &cgroups.tasks());
    let Gate { lock, listener } = gate;
    let mut theirs_all = Batch::with_capacity(16);
    [Some(theirs), Some(program), Some(lock), listener, console]
        .into_iter()
        .flatten()
        .chain(trees)
        .for_each(|fd| theirs_all.push(fd));
    cgroups.close_with(&mut theirs_all);
    theirs_all.take(&mut used);
    drop(theirs_all);
    let child = spawned.map_err(|error| explain(error, namespaces))?;
    Ok(Init { child, wire })
}

/// clone3 says EPERM, EINVAL or ENOSPC for a dozen reasons: name the likely one.
fn explain(mut error: Error, namespaces: Namespaces) -> Error {
    use nix::errno::Errno;
    let names: Vec<&str> = [
        (Namespaces::MOUNT, "mount"),
        (Namespaces::UTS, "uts"),
        (Namespaces::IPC, "ipc"),
        (Namespaces::USER, "user"),
        (Namespaces::PID, "pid"),
        (Namespaces::NETWORK, "network"),
        (Namespaces::TIME, "time"),
    ]
    .into_iter()
    .filter(|(bit, _)| namespaces.has(*bit))
    .map(|(_, name)| name)
    .collect();
    let names = names.join(", ");
    error.object = match error.errno {
        Errno::EPERM => format!("init in new namespaces ({names}); this needs CAP_SYS_ADMIN"),
        Errno::EINVAL => format!("init in new namespaces ({names}); the kernel lacks one of them"),
        Errno::ENOSPC => {
            format!(
                "init in new namespaces ({names}); see the limits in /proc/sys/user/max_*_namespaces"
            )
        }
        Errno::ENOSYS => "init; this needs Linux 5.3 or newer".to_owned(),
        _ => format!("init in new namespaces ({names})"),
    };
    error
}
