//! The form of the transition table.
//!
//! Each machine is one `machine!` block: its states in order, what each state does on its side while it lasts,
//! and the messages that lead out of it. The macro makes of it the `match` that decides legality, and the same
//! rows as data ([`Row`]) for the diagrams, the snapshot and `--explain`. There is no second list to keep equal.
//!
//! Not in the rows, because it holds in every state that is not an end: init may send `Log` (nothing changes) and
//! `Error` (which ends the conversation with [`crate::Outcome::Failed`]).

use crate::creator::CreatorState;
use crate::exec::{ExecCreatorState, ExecInitState};
use crate::gate::{DeleterState, GateState, StarterState};
use crate::init::InitState;
use crate::msg::{Features, Kind};
use crate::outcome::Outcome;

/// Who is at one end of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// `create` or `run`.
    Creator,
    /// The container's init, talking to its creator.
    Init,
    /// `exec`.
    ExecCreator,
    /// The process that `exec` brings into the container.
    ExecInit,
    /// The container's init at its start gate.
    Gate,
    /// `start`.
    Starter,
    /// `delete` of a created container.
    Deleter,
}

impl Role {
    /// All of them.
    pub const ALL: &'static [Role] = &[
        Role::Creator,
        Role::Init,
        Role::ExecCreator,
        Role::ExecInit,
        Role::Gate,
        Role::Starter,
        Role::Deleter,
    ];

    /// The name, in texts.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Creator => "creator",
            Role::Init => "init",
            Role::ExecCreator => "exec",
            Role::ExecInit => "exec's init",
            Role::Gate => "gate",
            Role::Starter => "starter",
            Role::Deleter => "deleter",
        }
    }

    /// What the other end is called in this role's errors.
    pub const fn peer(self) -> &'static str {
        match self {
            Role::Creator | Role::ExecCreator | Role::Starter | Role::Deleter => "init",
            Role::Init => "the creator",
            Role::ExecInit => "exec",
            Role::Gate => "the starter",
        }
    }

    /// The direction in which init speaks, seen from here.
    pub const fn init_speaks(self) -> Direction {
        match self {
            Role::Init | Role::ExecInit | Role::Gate => Direction::Send,
            Role::Creator | Role::ExecCreator | Role::Starter | Role::Deleter => Direction::Receive,
        }
    }

    /// This role's rows, in the order of its states.
    pub const fn rows(self) -> &'static [Row] {
        match self {
            Role::Creator => CreatorState::ROWS,
            Role::Init => InitState::ROWS,
            Role::ExecCreator => ExecCreatorState::ROWS,
            Role::ExecInit => ExecInitState::ROWS,
            Role::Gate => GateState::ROWS,
            Role::Starter => StarterState::ROWS,
            Role::Deleter => DeleterState::ROWS,
        }
    }

    /// This role's states, in order; the first is where the conversation starts.
    pub fn states(self) -> impl Iterator<Item = StateId> {
        (0..=u8::MAX)
            .map(move |index| StateId { role: self, index })
            .take_while(|state| state.class().is_some())
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Which way a message goes, seen from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From this side.
    Send,
    /// To this side.
    Receive,
}

/// What a state waits for, and so what the end of the wire means in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Work on this side; it ends with sending a message, or with execve.
    Act,
    /// A message, or the peer's death.
    Await,
    /// The answer to a request of which only one is ever accepted: a wire that ends without an answer means that
    /// the request was not the one.
    Ask,
    /// The end of the wire, by execve (or death; the kernel knows which).
    AwaitExec,
    /// The peer's exit.
    AwaitExit,
    /// Nothing: the conversation is over.
    End,
}

/// One transition, as data. Numbers only, so that a static-pie binary needs no relocation for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// Whose table it is in.
    pub role: Role,
    /// The state before.
    pub from: StateId,
    /// Sent or received.
    pub direction: Direction,
    /// The message.
    pub kind: Kind,
    /// The feature that chooses between `to` and `otherwise`; `None` if there is no choice.
    pub guard: Option<Features>,
    /// The state after, if the guard holds.
    pub to: StateId,
    /// The state after, if the guard does not hold; `None` if the message is then illegal.
    pub otherwise: Option<StateId>,
}

impl Row {
    /// The state after, under these features.
    pub const fn next(&self, features: Features) -> Option<StateId> {
        match self.guard {
            Some(guard) if !features.has(guard) => self.otherwise,
            _ => Some(self.to),
        }
    }
}

/// All rows of all machines.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    Role::ALL.iter().flat_map(|role| role.rows())
}

/// A state of any machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId {
    /// Whose.
    pub role: Role,
    /// Which, in the order of its table.
    pub index: u8,
}

