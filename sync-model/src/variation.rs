//! Where a test may bend a rule.
//!
//! The checker proves that it can find a defect by running the very machines of production with one rule bent. Every
//! rule that can be bent asks a [`Variation`] with the lawful answer in hand. Production's is [`Lawful`]: a type
//! without size whose answers are the lawful ones, so that nothing of this is left in its code.

use crate::lifecycle::{DeletePlan, Evidence, Refusal, Status};
use crate::msg::{Features, Kind};
use crate::outcome::{Fate, Outcome};
use crate::table::{Direction, StateId};

/// The rules that a test may bend. Each method gets the lawful answer and returns the one to use.
#[doc(hidden)]
pub trait Variation: Copy + Eq + std::hash::Hash + std::fmt::Debug {
    /// The transition of a message.
    fn next(
        &self,
        from: StateId,
        direction: Direction,
        kind: Kind,
        features: Features,
        lawful: Option<StateId>,
    ) -> Option<StateId> {
        let _ = (from, direction, kind, features);
        lawful
    }

    /// What the end of the wire means, once the peer's fate is known.
    fn ending(&self, at: StateId, fate: Fate, lawful: Outcome) -> Outcome {
        let _ = (at, fate);
        lawful
    }

    /// May the gate accept a further request after one was accepted?
    fn accepts_again(&self) -> bool {
        false
    }

    /// The status.
    fn status(&self, evidence: &Evidence, lawful: Status) -> Status {
        let _ = evidence;
        lawful
    }

    /// What `delete` does.
    fn delete(
        &self,
        evidence: &Evidence,
        force: bool,
        lawful: Result<DeletePlan, Refusal>,
    ) -> Result<DeletePlan, Refusal> {
        let _ = (evidence, force);
        lawful
    }
}

/// Bends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lawful;

impl Variation for Lawful {}
