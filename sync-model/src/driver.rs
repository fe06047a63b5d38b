//! Carries a machine over a wire: blocking, one writer, message or death, whichever comes.
//!
//! The descriptors are the [`Transport`]'s: a socketpair with a pidfd beside it in production, a modelled channel
//! under loom, a queue in the tests. What is here is what all of them need: what goes out is checked and gathered into
//! one write, what comes in is decoded and checked, and neither side can block the other for ever.

use crate::frame::{DecodeError, Decoder, TooLong, encode};
use crate::machine::{Machine, Turn};
use crate::msg::{Features, Kind, Message};
use crate::outcome::{Death, Fate, Outcome};
use crate::table::{Direction, StateId, States};
use crate::variation::{Lawful, Variation};
use crate::violation::Violation;

/// A stream of bytes to and from the peer, and the news of its death.
pub trait Transport {
    /// What the kernel refuses.
    type Error;

    /// Writes as much of `bytes` as goes without waiting for the peer to read.
    ///
    /// Descriptors that ride beside a frame are attached to the first write after it was queued.
    ///
    /// # Errors
    /// Only for what is neither a full wire nor a peer that has gone.
    fn send(&mut self, bytes: &[u8]) -> Result<Sent, Self::Error>;

    /// Waits for bytes, the end of the wire, or the peer's death, and with `or_writable` also until something can be
    /// written. Bytes that are there come first, then [`Recv::Eof`], and only then [`Recv::Died`]: what a dying
    /// peer wrote must not be lost (a reset connection is an end like any other).
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    fn recv(&mut self, buffer: &mut [u8], or_writable: bool) -> Result<Recv, Self::Error>;

    /// The wire has ended: what became of the peer? A dead peer closes its wire a moment before it can be reaped, so
    /// this may wait for a death that is on its way; it must not wait for one that may not come.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    fn fate(&mut self) -> Result<Fate, Self::Error>;
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// So many bytes are written. Fewer than were given: the wire is full.
    Bytes(usize),
    /// Nobody will ever read them. What the peer said before it went may still be there to receive.
    PeerGone,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recv {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The end of the wire.
    Eof,
    /// The peer is dead although the wire has not ended, and nothing is left to receive.
    Died(Death),
    /// Something can be written; only if asked for.
    Writable,
}

/// A message that passed, for `--explain` and `--trace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Sent from here, or received here.
    pub direction: Direction,
    /// What it is.
    pub kind: Kind,
    /// This side's state before it. `from.role` is this side.
    pub from: StateId,
    /// This side's state after it; `None` if the conversation is over. `doing()` says what this side does now.
    pub to: Option<StateId>,
    /// Bytes of its frame; 0 for a received one, whose frame is gone by then.
    pub bytes: usize,
    /// The features of the conversation, as far as they are known.
    pub features: Features,
}

/// Sees every message as it passes.
pub trait Observer {
    /// A message passed. A sent one may still be waiting to be written.
    fn event(&mut self, event: &Event);
}

/// Sees nothing, costs nothing.
impl Observer for () {
    fn event(&mut self, _: &Event) {}
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }
}

impl<O: Observer> Observer for Option<O> {
    fn event(&mut self, event: &Event) {
        if let Some(observer) = self {
            observer.event(event);
        }
    }
}

/// Why a conversation cannot go on, besides its own [`Outcome`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error<E> {
    /// The transport failed.
    Transport(E),
    /// What came is not a message.
    Decode(DecodeError),
    /// A message is too long to be sent.
    TooLong(TooLong),
    /// A message is not allowed now.
    Violation(Violation),
    /// Nothing will come, since the peer waits for this side: a fault of the caller's.
    NotItsTurn {
        /// Where the machine is.
        state: StateId,
        /// What it should send.
        expected: &'static [Kind],
    },
}

impl<E: std::fmt::Display> std::fmt::Display for Error<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Transport(error) => write!(f, "{error}"),
            Error::Decode(error) => write!(f, "broken handshake: {error}"),
            Error::TooLong(error) => write!(f, "{error}"),
            Error::Violation(violation) => write!(f, "{violation}"),
            Error::NotItsTurn { state, expected } => {
                write!(
                    f,
                    "broken handshake: {} waits in {state} instead of sending {expected:?}",
                    state.role
                )
            }
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Transport(error) => error.source(),
            Error::Decode(error) => Some(error),
            Error::TooLong(error) => Some(error),
            Error::Violation(violation) => Some(violation),
            Error::NotItsTurn { .. } => None,
        }
    }
}

