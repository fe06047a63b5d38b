//! The records of real commands are the model's runs, and a falsified record is not: the checker can fail.

use std::fs::File;
use std::path::Path;

use integration::conformance::mutate::{
    Mutation, answer_first, connections, count, falsify, kinds, spread,
};
use integration::conformance::{Act, Judgement, Origin, Record, deviations};
use integration::tracer::{Action, Call, Task, Trace, trace};
use integration::{Container, is_ours, need_root, reap, skip};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use sync_model::Kind;

/// A container with a filter and hooks: all of the handshake that needs no partner outside.
fn container(script: &str) -> Container {
    let c = Container::unsaved();
    let hook = json!([{"path": "/bin/true"}]);
    c.with_config(|g| {
        g.sh(script)
            .set("/hooks", json!({"createRuntime": hook}))
            .set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW"}));
    })
}

/// The command, traced, from a container that is where the command needs it; what it said on standard error.
fn traced(c: &Container, command: &str, fault: Option<(&Call, Action)>) -> (Trace, String) {
    let mut init = None;
    if !matches!(command, "run" | "create") {
        c.create().ok();
        init = (command == "start" || command == "delete").then(|| c.pid());
    }
    if command.starts_with("exec") {
        c.start().ok();
    }
    let path = c.bundle.path().to_str().unwrap();
    let pid_file = format!("{path}/exec.pid");
    let args = match command {
        "run" | "create" => vec![command, "--bundle", path, &c.id],
        "exec" => vec![command, &c.id, "true"],
        "exec-detach" => vec!["exec", "--detach", "--pid-file", &pid_file, &c.id, "true"],
        _ => vec![command, &c.id],
    };
    let (started, out, err) = c.runtime.command(&args);
    let append = |p: &Path| File::options().append(true).open(p).unwrap().into();
    let stdio = [
        File::open("/dev/null").unwrap().into(),
        append(&out),
        append(&err),
    ];
    let trace = trace(Task {
        command: &started,
        stdio,
        program: "bin/busybox",
        others: "bin/true",
        also: init,
        fault,
        record: true,
    });
    let said = std::fs::read_to_string(err).unwrap();
    c.delete_by_force().ok();
    for pid in &trace.pids {
        let _ = reap(*pid);
    }
    (trace, said)
}

fn judge(command: &str, record: &Record) -> Vec<String> {
    deviations(
        record,
        &Judgement {
            command,
            code: 0,
            stderr: "",
            broken: None,
        },
    )
}

macro_rules! need {
    ($test:literal) => {
        need_root!();
        if !is_ours() {
            return skip($test, "the model is of our own handshake");
        }
    };
}

/// The records of unbroken commands, each message in a piece of its own.
fn records() -> Vec<(&'static str, Record)> {
    let c = container("exec true");
    let running = container("exec sleep 1000");
    let commands = ["run", "create", "start", "delete", "exec", "exec-detach"].into_iter();
    commands
        .map(|command| {
            let c = if command.starts_with("exec") {
                &running
            } else {
                &c
            };
            let (trace, said) = traced(c, command, None);
            assert_eq!(trace.code, 0, "{command}: {said}");
            let found = judge(command, &trace.record);
            assert!(found.is_empty(), "{command}: {found:?}\n{}", trace.record);
            let record = spread(&trace.record);
            let found = judge(command, &record);
            assert!(found.is_empty(), "{command}: {found:?}\n{record}");
            (command, record)
        })
        .collect()
}

/// What the recorder must have seen of each, so that nothing passes because nothing was recorded.
#[test]
fn a_record_has_both_ends_of_every_conversation() {
    need!("a_record_has_both_ends_of_every_conversation");
    for (command, record) in records() {
        let connections = connections(&record);
        assert_eq!(connections.len(), 1, "{command}\n{record}");
        let (one, other) = connections[0];
        let [sent, received] = [true, false].map(|sent| count(&record.channels[one], sent));
        let expected = match command {
            // Bootstrap, Config, Resume, Run, Start; Hooks, Ready, AtGate, Starting
            "run" => (5, 4),
            "create" => (4, 3),
            // Bootstrap, Config, Run; Ready, Starting
            "exec" | "exec-detach" => (3, 2),
            _ => (1, 1),
        };
        assert_eq!((sent, received), expected, "{command}\n{record}");
        assert_eq!(count(&record.channels[other], true), received, "{command}");
        let programs = record
            .acts
            .iter()
            .filter(|(_, _, act)| *act == Act::BecameProgram);
        let expected = usize::from(!matches!(command, "create" | "delete"));
        assert_eq!(programs.count(), expected, "{command}\n{record}");
    }
}

