//! The operations behind the commands: one function each.

pub mod args;

pub use args::{CreateArgs, Globals, LogFormat, Rootless, StateView, Status};
