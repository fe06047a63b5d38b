//! Why there is no container, or no process in it.

use nix::errno::Errno;
use sync_model::{Death, Outcome, driver};

use crate::process::init::UNSAID;
use crate::seccomp::listener::{Agent, AgentError};
use crate::sys;

/// What init is at between `Starting` and its execve.
pub(super) const AT_EXEC: &str = "executing the program";

/// Whom the errors are about.
pub const INIT: &str = "container init";
/// The same, of `exec`.
pub const EXEC_INIT: &str = "exec's process";

/// Why there is no container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Init says why. The text is the cause, with runc's words before it.
    #[error("{}{error}", if *.before_run { "error during container init: " } else { "" })]
    Init {
        /// The cause.
        error: sync_model::WireError,
        /// Before `Run`: runc words it so.
        before_run: bool,
    },
    /// Init died without a word.
    #[error("{who} {death} while it was at: {doing}{hint}")]
    Died {
        /// "container init", or exec's process.
        who: &'static str,
        /// How.
        death: Death,
        /// What it was doing.
        doing: &'static str,
        /// What that may mean.
        hint: &'static str,
    },
    /// Init failed, and its filter forbids it to say more than that.
    #[error("{who} failed while it was at: {doing}: {}: its seccomp filter keeps it from saying more", sys::words(*.errno))]
    Unsaid {
        /// "container init", or exec's process.
        who: &'static str,
        /// What it was doing.
        doing: &'static str,
        /// Why.
        errno: Errno,
    },
    /// Init, or exec's process, was killed for want of memory.
    #[error("{0} was OOM-killed (memory limit too low?)")]
    OutOfMemory(&'static str),
    /// `exec`: the container was paused meanwhile.
    #[error(
        "the container was paused meanwhile: the process is killed, and gone when the container is resumed"
    )]
    Paused,
    /// A hook of the creator. runc's words.
    #[error("error during container init: {0}")]
    Hook(#[from] crate::hooks::Error),
    /// The agent of a seccomp profile with a listener.
    #[error("{0}")]
    Agent(#[from] AgentError),
    /// The handshake ended in another way.
    #[error("{0}")]
    Ended(Outcome),
    /// The wire, or a message that broke the rules.
    #[error("{0}")]
    Wire(#[from] sync_model::driver::Error<sys::Error>),
}

impl Error {
    /// Init died between the start's acceptance and the execve.
    pub fn died_at_exec(death: Death) -> Self {
        Self::died(INIT, death, AT_EXEC, true)
    }

    /// Exec's process died before its first word.
    pub fn exec_died(death: Death) -> Self {
        Self::died(
            EXEC_INIT,
            death,
            "joining the container's namespaces",
            false,
        )
    }

    /// Init died at its gate. A filter with a listener is loaded by then.
    pub fn died_at_gate(death: Death) -> Self {
        Self::died(INIT, death, "the start gate", true)
    }

    /// `filtered`: under a seccomp filter, perhaps.
    pub(super) fn died(
        who: &'static str,
        death: Death,
        doing: &'static str,
        filtered: bool,
    ) -> Self {
        let hint = match death {
            Death::Killed(libc::SIGSYS) => {
                ": its seccomp filter forbids a call that it needs to get there"
            }
            Death::Exited(sys::clone::EXEC_FAILED) if !filtered => {
                ": the runtime's own executable could not be executed"
            }
            Death::Exited(status) if filtered && status > UNSAID => {
                return Self::Unsaid {
                    who,
                    doing,
                    errno: Errno::from_raw(status - UNSAID),
                };
            }
            Death::Exited(_) if filtered => ": its seccomp filter may keep it from saying why",
            _ => "",
        };
        Self::Died {
            who,
            death,
            doing,
            hint,
        }
    }
}

/// An init that does not answer hangs in a call that the agent was asked about.
pub(in crate::process) fn silent(agent: &Agent, error: Error) -> Error {
    match error {
        Error::Wire(driver::Error::Transport(error)) if error.errno == Errno::ETIMEDOUT => {
            agent.silent().into()
        }
        other => other,
    }
}
