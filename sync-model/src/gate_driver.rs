//! Carries the gate: init waits for the one request that it accepts, from any number of clients.
//!
//! No client can hold up another, or init: what is read from one is kept apart from the others', a client that says
//! anything but a request is closed, and nothing is ever waited for but the next event of any of them.

use crate::driver::{Event, Observer, Sent};
use crate::frame::{DecodeError, Decoder, HEADER, encode};
use crate::gate::{Answer, Client, Duty, Gate, GateState};
use crate::msg::{Kind, Message, WireError};
use crate::table::{Direction, States};
use crate::variation::{Lawful, Variation};

/// The listening socket and its connections. A connection is a close-on-exec descriptor: execve closes it, and this is
/// how its client learns of it.
pub trait Gateway {
    /// What the kernel refuses.
    type Error;

    /// Waits for the next event of the listener or of any client that is not closed.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    fn wait(&mut self, buffer: &mut [u8]) -> Result<Visit, Self::Error>;

    /// Writes to a client as much as goes without waiting. [`Sent::PeerGone`] only of one that has: what cannot be said for
    /// another reason is lost, and counts as said.
    ///
    /// # Errors
    /// Only for what is neither a full connection nor a client that has gone.
    fn send(&mut self, client: Client, bytes: &[u8]) -> Result<Sent, Self::Error>;

    /// Closes a client's connection.
    fn close(&mut self, client: Client);
}

/// What happened at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visit {
    /// A new client is there.
    Connected(Client),
    /// It sent so many bytes, at least one.
    Bytes(Client, usize),
    /// It is gone; it is closed already.
    Gone(Client),
}

/// Init at its gate.
#[derive(Debug)]
pub struct GateDriver<G, O = (), V = Lawful> {
    gateway: G,
    gate: Gate<V>,
    observer: O,
    /// Those who have said something, but not yet all of a request. Nobody, as a rule.
    halves: Vec<(Client, Decoder)>,
}

impl<G: Gateway, O: Observer, V: Variation> GateDriver<G, O, V> {
    /// Puts the gate behind its socket.
    pub fn new(gateway: G, gate: Gate<V>, observer: O) -> GateDriver<G, O, V> {
        GateDriver {
            gateway,
            gate,
            observer,
            halves: Vec::new(),
        }
    }

    /// The socket and its connections.
    pub fn gateway(&mut self) -> &mut G {
        &mut self.gateway
    }

    /// Waits until a request is accepted, and returns what it was: [`Duty::Execute`] or [`Duty::Leave`].
    ///
    /// The one who asked has its answer by then. If it has gone before that, its request is dropped and the gate stays as it
    /// was: who gives up tells its caller that nothing comes of it. It has gone or it finds the answer, there is no third.
    ///
    /// # Errors
    /// Whatever the kernel refuses: init must leave.
    pub fn serve(&mut self) -> Result<Duty, G::Error> {
        let mut buffer = [0; 64];
        loop {
            let (client, count) = match self.gateway.wait(&mut buffer)? {
                Visit::Connected(_) => continue,
                Visit::Gone(client) => {
                    self.forget(client);
                    continue;
                }
                Visit::Bytes(client, count) => (client, count),
            };
            match self.hear(client, buffer.get(..count).unwrap_or(&buffer)) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    if let Some(duty) = self.consider(client, &message)? {
                        return Ok(duty);
                    }
                }
                Err(_) => self.turn_away(client),
            }
        }
    }

    /// Tells the accepted client why nothing was executed. It may be gone: then nobody asks any more.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn fail(&mut self, error: WireError) -> Result<(), G::Error> {
        let message = Message::Error(error);
        let (Ok(gate), Some(client)) = (self.gate.clone().tell(&message), self.gate.accepted())
        else {
            return Ok(());
        };
        self.gate = gate;
        self.say(client, &message).map(drop)
    }

    fn hear(&mut self, client: Client, bytes: &[u8]) -> Result<Option<Message>, DecodeError> {
        let index = match self.halves.iter().position(|(half, _)| *half == client) {
            Some(index) => index,
            None => {
                self.halves.push((client, Decoder::new()));
                self.halves.len() - 1
            }
        };
        let decoder = &mut self.halves[index].1;
        decoder.push(bytes);
        let message = decoder.next_message()?;
        if message.is_none() && decoder.pending() >= HEADER {
            // A request is a header and nothing else: this one wants to send us more, and will not.
            return Err(DecodeError::Trailing(Kind::Start));
        }
        Ok(message)
    }

    fn consider(&mut self, client: Client, message: &Message) -> Result<Option<Duty>, G::Error> {
        let (gate, answer) = self.gate.clone().on_message(client, message);
        match answer {
            Answer::TooLate | Answer::Broken(_) => {
                self.gate = gate;
                self.turn_away(client);
                Ok(None)
            }
            Answer::Accept(reply) => {
                self.event(Direction::Receive, message.kind(), 0);
                if self.say(client, &reply)? == Sent::PeerGone {
                    self.turn_away(client);
                    return Ok(None);
                }
                self.gate = gate;
                self.event(Direction::Send, reply.kind(), HEADER);
                Ok(Some(self.gate.duty()))
            }
        }
    }

    fn say(&mut self, client: Client, message: &Message) -> Result<Sent, G::Error> {
        let mut frame = Vec::new();
        // No message of the gate is longer than its frame: texts are cut.
        match encode(message, &mut frame) {
            Ok(()) => self.gateway.send(client, &frame),
            Err(_) => Ok(Sent::Bytes(0)),
        }
    }

    fn turn_away(&mut self, client: Client) {
        self.forget(client);
        self.gateway.close(client);
    }

    fn forget(&mut self, client: Client) {
        self.halves.retain(|(half, _)| *half != client);
    }

    fn event(&mut self, direction: Direction, kind: Kind, bytes: usize) {
        let from = GateState::FIRST.id();
        let features = crate::msg::Features::NONE;
        self.observer.event(&Event {
            direction,
            kind,
            from,
            to: None,
            bytes,
            features,
        });
    }
}
