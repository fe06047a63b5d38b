//! The birth of init: the wire, the sealed executable, clone3.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::{fstat, stat};

use super::gate::Gate;
use crate::cgroup::Entrance;
use crate::plan::{JoinPlan, Namespaces};
use crate::sys::clone::{Child, FIRST_FD, Spawn, spawn_in};
use crate::sys::close::Batch;
use crate::sys::{self, Error, Result, sealed_exe, unreadable_exe};

/// `argv` of init. The first is what `ps` shows.
pub(super) const ARGS: [&CStr; 2] = [c"runc-rs", c"init"];

/// Init's descriptors, as [`init`] hands them over: behind those of the caller that go to the program.
#[derive(Debug, Clone, Copy)]
pub struct InitFds {
    /// How many those are (`--preserve-fds`).
    pub preserved: u32,
}

impl InitFds {
    /// The wire to the creator.
    pub fn wire(self) -> RawFd {
        FIRST_FD.saturating_add_unsigned(self.preserved)
    }

    /// The start gate's lock.
    pub fn gate(self) -> RawFd {
        self.wire().saturating_add(1)
    }

    /// In its place exec's process has a pidfd of the container's init.
    pub fn container_init(self) -> RawFd {
        self.gate()
    }

    /// The first of the optional ones: the gate's listener, the console socket, a time namespace, the sources of mounts, as the config says.
    pub fn optional(self) -> RawFd {
        self.wire().saturating_add(2)
    }

    /// Those of this process, by its `argv`.
    pub fn own() -> Self {
        let word = std::env::args_os().nth(ARGS.len());
        let preserved = word.and_then(|word| word.to_str()?.parse().ok());
        Self {
            preserved: preserved.unwrap_or(0),
        }
    }
}

/// The namespaces that exec's process is to join (`CLONE_NEW*` bits), by its `argv`; `None`: this is a container's init.
pub fn to_join() -> Option<u64> {
    let word = std::env::args_os().nth(ARGS.len() + 1)?;
    u64::from_str_radix(word.to_str()?, 16).ok()
}

/// Init, and the creator's end of the wire.
#[derive(Debug)]
pub struct Init {
    /// The process.
    pub child: Child,
    /// A stream of the handshake's frames.
    pub wire: OwnedFd,
}

/// The namespaces of a container, with the joined ones open.
#[derive(Debug)]
pub struct Spaces {
    new: Namespaces,
    joined: Vec<Joined>,
}

#[derive(Debug)]
struct Joined {
    kind: u64,
    path: String,
    file: OwnedFd,
}

