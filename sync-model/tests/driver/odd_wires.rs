//! A driver alone, on a wire that does one odd thing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use sync_model::driver::Error;
use sync_model::{
    Creator, Death, Driver, Fate, Features, Init, Level, LogLine, Message, Outcome, Received, Recv,
    Sent, Step, Transport,
};

use super::{WouldBlock, bootstrap, cause};

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
    let cause = cause(Step::Mounts, 22, "", "mount");
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
    let mut init = Driver::new(wire, Init::new(), ());
    let line = Message::Log(LogLine {
        level: Level::Warn,
        message: "half of it".to_owned(),
    });
    init.send(&line).unwrap();
    assert!(init.flush().is_err());
    assert_eq!(written.borrow().len(), 3);
    let cause = cause(Step::Handshake, 5, "", "the wire");
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
    let cause = cause(Step::Mounts, 22, "", "mount");
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
