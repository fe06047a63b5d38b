//! The operations behind the commands: one function each.

pub mod args;
mod console;
mod create;
mod delete;
mod error;
mod evidence;
mod holder;
mod hooks;
mod kill;
mod request;
mod start;
mod sysctls;
mod terminal;
mod view;

pub use args::{CreateArgs, Globals, LogFormat, Rootless, StateView};
pub use create::{create, run};
pub use delete::delete;
pub use error::Error;
pub use kill::kill;
pub use start::start;
pub use view::{Listed, list, state};

pub use sync_model::lifecycle::Status;
