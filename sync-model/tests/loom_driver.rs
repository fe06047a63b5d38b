//! The drivers under loom: two (or three) threads, a modelled wire, every interleaving, each side dying at each step.
//!
//! `CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
//!  cargo test --release -p sync-model --test loom_driver -- --nocapture`
//!
//! What loom sees as a deadlock would be a hang of the command: that no test reports one is L1 and L2 for the code that
//! waits. The wire is made by hand, because loom's own channel never wakes a receiver whose sender is gone.
#![cfg(loom)]
#![allow(clippy::unwrap_used)]

mod loom_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use loom_support::{End, Mortal, Stop, crowd, pair};
use sync_model::exec::{ExecCreatorState, ExecInitState};
use sync_model::gate::{DeleterState, Duty, StarterState};
use sync_model::gate_driver::GateDriver;
use sync_model::table::States;
use sync_model::{
    Bootstrap, Creator, Death, Driver, ExecCreator, ExecInit, Fate, Features, Gate, Init, Kind,
    Level, LogLine, Machine, Message, Outcome, Received, Step, WireError,
};

/// Runs the model over all interleavings with up to `preemptions`. Returns how many there were, and whether the model
/// was ever `true` in one of them.
fn explore(preemptions: usize, model: impl Fn() -> bool + Sync + Send + 'static) -> (usize, bool) {
    let seen = Arc::new((AtomicUsize::new(0), AtomicBool::new(false)));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    let inside = seen.clone();
    builder.check(move || {
        inside.0.fetch_add(1, Ordering::Relaxed);
        if model() {
            inside.1.store(true, Ordering::Relaxed);
        }
    });
    (
        seen.0.load(Ordering::Relaxed),
        seen.1.load(Ordering::Relaxed),
    )
}

/// Explores the model with nobody dying, and then with each side dying before each of its steps, until there is no such
/// step. The model gets the number of steps that each side lives, and says whether one of them died.
fn each_death(
    name: &str,
    preemptions: usize,
    model: impl Fn([usize; 2]) -> bool + Copy + Send + Sync + 'static,
) {
    let (iterations, died) = explore(preemptions, move || model([NEVER, NEVER]));
    assert!(!died, "{name}: somebody died of nothing");
    let (mut models, mut iterations) = (1, iterations);
    for side in [0, 1] {
        for step in 0.. {
            let mut lives = [NEVER, NEVER];
            lives[side] = step;
            let (count, died) = explore(preemptions, move || model(lives));
            models += 1;
            iterations += count;
            if !died {
                assert!(step > 0, "{name}: side {side} has no steps");
                break;
            }
        }
    }
    println!("loom, {name}: {models} models, {iterations} interleavings");
}

/// A side that is not killed.
const NEVER: usize = usize::MAX;

type CreatorDriver = Mortal<Driver<End, sync_model::creator::CreatorState>>;
type InitDriver = Mortal<Driver<End, sync_model::init::InitState>>;

fn bootstrap(features: Features) -> Message {
    Message::Bootstrap(Bootstrap::new(features, Level::Info))
}

fn cause() -> WireError {
    WireError {
        step: Step::Mounts,
        errno: 22,
        path: "/m".to_owned(),
        message: "mount".to_owned(),
    }
}

/// The creator: does its duty whatever comes, until the end.
fn creator(
    driver: &mut CreatorDriver,
    features: Features,
    queue_start: bool,
) -> Result<Outcome, Stop> {
    driver.send(&bootstrap(features))?;
    driver.send(&Message::Config(vec![1, 2, 3]))?;
    loop {
        let message = match driver.receive()? {
            Received::Ended(outcome) => return Ok(outcome),
            Received::Message(message) => message,
        };
        match message.kind() {
            Kind::Hooks => driver.send(&Message::Resume)?,
            Kind::Ready => {
                driver.send(&Message::Run(Vec::new()))?;
                if queue_start && !features.has(Features::SECCOMP_FD) {
                    driver.send(&Message::Start)?;
                }
            }
            Kind::SeccompFd => driver.send(&Message::SeccompFdTaken)?,
            Kind::AtGate if features.has(Features::START_ON_WIRE) => {
                if !queue_start || features.has(Features::SECCOMP_FD) {
                    driver.send(&Message::Start)?;
                }
            }
            _ => {}
        }
    }
}

