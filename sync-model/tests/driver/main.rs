//! The driver over wires in memory: both sides in one thread, so that every step is in our hands.
#![allow(clippy::unwrap_used)]

mod conversations;
mod odd_wires;

use sync_model::{Bootstrap, Features, Level, Message, Step, WireError};

/// The error of every wire here: its end would have to wait for what cannot come.
#[derive(Debug, PartialEq)]
struct WouldBlock;

impl std::fmt::Display for WouldBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("would wait for ever")
    }
}

fn bootstrap(features: Features) -> Message {
    Message::Bootstrap(Bootstrap::new(features, Level::Info))
}

fn cause(step: Step, errno: i32, path: &str, message: &str) -> WireError {
    WireError {
        step,
        errno,
        path: path.to_owned(),
        message: message.to_owned(),
    }
}
