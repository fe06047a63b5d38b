//! The trace file: Chrome's JSON, which Perfetto, chrome://tracing and speedscope show.
//!
//! Two threads, run and init; a slice for what each did between two messages; an arrow (a flow) for each message.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::timeline::{Side, Timeline};
use crate::sys::{Error, Result};

/// Opens, or makes, the trace file.
///
/// # Errors
/// That of open(2).
pub fn open(path: &Path) -> Result<(PathBuf, File)> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(|e| error("open", path, &e))?;
    Ok((path.to_owned(), file))
}

/// Writes the trace.
///
/// # Errors
/// That of write(2).
pub fn write(path: &Path, file: &mut File, timeline: &Timeline) -> Result<()> {
    let mut text = json!({ "displayTimeUnit": "ms", "traceEvents": events(timeline) }).to_string();
    text.push('\n');
    file.write_all(text.as_bytes())
        .map_err(|e| error("write", path, &e))
}

fn error(call: &'static str, path: &Path, error: &std::io::Error) -> Error {
    Error::io(call, path.display().to_string(), error)
}

fn events(timeline: &Timeline) -> Vec<Value> {
    let mut events = vec![name(Side::Creator, "run"), name(Side::Init, "init")];
    for span in &timeline.spans {
        events.push(json!({
            "ph": "X", "cat": "handshake", "name": span.what, "pid": 1, "tid": thread(span.side),
            "ts": us(span.from), "dur": us(span.to.saturating_sub(span.from)),
        }));
    }
    for (id, (at, sender, kind)) in timeline.messages.iter().enumerate() {
        let receiver = match sender {
            Side::Creator => Side::Init,
            Side::Init => Side::Creator,
        };
        // An arrow from one slice to the other: both ends bind to the slice that begins or ends there.
        for (phase, side) in [("s", *sender), ("f", receiver)] {
            events.push(json!({
                "ph": phase, "bp": "e", "cat": "message", "name": kind.name(), "id": id, "pid": 1,
                "tid": thread(side), "ts": us(*at),
            }));
        }
        events.push(json!({
            "ph": "i", "s": "t", "cat": "message", "name": kind.name(), "pid": 1, "tid": thread(*sender), "ts": us(*at),
            "args": { "says": kind.label() },
        }));
    }
    for (at, text) in &timeline.notes {
        events.push(json!({
            "ph": "i", "s": "t", "cat": "log", "name": text, "pid": 1, "tid": thread(Side::Init), "ts": us(*at),
        }));
    }
    events
}

fn name(side: Side, name: &str) -> Value {
    json!({ "ph": "M", "name": "thread_name", "pid": 1, "tid": thread(side), "args": { "name": name } })
}

fn thread(side: Side) -> u32 {
    match side {
        Side::Creator => 1,
        Side::Init => 2,
    }
}

/// Microseconds, with the nanoseconds behind the point.
fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
