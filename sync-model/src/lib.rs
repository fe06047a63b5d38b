//! The handshake between `run` and `init`, without any I/O.
//!
//! Two processes make a container: the *creator* (`create`, `run`, or the parent of `exec`) stays outside, *init*
//! is started inside the new namespaces and becomes the user's program. What they say to each other, and when, is
//! decided here and nowhere else; the code that owns descriptors and clocks only carries bytes.
//!
//! - [`msg`], [`step`], [`frame`]: the messages, and their bytes;
//! - [`table`]: the form of the transition table. Its rows are in [`creator`], [`init`], [`exec`] and [`gate`];
//! - [`machine`]: the one engine that executes a table, and what its end means ([`outcome`]);
//! - [`driver`]: carries a machine over any [`driver::Transport`], message or death, whichever comes;
//! - [`lifecycle`]: a container's status, and what `start`, `kill` and `delete` may do about it, as pure functions;
//! - [`draw`]: the diagrams, made from the table.
//!
//! There is no descriptor, no clock, no system call, no `unsafe`, and no dependency in here.
//!
#![doc = include_str!("../docs/handshake.md")]
#![forbid(unsafe_code)]

pub mod creator;
pub mod draw;
pub mod driver;
pub mod exec;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod gate_driver;
pub mod init;
pub mod lifecycle;
pub mod machine;
pub mod msg;
pub mod outcome;
pub mod step;
pub mod table;
pub mod variation;
pub mod violation;

pub use creator::Creator;
pub use driver::{Driver, Event, Observer, Received, Recv, Sent, Transport};
pub use exec::{ExecCreator, ExecInit};
pub use gate::{Deleter, Gate, Starter};
pub use init::Init;
pub use machine::Machine;
pub use msg::{Bootstrap, Features, Kind, Level, LogLine, Message, WireError};
pub use outcome::{Death, Fate, Outcome};
pub use step::Step;
pub use table::{Direction, Role, StateId};
pub use violation::Violation;
