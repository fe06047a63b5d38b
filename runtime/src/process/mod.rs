//! The container's process: the creator outside, init inside, and the handshake between them.

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
