//! What can go wrong when the process gets its attributes. The texts are runc's where runc has one: engines match on them.

use crate::sys;

/// A failed attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bounding capability could not be dropped.
    #[error("unable to apply bounding set: {}", words(.0))]
    Bounding(#[source] sys::Error),
    /// The capabilities could not be set.
    #[error("unable to apply caps: {}{}", words(.source), lacking(*.missing))]
    Capabilities {
        /// The refusal.
        source: sys::Error,
        /// Bit n: capability n is asked for and not to be had.
        missing: u64,
    },
    /// User, groups or the stdio's owner could not be set.
    #[error("unable to setup user: {0}")]
    User(#[source] sys::Error),
    /// The groups cannot be set.
    #[error(
        "unable to setup user: setgroups: operation not permitted (denied in this user namespace: no additionalGids)"
    )]
    GroupsDenied,
    /// The working directory could not be entered.
    #[error("chdir to cwd ({cwd:?}) set in config.json failed: {}", words(.source))]
    Chdir {
        /// `process.cwd`
        cwd: String,
        /// The refusal.
        source: sys::Error,
    },
    /// The working directory could not be made.
    #[error("{0}")]
    Mkdir(#[source] sys::Error),
    /// CVE-2024-21626: the working directory is not below the container's root.
    #[error(
        "current working directory is outside of container mount namespace root -- possible container breakout detected"
    )]
    CwdOutside,
    /// The working directory could not be checked.
    #[error("failed to verify if current working directory is safe: {}", words(.0))]
    CwdUnknown(#[source] sys::Error),
    /// A limit was refused.
    #[error("error setting rlimit type {}{hint}", asked(.limit, .source))]
    Rlimit {
        /// Asked for.
        limit: crate::plan::Rlimit,
        /// What to do, or empty.
        hint: String,
        /// The refusal.
        source: sys::Error,
    },
    /// The OOM killer's adjustment was refused.
    #[error("failed to update /proc/self/oom_score_adj to {score}: {}{}", words(.source), oom_hint(.source))]
    OomScoreAdj {
        /// Asked for.
        score: i32,
        /// The refusal.
        source: sys::Error,
    },
    /// hostname, domainname, sysctl, no-new-privs, loopback, terminal: the call and its object say it all.
    #[error("{0}")]
    Call(#[from] sys::Error),
    /// The scheduler was refused.
    #[error("error setting scheduler: {}{hint}", words(.source))]
    Scheduler {
        /// What to do, or empty.
        hint: &'static str,
        /// The refusal.
        source: sys::Error,
    },
    /// The AppArmor profile was refused.
    #[error("unable to apply apparmor profile: apparmor failed to apply profile: {source}{hint}")]
    AppArmor {
        /// What that means, or empty.
        hint: &'static str,
        /// The refusal.
        source: sys::Error,
    },
    /// The SELinux label was refused.
    #[error("can't set process label: {0}")]
    ProcessLabel(#[source] sys::Error),
    /// The I/O priority was refused.
    #[error("failed to set io priority: {}", words(.0))]
    IoPriority(#[source] sys::Error),
    /// The personality was refused.
    #[error("failed to set personality: {}", words(.0))]
    Personality(#[source] sys::Error),
    /// The memory policy was refused.
    #[error("failed to set memory policy: {}", words(.0))]
    MemoryPolicy(#[source] sys::Error),
    /// The session keyring could not be joined.
    #[error("unable to join session keyring: unable to create session key: {}", words(.0))]
    KeyringJoin(#[source] sys::Error),
    /// The session keyring could not be made searchable.
    #[error("unable to mod keyring permissions: {}", words(.0))]
    KeyringPermissions(#[source] sys::Error),
    /// `args[0]` cannot be run.
    #[error("exec: {name:?}: {reason}")]
    Lookup {
        /// `process.args[0]`
        name: String,
        /// Why.
        reason: LookupFailure,
    },
}

/// Why a program cannot be run; the words are those of Go's os/exec, on which engines match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupFailure {
    /// No directory of PATH has it.
    #[error("executable file not found in $PATH")]
    NotInPath,
    /// PATH has it, but by a relative entry.
    #[error("cannot run executable found relative to current directory")]
    RelativeEntry,
    /// It is a directory. Go says "is a directory" since 1.20, for which older Dockers have exit code 125 instead of 126.
    #[error("permission denied")]
    Directory,
    /// It cannot be reached.
    #[error("{0}")]
    Stat(#[source] sys::Error),
    /// It may not be executed: no permission for this user, or a noexec mount.
    #[error("{}", words(.0))]
    Access(#[source] sys::Error),
}

/// The errno's words alone.
fn words(error: &sys::Error) -> String {
    sys::words(error.errno)
}

/// runc gives the number only.
fn asked(limit: &crate::plan::Rlimit, source: &sys::Error) -> String {
    let value = super::kernel::limit_value;
    format!(
        "{} ({}, soft {}, hard {}): {}",
        limit.resource,
        super::kernel::rlimit_name(limit.resource),
        value(limit.soft),
        value(limit.hard),
        words(source)
    )
}

fn lacking(missing: u64) -> String {
    if missing == 0 {
        return String::new();
    }
    // The errno's words end the text that engines match on; what to look at follows.
    let names = super::caps::names(missing).join(", ");
    format!(" (not to be had here: {names})")
}

fn oom_hint(error: &sys::Error) -> &'static str {
    match error.errno {
        nix::errno::Errno::EACCES => " (lowering it needs CAP_SYS_RESOURCE)",
        _ => "",
    }
}
