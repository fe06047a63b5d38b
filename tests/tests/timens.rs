//! Time namespaces: offsets of the clocks.

use integration::{Container, is_ours, need_root, skip};
use serde_json::json;

fn uptime(text: &str) -> f64 {
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_clock_has_its_offset() {
    need_root!();
    if !is_ours() {
        skip(
            "timens::the_clock_has_its_offset",
            "Debian's runc 1.1 knows no time namespace",
        );
        return;
    }
    let c = Container::new(|g| {
        g.push("/linux/namespaces", json!({"type": "time"}));
        g.set(
            "/linux/timeOffsets",
            json!({"boottime": {"secs": 1_000_000}}),
        );
        g.sh("cat /proc/uptime; readlink /proc/self/ns/time");
    });
    let out = c.run().ok();
    let host = uptime(&std::fs::read_to_string("/proc/uptime").unwrap());
    let inside = uptime(out.lines()[0]);
    assert!(
        (inside - host - 1_000_000.0).abs() < 60.0,
        "{inside} {host}"
    );
    let own = std::fs::read_link("/proc/self/ns/time").unwrap();
    assert_ne!(out.lines()[1], own.to_str().unwrap());
    c.nothing_left();
}

#[test]
fn offsets_that_cannot_be() {
    need_root!();
    if !is_ours() {
        skip(
            "timens::offsets_that_cannot_be",
            "Debian's runc 1.1 knows no time namespace",
        );
        return;
    }
    let c = Container::new(|g| {
        g.set("/linux/timeOffsets", json!({"boottime": {"secs": 1}}));
    });
    c.run()
        .refused("time namespace isn't enabled in the config");
    let c = Container::new(|g| {
        g.push("/linux/namespaces", json!({"type": "time"}));
        g.set("/linux/timeOffsets", json!({"realtime": {"secs": 1}}));
    });
    c.run().refused("monotonic and boottime");
}
