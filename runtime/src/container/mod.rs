//! The operations behind the commands: one function each, in the module of its name (`view`: `state` and `list`; `pause`: `resume` too).
//!
//! Between them: `args` is what a command line asks for; `evidence` what the record and the kernel say of a container, from which the
//! status comes; `request` the conversation of `start` and `delete` with the start gate; `place` where the cgroups will be; `hooks`,
//! `console`, `terminal` and `activation` (systemd's variables) what a container is given besides its plan.

mod activation;
pub mod args;
mod console;
mod create;
mod delete;
mod error;
mod events;
mod evidence;
mod exec;
mod holder;
mod hooks;
mod kill;
mod outlet;
mod pause;
mod place;
mod ps;
mod request;
mod start;
mod sysctls;
mod terminal;
mod update;
mod view;

pub use args::{CreateArgs, ExecArgs, Globals, LogFormat, Rootless, StateView};
pub use create::{create, run};
pub use delete::delete;
pub use error::Error;
pub use events::{Event, events, stats};
pub use exec::exec;
pub use kill::kill;
pub use pause::{pause, resume};
pub use ps::{processes, ps};
pub use start::start;
pub use update::update;
pub use view::{Listed, list, names, state};

pub use sync_model::lifecycle::Status;
