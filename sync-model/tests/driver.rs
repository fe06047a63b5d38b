//! The driver over a queue in memory: both sides in one thread, so that every step is in our hands.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use sync_model::driver::Error;
use sync_model::{
    Bootstrap, Creator, Death, Driver, Event, ExecCreator, ExecInit, Fate, Features, Init, Kind,
    Level, LogLine, Message, Observer, Outcome, Received, Recv, Sent, Step, Transport, WireError,
};

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
}

/// One end of a pair of queues; waiting for what cannot come is an error instead of a hang.
struct End {
    rx: Rc<RefCell<Pipe>>,
    tx: Rc<RefCell<Pipe>>,
    room: usize,
    fate: Fate,
    writes: usize,
}

#[derive(Debug, PartialEq)]
struct WouldBlock;

impl std::fmt::Display for WouldBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("would wait for ever")
    }
}

fn pair(fate: Fate) -> (End, End) {
    let (a, b) = (
        Rc::new(RefCell::new(Pipe::default())),
        Rc::new(RefCell::new(Pipe::default())),
    );
    let end = |rx: &Rc<RefCell<Pipe>>, tx: &Rc<RefCell<Pipe>>, fate| End {
        rx: rx.clone(),
        tx: tx.clone(),
        room: usize::MAX,
        fate,
        writes: 0,
    };
    (end(&a, &b, fate), end(&b, &a, Fate::Unknown))
}

impl Drop for End {
    fn drop(&mut self) {
        self.rx.borrow_mut().closed = true;
        self.tx.borrow_mut().closed = true;
    }
}

impl Transport for End {
    type Error = WouldBlock;

    fn send(&mut self, bytes: &[u8]) -> Result<Sent, WouldBlock> {
        let mut pipe = self.tx.borrow_mut();
        if pipe.closed {
            return Ok(Sent::PeerGone);
        }
        let count = bytes.len().min(self.room.saturating_sub(pipe.bytes.len()));
        pipe.bytes.extend(&bytes[..count]);
        self.writes += 1;
        Ok(Sent::Bytes(count))
    }

    fn recv(&mut self, buffer: &mut [u8], or_writable: bool) -> Result<Recv, WouldBlock> {
        let mut pipe = self.rx.borrow_mut();
        if pipe.bytes.is_empty() {
            return match (
                pipe.closed,
                or_writable && self.tx.borrow().bytes.len() < self.room,
            ) {
                (true, _) => Ok(Recv::Eof),
                (false, true) => Ok(Recv::Writable),
                (false, false) => Err(WouldBlock),
            };
        }
        let count = buffer.len().min(pipe.bytes.len());
        for slot in &mut buffer[..count] {
            *slot = pipe.bytes.pop_front().unwrap();
        }
        Ok(Recv::Bytes(count))
    }

    fn fate(&mut self) -> Result<Fate, WouldBlock> {
        Ok(self.fate)
    }
}

#[derive(Default)]
struct Seen(Vec<Kind>);

impl Observer for Seen {
    fn event(&mut self, event: &Event) {
        self.0.push(event.kind);
    }
}

fn bootstrap(features: Features) -> Message {
    Message::Bootstrap(Bootstrap::new(features, Level::Info))
}

fn message<T>(received: Result<Received, Error<T>>) -> Message
where
    T: std::fmt::Debug,
{
    match received.unwrap() {
        Received::Message(message) => message,
        Received::Ended(outcome) => panic!("ended: {outcome:?}"),
    }
}

