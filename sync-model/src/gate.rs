//! The start gate: init waits at it, `start` opens it, `delete` may ask init to leave instead.
//!
//! With `create`, init listens on a socket, and each command that wants something connects to it. Init is the only
//! arbiter: it accepts exactly one request, ever. Any number of starters and deleters may ask at once; whoever is not
//! accepted sees its connection end without an answer, and looks at the container again. A client that dies
//! before its request is whole changes nothing.

use crate::machine::Machine;
use crate::msg::{Kind, Message};
use crate::table::{Direction, machine};
use crate::variation::{Lawful, Variation};
use crate::violation::Violation;

/// `start`, connected to the gate.
pub type Starter<V = Lawful> = Machine<StarterState, V>;

/// `delete` of a created container, connected to the gate.
pub type Deleter<V = Lawful> = Machine<DeleterState, V>;

machine! {
    /// What init does or awaits at its gate.
    GateState = Gate;

    awaits AwaitRequest "holds the start gate":
        recv [Start => AcceptStart, Abort => AcceptAbort] send [];
    acts AcceptStart "accepts the start":
        recv [] send [Starting => Execute];
    acts AcceptAbort "accepts the abort":
        recv [] send [Aborting => Aborted];
    acts Execute "startContainer hooks, execve of the user's program":
        recv [] send [];
    ends Aborted "leaves": recv [] send [];
}

machine! {
    /// What `start` does or awaits.
    StarterState = Starter;

    acts SendStart "opens the start gate":
        recv [] send [Start => AwaitStarting];
    asks AwaitStarting "waits until init accepts the start":
        recv [Starting => AwaitExec] send [];
    awaits_exec AwaitExec "waits for execve, which closes init's end of the connection":
        recv [] send [];
}

machine! {
    /// What `delete` of a created container does or awaits.
    DeleterState = Deleter;

    acts SendAbort "asks init to leave":
        recv [] send [Abort => AwaitAborting];
    asks AwaitAborting "waits until init accepts the abort":
        recv [Aborting => AwaitExit] send [];
    awaits_exit AwaitExit "waits until init has left":
        recv [] send [];
}

/// A client of the gate; the number is the driver's (its descriptor, say).
pub type Client = u32;

/// Init at its gate, with any number of clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gate<V = Lawful> {
    machine: Machine<GateState, V>,
    accepted: Option<Client>,
    variation: V,
}

/// What the gate says to a client's message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is the one: send this to it, then [`Gate::duty`] says what to do.
    Accept(Message),
    /// Another one was accepted before: close the connection.
    TooLate,
    /// It does not speak the gate's language: close the connection. The gate itself is as it was.
    Broken(Violation),
}

/// What init does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Wait for requests.
    Wait,
    /// Run the startContainer hooks and execute the program.
    Execute,
    /// Leave without executing anything.
    Leave,
}

impl Gate {
    /// A closed gate without clients.
    pub fn new() -> Gate {
        Gate::with_variation(Lawful)
    }
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new()
    }
}

impl<V: Variation> Gate<V> {
    /// With one rule bent, for the checker's mutants.
    #[doc(hidden)]
    pub fn with_variation(variation: V) -> Gate<V> {
        Gate {
            machine: Machine::with_variation(variation),
            accepted: None,
            variation,
        }
    }

    /// A client sent this message.
    pub fn on_message(self, client: Client, message: &Message) -> (Gate<V>, Answer) {
        if self.accepted.is_some() && !self.variation.accepts_again() {
            return (self, Answer::TooLate);
        }
        // A broken client must not break the gate: the old machine stays if the message is refused.
        let machine = if self.accepted.is_some() {
            Machine::with_variation(self.variation)
        } else {
            self.machine.clone()
        };
        let machine = match machine.receive(message) {
            Ok(machine) => machine,
            Err(violation) => return (self, Answer::Broken(violation)),
        };
        let reply = match machine.state() {
            Some(GateState::AcceptAbort) => Message::Aborting,
            _ => Message::Starting,
        };
        match machine.send(&reply) {
            Ok(machine) => (
                Gate {
                    machine,
                    accepted: Some(client),
                    ..self
                },
                Answer::Accept(reply),
            ),
            Err(violation) => (self, Answer::Broken(violation)),
        }
    }

    /// Init tells the accepted client something: a log line, or the error that ends it.
    ///
    /// # Errors
    /// [`Violation`] for any other message.
    pub fn tell(self, message: &Message) -> Result<Gate<V>, Violation> {
        Ok(Gate {
            machine: self.machine.send(message)?,
            ..self
        })
    }

    /// The client whose request was accepted.
    pub fn accepted(&self) -> Option<Client> {
        self.accepted
    }

    /// What init does next.
    pub fn duty(&self) -> Duty {
        match self.machine.state() {
            Some(GateState::Execute | GateState::AcceptStart) => Duty::Execute,
            Some(GateState::AwaitRequest) => Duty::Wait,
            Some(GateState::AcceptAbort | GateState::Aborted) | None => Duty::Leave,
        }
    }

    /// May a client send this now?
    pub fn allows(&self, kind: Kind) -> bool {
        self.machine.allows(Direction::Receive, kind)
    }
}
