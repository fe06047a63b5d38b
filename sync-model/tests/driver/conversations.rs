//! Two drivers that talk over a pair of queues.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use sync_model::driver::Error;
use sync_model::table::States;
use sync_model::{
    Creator, Death, Driver, Event, ExecCreator, ExecInit, Fate, Features, Init, Kind, Level,
    LogLine, Message, Observer, Outcome, Received, Recv, Sent, Step, Transport,
};

use super::{WouldBlock, bootstrap, cause};

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

fn message<T>(received: Result<Received, Error<T>>) -> Message
where
    T: std::fmt::Debug,
{
    match received.unwrap() {
        Received::Message(message) => message,
        Received::Ended(outcome) => panic!("ended: {outcome:?}"),
    }
}

/// The conversation up to `Ready`, heard.
fn until_ready<C: States, I: States>(
    creator: &mut Driver<End, C>,
    init: &mut Driver<End, I>,
    features: Features,
) {
    creator.send(&bootstrap(features)).unwrap();
    creator.send(&Message::Config(Vec::new())).unwrap();
    creator.flush().unwrap();
    init.receive().unwrap();
    init.receive().unwrap();
    init.send(&Message::Ready).unwrap();
    init.flush().unwrap();
    assert_eq!(message(creator.receive()), Message::Ready);
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
    let cause = cause(Step::Namespaces, 1, "/x", "setns");
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
    until_ready(&mut creator, &mut init, Features::NONE);
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
    until_ready(&mut creator, &mut init, Features::NONE);
    creator.send(&Message::Run(Vec::new())).unwrap();
    creator.flush().unwrap();
    assert_eq!(message(init.receive()), Message::Run(Vec::new()));
    init.send(&Message::Starting).unwrap();
    let cause = cause(Step::Exec, 2, "/nope", "no such file");
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
    until_ready(&mut creator, &mut init, Features::START_ON_WIRE);
    creator.send(&Message::Run(Vec::new())).unwrap();
    creator.send(&Message::Start).unwrap();
    creator.flush().unwrap();
    assert_eq!(message(init.receive()), Message::Run(Vec::new()));
    assert!(matches!(init.receive(), Err(Error::NotItsTurn { .. })));
    init.send(&Message::AtGate).unwrap();
    assert_eq!(message(init.receive()), Message::Start);
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