#[test]
fn run_with_the_start_queued_behind_run() {
    let (a, b) = pair(Fate::Executed);
    let mut creator = Driver::new(a, Creator::new(), Seen::default());
    let mut init = Driver::new(b, Init::new(), ());
    creator.send(&bootstrap(Features::START_ON_WIRE)).unwrap();
    creator.send(&Message::Config(vec![7; 10_000])).unwrap();
    assert!(creator.flush().unwrap());
    assert_eq!(creator.transport().writes, 1, "two messages, one write");
    assert_eq!(message(init.receive()).kind(), Kind::Bootstrap);
    assert_eq!(message(init.receive()), Message::Config(vec![7; 10_000]));
    init.send(&Message::Log(LogLine {
        level: Level::Info,
        message: "mounts".to_owned(),
    }))
    .unwrap();
    init.send(&Message::Ready).unwrap();
    init.flush().unwrap();
    assert_eq!(message(creator.receive()).kind(), Kind::Log);
    assert_eq!(message(creator.receive()), Message::Ready);
    creator.send(&Message::Run(Vec::new())).unwrap();
    creator.send(&Message::Start).unwrap();
    creator.flush().unwrap();
    assert_eq!(message(init.receive()), Message::Run(Vec::new()));
    init.send(&Message::AtGate).unwrap();
    assert_eq!(message(init.receive()), Message::Start);
    init.send(&Message::Starting).unwrap();
    init.flush().unwrap();
    assert_eq!(
        init.transport().writes,
        2,
        "AtGate and Starting go together"
    );
    drop(init);
    assert_eq!(message(creator.receive()), Message::AtGate);
    assert_eq!(message(creator.receive()), Message::Starting);
    assert_eq!(
        creator.receive().unwrap(),
        Received::Ended(Outcome::Executed)
    );
    assert_eq!(creator.observer().0.len(), 8);
}

/// S6: the creator is still writing when init fails: the cause is read after the broken pipe.
#[test]
fn the_cause_is_found_behind_a_broken_pipe() {
    let (a, b) = pair(Fate::Died(Death::Exited(1)));
    let mut creator = Driver::new(a, Creator::new(), ());
    let mut init = Driver::new(b, Init::new(), ());
    let cause = WireError {
        step: Step::Namespaces,
        errno: 1,
        path: "/x".to_owned(),
        message: "setns".to_owned(),
    };
    init.fail(cause.clone()).unwrap();
    drop(init);
    creator.send(&bootstrap(Features::NONE)).unwrap();
    creator.send(&Message::Config(vec![0; 1000])).unwrap();
    assert!(!creator.flush().unwrap());
    assert_eq!(
        creator.receive().unwrap(),
        Received::Ended(Outcome::Failed(cause))
    );
}

/// L3: both sides write more than the wire holds. Nobody may wait for ever.
#[test]
fn two_full_wires_do_not_block_each_other() {
    let (mut a, mut b) = pair(Fate::Unknown);
    (a.room, b.room) = (64, 64);
    let mut init = Driver::new(b, Init::new(), ());
    for _ in 0..3 {
        init.send(&Message::Log(LogLine {
            level: Level::Info,
            message: "x".repeat(10),
        }))
        .unwrap();
    }
    init.flush().unwrap();
    let mut creator = Driver::new(a, Creator::new(), ());
    creator.send(&bootstrap(Features::NONE)).unwrap();
    creator.send(&Message::Config(vec![0; 40])).unwrap();
    creator.flush().unwrap();
    assert_eq!(message(creator.receive()).kind(), Kind::Log);
}

/// runc #5087: init is killed by its own seccomp filter right after Run.
#[test]
fn a_death_without_a_word_names_signal_and_state() {
    let (a, b) = pair(Fate::Died(Death::Killed(31)));
    let mut creator = Driver::new(a, Creator::new(), ());
    let mut init = Driver::new(b, Init::new(), ());
    creator.send(&bootstrap(Features::NONE)).unwrap();
    creator.send(&Message::Config(Vec::new())).unwrap();
    creator.flush().unwrap();
    init.receive().unwrap();
    init.receive().unwrap();
    init.send(&Message::Ready).unwrap();
    init.flush().unwrap();
    assert_eq!(message(creator.receive()), Message::Ready);
    creator.send(&Message::Run(Vec::new())).unwrap();
    creator.flush().unwrap();
    drop(init);
    let Received::Ended(outcome) = creator.receive().unwrap() else {
        panic!("not ended")
    };
    assert!(!outcome.is_success());
    let text = outcome.to_string();
    assert!(
        text.contains("SIGSYS") && text.contains("AwaitAtGate"),
        "{text}"
    );
}

