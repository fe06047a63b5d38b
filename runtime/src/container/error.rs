//! Why an operation failed.

use crate::process::creator;
use crate::{cgroup, spec, state, sys};

/// The error of an operation; its text is complete.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// config.json, or what it asks for.
    #[error(transparent)]
    Spec(#[from] spec::Error),
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The container is not in a state for this.
    #[error("{0}")]
    Refused(String),
    /// The cgroups.
    #[error("unable to apply cgroup configuration: {0}")]
    Cgroup(#[from] cgroup::Error),
    /// What was to be done to all processes of a container that was made without a cgroup.
    #[error("{0}: the container has no cgroup, and only its first process is known")]
    NoGroup(&'static str),
    /// The cgroups of a container that is there.
    #[error("{0}")]
    Group(cgroup::Error),
    /// The host's `ps`; the text is complete.
    #[error("{0}")]
    Ps(String),
    /// Who reads what `events` prints does not, or is gone.
    #[error("{0}")]
    Reader(sys::Error),
    /// Other commands do not get on with it.
    #[error("other commands are at work on the container: try again")]
    Busy,
    /// The seccomp profile cannot be compiled.
    #[error("unable to start container process: unable to init seccomp: {0}")]
    Seccomp(#[from] crate::seccomp::Error),
    /// The agent of a seccomp profile with a listener.
    #[error("unable to start container process: {0}")]
    Agent(#[from] crate::seccomp::listener::AgentError),
    /// Init did not get to the user's program.
    #[error("unable to start container process: {0}")]
    Process(#[from] creator::Error),
    /// A source of a mount that the creator opens.
    #[error("unable to start container process: {0}")]
    Rootfs(#[from] crate::rootfs::Error),
    /// A network device that is to be the container's.
    #[error("unable to start container process: {0}")]
    Net(#[from] crate::net::Error),
    /// The same, told by init to a starter.
    #[error("unable to start container process: {0}")]
    Start(sync_model::WireError),
    /// A poststart hook: the container was stopped for it.
    #[error("{0}")]
    Hook(#[from] crate::hooks::Error),
    /// Nobody will hear of the container's readiness.
    #[error(transparent)]
    Notify(#[from] crate::notify::Error),
    /// Nobody takes the terminal. The words are Go's, as runc has them.
    #[error("dial unix {path}: {}{hint}", dialled(.source))]
    Console {
        /// `--console-socket`
        path: String,
        /// What that means, or empty.
        hint: &'static str,
        /// The call.
        source: sys::Error,
    },
    /// A kernel call of this process.
    #[error("{what}: {source}")]
    Sys {
        /// What was tried.
        what: &'static str,
        /// The call.
        source: sys::Error,
    },
    /// What /proc shows are not the processes that this command can reach.
    #[error(
        "/proc does not show the container's first process: it is that of another pid namespace (mount it anew: mount -t proc proc /proc), or hides the process from this user (hidepid)"
    )]
    ForeignProc,
    /// Init does not answer at its gate.
    #[error("container init does not answer: {0}")]
    Silent(&'static str),
    /// The process does not die.
    #[error("container init still running")]
    StillRunning,
    /// Another deleter does not get on with it.
    #[error("another command is deleting the container: try again")]
    StillDeleting,
    /// Its creator does not let go of it.
    #[error("the container's creator is still at work: try again, or kill it first")]
    StillCreating,
    /// The terminal or the waiting for the program.
    #[error("{0}")]
    Foreground(#[from] crate::foreground::Error),
}

impl Error {
    /// A failed call, and what it was for.
    pub fn sys(what: &'static str) -> impl FnOnce(sys::Error) -> Self {
        move |source| Self::Sys { what, source }
    }
}

/// "connect: connection refused"
fn dialled(source: &sys::Error) -> String {
    format!("{}: {}", source.call, sys::words(source.errno))
}
