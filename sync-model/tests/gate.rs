//! The gate with several clients: exactly one request is ever accepted, and no client can disturb another.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use sync_model::frame::encode;
use sync_model::gate::{Answer, Duty};
use sync_model::gate_driver::{GateDriver, Gateway, Visit};
use sync_model::{Gate, Kind, Message, Sent, Step, WireError};

/// A socket whose events are written down beforehand.
#[derive(Default)]
struct Script {
    events: VecDeque<(u32, Option<Vec<u8>>)>,
    sent: Vec<(u32, Vec<u8>)>,
    closed: Vec<u32>,
    gone: Vec<u32>,
}

#[derive(Debug, PartialEq)]
struct Nothing;

impl Gateway for Script {
    type Error = Nothing;

    fn wait(&mut self, buffer: &mut [u8]) -> Result<Visit, Nothing> {
        let Some((client, bytes)) = self.events.pop_front() else {
            return Err(Nothing);
        };
        if self.closed.contains(&client) {
            return self.wait(buffer);
        }
        Ok(match bytes {
            None => Visit::Gone(client),
            Some(bytes) if bytes.is_empty() => Visit::Connected(client),
            Some(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Visit::Bytes(client, bytes.len())
            }
        })
    }

    fn send(&mut self, client: u32, bytes: &[u8]) -> Result<Sent, Nothing> {
        if self.gone.contains(&client) {
            return Ok(Sent::PeerGone);
        }
        self.sent.push((client, bytes.to_vec()));
        Ok(Sent::Bytes(bytes.len()))
    }

    fn close(&mut self, client: u32) {
        self.closed.push(client);
    }
}

fn bytes(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out).unwrap();
    out
}

fn script(events: &[(u32, Option<Vec<u8>>)]) -> GateDriver<Script> {
    let script = Script {
        events: events.iter().cloned().collect(),
        ..Script::default()
    };
    GateDriver::new(script, Gate::new(), ())
}

#[test]
fn exactly_one_request_is_accepted() {
    for (first, second) in [
        (Message::Start, Message::Abort),
        (Message::Abort, Message::Start),
    ] {
        let (gate, answer) = Gate::new().on_message(1, &first);
        let reply = if first == Message::Start {
            Message::Starting
        } else {
            Message::Aborting
        };
        assert_eq!(answer, Answer::Accept(reply));
        let duty = gate.duty();
        assert_eq!(
            duty,
            if first == Message::Start {
                Duty::Execute
            } else {
                Duty::Leave
            }
        );
        for late in [first, second] {
            let (gate, answer) = gate.clone().on_message(2, &late);
            assert_eq!(answer, Answer::TooLate);
            assert_eq!((gate.duty(), gate.accepted()), (duty, Some(1)));
        }
    }
}

/// A client may stall in the middle of its request, die there, or say nonsense: the next one is served.
#[test]
fn no_client_holds_up_another() {
    let start = bytes(&Message::Start);
    let mut driver = script(&[
        (1, Some(Vec::new())),
        (1, Some(start[..3].to_vec())),
        (2, Some(start[..5].to_vec())),
        (2, None),
        (3, Some(b"GET / HTTP/1.1".to_vec())),
        (4, Some(bytes(&Message::Resume))),
        // Announces 16 MiB of a plan: not here.
        (5, Some(vec![0xc1, Kind::Config.number(), 0, 0, 0, 1])),
        (6, Some(start)),
    ]);
    assert_eq!(driver.serve(), Ok(Duty::Execute));
    assert_eq!(driver.gateway().closed, [3, 4, 5]);
    assert_eq!(driver.gateway().sent, [(6, bytes(&Message::Starting))]);
    let error = WireError {
        step: Step::Exec,
        errno: 2,
        path: String::new(),
        message: "no such file".to_owned(),
    };
    driver.fail(error.clone()).unwrap();
    assert_eq!(driver.gateway().sent[1], (6, bytes(&Message::Error(error))));
}

/// A descriptor's number comes back with the next client: what the dead one had said is not the new one's.
#[test]
fn a_number_that_comes_back_starts_anew() {
    let (start, abort) = (bytes(&Message::Start), bytes(&Message::Abort));
    let mut driver = script(&[
        (1, Some(start[..4].to_vec())),
        (1, None),
        (1, Some(Vec::new())),
        (1, Some(abort)),
    ]);
    assert_eq!(driver.serve(), Ok(Duty::Leave));
    assert_eq!(driver.gateway().closed, []);
}

/// It has told its caller that nothing comes of it: the gate is as it was, and another one is heard.
#[test]
fn who_is_gone_before_its_answer_has_asked_for_nothing() {
    for request in [Message::Start, Message::Abort] {
        let mut driver = script(&[
            (1, Some(bytes(&request))),
            (2, Some(bytes(&Message::Start))),
        ]);
        driver.gateway().gone.push(1);
        assert_eq!(driver.serve(), Ok(Duty::Execute));
        assert_eq!(driver.gateway().closed, [1]);
        assert_eq!(driver.gateway().sent, [(2, bytes(&Message::Starting))]);
        let mut driver = script(&[(1, Some(bytes(&request)))]);
        driver.gateway().gone.push(1);
        assert_eq!(driver.serve(), Err(Nothing), "it waits on");
    }
}

#[test]
fn a_request_in_single_bytes_is_a_request() {
    let events: Vec<_> = bytes(&Message::Abort)
        .iter()
        .map(|byte| (9, Some(vec![*byte])))
        .collect();
    assert_eq!(script(&events).serve(), Ok(Duty::Leave));
}
