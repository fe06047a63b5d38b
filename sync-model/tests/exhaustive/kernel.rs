//! The world outside the machines: files, processes, the cgroup, the wires and who holds which end of them; and the
//! facts that no actor sees, by which the properties judge.

use sync_model::msg::{Bootstrap, Features, Kind, Level, LogLine, Message, WireError};
use sync_model::outcome::Death;
use sync_model::step::Step;

/// Why something failed. The number crosses the wire as the errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    Namespaces = 1,
    Mounts,
    CreateContainerHook,
    Privileges,
    StartContainerHook,
    Exec,
    CreateRuntimeHook,
    Cgroup,
    IdMap,
    Limits,
    Agent,
    PeerGone,
    PidFile,
}

impl Cause {
    const ALL: [Cause; 13] = [
        Cause::Namespaces,
        Cause::Mounts,
        Cause::CreateContainerHook,
        Cause::Privileges,
        Cause::StartContainerHook,
        Cause::Exec,
        Cause::CreateRuntimeHook,
        Cause::Cgroup,
        Cause::IdMap,
        Cause::Limits,
        Cause::Agent,
        Cause::PeerGone,
        Cause::PidFile,
    ];

    pub fn from_number(number: i32) -> Option<Cause> {
        Cause::ALL
            .into_iter()
            .find(|cause| i32::from(*cause as u8) == number)
    }
}

/// Somebody who can hold things, as a bit.
pub type Holder = u16;
pub const CREATOR: Holder = 1;
pub const INIT: Holder = 2;
pub const HOOK: Holder = 4;
/// The first of the clients.
pub const CLIENT: Holder = 8;

/// Something on a wire: a message, or a piece of one that is too long for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    Piece,
    Of(Kind),
    Error(Cause),
}

/// What lies on a wire, or waits to be put there, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    units: [Option<Unit>; 5],
}

/// As one number: queues are hashed more often than anything else.
impl std::hash::Hash for Queue {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let number = |unit: &Unit| match unit {
            Unit::Piece => 1,
            Unit::Of(kind) => 1 + u64::from(kind.number()),
            Unit::Error(cause) => 32 + u64::from(*cause as u8),
        };
        state.write_u64(
            self.units
                .iter()
                .flatten()
                .fold(0, |all, unit| all << 8 | number(unit)),
        );
    }
}

impl Queue {
    pub fn len(&self) -> usize {
        self.units.iter().flatten().count()
    }

    pub fn is_empty(&self) -> bool {
        self.units[0].is_none()
    }

    pub fn push(&mut self, unit: Unit) {
        let len = self.len();
        *self
            .units
            .get_mut(len)
            .expect("no queue of the model is longer") = Some(unit);
    }

    pub fn pop(&mut self) -> Option<Unit> {
        let first = self.units[0].take();
        self.units.rotate_left(1);
        first
    }

    pub fn clear(&mut self) {
        *self = Queue::default();
    }

    /// Takes the first whole message.
    pub fn message(&mut self, features: Features) -> Option<Message> {
        self.units
            .iter()
            .flatten()
            .find(|unit| **unit != Unit::Piece)?;
        loop {
            match self.pop()? {
                Unit::Piece => {}
                Unit::Of(kind) => return Some(message(kind, features)),
                Unit::Error(cause) => return Some(error(cause)),
            }
        }
    }

    /// Is there a whole message?
    pub fn has_message(&self) -> bool {
        self.units.iter().flatten().any(|unit| *unit != Unit::Piece)
    }
}

pub fn message(kind: Kind, features: Features) -> Message {
    match kind {
        Kind::Bootstrap => Message::Bootstrap(Bootstrap::new(features, Level::Info)),
        Kind::Config => Message::Config(Vec::new()),
        Kind::Log => Message::Log(LogLine {
            level: Level::Info,
            message: String::new(),
        }),
        other => other.bare().expect("errors are made by their cause"),
    }
}

pub fn error(cause: Cause) -> Message {
    Message::Error(WireError {
        step: Step::Unknown,
        errno: i32::from(cause as u8),
        path: String::new(),
        message: String::new(),
    })
}

pub fn cause_of(error: &WireError) -> Cause {
    Cause::from_number(error.errno).expect("only the model's causes cross its wires")
}

/// A two-way wire. An end is open while anybody holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Wire {
    /// To init.
    pub down: Queue,
    /// From init.
    pub up: Queue,
    /// Who holds the end of the one outside.
    pub outer: Holder,
    /// Who holds init's end.
    pub inner: Holder,
}

/// What has become of init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Life {
    Unborn,
    /// Cloned; it has copies of all descriptors until its execve.
    PreExec,
    Init,
    /// It executed the user's program.
    Program,
    /// It runs no more, its descriptors are closed, and it cannot be waited for yet.
    Exiting,
    Zombie,
    /// Its number is free.
    Reaped,
}

/// The record on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disk {
    Missing,
    WithoutInit,
    WithInit,
}