impl Spaces {
    /// Opens what is to be joined, and sees that each is of its kind.
    ///
    /// # Errors
    /// The path that is none, with its kind.
    pub fn open(new: Namespaces, join: &[JoinPlan]) -> Result<Self> {
        let joined = join
            .iter()
            .map(|join| {
                let failed = |errno| Error::new("open", named(join.kind, &join.path), errno);
                let file = sys::namespace::open(&join.path).map_err(failed)?;
                match sys::namespace::kind(file.as_fd()) {
                    Ok(kind) if kind == join.kind => {}
                    Ok(_) | Err(_) => {
                        let object = format!(
                            "{} (not a {} namespace)",
                            named(join.kind, &join.path),
                            word(join.kind)
                        );
                        return Err(Error::new("setns", object, Errno::EINVAL));
                    }
                }
                Ok(Joined {
                    kind: join.kind,
                    path: join.path.clone(),
                    file,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { new, joined })
    }

    /// The error of a child that was refused at a place among those that it joins.
    pub fn refusal(&self, place: usize, errno: Errno) -> Error {
        let mut tried = self.joined.iter().filter(|it| it.kind != Namespaces::TIME);
        let object = tried
            .nth(place)
            .map_or_else(String::new, |joined| named(joined.kind, &joined.path));
        Error::new("setns", object, errno)
    }

    /// Is a namespace of `kind` joined that is the caller's own?
    ///
    /// # Errors
    /// That of stat(2).
    pub fn joins_own(&self, kind: u64) -> Result<bool> {
        let Some(joined) = self.joined.iter().find(|it| it.kind == kind) else {
            return Ok(false);
        };
        let own = match kind {
            Namespaces::NETWORK => "/proc/self/ns/net",
            Namespaces::UTS => "/proc/self/ns/uts",
            Namespaces::IPC => "/proc/self/ns/ipc",
            _ => return Ok(false),
        };
        let theirs = fstat(&joined.file)
            .map_err(|errno| Error::new("fstat", joined.path.as_str(), errno))?;
        let ours = stat(own).map_err(|errno| Error::new("stat", own, errno))?;
        Ok((theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino))
    }

    /// Is init in sight, and in the power, of who is in these namespaces already and has CAP_SYS_PTRACE there? Before it has a root
    /// of its own that would be the way to the host's (CVE-2016-9962). With offsets for its time namespace, which nobody who is
    /// hidden can set there, it stays in sight.
    fn can_be_looked_into(&self) -> bool {
        let joins = |kind| self.joined.iter().any(|it| it.kind == kind);
        joins(Namespaces::PID) && joins(Namespaces::USER) && !self.new.has(Namespaces::TIME)
    }

    /// Is a time namespace joined?
    pub fn joins_time(&self) -> bool {
        self.joined.iter().any(|it| it.kind == Namespaces::TIME)
    }
}

fn named(kind: u64, path: &str) -> String {
    format!("{} namespace {path}", word(kind))
}

fn word(kind: u64) -> &'static str {
    match kind {
        Namespaces::MOUNT => "mount",
        Namespaces::UTS => "uts",
        Namespaces::IPC => "ipc",
        Namespaces::USER => "user",
        Namespaces::PID => "pid",
        Namespaces::NETWORK => "network",
        Namespaces::CGROUP => "cgroup",
        _ => "time",
    }
}

/// Starts init in new `spaces` and in its `cgroups`, with the caller's first `preserved` descriptors; `used` is closed
/// with the rest. What init got is closed here when this returns: the end of a descriptor that only init holds tells of
/// its death.
///
/// # Errors
/// That of the call that failed; nothing is left.
pub fn init(
    spaces: &Spaces,
    cgroups: &mut Entrance,
    gate: Gate,
    console: Option<OwnedFd>,
    trees: Vec<OwnedFd>,
    preserved: u32,
    mut used: Batch,
) -> Result<Init> {
    let (wire, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(|errno| Error::new("socketpair", "the wire to init", errno))?;
    let program = match spaces.can_be_looked_into() {
        true => {
            // Until its exec init has this process's memory.
            sys::hide()?;
            unreadable_exe()?
        }
        false => sealed_exe()?,
    };
    let namespaces = spaces.new;
    let (time, join): (Vec<_>, Vec<_>) = spaces
        .joined
        .iter()
        .partition(|joined| joined.kind == Namespaces::TIME);
    let time = time.first().map(|joined| &joined.file);
    let fds: Vec<BorrowedFd<'_>> = [
        Some(&theirs),
        Some(&gate.lock),
        gate.listener.as_ref(),
        console.as_ref(),
        time,
    ]
    .into_iter()
    .flatten()
    .chain(&trees)
    .map(AsFd::as_fd)
    .collect();
    let join: Vec<(BorrowedFd<'_>, u64)> = join
        .into_iter()
        .map(|joined| (joined.file.as_fd(), joined.kind))
        .collect();
    let joins = |kind| join.iter().any(|(_, joined)| *joined == kind);
    let new_user = namespaces.has(Namespaces::USER);
    let init_fds = InitFds { preserved };
    let number = (preserved > 0).then(|| CString::new(preserved.to_string()).unwrap_or_default());
    let args: Vec<&CStr> = ARGS.into_iter().chain(number.as_deref()).collect();
    let what = Spawn {
        // The cgroup namespace is unshared by init itself, when it is in its cgroup; the time namespace, when it has its offsets.
        namespaces: namespaces.0 & !(Namespaces::CGROUP | Namespaces::TIME),
        // A pid namespace holds only who is born in it. What is made in a joined user namespace must belong to it, and what is
        // joined from a new one must have been joined before.
        twice: joins(Namespaces::PID) || joins(Namespaces::USER) || new_user && !join.is_empty(),
        user: new_user || joins(Namespaces::USER),
        join: &join,
        cgroup: cgroups.v2(),
        program: program.as_fd(),
        args: &args,
        env: &[],
        first: init_fds.wire(),
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
    let child = spawned.map_err(|error| match (error.call, error.object.parse()) {
        ("setns", Ok(place)) => spaces.refusal(place, error.errno),
        _ => explain(error, namespaces),
    })?;
    Ok(Init { child, wire })
}

/// clone3 says EPERM, EINVAL or ENOSPC for a dozen reasons: name the likely one.
fn explain(mut error: Error, namespaces: Namespaces) -> Error {
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
        // The kernel's answer to CLONE_INTO_CGROUP alone.
        Errno::EBUSY => format!(
            "init in new namespaces ({names}) and in its cgroup, which passes controllers on (cgroup.subtree_control), so no process can be in it"
        ),
        Errno::EAGAIN => {
            format!("init in new namespaces ({names}); see its pids limit, and RLIMIT_NPROC")
        }
        Errno::EACCES => format!(
            "init in new namespaces ({names}) and in its cgroup; the caller must be allowed to write cgroup.procs there and in the closest group above that its own is in, too"
        ),
        Errno::ENOSYS => "init; this needs Linux 5.3 or newer".to_owned(),
        _ => format!("init in new namespaces ({names})"),
    };
    error
}