impl StateId {
    /// The name, as in the table.
    pub fn name(self) -> &'static str {
        line(
            match self.role {
                Role::Creator => CreatorState::NAMES,
                Role::Init => InitState::NAMES,
                Role::ExecCreator => ExecCreatorState::NAMES,
                Role::ExecInit => ExecInitState::NAMES,
                Role::Gate => GateState::NAMES,
                Role::Starter => StarterState::NAMES,
                Role::Deleter => DeleterState::NAMES,
            },
            self.index,
        )
    }

    /// What this side does while the state lasts, in a few words.
    pub fn doing(self) -> &'static str {
        line(
            match self.role {
                Role::Creator => CreatorState::DOING,
                Role::Init => InitState::DOING,
                Role::ExecCreator => ExecCreatorState::DOING,
                Role::ExecInit => ExecInitState::DOING,
                Role::Gate => GateState::DOING,
                Role::Starter => StarterState::DOING,
                Role::Deleter => DeleterState::DOING,
            },
            self.index,
        )
    }

    /// What it waits for; `None` for a number beyond the table.
    pub fn class(self) -> Option<Class> {
        let classes = match self.role {
            Role::Creator => CreatorState::CLASSES,
            Role::Init => InitState::CLASSES,
            Role::ExecCreator => ExecCreatorState::CLASSES,
            Role::ExecInit => ExecInitState::CLASSES,
            Role::Gate => GateState::CLASSES,
            Role::Starter => StarterState::CLASSES,
            Role::Deleter => DeleterState::CLASSES,
        };
        classes.get(usize::from(self.index)).copied()
    }
}

impl StateId {
    /// The state after a message, by the rows: `--explain` follows the other side's machine with it. The machines
    /// themselves use the `match` of the same table.
    pub fn next(self, direction: Direction, kind: Kind, features: Features) -> Option<StateId> {
        let speaks = direction == self.role.init_speaks() && self.class() != Some(Class::End);
        if speaks && kind == Kind::Log {
            return Some(self);
        }
        let mut rows = self.role.rows().iter();
        rows.find(|row| row.from == self && row.direction == direction && row.kind == kind)?
            .next(features)
    }
}

fn line(lines: &'static str, index: u8) -> &'static str {
    lines.lines().nth(usize::from(index)).unwrap_or("?")
}

impl std::fmt::Display for StateId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::fmt::Debug for StateId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}::{}", self.role, self.name())
    }
}

/// The states of one machine; implemented by `machine!` only.
pub trait States: Copy + Eq + std::hash::Hash + std::fmt::Debug + Sized + 'static {
    /// Whose they are.
    const ROLE: Role;
    /// Where the conversation starts.
    const FIRST: Self;
    /// The transitions, as data.
    const ROWS: &'static [Row];
    /// One name a line. One string instead of many, for the relocations.
    const NAMES: &'static str;
    /// One line a state: what this side does while it lasts.
    const DOING: &'static str;
    /// One a state.
    const CLASSES: &'static [Class];

    /// The state after, or `None` if the message is illegal here. This is the table's own `match`.
    fn next(self, direction: Direction, kind: Kind, features: Features) -> Option<Self>;
    /// The kinds that the table names here, whatever the features.
    fn expected(self, direction: Direction) -> &'static [Kind];
    /// How the conversation ended, in an end state.
    fn outcome(self) -> Option<Outcome>;
    /// The state with this number.
    fn from_index(index: u8) -> Option<Self>;
    /// The state's number.
    fn index(self) -> u8;

    /// As a state of any machine.
    fn id(self) -> StateId {
        StateId {
            role: Self::ROLE,
            index: self.index(),
        }
    }

    /// What it waits for.
    fn class(self) -> Class {
        // `index` is made by the same macro as the list.
        Self::CLASSES
            .get(usize::from(self.index()))
            .copied()
            .unwrap_or(Class::End)
    }
}

