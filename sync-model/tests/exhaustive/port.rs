//! One machine of production on the model's wire, as `driver` carries it: what goes out is queued and written when there
//! is room, what comes in is taken in also while a write waits, then the end, and only then the death.

use sync_model::machine::{Machine, Turn};
use sync_model::msg::{Features, Kind};
use sync_model::outcome::{Death, Outcome};
use sync_model::table::{Direction, States};

use crate::kernel::{Queue, Unit, error, message};
use crate::rules::Rules;

/// A machine and its buffers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port<S, V> {
    pub machine: Machine<S, V>,
    /// Read and not yet asked for.
    pub inbox: Queue,
    /// Said and not yet written.
    pub out: Queue,
    /// The other side reads no more.
    pub deaf: bool,
}

/// What a port did in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    Wrote,
    /// What was to be written goes nowhere.
    Deaf,
    Heard(Kind),
    /// Part of a message.
    Read,
    Eof,
    Died,
    Broken(Kind),
}

/// One side's view of a wire.
pub struct Ends<'a> {
    pub incoming: &'a mut Queue,
    pub outgoing: &'a mut Queue,
    /// Somebody holds the other end.
    pub open: bool,
    /// The other side is dead, and can be waited for.
    pub dead: Option<Death>,
    /// Units that lie on a wire before a writer waits.
    pub room: usize,
    pub features: Features,
}

impl<S: States, V: Rules> Port<S, V> {
    pub fn new(rules: V) -> Port<S, V> {
        Port {
            machine: Machine::with_variation(rules),
            inbox: Queue::default(),
            out: Queue::default(),
            deaf: false,
        }
    }

    /// Says it, if the table allows it.
    pub fn send(&mut self, unit: Unit, pieces: usize, features: Features) -> bool {
        let said = match unit {
            Unit::Error(cause) => error(cause),
            Unit::Of(kind) => message(kind, features),
            Unit::Piece => return false,
        };
        match self.machine.clone().send(&said) {
            Ok(machine) => {
                self.machine = machine;
                for _ in 0..pieces {
                    self.out.push(Unit::Piece);
                }
                self.out.push(unit);
                true
            }
            Err(_) => false,
        }
    }

    /// Writes what is to be written. Nothing, if it has to wait.
    pub fn write(&mut self, ends: &mut Ends<'_>) -> Option<Did> {
        if self.out.is_empty() {
            return None;
        }
        if !ends.open {
            self.out.clear();
            self.deaf = true;
            return Some(Did::Deaf);
        }
        if ends.outgoing.len() < ends.room {
            while ends.outgoing.len() < ends.room {
                let Some(unit) = self.out.pop() else { break };
                ends.outgoing.push(unit);
            }
            return Some(Did::Wrote);
        }
        self.take_in(ends).then_some(Did::Read)
    }

    fn take_in(&mut self, ends: &mut Ends<'_>) -> bool {
        let any = !ends.incoming.is_empty();
        while let Some(unit) = ends.incoming.pop() {
            self.inbox.push(unit);
        }
        any
    }

    /// Writes, or receives, or learns of the end: whatever can be done while the machine awaits something.
    pub fn step(&mut self, ends: &mut Ends<'_>) -> Option<Did> {
        if !self.out.is_empty() {
            return self.write(ends);
        }
        if !matches!(self.machine.turn(), Turn::Await(_)) {
            return None;
        }
        let read = self.take_in(ends);
        if let Some(message) = self.inbox.message(ends.features) {
            return Some(match self.machine.clone().receive(&message) {
                Ok(machine) => {
                    self.machine = machine;
                    Did::Heard(message.kind())
                }
                Err(violation) => {
                    self.machine = self.machine.clone().violated(violation);
                    Did::Broken(message.kind())
                }
            });
        }
        if read {
            return Some(Did::Read);
        }
        if !ends.open {
            self.machine = self.machine.clone().on_eof();
            return Some(Did::Eof);
        }
        let death = ends.dead?;
        self.machine = self.machine.clone().on_death(death);
        Some(Did::Died)
    }

    pub fn may_send(&self, kind: Kind) -> bool {
        self.machine.allows(Direction::Send, kind)
    }

    pub fn outcome(&self) -> Option<&Outcome> {
        // What was said last must be on the wire before its end counts.
        if self.out.is_empty() {
            self.machine.outcome()
        } else {
            None
        }
    }
}
