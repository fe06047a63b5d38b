//! The log: `tracing` events as runc's lines, on stderr or in the `--log` file.
//!
//! Text is logrus' text (`time="..." level=error msg="..."`, and its coloured form on a terminal), JSON is its
//! `{"level","msg","time"}` object, one a line. Nothing is allocated, opened or asked of the kernel until a line is
//! printed, but for a `--log` file, which is opened at the start so that a wrong path is an error and not silence.

mod gotext;
mod sink;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};

pub use gotext::{push_json, push_quoted, push_rfc3339, quoted};
pub use sink::Sink;

use crate::container::LogFormat;
use crate::sys;

/// The process's log.
#[derive(Debug)]
pub struct Log {
    sink: Sink,
    format: LogFormat,
    debug: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Sets the process's log up, once; later calls change nothing.
///
/// # Errors
/// That of opening the `--log` file: nothing is set up then.
pub fn init(path: Option<&Path>, format: LogFormat, debug: bool) -> sys::Result<()> {
    let sink = match path {
        Some(path) => Sink::file(path)?,
        None => Sink::stderr(),
    };
    if LOG
        .set(Log {
            sink,
            format,
            debug,
        })
        .is_ok()
    {
        // Fails only where somebody (a test) set another subscriber before.
        let _ = tracing::dispatcher::set_global_default(tracing::Dispatch::new(Bridge));
    }
    Ok(())
}

fn log() -> &'static Log {
    LOG.get_or_init(|| Log {
        sink: Sink::stderr(),
        format: LogFormat::Text,
        debug: false,
    })
}

/// The time, as state.json has it: RFC 3339 with nanoseconds, UTC.
pub fn now_rfc3339_nano() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let mut out = String::with_capacity(32);
    push_rfc3339(
        &mut out,
        i64::try_from(now.as_secs()).unwrap_or(0),
        now.subsec_nanos(),
        0,
    );
    out
}

/// Is `debug` logged?
pub fn debug_enabled() -> bool {
    log().debug
}

/// Logs one line that was not born as a `tracing` event: init's, forwarded by its creator.
pub fn line(level: Level, message: &str) {
    let log = log();
    if log.enabled(&level) {
        log.print(&level, message, None);
    }
}

/// The command's last word: an error line and, if the log is not stderr, the plain text on stderr too, as runc does.
pub fn fatal(message: &str) {
    let log = log();
    log.print(&Level::ERROR, message, None);
    if !log.sink.is_stderr() {
        let end = if message.ends_with('\n') { "" } else { "\n" };
        Sink::stderr().write(format!("{message}{end}").as_bytes());
    }
}

/// Where an event is in the source, for `--debug`.
struct Caller<'a> {
    target: &'a str,
    file: &'a str,
    line: u32,
}

impl Log {
    fn enabled(&self, level: &Level) -> bool {
        *level
            <= if self.debug {
                Level::DEBUG
            } else {
                Level::INFO
            }
    }

    fn print(&self, level: &Level, message: &str, caller: Option<&Caller<'_>>) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let mut out = String::with_capacity(message.len() + 96);
        match self.format {
            LogFormat::Json => json_line(&mut out, level, message, now, caller),
            LogFormat::Text if self.sink.is_stderr() && std::io::stderr().is_terminal() => {
                terminal_line(&mut out, level, message, caller);
            }
            LogFormat::Text => text_line(&mut out, level, message, now, caller),
        }
        self.sink.write(out.as_bytes());
    }
}

fn push_now(out: &mut String, now: Duration) {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(0);
    push_rfc3339(out, seconds, 0, sys::local_offset(seconds));
}

fn level_word(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// logrus' JSON: the keys in alphabetical order.
fn json_line(
    out: &mut String,
    level: &Level,
    message: &str,
    now: Duration,
    caller: Option<&Caller<'_>>,
) {
    out.push('{');
    if let Some(Caller { target, file, line }) = caller {
        out.push_str("\"file\":");
        push_json(out, &format!("{file}:{line}"));
        out.push_str(",\"func\":");
        push_json(out, target);
        out.push(',');
    }
    out.push_str("\"level\":\"");
    out.push_str(level_word(level));
    out.push_str("\",\"msg\":");
    push_json(out, message);
    out.push_str(",\"time\":\"");
    push_now(out, now);
    out.push_str("\"}\n");
}

/// logrus' text, not on a terminal.
fn text_line(
    out: &mut String,
    level: &Level,
    message: &str,
    now: Duration,
    caller: Option<&Caller<'_>>,
) {
    out.push_str("time=\"");
    push_now(out, now);
    out.push_str("\" level=");
    out.push_str(level_word(level));
    out.push_str(" msg=");
    gotext::push_field(out, message);
    if let Some(Caller { target, file, line }) = caller {
        out.push_str(" func=");
        gotext::push_field(out, target);
        out.push_str(" file=");
        gotext::push_field(out, &format!("{file}:{line}"));
    }
    out.push('\n');
}

/// logrus' text on a terminal: `ERRO[0000] message`, coloured, the seconds counted from the start of the command.
fn terminal_line(out: &mut String, level: &Level, message: &str, caller: Option<&Caller<'_>>) {
    let (colour, word) = match *level {
        Level::ERROR => (31, "ERRO"),
        Level::WARN => (33, "WARN"),
        Level::INFO => (36, "INFO"),
        Level::DEBUG => (37, "DEBU"),
        Level::TRACE => (37, "TRAC"),
    };
    let place = match caller {
        Some(Caller { target, file, line }) => format!("{file}:{line} {target}"),
        None => String::new(),
    };
    // A command that fails does so in its first second: the count is not worth a clock read at every start.
    let message = message.strip_suffix('\n').unwrap_or(message);
    let _ = writeln!(
        out,
        "\x1b[{colour}m{word}\x1b[0m[0000]{place} {message:<44} "
    );
}

/// The bridge from `tracing`: a subscriber without spans.
struct Bridge;

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && log().enabled(metadata.level())
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(
            if log().debug {
                Level::DEBUG
            } else {
                Level::INFO
            }
            .into(),
        )
    }

    fn event(&self, event: &Event<'_>) {
        let log = log();
        let metadata = event.metadata();
        let mut text = Message(String::new());
        event.record(&mut text);
        let caller = Caller {
            target: metadata.target(),
            file: metadata.file().unwrap_or_default(),
            line: metadata.line().unwrap_or_default(),
        };
        log.print(metadata.level(), &text.0, log.debug.then_some(&caller));
    }

    // Spans are not used: the handshake's own events tell what happens when.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// An event's text: the message, then its fields as `key=value`.
struct Message(String);

impl Message {
    fn field(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => self.0.write_fmt(value),
            name if self.0.is_empty() => write!(self.0, "{name}={value}"),
            name => write!(self.0, " {name}={value}"),
        };
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format_args!("{value:?}"));
    }
}
