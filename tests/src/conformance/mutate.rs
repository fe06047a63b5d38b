//! Falsifies records, to see that the judge can refuse one.
//!
//! What is changed is changed at both ends alike, so that comparing the two shows nothing: only the table can tell.

use sync_model::frame::encode;
use sync_model::{Kind, Message};

use super::{Channel, Clock, Origin, Passed, Record, Spoken};

/// One falsification. Messages are counted among those of their direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// This message never was.
    Drop(usize),
    /// It was twice.
    Duplicate(usize),
    /// These two in the other order.
    Swap(usize, usize),
    /// Another one in its place.
    Replace(usize, Kind),
}

/// Room between two moments, for the messages of one piece.
const ROOM: Clock = 64;

/// The same record with each message in a piece of its own.
pub fn spread(record: &Record) -> Record {
    let channel = |channel: &Channel| {
        let mut log: Vec<(Clock, Passed)> = (channel.log.iter())
            .filter(|(_, passed)| !matches!(passed, Passed::Sent(_) | Passed::Received(_)))
            .map(|(clock, passed)| (clock * ROOM, passed.clone()))
            .collect();
        let spoken = Spoken::of(channel).unwrap_or_default();
        for (messages, make) in [
            (&spoken.sent, Passed::Sent as fn(Vec<u8>) -> Passed),
            (&spoken.received, Passed::Received),
        ] {
            let (mut last, mut offset) = (0, 0);
            for (clock, message) in messages {
                offset = if *clock == last { offset + 1 } else { 0 };
                last = *clock;
                log.push((clock * ROOM + offset, make(frame(message))));
            }
        }
        log.sort_by_key(|(clock, _)| *clock);
        Channel {
            log,
            ..channel.clone()
        }
    };
    Record {
        channels: record.channels.iter().map(channel).collect(),
        acts: (record.acts.iter())
            .map(|(clock, process, act)| (clock * ROOM, *process, *act))
            .collect(),
    }
}

/// The bytes of a message.
pub fn frame(message: &Message) -> Vec<u8> {
    let mut frame = Vec::new();
    let _ = encode(message, &mut frame);
    frame
}

/// How many messages a channel has in one direction.
pub fn count(channel: &Channel, sent: bool) -> usize {
    (channel.log.iter())
        .filter(|(_, passed)| is(passed, sent))
        .count()
}

/// Falsifies one direction of a connection, at both of its ends: what `writer` sent and `reader` received. The record
/// is [`spread`].
pub fn falsify(record: &mut Record, writer: usize, reader: usize, mutation: Mutation) {
    for (channel, sent) in [(writer, true), (reader, false)] {
        let log = &mut record.channels[channel].log;
        let place = |nth: usize| {
            let mut places = (0..log.len()).filter(|index| is(&log[*index].1, sent));
            places.nth(nth)
        };
        match mutation {
            Mutation::Drop(nth) => {
                if let Some(at) = place(nth) {
                    log.remove(at);
                }
            }
            Mutation::Duplicate(nth) => {
                if let Some(at) = place(nth) {
                    let again = log[at].clone();
                    log.insert(at, again);
                }
            }
            Mutation::Swap(one, other) => {
                if let (Some(one), Some(other)) = (place(one), place(other)) {
                    let passed = log[one].1.clone();
                    log[one].1 = std::mem::replace(&mut log[other].1, passed);
                }
            }
            Mutation::Replace(nth, kind) => {
                // Another payload is not the table's business.
                if let (Some(at), Some(message)) = (place(nth), kind.bare())
                    && self::kind(&log[at].1) != Some(kind)
                {
                    log[at].1 = match sent {
                        true => Passed::Sent(frame(&message)),
                        false => Passed::Received(frame(&message)),
                    };
                }
            }
        }
    }
}

/// At one end alone: what was written right after something was read, was written before it. Returns the two kinds, or
/// `None` if there is no such place.
pub fn answer_first(record: &mut Record, channel: usize, nth: usize) -> Option<(Kind, Kind)> {
    let log = &mut record.channels[channel].log;
    let at = (1..log.len())
        .filter(|at| is(&log[at - 1].1, false) && is(&log[*at].1, true))
        .nth(nth)?;
    let kinds = (kind(&log[at - 1].1)?, kind(&log[at].1)?);
    let (earlier, later) = (log[at - 1].0, log[at].0);
    log.swap(at - 1, at);
    log[at - 1].0 = earlier;
    log[at].0 = later;
    Some(kinds)
}

/// The kinds that passed, channel by channel.
pub fn kinds(record: &Record) -> Vec<Vec<Option<Kind>>> {
    let channels = record.channels.iter();
    channels
        .map(|channel| channel.log.iter().map(|(_, it)| kind(it)).collect())
        .collect()
}

/// The connections of a record: who began it, and the other end, by their places.
pub fn connections(record: &Record) -> Vec<(usize, usize)> {
    let of = |origin: Origin| {
        (record.channels.iter().enumerate())
            .filter(move |(_, it)| it.origin == origin && (count(it, true) + count(it, false) > 0))
            .map(|(index, _)| index)
    };
    (of(Origin::Pair).zip(of(Origin::Inherited)))
        .chain(of(Origin::Connected).zip(of(Origin::Accepted)))
        .collect()
}

fn is(passed: &Passed, sent: bool) -> bool {
    match passed {
        Passed::Sent(_) => sent,
        Passed::Received(_) => !sent,
        _ => false,
    }
}

fn kind(passed: &Passed) -> Option<Kind> {
    match passed {
        Passed::Sent(bytes) | Passed::Received(bytes) => Kind::from_number(*bytes.get(1)?),
        _ => None,
    }
}
