//! The binary. Re-executed as `runc-rs init` it is the container's init, until it becomes the user's program.
#![no_main]

#[path = "sys/entry.rs"]
mod entry;
#[cfg(own_start)]
#[path = "sys/start.rs"]
mod start;
