//! Properties of the codec and the machines over random input. Each test prints how many cases it ran;
//! `PROPTEST_FACTOR=100` runs a hundred times as many.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sync_model::frame::{
    CONFIG_CAP, DecodeError, Decoder, FRAME_VERSION, HEADER, SMALL_CAP, cap, encode,
};
use sync_model::fuzzing;
use sync_model::msg::TEXT_CAP;
use sync_model::{Bootstrap, Features, Kind, Level, LogLine, Message, Step, WireError};

/// Runs the property, and prints its size.
fn check<S: Strategy>(name: &str, cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let factor: u32 = std::env::var("PROPTEST_FACTOR")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    let config = ProptestConfig {
        cases: cases * factor,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let ran = Cell::new(0_u64);
    let result = TestRunner::new(config).run(&strategy, |value| {
        ran.set(ran.get() + 1);
        property(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
    assert!(
        ran.get() >= u64::from(cases),
        "{name}: only {} cases ran",
        ran.get()
    );
    println!("{name}: {} cases", ran.get());
}

fn text() -> impl Strategy<Value = String> {
    // Mostly short; some at the edge of the cap, in characters of every length.
    prop_oneof![
        vec(any::<char>(), 0..20).prop_map(|chars| chars.into_iter().collect()),
        (any::<char>(), TEXT_CAP - 5..TEXT_CAP + 5)
            .prop_map(|(c, len)| c.to_string().repeat(len / c.len_utf8())),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    (1..=5_u8).prop_map(|number| Level::from_number(number).unwrap())
}

fn bootstrap() -> impl Strategy<Value = Message> {
    (0..16_u8, level()).prop_map(|(bits, log_level)| {
        let features = Features::from_bits(bits & Features::ALL.bits()).unwrap();
        Message::Bootstrap(Bootstrap::new(features, log_level))
    })
}

fn error() -> impl Strategy<Value = Message> {
    (0..Step::ALL.len(), any::<i32>(), text(), text()).prop_map(|(step, errno, path, message)| {
        Message::Error(WireError {
            step: Step::ALL[step],
            errno,
            path,
            message,
        })
    })
}

fn message() -> impl Strategy<Value = Message> {
    let bare: Vec<Message> = Kind::ALL.iter().filter_map(|kind| kind.bare()).collect();
    prop_oneof![
        3 => proptest::sample::select(bare),
        1 => bootstrap(),
        1 => error(),
        1 => (level(), text()).prop_map(|(level, message)| Message::Log(LogLine { level, message })),
        1 => vec(any::<u8>(), 0..5000).prop_map(Message::Config),
        1 => vec(any::<u8>(), 0..5000).prop_map(Message::Run),
        1 => any::<u32>().prop_map(Message::SeccompFd),
    ]
}

/// What arrives: texts are cut, nothing else changes.
fn as_received(message: &Message) -> Message {
    let cut = |text: &String| {
        let (kept, mark) = sync_model::msg::cut(text);
        format!("{kept}{mark}")
    };
    match message.clone() {
        Message::Error(error) => Message::Error(WireError {
            path: cut(&error.path),
            message: cut(&error.message),
            ..error
        }),
        Message::Log(line) => Message::Log(LogLine {
            message: cut(&line.message),
            ..line
        }),
        other => other,
    }
}

#[test]
fn every_message_survives_every_split() {
    let split = vec(1..200_usize, 1..40);
    check(
        "round trip under any split",
        1_500,
        (vec(message(), 0..6), split),
        |(messages, pieces)| {
            let mut wire = Vec::new();
            for message in &messages {
                encode(message, &mut wire).unwrap();
            }
            let mut decoder = Decoder::new();
            let mut received = Vec::new();
            let mut rest = wire.as_slice();
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at((*piece).min(rest.len()));
                decoder.push(now);
                rest = later;
                while let Some(message) = decoder.next_message().unwrap() {
                    received.push(message);
                }
                if rest.is_empty() {
                    break;
                }
            }
            assert_eq!(
                received,
                messages.iter().map(as_received).collect::<Vec<_>>()
            );
            assert_eq!(decoder.pending(), 0);
        },
    );
}

#[test]
fn garbage_is_an_error_or_waits_and_never_more() {
    check("any bytes", 8_000, vec(any::<u8>(), 0..400), |bytes| {
        fuzzing::frame_decode(&bytes)
    });
    // Bytes that begin like a frame get further.
    let framed = (any::<u8>(), 0..20_u8, 0..40_u8, vec(any::<u8>(), 0..60)).prop_map(
        |(seed, kind, len, body)| {
            let mut bytes = vec![seed, FRAME_VERSION, kind, len, 0, 0, 0];
            bytes.extend(body);
            bytes
        },
    );
    check("bytes behind a header", 8_000, framed, |bytes| {
        fuzzing::frame_decode(&bytes)
    });
    let mutated = (
        any::<u8>(),
        vec(message(), 1..4),
        any::<prop::sample::Index>(),
        any::<u8>(),
    );
    check(
        "a message with one byte changed",
        1_500,
        mutated,
        |(seed, messages, at, byte)| {
            let mut wire = vec![seed];
            for message in &messages {
                encode(message, &mut wire).unwrap();
            }
            let at = at.index(wire.len());
            wire[at] = byte;
            fuzzing::frame_decode(&wire);
        },
    );
}

#[test]
fn caps_hold_on_both_sides() {
    for kind in Kind::ALL {
        let len = u32::try_from(cap(*kind)).unwrap();
        let header = |len: u32| {
            let mut header = vec![FRAME_VERSION, kind.number()];
            header.extend(len.to_le_bytes());
            header
        };
        let mut decoder = Decoder::new();
        decoder.push(&header(len));
        assert_eq!(
            decoder.next_message(),
            Ok(None),
            "{kind}: the cap itself is legal"
        );
        assert!(
            decoder.reserved() < 64,
            "{kind}: reserved what was only announced"
        );
        for over in [len + 1, u32::MAX] {
            let mut decoder = Decoder::new();
            decoder.push(&header(over));
            assert!(
                matches!(decoder.next_message(), Err(DecodeError::TooLong(error)) if error.kind == *kind)
            );
        }
    }
    let mut out = vec![1, 2, 3];
    let error = encode(&Message::Config(vec![0; CONFIG_CAP + 1]), &mut out).unwrap_err();
    assert_eq!((error.len, error.cap), (CONFIG_CAP + 1, CONFIG_CAP));
    assert_eq!(out, [1, 2, 3], "a refused message leaves nothing behind");
    let error = encode(&Message::Run(vec![0; SMALL_CAP + 1]), &mut out).unwrap_err();
    assert_eq!(error.cap, SMALL_CAP);
    let mut wire = Vec::new();
    encode(&Message::Config(vec![7; CONFIG_CAP]), &mut wire).unwrap();
    let mut decoder = Decoder::new();
    decoder.push(&wire[..wire.len() - 1]);
    assert_eq!(decoder.next_message(), Ok(None));
    decoder.push(&wire[wire.len() - 1..]);
    assert_eq!(
        decoder.next_message(),
        Ok(Some(Message::Config(vec![7; CONFIG_CAP])))
    );
}

/// What is given out is let go of: a conversation of any length takes no more memory than its longest message.
#[test]
fn a_long_conversation_takes_no_more_memory() {
    let mut wire = Vec::new();
    encode(
        &Message::Log(LogLine {
            level: Level::Info,
            message: "x".repeat(100),
        }),
        &mut wire,
    )
    .unwrap();
    let mut decoder = Decoder::new();
    for _ in 0..10_000 {
        decoder.push(&wire);
        assert!(decoder.next_message().unwrap().is_some());
    }
    assert!(decoder.reserved() < 1024, "{} bytes", decoder.reserved());
}

#[test]
fn each_broken_frame_has_its_own_error() {
    let decode = |bytes: &[u8]| {
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        decoder.next_message().unwrap_err()
    };
    let frame = |kind: Kind, body: &[u8]| {
        let mut bytes = vec![FRAME_VERSION, kind.number()];
        bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend(body);
        bytes
    };
    assert_eq!(decode(b"G"), DecodeError::Version(b'G'));
    assert_eq!(decode(&[FRAME_VERSION, 0]), DecodeError::Kind(0));
    assert_eq!(decode(&[FRAME_VERSION, 18]), DecodeError::Kind(18));
    assert_eq!(
        decode(&frame(Kind::Resume, b"x")),
        DecodeError::Trailing(Kind::Resume)
    );
    assert_eq!(
        decode(&frame(Kind::SeccompFd, &[1, 0, 0])),
        DecodeError::Short(Kind::SeccompFd)
    );
    assert_eq!(
        decode(&frame(Kind::SeccompFd, &[1, 0, 0, 0, 0])),
        DecodeError::Trailing(Kind::SeccompFd)
    );
    assert_eq!(
        decode(&frame(Kind::Bootstrap, &[1, 0, 0])),
        DecodeError::Short(Kind::Bootstrap)
    );
    assert_eq!(
        decode(&frame(Kind::Bootstrap, &[2, 0, 0, 3])),
        DecodeError::Protocol(2)
    );
    assert_eq!(
        decode(&frame(Kind::Bootstrap, &[1, 0, 16, 3])),
        DecodeError::Features(16)
    );
    assert_eq!(
        decode(&frame(Kind::Bootstrap, &[1, 0, 0, 0])),
        DecodeError::Level(0)
    );
    assert_eq!(
        decode(&frame(Kind::Log, &[1, 2, 0, b'a'])),
        DecodeError::Short(Kind::Log)
    );
    assert_eq!(
        decode(&frame(Kind::Log, &[1, 1, 0, 0xff])),
        DecodeError::Utf8(Kind::Log)
    );
    assert_eq!(
        decode(&frame(Kind::Log, &[1, 1, 16])),
        DecodeError::TextTooLong(Kind::Log)
    );
    assert_eq!(
        decode(&frame(Kind::Log, &[1, 0, 0, 9])),
        DecodeError::Trailing(Kind::Log)
    );
    assert_eq!(HEADER, frame(Kind::Run, &[]).len());
    // A cause must not be lost because its step is of a newer release.
    let mut decoder = Decoder::new();
    decoder.push(&frame(
        Kind::Error,
        &[0xff, 0xff, 2, 0, 0, 0, 0, 0, 1, 0, b'm'],
    ));
    let error = WireError {
        step: Step::Unknown,
        errno: 2,
        path: String::new(),
        message: "m".to_owned(),
    };
    assert_eq!(decoder.next_message(), Ok(Some(Message::Error(error))));
}

/// No sequence of messages, random or nearly right, with deaths in between, leads a machine where the reference does
/// not go too.
#[test]
fn no_sequence_leaves_the_legal_set() {
    let ops = (0..5_u8, 0..16_u8, vec(any::<u8>(), 0..150)).prop_map(|(which, bits, ops)| {
        let mut bytes = vec![which, bits];
        bytes.extend(ops);
        bytes
    });
    check("any sequence of operations", 8_000, ops, |bytes| {
        fuzzing::handshake_ops(&bytes)
    });
    // Send what is next, let it arrive, on both sides in turn; then bend one operation.
    let walk = (
        0..4_u8,
        0..16_u8,
        0..60_usize,
        any::<prop::sample::Index>(),
        any::<[u8; 2]>(),
    );
    check(
        "a legal sequence with one operation bent",
        8_000,
        walk,
        |(which, bits, rounds, at, bent)| {
            let mut bytes = vec![which, bits];
            for _ in 0..rounds {
                // a sends, b hears; b sends, a hears; b executes.
                bytes.extend([0x10, 0xf7, 0x11, 0xf6, 0x0b]);
            }
            let at = 2 + at.index(bytes.len() - 1);
            let end = bytes.len().min(at + 2);
            bytes.splice(at.min(end)..end, bent);
            fuzzing::handshake_ops(&bytes);
        },
    );
}