#[test]
fn exec_and_its_failure() {
    let (a, b) = pair(Fate::Died(Death::Exited(1)));
    let mut creator = Driver::new(a, ExecCreator::new(), ());
    let mut init = Driver::new(b, ExecInit::new(), ());
    creator.send(&bootstrap(Features::NONE)).unwrap();
    creator.send(&Message::Config(Vec::new())).unwrap();
    creator.flush().unwrap();
    init.receive().unwrap();
    init.receive().unwrap();
    init.send(&Message::Ready).unwrap();
    init.flush().unwrap();
    assert_eq!(message(creator.receive()), Message::Ready);
    creator.send(&Message::Run(Vec::new())).unwrap();
    creator.flush().unwrap();
    assert_eq!(message(init.receive()), Message::Run(Vec::new()));
    init.send(&Message::Starting).unwrap();
    let cause = WireError {
        step: Step::Exec,
        errno: 2,
        path: "/nope".to_owned(),
        message: "no such file".to_owned(),
    };
    init.fail(cause.clone()).unwrap();
    drop(init);
    assert_eq!(message(creator.receive()), Message::Starting);
    assert_eq!(
        creator.receive().unwrap(),
        Received::Ended(Outcome::Failed(cause))
    );
}

#[test]
fn a_message_out_of_turn_is_a_violation_and_the_end() {
    let (a, b) = pair(Fate::Unknown);
    let mut creator = Driver::new(a, Creator::new(), ());
    let mut init = Driver::new(b, Init::new(), ());
    assert!(matches!(
        init.send(&Message::Ready),
        Err(Error::Violation(_))
    ));
    creator.send(&bootstrap(Features::NONE)).unwrap();
    assert!(matches!(creator.receive(), Err(Error::NotItsTurn { .. })));
    assert!(matches!(
        creator.send(&Message::Run(Vec::new())),
        Err(Error::Violation(_))
    ));
    creator.send(&Message::Config(Vec::new())).unwrap();
    creator.flush().unwrap();
    init.receive().unwrap();
    let Err(error) = init.send(&Message::Ready) else {
        panic!("legal")
    };
    assert!(
        error
            .to_string()
            .contains("AwaitConfig, where it may send nothing"),
        "{error}"
    );
}

/// A start that is queued behind Run stays in the wire while init drops its privileges.
#[test]
fn a_queued_start_is_not_heard_too_early() {
    let (a, b) = pair(Fate::Executed);
    let mut creator = Driver::new(a, Creator::new(), ());
    let mut init = Driver::new(b, Init::new(), ());
    creator.send(&bootstrap(Features::START_ON_WIRE)).unwrap();
    creator.send(&Message::Config(Vec::new())).unwrap();
    creator.flush().unwrap();
    init.receive().unwrap();
    init.receive().unwrap();
    init.send(&Message::Ready).unwrap();
    init.flush().unwrap();
    creator.receive().unwrap();
    creator.send(&Message::Run(Vec::new())).unwrap();
    creator.send(&Message::Start).unwrap();
    creator.flush().unwrap();
    assert_eq!(message(init.receive()), Message::Run(Vec::new()));
    assert!(matches!(init.receive(), Err(Error::NotItsTurn { .. })));
    init.send(&Message::AtGate).unwrap();
    assert_eq!(message(init.receive()), Message::Start);
}

/// A wire that never has room, on which something comes and then the end.
struct Clogged(VecDeque<Vec<u8>>);

impl Transport for Clogged {
    type Error = WouldBlock;

    fn send(&mut self, _: &[u8]) -> Result<Sent, WouldBlock> {
        Ok(Sent::Bytes(0))
    }

    fn recv(&mut self, buffer: &mut [u8], or_writable: bool) -> Result<Recv, WouldBlock> {
        assert!(or_writable, "there is still something to write");
        match self.0.pop_front() {
            Some(bytes) => {
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(Recv::Bytes(bytes.len()))
            }
            None => Ok(Recv::Eof),
        }
    }

