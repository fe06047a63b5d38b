//! The operations behind the commands: one function each.

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
