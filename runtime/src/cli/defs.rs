//! The commands: one table. The parser, the help texts, the man pages and the shells' completions read it.

mod exec;
mod limits;
mod look;
mod manage;
mod options;
mod start;

pub use options::{GLOBAL, HELP};

/// What an option's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No value but `=true`, `=false`.
    Flag,
    /// Any text; the word stands for it in the help.
    Text(&'static str),
    /// A file of the host.
    File,
    /// A directory of the host.
    Dir,
    /// One of a few words; the first stands for them. Whoever uses the value refuses others.
    OneOf(&'static str, &'static [&'static str]),
    /// A number, as Go's `strconv.ParseInt(s, 0, 64)` reads it.
    Number(&'static str),
    /// A span of time, as Go's `time.ParseDuration` reads it.
    Duration(&'static str),
}

impl Kind {
    /// The word that stands for the value.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Kind::Flag => None,
            Kind::File => Some("FILE"),
            Kind::Dir => Some("DIR"),
            Kind::Text(word) | Kind::OneOf(word, _) | Kind::Number(word) | Kind::Duration(word) => {
                Some(word)
            }
        }
    }
}

/// One option. Its long name is what the rest of the program finds it by.
#[derive(Debug)]
pub struct Opt {
    /// Without dashes.
    pub long: &'static str,
    /// A one-letter name.
    pub short: Option<char>,
    /// Its value.
    pub kind: Kind,
    /// One line.
    pub help: &'static str,
    /// What counts when it is not given.
    pub default: Option<&'static str>,
    /// The variable of the environment that can change the default.
    pub env: Option<&'static str>,
    /// Each time it is given counts, not the last alone.
    pub repeated: bool,
    /// Kept for compatibility only; not in the help.
    pub hidden: bool,
}

/// How many operands a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(usize),
    /// From, to.
    Between(usize, usize),
    /// So many or more.
    AtLeast(usize),
    /// Not checked here.
    Any,
}

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// The name of a container to be made.
    NewId,
    /// A container.
    Id,
    /// A signal.
    Signal,
    /// From here on the line is another program's.
    Line,
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its operands, for the usage line.
    pub operands: &'static str,
    /// What they are, in their order.
    pub takes: &'static [Operand],
    /// How many.
    pub count: Count,
    /// One line.
    pub about: &'static str,
    /// Paragraphs; `{name}` is the program's name.
    pub text: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// In the help and carried out, or known by name only.
    pub status: Support,
}

/// Is a command there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Yes.
    Yes,
    /// Yes, but nobody should call it.
    Internal,
    /// A command of runc that is refused by name.
    NotYet,
}

const fn opt(long: &'static str, short: Option<char>, kind: Kind, help: &'static str) -> Opt {
    Opt {
        long,
        short,
        kind,
        help,
        default: None,
        env: None,
        repeated: false,
        hidden: false,
    }
}

impl Opt {
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn env(mut self, variable: &'static str) -> Self {
        self.env = Some(variable);
        self
    }

    const fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

const NEW_ID: &str = "<container-id> is the name that the new container gets: 1 to 1024 letters, digits and \"_+.-\",\n\
    not used by another container of this host's --root.\n\n";

/// All commands, in the order of the help.
pub static COMMANDS: &[Command] = &[
    later("checkpoint", "freeze a container's processes into files"),
    start::CREATE,
    manage::DELETE,
    look::EVENTS,
    exec::EXEC,
    manage::KILL,
    look::LIST,
    manage::PAUSE,
    look::PS,
    later("restore", "make a container from the files of a checkpoint"),
    manage::RESUME,
    start::RUN,
    look::SPEC,
    start::START,
    look::STATE,
    limits::UPDATE,
    look::FEATURES,
    start::INIT,
];

const fn later(name: &'static str, about: &'static str) -> Command {
    Command {
        name,
        operands: "",
        takes: &[],
        count: Count::Any,
        about,
        text: "Not supported yet.",
        options: &[],
        status: Support::NotYet,
    }
}

impl Command {
    /// The command of this name.
    pub fn find(name: &[u8]) -> Option<&'static Command> {
        COMMANDS.iter().find(|c| c.name.as_bytes() == name)
    }

    /// Does its first operand end its options? What follows is then another program's line.
    pub fn is_strict(&self) -> bool {
        self.takes.contains(&Operand::Line)
    }

    /// What the usage says of the operands, before how many there may be.
    pub fn preface(&self) -> &'static str {
        match self.takes {
            [Operand::NewId, ..] => NEW_ID,
            _ => "",
        }
    }
}
