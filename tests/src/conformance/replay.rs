//! One end of a connection, replayed through the model's machine.
//!
//! A record tells when bytes were written and read, the machine when a message is said and heard. What was read may be
//! heard later (`Start` is queued behind `Run`), and what is said may be written later (`AtGate` goes out with
//! `Starting`). So this looks for any order of saying and hearing that the table allows and the clock does not forbid:
//! nothing is heard before it was read, nothing is said after it was written.

use std::collections::HashSet;

use sync_model::frame::{DecodeError, Decoder};
use sync_model::machine::Machine;
use sync_model::table::{Class, Direction, States};
use sync_model::{Features, Kind, Message, Outcome, StateId};

use super::{Channel, Clock, Passed};

/// The messages of one end, each with the moment that bounds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// With the time of the write that has its first byte.
    pub sent: Vec<(Clock, Message)>,
    /// With the time of the read that has its last byte.
    pub received: Vec<(Clock, Message)>,
    /// The end was read.
    pub ended: bool,
    /// Something was written that nobody reads.
    pub unheard: bool,
    /// When this end was closed.
    pub closed: Option<Clock>,
    /// A frame that was begun and not finished went out.
    pub torn: bool,
}

impl Spoken {
    /// Decodes what passed.
    ///
    /// # Errors
    /// Bytes that are not a message.
    pub fn of(channel: &Channel) -> Result<Self, DecodeError> {
        let mut spoken = Spoken::default();
        let (mut out, mut inn) = (Decoder::new(), Decoder::new());
        let mut begun: Option<Clock> = None;
        for (clock, passed) in &channel.log {
            match passed {
                Passed::Sent(bytes) => {
                    out.push(bytes);
                    let mut first = begun.take().unwrap_or(*clock);
                    while let Some(message) = out.next_message()? {
                        spoken.sent.push((first, message));
                        first = *clock;
                    }
                    begun = (out.pending() > 0).then_some(first);
                }
                Passed::Received(bytes) => {
                    inn.push(bytes);
                    while let Some(message) = inn.next_message()? {
                        spoken.received.push((*clock, message));
                    }
                }
                Passed::Ended => spoken.ended = true,
                Passed::Certificate(_) => {}
                Passed::Unheard => spoken.unheard = true,
                Passed::Closed => spoken.closed = Some(*clock),
            }
        }
        spoken.torn = begun.is_some();
        Ok(spoken)
    }
}

/// Where the replay ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The state; `None` if the conversation is over.
    pub state: Option<StateId>,
    /// How it is over.
    pub outcome: Option<Outcome>,
    /// How many of the received messages were heard.
    pub heard: usize,
    /// When the last of them was there.
    pub features: Features,
}

impl Walk {
    /// Is it in this state?
    pub fn is_at(&self, name: &str) -> bool {
        self.state.is_some_and(|state| state.name() == name)
    }
}

/// Finds a path of the table for what was spoken; of several the one that hears most.
///
/// # Errors
/// The first message that no path has, in words.
pub fn walk<S: States>(spoken: &Spoken) -> Result<Walk, String> {
    let mut seen = HashSet::new();
    let mut stack = vec![(0, 0, Machine::<S>::new())];
    let mut best: Option<(usize, Machine<S>)> = None;
    let mut stuck: Option<(usize, String)> = None;
    while let Some((said, heard, machine)) = stack.pop() {
        if !seen.insert((said, heard, machine.state())) {
            continue;
        }
        let mut note = |at: usize, why: String| {
            if stuck.as_ref().is_none_or(|(furthest, _)| at >= *furthest) {
                stuck = Some((at, why));
            }
        };
        if said == spoken.sent.len() && best.as_ref().is_none_or(|(most, _)| heard > *most) {
            best = Some((heard, machine.clone()));
        }
        if let Some((_, message)) = spoken.received.get(heard) {
            match machine.clone().receive(message) {
                Ok(next) => stack.push((said, heard + 1, next)),
                Err(violation) => note(said + heard, violation.to_string()),
            }
        }
        if let Some((written, message)) = spoken.sent.get(said) {
            let read = heard.checked_sub(1).map(|last| spoken.received[last].0);
            match machine.clone().send(message) {
                Ok(_) if read.is_some_and(|read| read > *written) => note(
                    said + heard,
                    format!("{} was sent before what it answers", message.kind()),
                ),
                Ok(next) => stack.push((said + 1, heard, next)),
                Err(violation) => note(said + heard, violation.to_string()),
            }
        }
    }
    let Some((heard, machine)) = best else {
        return Err(stuck.map_or_else(|| "nothing fits".to_owned(), |(_, why)| why));
    };
    if let Some((_, message)) = spoken.received.get(heard)
        && !may_come(&machine, message)
    {
        return Err(stuck.map_or_else(|| format!("{} is not heard", message.kind()), |it| it.1));
    }
    Ok(Walk {
        state: machine.state().map(States::id),
        outcome: machine.outcome().cloned(),
        heard,
        features: machine.features(),
    })
}

/// A message was read and not heard: was it only early? It was if this side is at work, and what it says next leads to
/// where the message belongs. Init, when it has failed, hears no more.
fn may_come<S: States>(machine: &Machine<S>, message: &Message) -> bool {
    if let Some(Outcome::Failed(_)) = machine.outcome() {
        return S::ROLE.init_speaks() == Direction::Send;
    }
    let Some(state) = machine.state() else {
        return false;
    };
    if machine.allows(Direction::Receive, message.kind()) {
        return true;
    }
    state.class() == Class::Act
        && state
            .expected(Direction::Send)
            .iter()
            .filter_map(|kind: &Kind| kind.bare())
            .filter_map(|next| machine.clone().send(&next).ok())
            .any(|next| may_come(&next, message))
}
