//! Init's `tracing` events, as `Log` messages of the handshake: its creator prints them, to `--log` or stderr.
//!
//! `Log` is legal in every state of init, so that this needs no machine. Nothing is set up, and nothing formatted, for
//! levels that the creator did not ask for.

use std::fmt::Write;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::socket::{MsgFlags, send};
use sync_model::frame::encode;
use sync_model::{Level, LogLine, Message};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use crate::process::spawn::InitFds;

/// Where the lines go; -1: nowhere.
static WIRE: AtomicI32 = AtomicI32::new(-1);

/// From here on, events up to `level` go to the creator.
pub fn init(level: Level, fds: InitFds) {
    WIRE.store(fds.wire(), Ordering::Relaxed);
    let _ = tracing::dispatcher::set_global_default(tracing::Dispatch::new(ToWire(level)));
}

/// From here on, events go to this connection.
pub fn speak_on(wire: BorrowedFd<'_>) {
    WIRE.store(wire.as_raw_fd(), Ordering::Relaxed);
}

/// From here on, nobody listens.
pub fn hush() {
    WIRE.store(-1, Ordering::Relaxed);
}

struct ToWire(Level);

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

impl Subscriber for ToWire {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level_of(metadata) <= self.0
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(match self.0 {
            Level::Error => tracing::level_filters::LevelFilter::ERROR,
            Level::Warn => tracing::level_filters::LevelFilter::WARN,
            Level::Info => tracing::level_filters::LevelFilter::INFO,
            Level::Debug => tracing::level_filters::LevelFilter::DEBUG,
            Level::Trace => tracing::level_filters::LevelFilter::TRACE,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let wire = WIRE.load(Ordering::Relaxed);
        if wire < 0 {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let line = LogLine {
            level: level_of(event.metadata()),
            message: text.0,
        };
        say(wire, &Message::Log(line));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// One write for a whole line. The creator reads until init is at its gate, and waits for no reader of its own log.
fn say(wire: RawFd, message: &Message) {
    let mut frame = Vec::new();
    if encode(message, &mut frame).is_ok() {
        let _ = send(wire, &frame, MsgFlags::MSG_NOSIGNAL);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        let _ = if field.name() == "message" {
            write!(self.0, "{separator}{value:?}")
        } else {
            write!(self.0, "{separator}{}={value:?}", field.name())
        };
    }
}
