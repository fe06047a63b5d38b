//! The messages of the handshake.
//!
//! No descriptor is ever sent: init's are inherited, and the one that its creator fetches is named by its number.

use crate::step::Step;

/// The version of the conversation that this release speaks, in [`Bootstrap::version`].
pub const PROTOCOL_VERSION: u16 = 1;

/// Longest text of a [`WireError`] or [`LogLine`] field, in bytes. A longer one is cut when it is encoded.
pub const TEXT_CAP: usize = 4096;

/// Makes [`Kind`] with its numbers and names (one string: see `step`).
macro_rules! kinds {
    ($( $(#[$doc:meta])* $number:literal $kind:ident $label:literal; )+) => {
        /// What a message is; its number on the wire never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $( $(#[$doc])* $kind = $number, )+ }

        impl Kind {
            /// Every kind, in the order of their numbers. A number that is not here was a message's once.
            pub const ALL: &'static [Kind] = &[$( Kind::$kind, )+];

            const NAMES: &'static str = concat!($( stringify!($kind), "\n", )+);
            const LABELS: &'static str = concat!($( $label, "\n", )+);
        }
    };
}

kinds! {
    /// creator -> init: what must be known before anything else.
    1 Bootstrap "features, log level";
    /// creator -> init: the container's process and rootfs plan.
    3 Config "the container's process and rootfs plan";
    /// creator -> init: the hooks have run.
    4 Resume "the hooks have run";
    /// creator -> init: the state is durable, go on.
    5 Run "the state is durable, go on";
    /// creator -> init: the seccomp notify descriptor is where it belongs.
    6 SeccompFdTaken "the notify descriptor is handed over";
    /// starter -> init: execute the user's program.
    7 Start "execute the program";
    /// deleter -> init: leave without executing anything.
    8 Abort "leave without executing anything";
    /// init -> creator: prestart and createRuntime hooks may run now.
    10 Hooks "prestart and createRuntime hooks may run";
    /// init -> creator: the container is built.
    11 Ready "the container is built";
    /// init -> creator: here is the seccomp notify descriptor.
    12 SeccompFd "the seccomp notify descriptor";
    /// init -> creator: nothing can fail any more but the start itself.
    13 AtGate "waiting at the start gate";
    /// init -> starter: your request, and no other, is accepted.
    14 Starting "the start is accepted";
    /// init -> deleter: your request, and no other, is accepted.
    15 Aborting "the abort is accepted";
    /// init -> anyone it talks to: it has failed. The last message.
    16 Error "init has failed";
    /// init -> anyone it talks to: a line for the log.
    17 Log "a line for the log";
}

impl Kind {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Kind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.number() == number)
    }

    /// The line of this kind.
    fn line(self, lines: &'static str) -> &'static str {
        let place = Kind::ALL.iter().position(|kind| *kind == self);
        place
            .and_then(|place| lines.lines().nth(place))
            .unwrap_or("?")
    }

    /// The name, as in the code.
    pub fn name(self) -> &'static str {
        self.line(Kind::NAMES)
    }

    /// What the message says, in a few words; the diagrams and `--explain` use it.
    pub fn label(self) -> &'static str {
        self.line(Kind::LABELS)
    }

    /// Is it init that says this? Everything else is said to init.
    pub const fn is_from_init(self) -> bool {
        self.number() >= Kind::Hooks.number()
    }

    /// The shortest message of this kind, where there is but one: without a payload, or with none in it.
    pub const fn bare(self) -> Option<Message> {
        Some(match self {
            Kind::Resume => Message::Resume,
            Kind::Run => Message::Run(Vec::new()),
            Kind::SeccompFdTaken => Message::SeccompFdTaken,
            Kind::Start => Message::Start,
            Kind::Abort => Message::Abort,
            Kind::Hooks => Message::Hooks,
            Kind::Ready => Message::Ready,
            Kind::SeccompFd => Message::SeccompFd(0),
            Kind::AtGate => Message::AtGate,
            Kind::Starting => Message::Starting,
            Kind::Aborting => Message::Aborting,
            Kind::Bootstrap | Kind::Config | Kind::Error | Kind::Log => return None,
        })
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// [`Kind::Bootstrap`]
    Bootstrap(Bootstrap),
    /// [`Kind::Config`]; the payload is opaque here. At most [`crate::frame::CONFIG_CAP`] bytes.
    Config(Vec<u8>),
    /// [`Kind::Resume`]
    Resume,
    /// [`Kind::Run`]; the payload, the seccomp filter, is opaque here. Empty: there is none.
    Run(Vec<u8>),
    /// [`Kind::SeccompFdTaken`]
    SeccompFdTaken,
    /// [`Kind::Start`]
    Start,
    /// [`Kind::Abort`]
    Abort,
    /// [`Kind::Hooks`]
    Hooks,
    /// [`Kind::Ready`]
    Ready,
    /// [`Kind::SeccompFd`]; the descriptor's number in init, for pidfd_getfd(2).
    SeccompFd(u32),
    /// [`Kind::AtGate`]
    AtGate,
    /// [`Kind::Starting`]
    Starting,
    /// [`Kind::Aborting`]
    Aborting,
    /// [`Kind::Error`]
    Error(WireError),
    /// [`Kind::Log`]
    Log(LogLine),
}

