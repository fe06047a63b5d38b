//! How a conversation ends.

use crate::msg::WireError;
use crate::table::StateId;
use crate::violation::Violation;

/// How a process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Death {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It is dead; how is not known to this process (it is not the parent, and the kernel does not tell).
    Unknown,
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Death::Exited(code) => write!(f, "exited with code {code}"),
            Death::Killed(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "was killed by SIG{name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
            Death::Unknown => f.write_str("died"),
        }
    }
}

/// Names of the signals 1 to 31 without their `SIG` (x86, arm, riscv, s390: where we run they are the same).
fn signal_name(signal: i32) -> Option<&'static str> {
    const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP \
                         TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
    let index = usize::try_from(signal).ok()?.checked_sub(1)?;
    NAMES.split_ascii_whitespace().nth(index)
}

/// What the kernel says about a peer whose wire has ended. The wire alone cannot tell execve from death.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It executed its program, whatever happened to that afterwards.
    Executed,
    /// It died without executing anything.
    Died(Death),
    /// It is dead and its parent, who is not this process, has collected it: nothing is left that could be asked.
    Gone,
    /// It lives and has executed nothing, or nothing can be known.
    Unknown,
}

/// How a conversation ended. An end of the wire alone is never a success.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Creator: the container is created, init is at its gate.
    Created,
    /// Init: the creator has nothing more to say; the [`crate::Gate`] goes on.
    AtGate,
    /// The user's program is executed.
    Executed,
    /// Init leaves, or has left, because it was asked to before any start.
    Aborted,
    /// Init failed, and this is the cause.
    Failed(WireError),
    /// Init died without a word.
    PeerDied {
        /// What this side was waiting for or doing.
        state: StateId,
        /// How it died.
        death: Death,
    },
    /// The wire ended, and the peer is not known to be dead: for init, the creator is gone.
    PeerClosed {
        /// What this side was waiting for or doing.
        state: StateId,
    },
    /// The request was not the one that init accepted: look at the container again.
    NotAccepted,
    /// This or the other side broke the table.
    Violated(Violation),
}

impl Outcome {
    /// Is it what the command wanted?
    pub const fn is_success(&self) -> bool {
        matches!(
            self,
            Outcome::Created | Outcome::AtGate | Outcome::Executed | Outcome::Aborted
        )
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Created => f.write_str("the container is created"),
            Outcome::AtGate => f.write_str("init is at the start gate"),
            Outcome::Executed => f.write_str("the program is executed"),
            Outcome::Aborted => f.write_str("init left as asked, nothing was executed"),
            Outcome::Failed(error) => write!(f, "{error}"),
            Outcome::PeerDied { state, death } => {
                write!(
                    f,
                    "{} {death} without a word ({} {})",
                    state.role.peer(),
                    state.role,
                    phrase(*state)
                )
            }
            Outcome::PeerClosed { state } => {
                write!(
                    f,
                    "{} closed the connection ({} {})",
                    state.role.peer(),
                    state.role,
                    phrase(*state)
                )
            }
            Outcome::NotAccepted => f.write_str("init accepted another request"),
            Outcome::Violated(violation) => write!(f, "{violation}"),
        }
    }
}

/// `was in state AwaitReady: waits for ...`
fn phrase(state: StateId) -> String {
    format!("was in {state}: {}", state.doing())
}

#[cfg(test)]
mod tests {
    use super::Death;

    #[test]
    fn deaths_are_named() {
        assert_eq!(Death::Killed(31).to_string(), "was killed by SIGSYS");
        assert_eq!(Death::Killed(9).to_string(), "was killed by SIGKILL");
        assert_eq!(Death::Killed(1).to_string(), "was killed by SIGHUP");
        assert_eq!(Death::Killed(0).to_string(), "was killed by signal 0");
        assert_eq!(Death::Killed(34).to_string(), "was killed by signal 34");
        assert_eq!(Death::Exited(1).to_string(), "exited with code 1");
    }
}
