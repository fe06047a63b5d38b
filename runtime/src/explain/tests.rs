//! The drawing and the trace of conversations that are given.
#![allow(clippy::unwrap_used)]

use sync_model::creator::CreatorState;
use sync_model::table::States;
use sync_model::{Creator, Direction, Event, Features, Kind, Message};

use super::drawing::Drawing;
use super::timeline::{Side, Timeline};
use super::{Explain, chrome};
use crate::log::Sink;

/// The messages of a `run`, as the driver reports them.
fn events() -> Vec<Event> {
    let features = Features::START_ON_WIRE;
    let bootstrap = sync_model::Bootstrap::new(features, sync_model::Level::Info);
    let mut machine = Creator::new();
    let mut events = Vec::new();
    for (direction, message) in [
        (Direction::Send, Message::Bootstrap(bootstrap)),
        (Direction::Send, Message::Config(Vec::new())),
        (Direction::Receive, Message::Ready),
        (Direction::Send, Message::Run(Vec::new())),
        (Direction::Send, Message::Start),
        (Direction::Receive, Message::AtGate),
        (Direction::Receive, Message::Starting),
    ] {
        let from = machine.state().map(CreatorState::id).unwrap();
        machine = match direction {
            Direction::Send => machine.send(&message).unwrap(),
            Direction::Receive => machine.receive(&message).unwrap(),
        };
        events.push(Event {
            direction,
            kind: message.kind(),
            from,
            to: machine.state().map(CreatorState::id),
            features,
            bytes: 0,
        });
    }
    events
}

fn timeline() -> Timeline {
    Timeline::new()
}

#[test]
fn both_sides_are_in_the_tables_words() {
    let mut timeline = timeline();
    let entries: Vec<_> = events()
        .iter()
        .filter_map(|event| timeline.message(event))
        .collect();
    let seen: Vec<_> = entries
        .iter()
        .map(|e| (e.kind, e.sender, e.init.what))
        .collect();
    assert_eq!(
        seen[0],
        (
            Kind::Bootstrap,
            Side::Creator,
            "waits for its first orders, and with them for its id maps"
        )
    );
    assert_eq!(seen[2].0, Kind::Ready);
    assert_eq!(seen[2].1, Side::Init);
    assert!(seen[2].2.contains("pivot_root"), "{}", seen[2].2);
    // `Start` is queued behind `Run`: init is still at its privileges when it comes, and reads it at the gate.
    assert!(seen[4].2.contains("capabilities"), "{}", seen[4].2);
    assert!(seen[6].2.contains("accepts the start"), "{}", seen[6].2);
    assert!(timeline.end().init.what.contains("execve"));
}

#[test]
fn a_line_is_as_wide_as_the_terminal_and_keeps_the_times() {
    for (width, ascii) in [(72, true), (80, false), (120, true), (200, false)] {
        let drawing = Drawing::new(Sink::stderr(), width, ascii);
        let mut timeline = timeline();
        for event in events() {
            let entry = timeline.message(&event).unwrap();
            let line = drawing.message_line(&entry);
            assert!(line.trim_end().chars().count() <= width, "{width}: {line}");
            assert!(line.contains(event.kind.name()), "{line}");
            assert_eq!(line.is_ascii(), ascii, "{line}");
            assert_eq!(line.matches('\n').count(), 1);
        }
    }
}

#[test]
fn the_trace_is_json_with_an_arrow_for_each_message() {
    let mut timeline = timeline();
    for event in events() {
        timeline.message(&event);
    }
    timeline.note("a \"line\"");
    timeline.end();
    let path = std::env::temp_dir().join(format!("trace-{}", std::process::id()));
    let (_, mut file) = chrome::open(&path).unwrap();
    chrome::write(&path, &mut file, &timeline).unwrap();
    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let events = json["traceEvents"].as_array().unwrap();
    let count = |phase: &str| events.iter().filter(|e| e["ph"] == phase).count();
    assert_eq!((count("s"), count("f")), (7, 7));
    assert!(count("X") >= 8, "a slice for each stretch of both sides");
    for span in events.iter().filter(|e| e["ph"] == "X") {
        assert!(span["dur"].as_f64().unwrap() >= 0.0);
    }
}

#[test]
fn nothing_is_watched_unless_asked_for() {
    assert!(Explain::new(false, None).unwrap().is_none());
    let nowhere = std::path::Path::new("/proc/no/such/directory");
    assert!(Explain::new(false, Some(nowhere)).is_err());
    assert!(Explain::new(true, None).unwrap().is_some());
}
