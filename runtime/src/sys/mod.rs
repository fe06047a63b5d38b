//! The kernel's calls: thin wrappers, and the only place with `unsafe`. Each block says why it is sound.
#![allow(unsafe_code)]

mod error;
mod file;

pub use error::{Error, Result};
pub use file::flock;