/// Everything outside the actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kernel {
    pub dir: bool,
    pub record: Disk,
    /// Who holds the lock of the directory.
    pub lock: Holder,
    /// Who holds the start gate.
    pub gate: Holder,
    /// Who listens at the start gate.
    pub listener: Holder,
    pub cgroup: bool,
    pub frozen: bool,
    pub wire: Wire,
    pub init: Life,
    pub init_in_cgroup: bool,
    /// How init died, once it has.
    pub death: Option<Death>,
    /// SIGKILL is sent, and waits for the thaw.
    pub doomed: bool,
    /// Somebody else's process has init's number now.
    pub number_reused: bool,
    /// A process that the program left in the cgroup: it lives.
    pub child: bool,
    /// The child is gone, and somebody else has its number.
    pub child_reused: bool,
    /// Another container has the same name, directory and cgroup path by now.
    pub reborn: bool,
    /// Only with a status that is stored by the starter (a mutant's).
    pub stored_running: bool,
    pub truth: Truth,
}

/// What happened, as nobody in the world can know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Truth {
    pub executed: u8,
    pub requested: bool,
    pub executed_unrecorded: bool,
    pub executed_unrequested: bool,
    pub executed_unisolated: bool,
    /// A step that isolates has failed.
    pub unisolated: bool,
    /// The id maps of init's user namespace are written.
    pub mapped: bool,
    /// A createRuntime or createContainer hook has failed.
    pub hook_failed: bool,
    pub executed_after_failed_hook: bool,
    /// Which hooks were begun, in the spec's order.
    pub hooks: u8,
    pub hooks_broken: bool,
    pub foreign_signalled: bool,
    pub plain_signalled: bool,
    pub other_removed: bool,
    pub unexpected: bool,
    pub wrong_report: Option<&'static str>,
    pub wrong_status: bool,
    pub leftover: bool,
    /// Why init failed first.
    pub init_failed: Option<Cause>,
    /// Why the creator itself failed first.
    pub creator_failed: Option<Cause>,
    /// Init's words about that are on the wire, and the creator is there to read them.
    pub told_cause: bool,
    pub at_gate: bool,
    /// A hook or an agent has stalled.
    pub stalled: bool,
    pub killed: u8,
    /// The janitor is at work: no command begins any more.
    pub closing: bool,
}

impl Kernel {
    pub fn new() -> Kernel {
        Kernel {
            dir: false,
            record: Disk::Missing,
            lock: 0,
            gate: 0,
            listener: 0,
            cgroup: false,
            frozen: false,
            wire: Wire::default(),
            init: Life::Unborn,
            init_in_cgroup: false,
            death: None,
            doomed: false,
            number_reused: false,
            child: false,
            child_reused: false,
            reborn: false,
            stored_running: false,
            truth: Truth::default(),
        }
    }

    pub fn init_lives(&self) -> bool {
        matches!(self.init, Life::PreExec | Life::Init | Life::Program)
    }

    /// Closes all that this one holds; what a wire still carries to nobody is gone.
    pub fn close_all(&mut self, who: Holder) {
        self.lock &= !who;
        self.gate &= !who;
        self.listener &= !who;
        self.wire.outer &= !who;
        self.wire.inner &= !who;
        self.settle();
    }

    /// Forgets what nobody can read any more, so that equal worlds look equal.
    pub fn settle(&mut self) {
        if self.wire.inner == 0 {
            self.wire.down.clear();
        }
        if self.wire.outer == 0 {
            self.wire.up.clear();
        }
    }

    /// The end of init, whatever it was: its descriptors go first, then it can be waited for.
    pub fn die(&mut self, death: Death) {
        if self.init_lives() {
            self.init = Life::Exiting;
            self.death = Some(death);
            self.doomed = false;
            self.close_all(INIT);
        }
    }

    /// SIGKILL to the one who is init. A frozen process dies when it is thawed.
    pub fn kill_init(&mut self) {
        if self.init_lives() {
            if self.frozen {
                self.doomed = true;
            } else {
                self.die(Death::Killed(9));
            }
        }
    }

    /// SIGKILL to whoever has init's number now.
    pub fn kill_number(&mut self) {
        if self.number_reused {
            self.truth.foreign_signalled = true;
        } else {
            self.kill_init();
        }
    }

    pub fn thaw(&mut self) {
        self.frozen = false;
        if self.doomed {
            self.die(Death::Killed(9));
        }
    }

    /// A hook of the spec begins; `place` is its place in the spec's order. Poststart hooks belong to a `start`, which
    /// does not hold the lock: a `delete` of a program that ends at once may run its poststop hooks first.
    pub fn begin_hook(&mut self, place: u8) {
        let later = if place == 3 {
            self.truth.hooks >> 3 & 1
        } else {
            self.truth.hooks >> place
        };
        self.truth.hooks_broken |= later != 0;
        self.truth.hooks |= 1 << place;
    }

    /// The user's program is executed.
    pub fn execute(&mut self) {
        let truth = &mut self.truth;
        truth.executed += 1;
        truth.executed_unrecorded |= self.record != Disk::WithInit;
        truth.executed_unrequested |= !truth.requested;
        truth.executed_unisolated |= truth.unisolated;
        truth.executed_after_failed_hook |= truth.hook_failed;
        self.init = Life::Program;
        self.close_all(INIT);
    }
}
