//! Errors of the state directory.

use crate::sys;

/// Result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a state directory. Where engines match on runc's words, they are runc's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No name.
    #[error("container id cannot be empty")]
    EmptyId,
    /// The name breaks the rules of [`super::Id`].
    #[error("invalid container ID format")]
    InvalidId,
    /// `create` of a name in use.
    #[error("container with given ID already exists")]
    Exists,
    /// No such container, or none whose record was ever written.
    #[error("container does not exist")]
    NotFound,
    /// Another process works on this container.
    #[error("container {0} is being worked on by another process")]
    Locked(String),
    /// A record that is not one.
    #[error("{path}: not a container's record: {reason}")]
    Junk {
        /// The record's file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The root or the state directory cannot be used.
    #[error("{what}: {source}")]
    Sys {
        /// What was tried.
        what: &'static str,
        /// The call.
        source: sys::Error,
    },
}
