//! The kernel's calls: thin wrappers, and the only place with `unsafe`. Each block says why it is sound.
//!
//! A wrapper's error is its call's, as [`Error`] has it: the call, what it was done to, and the errno of the manual page. Only where
//! there is another, or an errno means something here, does its documentation say so.
#![allow(unsafe_code)]
// The kernel's constants come as `i32` and go where its structures want other widths; none of them is near a limit.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

pub mod bpf;
pub mod caps;
pub mod clone;
pub mod close;
pub mod creds;
mod error;
pub mod execution;
pub mod fd;
#[cfg(test)]
pub(crate) mod fork;
pub mod lock;
pub mod mount;
pub mod namespace;
pub mod net;
mod own;
pub mod path;
pub mod pidfd;
mod seal;
pub mod seccomp;
pub mod sibling;
pub mod signal;
pub mod socket;
pub mod status;
pub mod time;
pub mod tty;
pub mod userns;
pub mod vfork;

pub use error::{Error, Result, errno_of, words};
pub use own::{euid, hide, open_standard_streams, set_name, setsid, unshare};
pub use seal::{sealed_exe, unreadable_exe};
pub use time::local_offset;
