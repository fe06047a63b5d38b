//! The engine that executes a table.
//!
//! A machine is a value: each input consumes it and returns its successor, so that a state that is over cannot be
//! used again. What the table does not allow is one [`Violation`]. The end of the wire and the peer's death are
//! inputs like any message.

use crate::msg::{Features, Kind, Message};
use crate::outcome::{Death, Fate, Outcome};
use crate::table::{Class, Direction, Role, States};
use crate::variation::{Lawful, Variation};
use crate::violation::Violation;

/// One side of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine<S, V = Lawful> {
    phase: Phase<S>,
    features: Features,
    variation: V,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase<S> {
    /// In a state of the table.
    At(S),
    /// The wire ended in this state; the peer's fate decides what it means.
    HungUp(S),
    /// Over.
    Ended(Outcome),
}

/// What a machine is for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn<'a> {
    /// Do what the state names, then send one of these (none: execve).
    Act(&'static [Kind]),
    /// Receive one of these (none: the end of the wire).
    Await(&'static [Kind]),
    /// The wire ended: ask the kernel for the peer's fate, then [`Machine::on_fate`].
    AskFate,
    /// It is over.
    Ended(&'a Outcome),
}

impl<S: States> Machine<S> {
    /// At the start of a conversation. The features come with the `Bootstrap` that is sent or received.
    pub fn new() -> Machine<S> {
        Machine::with_variation(Lawful)
    }
}

impl<S: States> Default for Machine<S> {
    fn default() -> Machine<S> {
        Machine::new()
    }
}

impl<S: States, V: Variation> Machine<S, V> {
    /// With one rule bent, for the checker's mutants.
    #[doc(hidden)]
    pub fn with_variation(variation: V) -> Machine<S, V> {
        Machine {
            phase: Phase::At(S::FIRST),
            features: Features::NONE,
            variation,
        }
    }

    /// Which side it is.
    pub fn role(&self) -> Role {
        S::ROLE
    }

    /// The features of the conversation; none before the `Bootstrap`.
    pub fn features(&self) -> Features {
        self.features
    }

    /// The state of the table; `None` once it is over.
    pub fn state(&self) -> Option<S> {
        match &self.phase {
            Phase::At(state) | Phase::HungUp(state) => Some(*state),
            Phase::Ended(_) => None,
        }
    }

    /// How it ended; `None` while it lasts.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// What to do now.
    pub fn turn(&self) -> Turn<'_> {
        match &self.phase {
            Phase::At(state) => match state.class() {
                Class::Act => Turn::Act(state.expected(Direction::Send)),
                _ => Turn::Await(state.expected(Direction::Receive)),
            },
            Phase::HungUp(_) => Turn::AskFate,
            Phase::Ended(outcome) => Turn::Ended(outcome),
        }
    }

    /// May a message of this kind be sent or received now?
    pub fn allows(&self, direction: Direction, kind: Kind) -> bool {
        match &self.phase {
            Phase::At(state) => {
                (direction == S::ROLE.init_speaks() && matches!(kind, Kind::Log | Kind::Error))
                    || self
                        .lookup(*state, direction, kind, self.features)
                        .is_some()
                    || (kind == Kind::Bootstrap && state.expected(direction).contains(&kind))
            }
            _ => false,
        }
    }

    /// This side sends the message.
    ///
    /// # Errors
    /// [`Violation`] if the table does not allow it: nothing may be sent.
    pub fn send(self, message: &Message) -> Result<Self, Violation> {
        self.step(Direction::Send, message)
    }

    /// This side received the message.
    ///
    /// # Errors
    /// [`Violation`] if the table does not allow it: the peer is broken, and nothing it says counts any more.
    pub fn receive(self, message: &Message) -> Result<Self, Violation> {
        self.step(Direction::Receive, message)
    }

    fn step(mut self, direction: Direction, message: &Message) -> Result<Self, Violation> {
        let kind = message.kind();
        let state = match &self.phase {
            Phase::At(state) | Phase::HungUp(state) => *state,
            // What is over stays over; the state it ended in is no longer known, so the first one stands for it.
            Phase::Ended(Outcome::Violated(violation)) => return Err(*violation),
            Phase::Ended(_) => return Err(Violation::ended(S::FIRST, direction, kind)),
        };
        if matches!(self.phase, Phase::HungUp(_)) {
            return Err(Violation::new(state, direction, kind));
        }
        if direction == S::ROLE.init_speaks() {
            match message {
                Message::Log(_) => return Ok(self),
                Message::Error(error) => {
                    self.phase = Phase::Ended(Outcome::Failed(error.clone()));
                    return Ok(self);
                }
                _ => {}
            }
        }
        let features = match message {
            Message::Bootstrap(bootstrap) => bootstrap.features,
            _ => self.features,
        };
        let next = self
            .lookup(state, direction, kind, features)
            .ok_or(Violation::new(state, direction, kind))?;
        self.features = features;
        self.phase = match next.outcome() {
            Some(outcome) => Phase::Ended(outcome),
            None => Phase::At(next),
        };
        Ok(self)
    }

    fn lookup(&self, state: S, direction: Direction, kind: Kind, features: Features) -> Option<S> {
        let lawful = state.next(direction, kind, features);
        // Through the id and back only for a mutant's sake; with `Lawful` it folds away.
        let chosen = self.variation.next(
            state.id(),
            direction,
            kind,
            features,
            lawful.map(States::id),
        )?;
        S::from_index(chosen.index)
    }

    /// The wire has ended: everything the peer wrote has been received, and nothing more can come.
    ///
    /// This is never the whole truth: [`Turn::AskFate`] follows, unless the conversation was over already.
    #[must_use]
    pub fn on_eof(mut self) -> Self {
        if let Phase::At(state) = self.phase {
            self.phase = Phase::HungUp(state);
        }
        self
    }

    /// What the kernel says of the peer, after [`Machine::on_eof`].
    #[must_use]
    pub fn on_fate(mut self, fate: Fate) -> Self {
        if let Phase::HungUp(state) = self.phase {
            let lawful = ending(state, fate);
            self.phase = Phase::Ended(self.variation.ending(state.id(), fate, lawful));
        }
        self
    }

    /// The peer is dead although its wire has not ended (another process holds its end); everything that it wrote
    /// has been received.
    #[must_use]
    pub fn on_death(self, death: Death) -> Self {
        self.on_eof().on_fate(Fate::Died(death))
    }

    /// Ends the conversation on this side's initiative after a violation, so that it cannot go on by mistake.
    #[must_use]
    pub fn violated(mut self, violation: Violation) -> Self {
        self.phase = Phase::Ended(Outcome::Violated(violation));
        self
    }
}

/// What the end of the wire means in a state, given the peer's fate.
fn ending<S: States>(state: S, fate: Fate) -> Outcome {
    match (state.class(), fate) {
        // One that was collected so quickly said no error, and so has had a complete life, as far as anyone can know.
        (Class::AwaitExec, Fate::Executed | Fate::Gone) => Outcome::Executed,
        (Class::AwaitExit, Fate::Died(_) | Fate::Gone) => Outcome::Aborted,
        // It went on without answering us: it had accepted another.
        (Class::Ask, Fate::Executed | Fate::Unknown | Fate::Gone) => Outcome::NotAccepted,
        (_, Fate::Gone) => Outcome::PeerDied {
            state: state.id(),
            death: Death::Unknown,
        },
        (_, Fate::Died(death)) => Outcome::PeerDied {
            state: state.id(),
            death,
        },
        (_, Fate::Executed | Fate::Unknown) => Outcome::PeerClosed { state: state.id() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::creator::CreatorState;
    use crate::exec::{ExecCreatorState, ExecInitState};
    use crate::gate::{DeleterState, GateState, StarterState};
    use crate::init::InitState;

    /// Every state of every machine, under every fate: which ends are successes is written down by name.
    #[test]
    fn an_end_is_a_success_only_where_it_was_awaited() {
        fn check<S: States>(successes: &mut Vec<String>) {
            for state in (0..)
                .map_while(S::from_index)
                .filter(|state| state.class() != Class::End)
            {
                for fate in [
                    Fate::Executed,
                    Fate::Unknown,
                    Fate::Gone,
                    Fate::Died(Death::Killed(31)),
                ] {
                    let machine = Machine {
                        phase: Phase::At(state),
                        ..Machine::<S>::new()
                    }
                    .on_eof();
                    assert_eq!(machine.turn(), Turn::AskFate);
                    let outcome = machine.on_fate(fate).outcome().cloned();
                    let id = state.id();
                    match outcome {
                        Some(Outcome::PeerDied {
                            state,
                            death: Death::Killed(31),
                        }) => {
                            assert_eq!((state, fate), (id, Fate::Died(Death::Killed(31))));
                        }
                        Some(Outcome::PeerDied {
                            state,
                            death: Death::Unknown,
                        }) => {
                            assert_eq!((state, fate), (id, Fate::Gone));
                        }
                        Some(Outcome::PeerClosed { state }) => {
                            assert_eq!(state, id);
                            assert!(matches!(fate, Fate::Executed | Fate::Unknown));
                        }
                        other => successes.push(format!("{id:?} {fate:?}: {other:?}")),
                    }
                }
            }
        }
        let mut others = Vec::new();
        check::<CreatorState>(&mut others);
        check::<InitState>(&mut others);
        check::<ExecCreatorState>(&mut others);
        check::<ExecInitState>(&mut others);
        check::<GateState>(&mut others);
        check::<StarterState>(&mut others);
        check::<DeleterState>(&mut others);
        let expected = [
            "Creator::AwaitExec Executed: Some(Executed)",
            "Creator::AwaitExec Gone: Some(Executed)",
            "Creator::AwaitExit Gone: Some(Aborted)",
            "Creator::AwaitExit Died(Killed(31)): Some(Aborted)",
            "ExecCreator::AwaitExec Executed: Some(Executed)",
            "ExecCreator::AwaitExec Gone: Some(Executed)",
            "Starter::AwaitStarting Executed: Some(NotAccepted)",
            "Starter::AwaitStarting Unknown: Some(NotAccepted)",
            "Starter::AwaitStarting Gone: Some(NotAccepted)",
            "Starter::AwaitExec Executed: Some(Executed)",
            "Starter::AwaitExec Gone: Some(Executed)",
            "Deleter::AwaitAborting Executed: Some(NotAccepted)",
            "Deleter::AwaitAborting Unknown: Some(NotAccepted)",
            "Deleter::AwaitAborting Gone: Some(NotAccepted)",
            "Deleter::AwaitExit Gone: Some(Aborted)",
            "Deleter::AwaitExit Died(Killed(31)): Some(Aborted)",
        ];
        assert_eq!(others, expected);
    }
}
