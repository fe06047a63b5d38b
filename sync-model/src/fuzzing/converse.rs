//! Two sides, their wires, and what may happen to them.

use super::message;
use super::reference::Reference;
use crate::frame::{Decoder, encode};
use crate::machine::Machine;
use crate::msg::{Features, Kind, Message};
use crate::outcome::{Death, Fate, Outcome};
use crate::table::{Class, Direction, Role, States};

/// One side: the machine, the reference beside it, what is on its way to it.
struct Side<S> {
    machine: Machine<S>,
    reference: Reference,
    wire: Vec<u8>,
    decoder: Decoder,
    /// Everything that was sent to it, in order.
    sent_to: Vec<Message>,
    received: usize,
    dead: Option<Fate>,
}

impl<S: States> Side<S> {
    fn new(script: Vec<Kind>) -> Side<S> {
        Side {
            machine: Machine::new(),
            reference: Reference::new(S::ROLE, script),
            wire: Vec::new(),
            decoder: Decoder::new(),
            sent_to: Vec::new(),
            received: 0,
            dead: None,
        }
    }

    /// Machine and reference must allow the same, always.
    fn compare(&self) {
        for direction in [Direction::Send, Direction::Receive] {
            for kind in Kind::ALL {
                assert_eq!(
                    self.machine.allows(direction, *kind),
                    self.reference.allows(direction, *kind),
                    "{direction:?} {kind} in {:?}, reference {:?}",
                    self.machine.state(),
                    self.reference,
                );
            }
        }
        assert_eq!(
            self.machine.outcome().is_some(),
            self.reference.over,
            "{:?}",
            self.machine
        );
    }

    /// Sends if it may; an attempt that it may not make must change nothing.
    fn send(&mut self, message: Message, to: &mut impl Inbox) {
        let kind = message.kind();
        let legal = self.reference.allows(Direction::Send, kind);
        match self.machine.clone().send(&message) {
            Ok(next) => {
                assert!(legal, "{kind} was sent in {:?}", self.machine.state());
                self.machine = next;
                self.reference.pass(kind);
                to.deliver(message);
            }
            Err(violation) => {
                assert!(!legal, "{violation}");
                assert_eq!(violation.got, kind);
            }
        }
        self.compare();
    }

    /// Receives the next message, if a whole one is there. Both sides keep to the table, so it must be legal (S7).
    fn receive(&mut self) -> bool {
        if self.is_deaf() {
            return false;
        }
        let message = match self.decoder.next_message() {
            Ok(Some(message)) => message,
            Ok(None) => return false,
            Err(error) => panic!("a wire with one writer broke: {error}"),
        };
        if self.machine.outcome().is_some() {
            return true;
        }
        assert_eq!(
            Some(&message),
            self.sent_to.get(self.received),
            "lost, doubled or overtaken"
        );
        self.received += 1;
        assert!(
            self.reference.allows(Direction::Receive, message.kind()),
            "{:?} got {message:?}",
            self.reference
        );
        match self.machine.clone().receive(&message) {
            Ok(next) => self.machine = next,
            Err(violation) => panic!("S7: {violation}"),
        }
        self.reference.pass(message.kind());
        if let Message::Error(error) = &message {
            assert_eq!(
                self.machine.outcome(),
                Some(&Outcome::Failed(error.clone())),
                "S6: another cause"
            );
        }
        self.compare();
        true
    }

    /// A message out of nowhere: taken if it is legal, refused if it is not, and this side as it was.
    fn probe(&self, message: &Message) {
        let legal = self.reference.allows(Direction::Receive, message.kind());
        match self.machine.clone().receive(message) {
            Ok(_) => assert!(legal, "{:?} took {message:?}", self.machine),
            Err(violation) => {
                assert!(!legal, "{violation}");
                assert_eq!(
                    (violation.direction, violation.got),
                    (Direction::Receive, message.kind())
                );
                let over = self.machine.clone().violated(violation);
                assert!(
                    over.receive(message).is_err(),
                    "a broken conversation went on"
                );
            }
        }
    }

    /// Init listens only when it awaits something: a start that is queued already must wait for its gate.
    fn is_deaf(&self) -> bool {
        let acts = self
            .machine
            .state()
            .is_some_and(|state| state.class() == Class::Act);
        acts && S::ROLE.init_speaks() == Direction::Send
    }

    /// Everything that is left arrives, and then the end.
    fn hear_out(&mut self, fate: Fate) {
        arrive(self, usize::MAX);
        while self.receive() {}
        if !self.is_deaf() {
            self.hang_up(fate);
        }
    }

    /// The wire is at its end: what does the kernel's word make of it?
    fn hang_up(&mut self, fate: Fate) {
        if self.machine.outcome().is_some() {
            return;
        }
        let last = self.reference.said_all();
        self.machine = self.machine.clone().on_eof();
        assert_eq!(
            self.machine.outcome(),
            None,
            "S6: an end of the wire alone decided"
        );
        assert!(
            !self.machine.allows(Direction::Receive, Kind::Log),
            "heard something after the end"
        );
        self.machine = self.machine.clone().on_fate(fate);
        self.reference.over = true;
        let Some(outcome) = self.machine.outcome() else {
            panic!("no outcome after the peer's fate")
        };
        let success = match last {
            Some(Kind::Starting) => {
                S::ROLE.init_speaks() == Direction::Receive
                    && matches!(fate, Fate::Executed | Fate::Gone)
            }
            Some(Kind::Aborting) => matches!(fate, Fate::Died(_) | Fate::Gone),
            _ => false,
        };
        assert_eq!(
            outcome.is_success(),
            success,
            "S6: {outcome:?} after {last:?} and {fate:?}"
        );
        if let (false, Fate::Died(death)) = (success, fate) {
            let Outcome::PeerDied { death: named, .. } = outcome else {
                panic!("{fate:?} became {outcome:?}")
            };
            assert_eq!(*named, death);
        }
        if matches!(outcome, Outcome::NotAccepted) {
            assert!(matches!(S::ROLE, Role::Starter | Role::Deleter) && self.reference.at == 1);
        }
        self.compare();
    }
}

