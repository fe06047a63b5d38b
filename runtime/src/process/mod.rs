//! The container's process: the creator outside, init inside, and the handshake between them.
//!
//! - [`spawn`]: how init is born. [`idmap`]: what only its creator may do for it. [`peer`]: what others see of it.
//! - [`wire`]: what they say to each other on. [`config`]: the plan, as it goes over it.
//! - [`creator`], [`init`]: the two halves. [`attrs`]: what init makes of itself.
//! - [`gate`]: where init waits after `create`, and what `start`, `delete` and `state` ask.
//! - [`exec`], [`birth`]: the same for `exec`, whose process is in `init::exec`.

pub mod attrs;
pub mod birth;
pub mod config;
pub mod creator;
pub mod exec;
pub mod gate;
pub mod idmap;
pub mod init;
pub mod peer;
pub mod pid_file;
pub mod spawn;
pub mod wire;