/// What [`Driver::receive`] brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A legal message; the machine is past it. Never `Error`: that is an end.
    Message(Message),
    /// The conversation is over. The same again from then on.
    Ended(Outcome),
}

/// A machine on a wire.
#[derive(Debug)]
pub struct Driver<T, S, O = (), V = Lawful> {
    transport: T,
    machine: Machine<S, V>,
    observer: O,
    decoder: Decoder,
    /// Frames that are not written yet.
    out: Vec<u8>,
    /// The peer reads no more: what is queued goes nowhere, what it said is still to be received.
    deaf: bool,
    /// The peer has ended; messages that it said before may still be in the decoder.
    hangup: Option<Hangup>,
    /// Where a read lands. Grows only when a read has filled it.
    chunk: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Hangup {
    Eof,
    Died(Death),
}

/// Smallest and largest read, in bytes.
const CHUNK: usize = 4 << 10;
const CHUNK_MAX: usize = 64 << 10;

impl<T: Transport, S: States, O: Observer, V: Variation> Driver<T, S, O, V> {
    /// Puts the machine on the wire.
    pub fn new(transport: T, machine: Machine<S, V>, observer: O) -> Driver<T, S, O, V> {
        Driver {
            transport,
            machine,
            observer,
            decoder: Decoder::new(),
            out: Vec::new(),
            deaf: false,
            hangup: None,
            chunk: Vec::new(),
        }
    }

    /// The machine as it stands.
    pub fn machine(&self) -> &Machine<S, V> {
        &self.machine
    }

    /// The wire, for what rides beside the frames.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// The observer.
    pub fn observer(&mut self) -> &mut O {
        &mut self.observer
    }

    /// The wire alone; what was queued and not flushed is lost, and so is what was received and not asked for.
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Has the peer stopped reading? What it said may still be received, and names the cause.
    pub fn peer_is_gone(&self) -> bool {
        self.deaf
    }

    /// Queues a message, if the table allows it. It is written by [`Driver::flush`], or by [`Driver::receive`] before
    /// that waits.
    ///
    /// # Errors
    /// [`Error::Violation`], [`Error::TooLong`]: nothing was queued.
    pub fn send(&mut self, message: &Message) -> Result<(), Error<T::Error>> {
        let next = self
            .machine
            .clone()
            .send(message)
            .map_err(Error::Violation)?;
        let start = self.out.len();
        encode(message, &mut self.out).map_err(Error::TooLong)?;
        self.advance(
            next,
            Direction::Send,
            message.kind(),
            self.out.len() - start,
        );
        Ok(())
    }

    /// Writes what is queued. Returns `false` if the peer reads no more.
    ///
    /// While the wire is full it also takes in what the peer says: two sides that both only write would wait for
    /// each other for ever.
    ///
    /// # Errors
    /// [`Error::Transport`].
    pub fn flush(&mut self) -> Result<bool, Error<T::Error>> {
        let mut written = 0;
        let done = self.write(&mut written);
        // What is written must not be written again, also when a call fails in the middle: the error that is said then follows it.
        match done {
            Ok(()) => self.out.clear(),
            Err(_) => drop(self.out.drain(..written)),
        }
        done.map(|()| !self.deaf)
    }

