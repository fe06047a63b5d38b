//! The container's process: `run`'s half (the creator) outside, init inside, and the handshake between them.

pub mod attrs;
pub mod gate;
pub mod spawn;