/// Each message dropped, doubled, exchanged with each other and replaced by each other kind; each answer before what it
/// answers.
#[test]
fn a_falsified_record_is_refused() {
    need!("a_falsified_record_is_refused");
    let mut tried = 0;
    for (command, record) in records() {
        let mut refuse = |falsified: &Record, what: String| {
            tried += 1;
            let found = judge(command, falsified);
            assert!(
                !found.is_empty(),
                "{command}: not refused: {what}\n{falsified}"
            );
        };
        for (one, other) in connections(&record) {
            for (writer, reader) in [(one, other), (other, one)] {
                for mutation in mutations(count(&record.channels[writer], true)) {
                    let mut falsified = record.clone();
                    falsify(&mut falsified, writer, reader, mutation);
                    if falsified != record {
                        refuse(&falsified, format!("{mutation:?}"));
                    }
                }
            }
            for channel in [one, other] {
                for nth in 0.. {
                    let mut falsified = record.clone();
                    match answer_first(&mut falsified, channel, nth) {
                        None => break,
                        // The two that do not wait for each other: the start may be queued.
                        Some((Kind::AtGate, Kind::Start) | (Kind::Start, Kind::AtGate)) => {}
                        Some((heard, said)) => refuse(&falsified, format!("{said} before {heard}")),
                    }
                }
            }
        }
        // What they did, beside what they said.
        for (at, (_, _, act)) in record.acts.iter().enumerate() {
            let matters = match act {
                Act::BecameProgram => true,
                Act::Renamed => matches!(command, "run" | "create" | "exec-detach"),
                _ => false,
            };
            let is_init = |it: &&_| matches!(it, Origin::Inherited | Origin::Accepted);
            let origins: Vec<Origin> = record.channels.iter().map(|it| it.origin).collect();
            assert!(origins.iter().find(is_init).is_some());
            if matters {
                let mut falsified = record.clone();
                falsified.acts.remove(at);
                refuse(&falsified, format!("without {act:?}"));
            }
        }
    }
    println!("falsified records refused: {tried}");
    assert!(tried > 200, "{tried}");
}

fn mutations(count: usize) -> Vec<Mutation> {
    let mut all = Vec::new();
    for nth in 0..count {
        all.extend([Mutation::Drop(nth), Mutation::Duplicate(nth)]);
        all.extend((nth + 1..count).map(|other| Mutation::Swap(nth, other)));
        all.extend(Kind::ALL.iter().map(|kind| Mutation::Replace(nth, *kind)));
    }
    all
}

/// Several at once, by chance.
#[test]
fn a_record_falsified_in_several_places_is_refused() {
    need!("a_record_falsified_in_several_places_is_refused");
    for (command, record) in records() {
        let Some((one, other)) = connections(&record).first().copied() else {
            panic!("{command}: no connection");
        };
        let most = count(&record.channels[one], true).max(count(&record.channels[other], true));
        let place = 0..most;
        let kind = prop::sample::select(Kind::ALL.to_vec());
        let mutation = prop_oneof![
            place.clone().prop_map(Mutation::Drop),
            place.clone().prop_map(Mutation::Duplicate),
            (place.clone(), place.clone()).prop_map(|(one, other)| Mutation::Swap(one, other)),
            (place, kind).prop_map(|(nth, kind)| Mutation::Replace(nth, kind)),
        ];
        let several = prop::collection::vec((any::<bool>(), mutation), 1..4);
        let config = Config {
            cases: 2000 / integration::slow(),
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config)
            .run(&several, |mutations| {
                let mut falsified = record.clone();
                for (from_init, mutation) in &mutations {
                    let (writer, reader) = if *from_init {
                        (other, one)
                    } else {
                        (one, other)
                    };
                    falsify(&mut falsified, writer, reader, *mutation);
                }
                // A deleter may find that there is nobody to ask.
                prop_assume!(connections(&falsified).len() == 1);
                // They may have taken each other back, but for a payload.
                let same = kinds(&falsified) == kinds(&record);
                prop_assert!(same || !judge(command, &falsified).is_empty());
                Ok(())
            })
            .unwrap();
    }
}

/// A killed creator's run is a path that ends somewhere; a path that goes on after it is none.
#[test]
fn a_killed_process_may_stop_anywhere() {
    need!("a_killed_process_may_stop_anywhere");
    let c = container("exec true");
    let running = container("exec sleep 1000");
    for (command, process, name, nth) in [
        ("run", 0, "poll", 2),
        ("run", 1, "mount", 2),
        ("exec", 0, "poll", 2),
        ("exec", 1, "setns", 1),
        ("exec", 2, "setsid", 1),
    ] {
        let c = if command == "run" { &c } else { &running };
        let call = Call {
            process,
            name: name.to_owned(),
            nth,
        };
        let (trace, said) = traced(c, command, Some((&call, Action::Kill)));
        assert!(trace.fired, "{call:?}: {:?}", trace.calls);
        let judgement = |broken| Judgement {
            command,
            code: trace.code,
            stderr: &said,
            broken,
        };
        let broken = Some((process, call.name.as_str(), true));
        let found = deviations(&trace.record, &judgement(broken));
        assert!(found.is_empty(), "{call:?}: {found:?}\n{}", trace.record);
        if process == 0 {
            // Not killed by the test, it would be a creator that leaves its init alone.
            let found = deviations(&trace.record, &judgement(None));
            assert!(!found.is_empty(), "{}", trace.record);
        }
    }
}
