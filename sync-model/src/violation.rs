//! A message that the table does not allow.

use crate::msg::Kind;
use crate::table::{Direction, StateId, States};

/// A message that the table does not allow where it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Where the machine was.
    pub state: StateId,
    /// Was it sent or received?
    pub direction: Direction,
    /// What the table names there; init's `Log` and `Error` are legal besides.
    pub expected: &'static [Kind],
    /// What came.
    pub got: Kind,
}

impl Violation {
    /// The only place that makes one.
    pub(crate) fn new<S: States>(state: S, direction: Direction, got: Kind) -> Violation {
        Violation {
            state: state.id(),
            direction,
            expected: state.expected(direction),
            got,
        }
    }

    /// The same, for a conversation that is over: nothing is expected.
    pub(crate) fn ended<S: States>(state: S, direction: Direction, got: Kind) -> Violation {
        Violation {
            expected: &[],
            ..Violation::new(state, direction, got)
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (did, may) = match self.direction {
            Direction::Send => ("tried to send", "may send"),
            Direction::Receive => ("received", "expects"),
        };
        let (role, got, state) = (self.state.role, self.got, self.state);
        write!(
            f,
            "broken handshake: {role} {did} {got} in {state}, where it {may} "
        )?;
        if self.expected.is_empty() {
            return f.write_str("nothing");
        }
        for (index, kind) in self.expected.iter().enumerate() {
            write!(f, "{}{kind}", if index == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Violation {}