/// Makes the states of one machine, their `match` and their rows.
///
/// `class Name "what this side does": recv [..] send [..];` with transitions `Kind => Next`, or
/// `Kind if feature => Next` (illegal without it), or `Kind if feature => Next else Other`. The first state is the
/// start. An `ends` state has the name of its [`Outcome`].
macro_rules! machine {
    (
        $(#[$doc:meta])*
        $State:ident = $role:ident;
        $first_class:ident $first:ident $first_doing:literal:
            recv [ $( $first_rk:ident $(if $first_rf:ident)? => $first_rt:ident $(else $first_re:ident)? ),* ]
            send [ $( $first_sk:ident $(if $first_sf:ident)? => $first_st:ident $(else $first_se:ident)? ),* ];
        $($rest:tt)*
    ) => {
        $crate::table::machine! {
            @all $(#[$doc])* $State $role $first;
            $first_class $first $first_doing:
                recv [ $( $first_rk $(if $first_rf)? => $first_rt $(else $first_re)? ),* ]
                send [ $( $first_sk $(if $first_sf)? => $first_st $(else $first_se)? ),* ];
            $($rest)*
        }
    };
    (
        @all $(#[$doc:meta])* $State:ident $role:ident $first:ident;
        $(
            $class:ident $name:ident $doing:literal:
                recv [ $( $rk:ident $(if $rf:ident)? => $rt:ident $(else $re:ident)? ),* ]
                send [ $( $sk:ident $(if $sf:ident)? => $st:ident $(else $se:ident)? ),* ];
        )+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $State { $( #[doc = $doing] $name, )+ }

        impl $crate::table::States for $State {
            const ROLE: $crate::table::Role = $crate::table::Role::$role;
            const FIRST: Self = $State::$first;
            const ROWS: &'static [$crate::table::Row] = &[$(
                $( $crate::table::row!($State $name Receive $rk [$($rf)?] $rt [$($re)?]), )*
                $( $crate::table::row!($State $name Send $sk [$($sf)?] $st [$($se)?]), )*
            )+];
            const NAMES: &'static str = concat!($( stringify!($name), "\n", )+);
            const DOING: &'static str = concat!($( $doing, "\n", )+);
            const CLASSES: &'static [$crate::table::Class] = &[$( $crate::table::class!($class), )+];

            fn next(
                self,
                direction: $crate::table::Direction,
                kind: $crate::msg::Kind,
                features: $crate::msg::Features,
            ) -> Option<Self> {
                // A table without a choice does not look at them.
                let _ = features;
                match (self, direction, kind) {
                    $(
                        $( ($State::$name, $crate::table::Direction::Receive, $crate::msg::Kind::$rk) =>
                            $crate::table::choose!(features [$($rf)?] $State::$rt, [$($State::$re)?]), )*
                        $( ($State::$name, $crate::table::Direction::Send, $crate::msg::Kind::$sk) =>
                            $crate::table::choose!(features [$($sf)?] $State::$st, [$($State::$se)?]), )*
                    )+
                    _ => None,
                }
            }

            fn expected(self, direction: $crate::table::Direction) -> &'static [$crate::msg::Kind] {
                match (self, direction) {
                    $(
                        ($State::$name, $crate::table::Direction::Receive) => &[$( $crate::msg::Kind::$rk ),*],
                        ($State::$name, $crate::table::Direction::Send) => &[$( $crate::msg::Kind::$sk ),*],
                    )+
                }
            }

            fn outcome(self) -> Option<$crate::outcome::Outcome> {
                match self {
                    $( $State::$name => $crate::table::outcome!($class $name), )+
                }
            }

            fn from_index(index: u8) -> Option<Self> {
                const STATES: &[$State] = &[$( $State::$name, )+];
                STATES.get(usize::from(index)).copied()
            }

            fn index(self) -> u8 {
                self as u8
            }
        }
    };
}

macro_rules! class {
    (acts) => {
        $crate::table::Class::Act
    };
    (awaits) => {
        $crate::table::Class::Await
    };
    (asks) => {
        $crate::table::Class::Ask
    };
    (awaits_exec) => {
        $crate::table::Class::AwaitExec
    };
    (awaits_exit) => {
        $crate::table::Class::AwaitExit
    };
    (ends) => {
        $crate::table::Class::End
    };
}

macro_rules! outcome {
    (ends $name:ident) => {
        Some($crate::outcome::Outcome::$name)
    };
    ($other:ident $name:ident) => {
        None
    };
}

macro_rules! flag {
    (hooks) => {
        $crate::msg::Features::HOOKS
    };
    (seccomp_fd) => {
        $crate::msg::Features::SECCOMP_FD
    };
    (start_on_wire) => {
        $crate::msg::Features::START_ON_WIRE
    };
}

macro_rules! choose {
    ($features:ident [] $to:path, []) => {
        Some($to)
    };
    ($features:ident [$feature:ident] $to:path, []) => {
        if $features.has($crate::table::flag!($feature)) {
            Some($to)
        } else {
            None
        }
    };
    ($features:ident [$feature:ident] $to:path, [$other:path]) => {
        Some(if $features.has($crate::table::flag!($feature)) {
            $to
        } else {
            $other
        })
    };
}

macro_rules! row {
    ($State:ident $from:ident $direction:ident $kind:ident [$($feature:ident)?] $to:ident [$($other:ident)?]) => {
        $crate::table::Row {
            role: <$State as $crate::table::States>::ROLE,
            from: $crate::table::id!($State $from),
            direction: $crate::table::Direction::$direction,
            kind: $crate::msg::Kind::$kind,
            guard: $crate::table::option!($( $crate::table::flag!($feature) )?),
            to: $crate::table::id!($State $to),
            otherwise: $crate::table::option!($( $crate::table::id!($State $other) )?),
        }
    };
}

macro_rules! id {
    ($State:ident $name:ident) => {
        $crate::table::StateId {
            role: <$State as $crate::table::States>::ROLE,
            index: $State::$name as u8,
        }
    };
}

macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(crate) use {choose, class, flag, id, machine, option, outcome, row};