/// Where a message goes.
trait Inbox {
    fn deliver(&mut self, message: Message);
}

impl<S: States> Inbox for Side<S> {
    fn deliver(&mut self, message: Message) {
        // Nobody reads for the dead.
        if self.dead.is_none() {
            assert!(encode(&message, &mut self.wire).is_ok());
            self.sent_to.push(message);
        }
    }
}

/// Runs the operations against two sides and the wires between them.
pub(super) fn converse<A: States, B: States>(features: Features, script: Vec<Kind>, ops: &[u8]) {
    let mut a: Side<A> = Side::new(script.clone());
    let mut b: Side<B> = Side::new(script);
    a.compare();
    b.compare();
    let mut ops = ops.iter().copied();
    let mut started = 0;
    while let Some(op) = ops.next() {
        let side = op & 1 == 0;
        let salt = op >> 4;
        match (op >> 1) % 8 {
            // What the list says is next, so that a random sequence gets somewhere.
            0 | 1 => {
                if side && a.dead.is_none() {
                    if let Some(kind) = a.reference.script.get(a.reference.at).copied() {
                        a.send(message(kind, features, salt), &mut b);
                    }
                } else if b.dead.is_none()
                    && let Some(kind) = b.reference.script.get(b.reference.at).copied()
                {
                    b.send(message(kind, features, salt), &mut a);
                }
            }
            // Anything.
            2 => {
                let number = ops.next().unwrap_or(0);
                let kind = Kind::ALL[usize::from(number) % Kind::ALL.len()];
                let message = message(kind, features, number);
                a.probe(&message);
                b.probe(&message);
                if side && a.dead.is_none() {
                    a.send(message, &mut b);
                } else if !side && b.dead.is_none() {
                    b.send(message, &mut a);
                }
            }
            // Some bytes arrive, and perhaps a message with them.
            3 | 4 => {
                let count = if salt == 15 {
                    usize::MAX
                } else {
                    usize::from(salt) * 7
                };
                if side && a.dead.is_none() {
                    arrive(&mut a, count);
                } else if !side && b.dead.is_none() {
                    arrive(&mut b, count);
                }
            }
            // Init executes its program.
            5 => {
                let executes = b.machine.state().is_some_and(|state| {
                    state.class() == Class::Act && state.expected(Direction::Send).is_empty()
                });
                if b.dead.is_none() && executes {
                    b.dead = Some(Fate::Executed);
                    started += 1;
                    assert!(
                        b.sent_to.contains(&Message::Start) || B::ROLE == Role::ExecInit,
                        "S1: nobody asked"
                    );
                }
            }
            // A death, perhaps in the middle of a write.
            6 => {
                let fate = Fate::Died(Death::Killed(i32::from(salt)));
                if side && a.dead.is_none() {
                    a.dead = Some(fate);
                    cut_short(&mut b, usize::from(salt));
                } else if !side && b.dead.is_none() {
                    b.dead = Some(fate);
                    cut_short(&mut a, usize::from(salt));
                }
            }
            // A side hears all of a dead one, and notices the end.
            _ => {
                if let (true, None, Some(fate)) = (side, a.dead, b.dead) {
                    // The kernel may have no answer: that is not a success either.
                    a.hear_out(if salt == 15 { Fate::Unknown } else { fate });
                } else if let (false, None, Some(_)) = (side, b.dead, a.dead) {
                    // Init knows nothing of its creator but that the wire has ended.
                    b.hear_out(Fate::Unknown);
                }
            }
        }
    }
    // L1: if init has ended, a creator that listens comes to its end too, and tells the truth.
    if a.dead.is_none()
        && let Some(fate) = b.dead
    {
        a.hear_out(fate);
        let Some(outcome) = a.machine.outcome() else {
            panic!("L1: {:?} does not end", a.machine)
        };
        if matches!(outcome, Outcome::Executed) {
            assert_eq!(started, 1, "S1: reported as executed");
        }
        if let Some(Message::Error(cause)) = a.sent_to.get(a.received.wrapping_sub(1)) {
            assert_eq!(*outcome, Outcome::Failed(cause.clone()), "S6");
        }
    }
    assert!(started <= 1, "S1: executed twice");
}

/// Some bytes of the wire arrive; then one message is taken.
fn arrive<S: States>(side: &mut Side<S>, count: usize) {
    let count = count.min(side.wire.len());
    let bytes: Vec<u8> = side.wire.drain(..count).collect();
    side.decoder.push(&bytes);
    side.receive();
}

/// The writer died: its last bytes never went out.
fn cut_short<S: States>(side: &mut Side<S>, lost: usize) {
    let keep = side.wire.len().saturating_sub(lost);
    side.wire.truncate(keep);
}
