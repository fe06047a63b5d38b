//! `run --explain` and `--trace FILE`: the handshake made visible, without a change of what is run.

use integration::{Container, is_ours, need_root, skip};
use serde_json::Value;

#[test]
fn explain_draws_the_messages_in_order() {
    need_root!();
    if !is_ours() {
        return skip(
            "explain_draws_the_messages_in_order",
            "runc has no --explain",
        );
    }
    let c = Container::sh("echo from the container; exit 3");
    let out = c.run_with(&["--explain"]).exits(3);
    assert_eq!(
        out.stdout, "from the container\n",
        "the drawing is not on the container's output"
    );
    let mut rest = out.stderr.as_str();
    for message in [
        "Bootstrap",
        "Config",
        "Ready",
        "Run",
        "Start",
        "AtGate",
        "Starting",
        "executed",
    ] {
        let Some(at) = rest.find(message) else {
            panic!("{message} is missing, or out of order: {out}")
        };
        rest = &rest[at + message.len()..];
    }
    c.nothing_left();
}

#[test]
fn a_trace_is_json_for_a_trace_viewer() {
    need_root!();
    if !is_ours() {
        return skip("a_trace_is_json_for_a_trace_viewer", "runc has no --trace");
    }
    let c = Container::sh("exit 0");
    let file = c.bundle.path().join("trace.json");
    let out = c.run_with(&["--trace", file.to_str().unwrap()]).ok();
    assert_eq!(out.stderr, "", "a trace draws nothing");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    for event in events {
        assert!(
            event["ph"].is_string()
                && event["pid"].is_number()
                && event["tid"].is_number()
                && event["name"].is_string(),
            "{event}"
        );
        if event["ph"] == "X" {
            assert!(
                event["ts"].as_f64().unwrap() >= 0.0 && event["dur"].as_f64().unwrap() >= 0.0,
                "{event}"
            );
        }
    }
    let text = trace.to_string();
    for side in ["run", "init", "Ready", "Config"] {
        assert!(text.contains(side), "{side}");
    }
}

/// What goes wrong is in the drawing too, and the error is still the last line.
#[test]
fn explain_of_a_failure() {
    need_root!();
    if !is_ours() {
        return skip("explain_of_a_failure", "runc has no --explain");
    }
    let c = Container::new(|g| {
        g.mount("/mnt", "nosuchfs", "x", &[]);
    });
    let out = c.run_with(&["--explain"]).exits(1);
    assert!(out.stderr.contains("Error"), "{out}");
    assert!(
        out.stderr
            .lines()
            .last()
            .unwrap()
            .contains("no such device"),
        "{out}"
    );
    c.nothing_left();
}
