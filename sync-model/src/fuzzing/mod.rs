//! Bodies of the fuzz targets. Plain functions that assert: the targets, the property tests and the replay of the
//! corpora call the same ones.
//!
//! [`frame_decode`] takes any bytes for a wire. [`handshake_ops`] takes them for a sequence of operations and deaths,
//! and holds the machines against a reference that knows no states: only the list of messages that a conversation has.

mod converse;
mod reference;

use crate::creator::CreatorState;
use crate::exec::{ExecCreatorState, ExecInitState};
use crate::frame::{DecodeError, Decoder, HEADER, encode};
use crate::gate::{Answer, DeleterState, Duty, Gate, GateState, StarterState};
use crate::init::InitState;
use crate::msg::{Bootstrap, Features, Kind, Level, LogLine, Message, WireError};
use crate::step::Step;
use converse::converse;

/// Any bytes, in any pieces: the same messages, the same end; what was decoded encodes and decodes to itself; no more
/// memory than was received.
///
/// The first byte chooses the pieces, the rest is the wire.
pub fn frame_decode(data: &[u8]) {
    let Some((seed, wire)) = data.split_first() else {
        return;
    };
    let whole = decode_in_pieces(wire, &mut |rest| rest);
    let mut state = u64::from(*seed) + 1;
    let split = decode_in_pieces(wire, &mut |rest| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let most = if seed & 1 == 0 { 9 } else { 300 };
        usize::try_from(state >> 33).unwrap_or(0) % most % (rest + 1)
    });
    assert_eq!(
        whole, split,
        "the pieces in which a wire arrives change what it says"
    );
    let (messages, _) = whole;
    let mut again = Vec::new();
    for message in &messages {
        assert!(
            encode(message, &mut again).is_ok(),
            "what was decoded must fit in a frame"
        );
    }
    assert!(again.len() <= wire.len(), "a frame grew by decoding it");
    let (decoded, end) = decode_in_pieces(&again, &mut |rest| rest);
    assert_eq!(
        decoded, messages,
        "what was decoded does not encode to itself"
    );
    assert_eq!(end, Ok(0), "an encoded message leaves nothing over");
}

/// All messages of the wire, and then its error or the number of bytes that are left. `piece` gets the number of
/// bytes that are left to push and says how many to push now.
fn decode_in_pieces(
    mut wire: &[u8],
    piece: &mut dyn FnMut(usize) -> usize,
) -> (Vec<Message>, Result<usize, DecodeError>) {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let mut pushed = 0;
    loop {
        let count = piece(wire.len()).min(wire.len());
        let (now, later) = wire.split_at(count);
        decoder.push(now);
        wire = later;
        pushed += count;
        // A Vec at most doubles; 64 is its least.
        assert!(
            decoder.reserved() <= 64 + 2 * pushed,
            "{} bytes are held of {pushed}",
            decoder.reserved()
        );
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_message(), Err(error), "an error must stay");
                    decoder.push(&[0xc1]);
                    assert_eq!(decoder.next_message(), Err(error), "an error must stay");
                    return (messages, Err(error));
                }
            }
        }
        if wire.is_empty() {
            return (messages, Ok(decoder.pending()));
        }
    }
}

/// Operations and deaths against the machines and the reference.
///
/// The first byte chooses the conversation, the second the features; then each operation takes one or two bytes.
pub fn handshake_ops(data: &[u8]) {
    let [which, bits, ops @ ..] = data else {
        return;
    };
    let features = Features::from_bits(bits & Features::ALL.bits()).unwrap_or_default();
    match which % 5 {
        0 => converse::<CreatorState, InitState>(features, reference::container(features), ops),
        1 => {
            let script = reference::exec(features);
            converse::<ExecCreatorState, ExecInitState>(features, script, ops);
        }
        2 => converse::<StarterState, GateState>(features, vec![Kind::Start, Kind::Starting], ops),
        3 => converse::<DeleterState, GateState>(features, vec![Kind::Abort, Kind::Aborting], ops),
        _ => crowd(ops),
    }
}

/// Any number of clients at one gate: the first whole request, and no other, is accepted.
fn crowd(ops: &[u8]) {
    let mut gate = Gate::new();
    let mut first = None;
    for pair in ops.chunks_exact(2) {
        let client = u32::from(pair[0]);
        let kind = Kind::ALL[usize::from(pair[1]) % Kind::ALL.len()];
        let message = message(kind, Features::NONE, pair[0]);
        let (next, answer) = gate.clone().on_message(client, &message);
        let request = matches!(kind, Kind::Start | Kind::Abort);
        match (&first, request) {
            (None, true) => {
                let reply = if kind == Kind::Start {
                    Message::Starting
                } else {
                    Message::Aborting
                };
                assert_eq!(answer, Answer::Accept(reply));
                first = Some((client, kind));
            }
            (None, false) => {
                assert!(matches!(answer, Answer::Broken(_)), "{answer:?}");
                assert_eq!(next, gate, "a broken client changed the gate");
            }
            (Some(_), _) => {
                assert_eq!(answer, Answer::TooLate);
                assert_eq!(next, gate, "a late client changed the gate");
            }
        }
        gate = next;
        assert_eq!(gate.accepted(), first.map(|(client, _)| client));
        let duty = match first {
            None => Duty::Wait,
            Some((_, Kind::Start)) => Duty::Execute,
            Some(_) => Duty::Leave,
        };
        assert_eq!(gate.duty(), duty);
    }
    // The bytes of a request are a header and nothing else: `gate_driver` counts on it.
    let mut frame = Vec::new();
    assert!(encode(&Message::Start, &mut frame).is_ok());
    assert_eq!(frame.len(), HEADER);
}

/// A message of this kind, made of a byte.
fn message(kind: Kind, features: Features, salt: u8) -> Message {
    let text = || "x".repeat(usize::from(salt));
    match kind {
        Kind::Bootstrap => Message::Bootstrap(Bootstrap::new(features, Level::Info)),
        Kind::Config => Message::Config(vec![salt; usize::from(salt) * 3]),
        Kind::Error => Message::Error(WireError {
            step: Step::from_number(u16::from(salt)),
            errno: i32::from(salt),
            path: text(),
            message: text(),
        }),
        Kind::Log => Message::Log(LogLine {
            level: Level::Debug,
            message: text(),
        }),
        Kind::SeccompFd => Message::SeccompFd(u32::from(salt)),
        Kind::Run => Message::Run(vec![salt; usize::from(salt)]),
        bare => bare.bare().unwrap_or(Message::Resume),
    }
}