/// Init: does its duty; returns its own end, or that it executes.
fn init(driver: &mut InitDriver, fail: bool) -> Result<Outcome, Stop> {
    loop {
        let message = match driver.receive()? {
            Received::Ended(outcome) => return Ok(outcome),
            Received::Message(message) => message,
        };
        let features = driver.features();
        match message.kind() {
            Kind::Config if fail => {
                driver.send(&Message::Error(cause()))?;
                driver.flush()?;
                return Ok(Outcome::Failed(cause()));
            }
            Kind::Config if features.has(Features::HOOKS) => driver.send(&Message::Hooks)?,
            Kind::Config | Kind::Resume => driver.send(&Message::Ready)?,
            Kind::Run if features.has(Features::SECCOMP_FD) => {
                driver.send(&Message::SeccompFd(9))?
            }
            Kind::Run | Kind::SeccompFdTaken => {
                driver.send(&Message::AtGate)?;
                if !features.has(Features::START_ON_WIRE) {
                    driver.flush()?;
                    return Ok(Outcome::AtGate);
                }
            }
            Kind::Start => {
                driver.send(&Message::Starting)?;
                driver.flush()?;
                return Ok(Outcome::Executed);
            }
            _ => {}
        }
    }
}

/// One handshake; each side dies after so many steps of its own. Returns whether one of them died.
fn handshake(features: Features, queue_start: bool, fail: bool, mortal: [usize; 2]) -> bool {
    let (a, b, shared) = pair(4096);
    let init_thread = loom::thread::spawn(move || {
        let mut driver = Mortal::new(Driver::new(b, Init::new(), ()), mortal[1]);
        let end = init(&mut driver, fail);
        let fate = match &end {
            Ok(Outcome::Executed) => Fate::Executed,
            // At the gate init lives on without the wire; the creator has its success then.
            Ok(Outcome::AtGate) => Fate::Unknown,
            Ok(_) => Fate::Died(Death::Exited(1)),
            Err(_) => Fate::Died(Death::Killed(9)),
        };
        drop(driver);
        // The wire closes a moment before the death can be seen.
        shared.set_fate(fate);
        end
    });
    let mut driver = Mortal::new(Driver::new(a, Creator::new(), ()), mortal[0]);
    let creator_end = creator(&mut driver, features, queue_start);
    drop(driver);
    let init_end = init_thread.join().unwrap();
    let died = creator_end == Err(Stop) || init_end == Err(Stop);
    match (creator_end, init_end) {
        // Both live: both ends, and they agree.
        (Ok(outcome), Ok(ended)) => match ended {
            Outcome::AtGate => assert_eq!(outcome, Outcome::Created),
            other => assert_eq!(outcome, other),
        },
        // The creator is killed: init ends, by itself or as it should have.
        (Err(Stop), Ok(ended)) => assert!(
            matches!(
                ended,
                Outcome::PeerClosed { .. }
                    | Outcome::AtGate
                    | Outcome::Executed
                    | Outcome::Failed(_)
            ),
            "{ended:?}"
        ),
        // Init is killed: the creator says so, unless init had done its part.
        (Ok(outcome), Err(Stop)) => match outcome {
            Outcome::PeerDied { death, .. } => assert_eq!(death, Death::Killed(9)),
            Outcome::Created => assert!(!features.has(Features::START_ON_WIRE)),
            Outcome::Failed(error) => assert!(fail && error == cause()),
            other => panic!("init was killed, and the creator says {other:?}"),
        },
        (Err(Stop), Err(Stop)) => {}
    }
    died
}

#[test]
fn create_and_run() {
    let everything = Features::HOOKS.with(Features::SECCOMP_FD);
    each_death("create", 3, |mortal| {
        handshake(Features::NONE, false, false, mortal)
    });
    each_death("create with everything", 3, move |mortal| {
        handshake(everything, false, false, mortal)
    });
    each_death("create that fails", 3, |mortal| {
        handshake(Features::NONE, false, true, mortal)
    });
    each_death("run", 3, |mortal| {
        handshake(Features::START_ON_WIRE, false, false, mortal)
    });
    each_death("run with its start queued", 3, |mortal| {
        handshake(Features::START_ON_WIRE, true, false, mortal)
    });
}

/// L3: a wire of 16 bytes; each write has to wait for the other side, which is writing too.
#[test]
fn a_tiny_wire_blocks_nobody() {
    each_death("tiny wire", 2, |mortal| {
        let (a, b, shared) = pair(16);
        let init_thread = loom::thread::spawn(move || {
            let mut driver = Mortal::new(Driver::new(b, Init::new(), ()), mortal[1]);
            let end = (|| {
                for _ in 0..2 {
                    let line = LogLine {
                        level: Level::Info,
                        message: "long enough".to_owned(),
                    };
                    driver.send(&Message::Log(line))?;
                    driver.flush()?;
                }
                init(&mut driver, true)
            })();
            drop(driver);
            shared.set_fate(Fate::Died(Death::Exited(1)));
            end
        });
        let mut driver = Mortal::new(Driver::new(a, Creator::new(), ()), mortal[0]);
        let end = creator(&mut driver, Features::NONE, false);
        drop(driver);
        let init_end = init_thread.join().unwrap();
        let died = end == Err(Stop) || init_end == Err(Stop);
        if let (Ok(outcome), Ok(_)) = (end, init_end) {
            assert_eq!(outcome, Outcome::Failed(cause()), "S6");
        }
        died
    });
}