impl Message {
    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Message::Bootstrap(_) => Kind::Bootstrap,
            Message::Config(_) => Kind::Config,
            Message::Resume => Kind::Resume,
            Message::Run(_) => Kind::Run,
            Message::SeccompFdTaken => Kind::SeccompFdTaken,
            Message::Start => Kind::Start,
            Message::Abort => Kind::Abort,
            Message::Hooks => Kind::Hooks,
            Message::Ready => Kind::Ready,
            Message::SeccompFd(_) => Kind::SeccompFd,
            Message::AtGate => Kind::AtGate,
            Message::Starting => Kind::Starting,
            Message::Aborting => Kind::Aborting,
            Message::Error(_) => Kind::Error,
            Message::Log(_) => Kind::Log,
        }
    }
}

/// Which parts of the conversation the configuration asks for. What it does not ask for is never said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Features(u8);

impl Features {
    /// Nothing but the bare conversation.
    pub const NONE: Features = Features(0);
    /// prestart or createRuntime hooks: `Hooks`, `Resume`.
    pub const HOOKS: Features = Features(2);
    /// A seccomp notify listener: `SeccompFd`, `SeccompFdTaken`.
    pub const SECCOMP_FD: Features = Features(4);
    /// `run`: the creator is the starter, on the wire itself; no gate socket.
    pub const START_ON_WIRE: Features = Features(8);
    /// All of them.
    pub const ALL: Features = Features(14);

    /// The bits on the wire.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The features with these bits; `None` if one of them is unknown.
    pub const fn from_bits(bits: u8) -> Option<Features> {
        if bits & !Features::ALL.0 == 0 {
            Some(Features(bits))
        } else {
            None
        }
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }

    /// These without the other.
    #[must_use]
    pub const fn without(self, other: Features) -> Features {
        Features(self.0 & !other.0)
    }

    /// These, with the other if asked.
    #[must_use]
    pub const fn with_if(self, other: Features, asked: bool) -> Features {
        if asked { self.with(other) } else { self }
    }

    /// Are all of the other's in here?
    pub const fn has(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }

    /// Name of a single feature, for the diagrams.
    pub const fn name(self) -> &'static str {
        match self {
            Features::HOOKS => "prestart or createRuntime hooks",
            Features::SECCOMP_FD => "a seccomp notify listener",
            Features::START_ON_WIRE => "run",
            _ => "several features",
        }
    }
}

/// What init must know before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bootstrap {
    /// [`PROTOCOL_VERSION`] of the creator.
    pub version: u16,
    /// Which parts of the conversation there will be.
    pub features: Features,
    /// The most verbose [`Level`] that init sends; what is below is not even formatted.
    pub log_level: Level,
}

impl Bootstrap {
    /// A bootstrap of this release.
    pub const fn new(features: Features, log_level: Level) -> Bootstrap {
        Bootstrap {
            version: PROTOCOL_VERSION,
            features,
            log_level,
        }
    }
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is ignored or odd.
    Warn = 2,
    /// Worth a line.
    Info = 3,
    /// For `--debug`.
    Debug = 4,
    /// More than that.
    Trace = 5,
}

impl Level {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The level with this number.
    pub const fn from_number(number: u8) -> Option<Level> {
        Some(match number {
            1 => Level::Error,
            2 => Level::Warn,
            3 => Level::Info,
            4 => Level::Debug,
            5 => Level::Trace,
            _ => return None,
        })
    }
}

/// A line for the creator's log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogLine {
    /// How severe.
    pub level: Level,
    /// The text. Cut at [`TEXT_CAP`] bytes on the wire.
    pub message: String,
}

/// Why init failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WireError {
    /// What it was doing.
    pub step: Step,
    /// The kernel's answer; 0 where no call failed.
    pub errno: i32,
    /// On what; may be empty. Cut at [`TEXT_CAP`] bytes on the wire.
    pub path: String,
    /// The whole cause, for people: the text that the command prints. Cut at [`TEXT_CAP`] bytes on the wire.
    pub message: String,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WireError {}

/// What ends a text that was cut.
pub const CUT_MARK: &str = "...";

/// The text as it goes over the wire: whole, or cut at a character and marked, never longer than [`TEXT_CAP`].
pub fn cut(text: &str) -> (&str, &'static str) {
    if text.len() <= TEXT_CAP {
        return (text, "");
    }
    (
        &text[..text.floor_char_boundary(TEXT_CAP - CUT_MARK.len())],
        CUT_MARK,
    )
}

#[cfg(test)]
mod tests {
    use super::{Features, Kind, Level, TEXT_CAP, cut};

    #[test]
    fn kinds_round_trip_and_are_named() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
            assert_eq!(kind.name(), format!("{kind:?}"));
            assert_ne!(kind.label(), "?");
            if let Some(message) = kind.bare() {
                assert_eq!(message.kind(), *kind);
            }
        }
        // 2 and 9 were messages about id maps; those are written before anything is said.
        for number in [0, 2, 9, 18] {
            assert_eq!(Kind::from_number(number), None);
        }
    }

    #[test]
    fn levels_and_features_round_trip() {
        for number in 0..=u8::MAX {
            if let Some(level) = Level::from_number(number) {
                assert_eq!(level.number(), number);
            }
            assert_eq!(Features::from_bits(number).is_some(), number & !14 == 0);
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_marked() {
        let exact = "a".repeat(TEXT_CAP);
        assert_eq!(cut(&exact), (exact.as_str(), ""));
        // Three bytes a character: the cap less the mark is not a multiple of three.
        let long = "\u{20ac}".repeat(TEXT_CAP);
        let (kept, mark) = cut(&long);
        assert_eq!(mark, "...");
        assert_eq!(kept.len(), (TEXT_CAP - 3) / 3 * 3);
    }
}