    fn fate(&mut self) -> Result<Fate, WouldBlock> {
        Ok(Fate::Died(Death::Exited(1)))
    }
}

/// S6: the cause and the end both come while this side still writes. The cause counts.
#[test]
fn what_came_before_the_end_is_heard_before_it() {
    let cause = WireError {
        step: Step::Mounts,
        errno: 22,
        path: String::new(),
        message: "mount".to_owned(),
    };
    let mut bytes = Vec::new();
    sync_model::frame::encode(&Message::Error(cause.clone()), &mut bytes).unwrap();
    let mut creator = Driver::new(Clogged([bytes].into()), Creator::new(), ());
    creator.send(&bootstrap(Features::NONE)).unwrap();
    assert!(!creator.flush().unwrap());
    assert!(creator.peer_is_gone());
    assert_eq!(
        creator.receive().unwrap(),
        Received::Ended(Outcome::Failed(cause.clone()))
    );
    assert_eq!(
        creator.receive().unwrap(),
        Received::Ended(Outcome::Failed(cause))
    );
}

/// A wire that takes three bytes a write, whose wait for more room fails once; what is written is kept.
struct Failing {
    written: Rc<RefCell<Vec<u8>>>,
    room: usize,
    fails: bool,
}

impl Transport for Failing {
    type Error = WouldBlock;

    fn send(&mut self, bytes: &[u8]) -> Result<Sent, WouldBlock> {
        let count = bytes.len().min(self.room);
        self.room = if count == 3 { 0 } else { usize::MAX };
        self.written.borrow_mut().extend_from_slice(&bytes[..count]);
        Ok(Sent::Bytes(count))
    }

    fn recv(&mut self, _: &mut [u8], or_writable: bool) -> Result<Recv, WouldBlock> {
        assert!(or_writable);
        if std::mem::take(&mut self.fails) {
            return Err(WouldBlock);
        }
        Ok(Recv::Writable)
    }

    fn fate(&mut self) -> Result<Fate, WouldBlock> {
        Ok(Fate::Unknown)
    }
}

/// Half a message is written when a call fails: the error that is said for it comes behind the other half.
#[test]
fn a_failure_in_the_middle_of_a_message_does_not_break_the_stream() {
    let written = Rc::new(RefCell::new(Vec::new()));
    let wire = Failing {
        written: Rc::clone(&written),
        room: 3,
        fails: true,
    };
    let mut init = Driver::new(wire, sync_model::Init::new(), ());
    let line = Message::Log(sync_model::LogLine {
        level: Level::Warn,
        message: "half of it".to_owned(),
    });
    init.send(&line).unwrap();
    assert!(init.flush().is_err());
    assert_eq!(written.borrow().len(), 3);
    let cause = WireError {
        step: Step::Handshake,
        errno: 5,
        path: String::new(),
        message: "the wire".to_owned(),
    };
    assert!(init.fail(cause.clone()).unwrap());
    let mut decoder = sync_model::frame::Decoder::new();
    decoder.push(&written.borrow());
    assert_eq!(decoder.next_message(), Ok(Some(line)));
    assert_eq!(decoder.next_message(), Ok(Some(Message::Error(cause))));
    assert_eq!(decoder.pending(), 0);
}

/// A wire that is full until something was received, and on which nothing comes after that.
struct Answering(Option<Vec<u8>>);

impl Transport for Answering {
    type Error = WouldBlock;

    fn send(&mut self, bytes: &[u8]) -> Result<Sent, WouldBlock> {
        Ok(Sent::Bytes(if self.0.is_some() { 0 } else { bytes.len() }))
    }

    fn recv(&mut self, buffer: &mut [u8], _: bool) -> Result<Recv, WouldBlock> {
        let Some(bytes) = self.0.take() else {
            panic!("waits although the answer is there");
        };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(Recv::Bytes(bytes.len()))
    }

    fn fate(&mut self) -> Result<Fate, WouldBlock> {
        Ok(Fate::Unknown)
    }
}