/// exec's process: `true` if it executes.
fn exec_init(driver: &mut Mortal<Driver<End, ExecInitState>>) -> Result<bool, Stop> {
    loop {
        let Received::Message(message) = driver.receive()? else {
            return Ok(false);
        };
        match message.kind() {
            Kind::Config => driver.send(&Message::Ready)?,
            Kind::Run => {
                driver.send(&Message::Starting)?;
                driver.flush()?;
                return Ok(true);
            }
            _ => {}
        }
    }
}

fn exec_creator(driver: &mut Mortal<Driver<End, ExecCreatorState>>) -> Result<Outcome, Stop> {
    driver.send(&bootstrap(Features::NONE))?;
    driver.send(&Message::Config(Vec::new()))?;
    loop {
        match driver.receive()? {
            Received::Ended(outcome) => return Ok(outcome),
            Received::Message(Message::Ready) => driver.send(&Message::Run(Vec::new()))?,
            Received::Message(_) => {}
        }
    }
}

#[test]
fn exec() {
    each_death("exec", 3, |mortal| {
        let (a, b, shared) = pair(4096);
        let thread = loom::thread::spawn(move || {
            let mut driver = Mortal::new(Driver::new(b, ExecInit::new(), ()), mortal[1]);
            let end = exec_init(&mut driver);
            drop(driver);
            shared.set_fate(match end {
                Ok(true) => Fate::Executed,
                Ok(false) => Fate::Died(Death::Exited(1)),
                Err(Stop) => Fate::Died(Death::Killed(9)),
            });
            end
        });
        let mut driver = Mortal::new(Driver::new(a, ExecCreator::new(), ()), mortal[0]);
        let outcome = exec_creator(&mut driver);
        drop(driver);
        let executed = thread.join().unwrap();
        if let Ok(outcome) = &outcome {
            assert_eq!(
                *outcome == Outcome::Executed,
                executed == Ok(true),
                "{outcome:?} but {executed:?}"
            );
        }
        outcome == Err(Stop) || executed == Err(Stop)
    });
}

fn client<S: States>(end: End, request: &Message, lives: usize) -> Result<Outcome, Stop> {
    let mut driver: Mortal<Driver<End, S>> =
        Mortal::new(Driver::new(end, Machine::new(), ()), lives);
    driver.send(request)?;
    loop {
        if let Received::Ended(outcome) = driver.receive()? {
            return Ok(outcome);
        }
    }
}

/// A starter and a deleter at once, either dying at each step: one request at most is accepted, nobody hangs.
#[test]
fn a_starter_and_a_deleter_at_one_gate() {
    each_death("the gate", 2, |mortal| {
        let (clients, gateway, shared) = crowd(2);
        let gate = loom::thread::spawn(move || {
            let mut driver = GateDriver::new(gateway, Gate::new(), ());
            let duty = driver.serve();
            drop(driver);
            shared.set_fate(match duty {
                Ok(Duty::Execute) => Fate::Executed,
                _ => Fate::Died(Death::Exited(0)),
            });
            duty
        });
        let [starter, deleter] = <[End; 2]>::try_from(clients).ok().unwrap();
        let thread = loom::thread::spawn(move || {
            client::<DeleterState>(deleter, &Message::Abort, mortal[1])
        });
        let start = client::<StarterState>(starter, &Message::Start, mortal[0]);
        let abort = thread.join().unwrap();
        match gate.join().unwrap() {
            Ok(Duty::Execute) => {
                assert!(
                    matches!(start, Ok(Outcome::Executed) | Err(Stop)),
                    "{start:?}"
                );
                assert!(
                    matches!(abort, Ok(Outcome::NotAccepted) | Err(Stop)),
                    "{abort:?}"
                );
            }
            Ok(Duty::Leave) => {
                assert!(
                    matches!(abort, Ok(Outcome::Aborted) | Err(Stop)),
                    "{abort:?}"
                );
                assert!(
                    matches!(start, Ok(Outcome::PeerDied { .. }) | Err(Stop)),
                    "{start:?}"
                );
            }
            Ok(Duty::Wait) => panic!("served without a duty"),
            // Every client is gone without a whole request: in life init would wait for the next.
            Err(Stop) => assert!(
                start == Err(Stop) && abort == Err(Stop),
                "a request was overheard"
            ),
        }
        start == Err(Stop) || abort == Err(Stop)
    });
}