    fn write(&mut self, written: &mut usize) -> Result<(), Error<T::Error>> {
        while *written < self.out.len() && !self.deaf {
            match self
                .transport
                .send(&self.out[*written..])
                .map_err(Error::Transport)?
            {
                Sent::PeerGone => self.deaf = true,
                Sent::Bytes(count) => {
                    *written += count;
                    if *written < self.out.len() {
                        self.wait(true)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The next message, or the end. Writes what is queued before it waits; a message that is there already is given
    /// without a system call.
    ///
    /// # Errors
    /// [`Error::Transport`]; [`Error::Decode`] and [`Error::Violation`] if the peer is broken: the conversation is
    /// over; [`Error::NotItsTurn`] if the peer waits for this side.
    pub fn receive(&mut self) -> Result<Received, Error<T::Error>> {
        loop {
            if let Some(outcome) = self.machine.outcome() {
                return Ok(Received::Ended(outcome.clone()));
            }
            // Init hears nothing while it acts: a start that is queued already must wait for its gate.
            if S::ROLE.init_speaks() == Direction::Send {
                self.check_turn()?;
            }
            if let Some(message) = self.decoder.next_message().map_err(Error::Decode)? {
                return self.take(message);
            }
            // Only now that all it said is heard may the peer's end count.
            match self.hangup {
                Some(Hangup::Eof) => {
                    self.change(Machine::on_eof);
                    let fate = self.transport.fate().map_err(Error::Transport)?;
                    self.change(|machine| machine.on_fate(fate));
                    continue;
                }
                Some(Hangup::Died(death)) => {
                    self.change(|machine| machine.on_death(death));
                    continue;
                }
                None => {}
            }
            let pending = self.decoder.pending();
            self.flush()?;
            if self.decoder.pending() != pending || self.hangup.is_some() {
                continue;
            }
            self.check_turn()?;
            self.wait(false)?;
        }
    }

    fn check_turn(&self) -> Result<(), Error<T::Error>> {
        match (self.machine.turn(), self.machine.state()) {
            (Turn::Act(expected), Some(state)) => Err(Error::NotItsTurn {
                state: state.id(),
                expected,
            }),
            _ => Ok(()),
        }
    }

    /// Says why this side failed, and ends the conversation. Returns `false` if nobody listens any more.
    ///
    /// # Errors
    /// As [`Driver::send`] and [`Driver::flush`].
    pub fn fail(&mut self, error: crate::msg::WireError) -> Result<bool, Error<T::Error>> {
        self.send(&Message::Error(error))?;
        self.flush()
    }

    /// Waits for the end and returns it; log lines on the way go to `log`.
    ///
    /// # Errors
    /// As [`Driver::receive`]; a message that asks something of the caller is [`Error::NotItsTurn`].
    pub fn finish(
        &mut self,
        mut log: impl FnMut(crate::msg::LogLine),
    ) -> Result<Outcome, Error<T::Error>> {
        loop {
            match self.receive()? {
                Received::Ended(outcome) => return Ok(outcome),
                Received::Message(Message::Log(line)) => log(line),
                Received::Message(_) => {}
            }
        }
    }

    /// The peer is known to be gone while it is this side's turn: what it said last, or what became of it. Waits for the
    /// end of the wire.
    ///
    /// # Errors
    /// As [`Driver::receive`].
    pub fn last_words(
        &mut self,
        log: impl FnMut(crate::msg::LogLine),
    ) -> Result<Outcome, Error<T::Error>> {
        while self.hangup.is_none() {
            self.wait(false)?;
        }
        self.finish(log)
    }

    fn take(&mut self, message: Message) -> Result<Received, Error<T::Error>> {
        match self.machine.clone().receive(&message) {
            Ok(next) => {
                self.advance(next, Direction::Receive, message.kind(), 0);
                match self.machine.outcome() {
                    Some(Outcome::Failed(error)) => {
                        Ok(Received::Ended(Outcome::Failed(error.clone())))
                    }
                    _ => Ok(Received::Message(message)),
                }
            }
            Err(violation) => {
                self.change(|machine| machine.violated(violation));
                Err(Error::Violation(violation))
            }
        }
    }

    fn wait(&mut self, or_writable: bool) -> Result<(), Error<T::Error>> {
        if self.chunk.is_empty() {
            self.chunk.resize(CHUNK, 0);
        }
        match self
            .transport
            .recv(&mut self.chunk, or_writable)
            .map_err(Error::Transport)?
        {
            Recv::Bytes(count) => {
                self.decoder
                    .push(self.chunk.get(..count).unwrap_or(&self.chunk));
                if count == self.chunk.len() && count < CHUNK_MAX {
                    self.chunk.resize(count * 2, 0);
                }
            }
            Recv::Eof => {
                self.deaf = true;
                self.hangup = Some(Hangup::Eof);
            }
            Recv::Died(death) => {
                self.deaf = true;
                self.hangup = Some(Hangup::Died(death));
            }
            Recv::Writable => {}
        }
        Ok(())
    }

    fn change(&mut self, change: impl FnOnce(Machine<S, V>) -> Machine<S, V>) {
        self.machine = change(self.machine.clone());
    }

    fn advance(&mut self, next: Machine<S, V>, direction: Direction, kind: Kind, bytes: usize) {
        let from = self.machine.state().unwrap_or(S::FIRST).id();
        self.machine = next;
        let to = self.machine.state().map(States::id);
        self.observer.event(&Event {
            direction,
            kind,
            from,
            to,
            bytes,
            features: self.machine.features(),
        });
    }
}
