//! Trace conformance: what the real processes said and did is a path of the model's table.
//!
//! [`Recorder`] takes down, at the exits of a traced process's system calls, the bytes that went over the handshake's
//! connections ([`Record`]). [`deviations`] decodes them with the model's own decoder and replays each end through the
//! model's machine ([`replay`]), also of runs that were broken: a killed process may stop anywhere, and one that was
//! refused a call must take the table's way to fail. Besides what each has said it looks at what each did: executed,
//! renamed a record, exited, died ([`judge`]).

mod judge;
pub mod mutate;
mod recorder;
mod replay;

pub use judge::{Judgement, deviations};
pub use recorder::Recorder;
pub use replay::{Spoken, Walk, walk};

/// The order in which the tracer saw things: a number for each.
pub type Clock = u32;

/// How a process came by its end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It made a pair: the creator's wire.
    Pair,
    /// It was there when it executed: init's wire.
    Inherited,
    /// It connected: a starter or deleter.
    Connected,
    /// It accepted: init at its gate.
    Accepted,
}

/// What passed on one end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// Written.
    Sent(Vec<u8>),
    /// Read.
    Received(Vec<u8>),
    /// The end was read: no bytes, or a reset.
    Ended,
    /// Before the handshake: which process of `exec` it is with (see `runtime::process::birth`).
    Certificate(Vec<u8>),
    /// Nobody reads what was to be written.
    Unheard,
    /// This end was closed here.
    Closed,
}

/// One end of a connection, and all that passed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Whose, in the order of birth.
    pub process: usize,
    /// How it came by it.
    pub origin: Origin,
    /// In the order in which it happened.
    pub log: Vec<(Clock, Passed)>,
}

/// What a process did besides speaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Executed itself as init, or went on in the place of exec's process that did.
    BecameInit,
    /// Executed the container's program.
    BecameProgram,
    /// Renamed a file: how a record becomes durable.
    Renamed,
    /// Was seen to exit with this code.
    Exited(i32),
    /// Was seen to be killed by this signal.
    Killed(i32),
}

/// All that was taken down of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The connections, in the order of their beginning.
    pub channels: Vec<Channel>,
    /// Everything else, by process.
    pub acts: Vec<(Clock, usize, Act)>,
}

impl Record {
    /// When a process did something first.
    pub fn when(&self, process: usize, wanted: impl Fn(Act) -> bool) -> Option<Clock> {
        let mut acts = self.acts.iter();
        acts.find(|(_, by, act)| *by == process && wanted(*act))
            .map(|(clock, _, _)| *clock)
    }

    /// How a process was seen to end.
    pub fn end(&self, process: usize) -> Option<(Clock, Act)> {
        let mut acts = self.acts.iter();
        acts.find(|(_, by, act)| *by == process && matches!(act, Act::Exited(_) | Act::Killed(_)))
            .map(|(clock, _, act)| (*clock, *act))
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for channel in &self.channels {
            writeln!(f, "{:?} of process {}", channel.origin, channel.process)?;
            for (clock, passed) in &channel.log {
                let bytes = match passed {
                    Passed::Sent(bytes) | Passed::Received(bytes) | Passed::Certificate(bytes) => {
                        bytes.as_slice()
                    }
                    _ => &[],
                };
                let word = format!("{passed:?}");
                let word = word.split('(').next().unwrap_or_default();
                let shown = &bytes[..bytes.len().min(8)];
                writeln!(f, "  {clock} {word} {} {shown:02x?}", bytes.len())?;
            }
        }
        for (clock, process, act) in &self.acts {
            writeln!(f, "  {clock} process {process} {act:?}")?;
        }
        Ok(())
    }
}
