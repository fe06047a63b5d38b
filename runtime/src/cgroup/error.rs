//! What can go wrong with cgroups, in runc's words where runc has some.

use nix::errno::Errno;

use crate::sys;

/// Result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the cgroup code. `Display` is complete: it ends with the kernel's reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on a cgroup's directory or file.
    #[error("{0}")]
    Sys(#[from] sys::Error),
    /// A value that a cgroup file did not take.
    #[error("failed to write {value:?}: {source}")]
    Write {
        /// What was written.
        value: String,
        /// The refused call, with the file's path.
        source: sys::Error,
    },
    /// Memory limit below what is in use.
    #[error(
        "unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak}): {source}"
    )]
    MemoryInUse {
        /// Bytes asked for.
        limit: i64,
        /// Bytes in use.
        usage: u64,
        /// Most bytes that were ever in use.
        peak: u64,
        /// The refused write.
        source: sys::Error,
    },
    /// The kernel clamped `cpu.shares`.
    #[error("the {bound} allowed cpu-shares is {value}")]
    Shares {
        /// "minimum" or "maximum".
        bound: &'static str,
        /// What the kernel made of it.
        value: u64,
    },
    /// /sys/fs/cgroup is not a cgroup file system, nor a directory of them.
    #[error(
        "no cgroup hierarchy is mounted on /sys/fs/cgroup: mount cgroup2 there, or a tmpfs with the v1 controllers below it"
    )]
    NotMounted,
    /// The hierarchies lack the device controller, which a container must have.
    #[error(
        "cgroup: the devices controller is not mounted below /sys/fs/cgroup: a container without device rules would reach every device of the host"
    )]
    NoDevices,
    /// A `--cgroup` that is none.
    #[error("{0}")]
    Sub(String),
    /// A limit was asked for, the controller is not there.
    #[error("cannot set {controller} limit: container could not join or create cgroup")]
    NoController {
        /// The controller.
        controller: &'static str,
    },
    /// Nobody counts the container's memory.
    #[error("memory controller missing")]
    NoMemory,
    /// An update that failed and could not be undone.
    #[error("{cause}; what was changed before could not be set back: {left}")]
    Partly {
        /// Why it failed.
        cause: Box<Error>,
        /// The files that still have their new value.
        left: String,
    },
    /// The memory limit cannot be above the one on memory and swap.
    #[error(
        "unable to set memory limit to {limit}: memory and swap together are limited to {both}: change --memory-swap, too"
    )]
    AboveSwap {
        /// Bytes asked for.
        limit: i64,
        /// What is there.
        both: u64,
    },
    /// `checkBeforeUpdate`
    #[error("rejecting {what} limit {limit} <= usage {usage}")]
    BelowUsage {
        /// "memory" or "memory+swap".
        what: &'static str,
        /// Bytes asked for.
        limit: i64,
        /// Bytes in use.
        usage: u64,
    },
    /// A limit was asked for, and the caller may not make the group that would keep it. runc's words, and why.
    #[error("cannot set {resource} limit: container could not join or create cgroup: {source}")]
    NotPermitted {
        /// The controller.
        resource: &'static str,
        /// What was refused.
        source: sys::Error,
    },
    /// The same on v2, where there is one group for all limits.
    #[error(
        "rootless needs no limits + no cgrouppath when no permission is granted for cgroups: {0}"
    )]
    NonePermitted(#[source] sys::Error),
    /// A file of the kernel did not look as documented.
    #[error("{file}: line {line}: {what}")]
    Parse {
        /// The file.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// `cgroupsPath` cannot be used.
    #[error("linux.cgroupsPath {path:?}: {what}")]
    Path {
        /// As configured.
        path: String,
        /// Why not.
        what: &'static str,
    },
    /// A limit that cannot be expressed.
    #[error("{field}: {what}")]
    Limit {
        /// Field of the config.
        field: &'static str,
        /// Why not.
        what: &'static str,
    },
    /// A relative path, but the creator's own cgroup is not visible in this mount of the hierarchy.
    #[error(
        "own cgroup {own:?} of {controllers} is outside of the mounted part {root:?}: use an absolute linux.cgroupsPath"
    )]
    OwnOutside {
        /// The hierarchy.
        controllers: String,
        /// From /proc/self/cgroup.
        own: String,
        /// The mount's root, from /proc/self/mountinfo.
        root: String,
    },
    /// The cgroup exists and somebody is in it.
    #[error("container's cgroup is not empty: {0} process(es) found")]
    NotEmpty(usize),
    /// The cgroup exists and is frozen: a process that joined it would never run.
    #[error("container's cgroup unexpectedly frozen")]
    Frozen,
    /// `resources.unified` on v1.
    #[error("invalid configuration: cannot use unified on cgroup v1")]
    NoUnified,
    /// A key of `resources.unified` that is not a file name.
    #[error("unified resource {0:?} must be a file name (no slashes)")]
    UnifiedKey(String),
    /// A key of `resources.unified` that no controller can have.
    #[error("unified resource {0:?} must be in the form CONTROLLER.PARAMETER")]
    UnifiedForm(String),
    /// A `resources.unified` key whose controller is not enabled.
    #[error("unified resource {key:?} can't be set: controller {controller:?} not available")]
    UnifiedController {
        /// As configured.
        key: String,
        /// What is before its first dot.
        controller: String,
    },
    /// A file of `resources.unified` that is not there, or a value that it did not take.
    #[error("unable to set unified resource {key:?}: {source}")]
    Unified {
        /// As configured.
        key: String,
        /// The refused write.
        source: Box<Error>,
    },
    /// A limit whose file is not there on v2.
    #[error("{write}: {why}")]
    Missing {
        /// The refused write.
        write: Box<Error>,
        /// Why it is not there.
        why: String,
    },
    /// A v2 group that takes threads alone, and limits that are not for threads.
    #[error(
        "cannot enter cgroupv2 {group:?} with domain controllers -- it is in {state}: a group above it has processes of its own, or is threaded, and no limit but of pids and cpuset is possible there"
    )]
    Threaded {
        /// The group: the container's, or one above it.
        group: String,
        /// In runc's words.
        state: &'static str,
    },
    /// v1 cannot express the rules.
    #[error(
        "requested rule [{rule}] not supported by devices cgroupv1 (cannot punch hole in existing wildcard rule [{wildcard}])"
    )]
    DeviceHole {
        /// The rule.
        rule: String,
        /// The wider one.
        wildcard: String,
    },
    /// The freezer did not come to rest.
    #[error("unable to freeze {path}: still {state} after {millis} ms")]
    Freeze {
        /// The cgroup.
        path: String,
        /// What it said last.
        state: String,
        /// How long it was tried.
        millis: u64,
    },
    /// Killed processes that do not go away, or new ones that keep coming.
    #[error("{path}: {count} process(es) still there after SIGKILL")]
    StillAlive {
        /// The cgroup.
        path: String,
        /// How many.
        count: usize,
    },
    /// A directory that could not be removed in time.
    #[error("unable to remove cgroup: {source} (tried for {millis} ms; processes in it: {pids:?})")]
    Remove {
        /// The refused rmdir.
        source: sys::Error,
        /// Milliseconds.
        millis: u64,
        /// Who is in it, at most 8.
        pids: Vec<i32>,
    },
}

impl Error {
    /// Has the kernel refused for want of a privilege? As runc has it.
    pub fn is_permission(&self) -> bool {
        let (Self::Sys(error) | Self::Write { source: error, .. }) = self else {
            return false;
        };
        denies(error.errno)
    }

    /// Is the hierarchy out of reach, or the caller not let in?
    pub fn is_out_of_reach(&self) -> bool {
        let absent = |error: &sys::Error| error.errno == Errno::ENOENT;
        self.is_permission()
            || matches!(self, Self::Sys(error) | Self::Write { source: error, .. } if absent(error))
    }
}

/// Is this a refusal for want of a privilege? A hierarchy that is mounted read-only is somebody else's too.
pub(super) fn denies(errno: Errno) -> bool {
    matches!(errno, Errno::EPERM | Errno::EACCES | Errno::EROFS)
}
