//! The operations behind the commands: one function each.

pub mod args;
mod stub;

pub use args::{CreateArgs, Globals, LogFormat, Rootless, StateView, Status};
pub use stub::{Error, Listed, create, delete, kill, list, run, start, state};