/// L1: what came while this side wrote is given without waiting for more.
#[test]
fn what_came_while_writing_is_not_waited_for() {
    let mut bytes = Vec::new();
    sync_model::frame::encode(&Message::Ready, &mut bytes).unwrap();
    let mut creator = Driver::new(Answering(Some(bytes)), Creator::new(), ());
    creator.send(&bootstrap(Features::NONE)).unwrap();
    creator.send(&Message::Config(vec![1])).unwrap();
    assert_eq!(
        creator.receive().unwrap(),
        Received::Message(Message::Ready)
    );
}

/// S7: a peer that broke the table once is not listened to again.
#[test]
fn a_violation_is_the_end() {
    let mut bytes = Vec::new();
    for message in [Message::AtGate, Message::Ready] {
        sync_model::frame::encode(&message, &mut bytes).unwrap();
    }
    let mut creator = Driver::new(Answering(Some(bytes)), Creator::new(), ());
    creator.send(&bootstrap(Features::NONE)).unwrap();
    creator.send(&Message::Config(vec![1])).unwrap();
    let Err(Error::Violation(violation)) = creator.receive() else {
        panic!("AtGate before Ready");
    };
    for _ in 0..2 {
        assert_eq!(
            creator.receive().unwrap(),
            Received::Ended(Outcome::Violated(violation))
        );
    }
}

/// After the end of the wire nothing is said or heard any more, before and after the peer's fate is known.
#[test]
fn nothing_passes_after_the_end_of_the_wire() {
    let machine = Creator::new().on_eof();
    assert!(machine.clone().send(&bootstrap(Features::NONE)).is_err());
    let ended = machine.on_fate(Fate::Unknown);
    assert!(ended.send(&bootstrap(Features::NONE)).is_err());
    let machine = sync_model::Init::new().on_eof();
    assert!(machine.clone().receive(&bootstrap(Features::NONE)).is_err());
    assert!(
        machine
            .on_fate(Fate::Unknown)
            .receive(&bootstrap(Features::NONE))
            .is_err()
    );
}

/// A wire that takes everything, on which these pieces come and then the end.
struct Saying(VecDeque<Vec<u8>>);

impl Transport for Saying {
    type Error = WouldBlock;

    fn send(&mut self, bytes: &[u8]) -> Result<Sent, WouldBlock> {
        Ok(Sent::Bytes(bytes.len()))
    }

    fn recv(&mut self, buffer: &mut [u8], _: bool) -> Result<Recv, WouldBlock> {
        let Some(bytes) = self.0.pop_front() else {
            return Ok(Recv::Eof);
        };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(Recv::Bytes(bytes.len()))
    }

    fn fate(&mut self) -> Result<Fate, WouldBlock> {
        Ok(Fate::Died(Death::Exited(1)))
    }
}

/// S6: init ends while its creator runs hooks. Its last words come in pieces; without words it is its death.
#[test]
fn the_last_words_are_heard_while_it_is_not_the_peers_turn() {
    let cause = WireError {
        step: Step::Mounts,
        errno: 22,
        path: String::new(),
        message: "mount".to_owned(),
    };
    let mut hooks = Vec::new();
    sync_model::frame::encode(&Message::Hooks, &mut hooks).unwrap();
    let mut words = Vec::new();
    sync_model::frame::encode(&Message::Error(cause.clone()), &mut words).unwrap();
    let late = words.split_off(9);
    for pieces in [vec![words, late], vec![]] {
        let said = !pieces.is_empty();
        let wire = Saying([vec![hooks.clone()], pieces].concat().into());
        let mut creator = Driver::new(wire, Creator::new(), ());
        creator.send(&bootstrap(Features::HOOKS)).unwrap();
        creator.send(&Message::Config(vec![1])).unwrap();
        assert_eq!(
            creator.receive().unwrap(),
            Received::Message(Message::Hooks)
        );
        match creator.last_words(|_| {}).unwrap() {
            Outcome::Failed(error) => assert!(said && error == cause),
            Outcome::PeerDied { death, .. } => assert!(!said && death == Death::Exited(1)),
            other => panic!("{other:?}"),
        }
    }
}
