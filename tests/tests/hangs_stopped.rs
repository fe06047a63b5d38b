//! Processes that are stopped (SIGSTOP), and those who have to do with them: nobody waits for ever for who does not run.

use integration::{
    Container, Signal, TempDir, alive, is_ours, need_root, proc_status, signal, wait_gone,
    wait_until,
};
use serde_json::json;

use crate::hangs::{Running, ours_alone, within};

/// What a bounded wait takes, and a bit: 5 s for each step.
const BOUND: u64 = 8;

fn stop(pid: u32) {
    signal(pid, Signal::STOP);
    let stopped = || proc_status(pid, "State").is_some_and(|state| state.starts_with('T'));
    assert!(wait_until(stopped));
}

/// Creates `c`, whose init waits for `start` and is stopped there. Returns init's pid.
fn created_and_stopped(c: &Container) -> u32 {
    c.create().ok();
    let init = c.pid();
    stop(init);
    init
}

/// A starter that has asked: it waits for the answer.
fn asking(c: &Container) -> Running {
    let starter = Running::start(c, &["start", &c.id]);
    assert!(wait_until(|| {
        std::fs::read_to_string(format!("/proc/{}/wchan", starter.pid()))
            .is_ok_and(|wchan| wchan.contains("poll"))
    }));
    starter
}

/// Sleeps, and says on the host that it ran.
fn marking() -> (Container, std::path::PathBuf) {
    let c = Container::new(|g| {
        g.sh("echo ran >> /mark; exec sleep 1000")
            .set("/root/readonly", false);
    });
    let mark = c.bundle.rootfs("mark");
    (c, mark)
}

/// Init has accepted, and is paused before it executes: `start` does not wait for a thaw that may never come, and what it says has
/// failed does not happen after one. A short pause does no harm.
#[test]
fn a_start_that_is_paused_on_its_way() {
    need_root!();
    if !ours_alone("its hook has run before start ends") {
        return;
    }
    for resumed in [true, false] {
        let (c, mark) = marking();
        let c = c.with_config(|g| {
            let wait = "touch /hook; while ! test -e /go; do sleep 0.02; done";
            g.set(
                "/hooks/startContainer",
                json!([{"path": "/bin/sh", "args": ["sh", "-c", wait]}]),
            );
        });
        c.create().ok();
        let starter = Running::start(&c, &["start", &c.id]);
        assert!(wait_until(|| c.bundle.rootfs("hook").exists()));
        c.call(&["pause"]).ok();
        std::fs::write(c.bundle.rootfs("go"), "").unwrap();
        if resumed {
            c.call(&["resume"]).ok();
            within(BOUND, || starter.end(&c)).ok();
            assert!(wait_until(|| mark.exists()));
            c.call(&["delete", "--force"]).ok();
        } else {
            within(BOUND, || starter.end(&c))
                .refused("container init does not answer: it is paused");
            assert_eq!(c.status(), "stopped");
            assert!(!mark.exists());
            c.delete().ok();
        }
        c.nothing_left();
    }
}

/// `start` gives up, and what it asked for does not happen later behind its caller's back.
#[test]
fn start_of_a_stopped_init() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever") {
        return;
    }
    let (c, mark) = marking();
    let init = created_and_stopped(&c);
    within(BOUND, || c.start()).refused("container init does not answer: it is stopped");
    assert_eq!(c.status(), "created");
    signal(init, Signal::CONT);
    // It hears everybody in turn: who comes after has been heard after.
    within(2, || c.start()).ok();
    // The shell makes the file before it writes.
    assert!(wait_until(
        || std::fs::read(&mark).is_ok_and(|it| !it.is_empty())
    ));
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "ran\n");
    assert_eq!(c.status(), "running");
}

/// A request that was given up is none: init goes on waiting.
#[test]
fn a_start_that_was_given_up_does_not_start() {
    need_root!();
    if !ours_alone("1.1.5 asks by opening a fifo, and waits there for an init that is stopped") {
        return;
    }
    let (c, mark) = marking();
    let init = created_and_stopped(&c);
    let starter = asking(&c);
    signal(starter.pid(), Signal::KILL);
    assert_eq!(starter.end(&c).code, 137);
    signal(init, Signal::CONT);
    // It hears everybody in turn: a deleter is heard after the starter.
    within(2, || c.delete()).ok();
    assert!(!mark.exists());
    c.nothing_left();
}

#[test]
fn kill_of_a_stopped_init() {
    need_root!();
    for started in [false, true] {
        let c = Container::sleeping();
        c.create().ok();
        if started {
            c.start().ok();
        }
        let init = c.pid();
        stop(init);
        within(2, || c.kill("KILL")).ok();
        within(2, || c.wait());
        assert_eq!(c.status(), "stopped");
        within(2, || c.delete()).ok();
        c.nothing_left();
    }
}

/// Without force a deleter asks, and is not answered; with it, init is killed.
#[test]
fn delete_of_a_stopped_init() {
    need_root!();
    let c = Container::sleeping();
    let init = created_and_stopped(&c);
    if is_ours() {
        within(BOUND, || c.delete()).refused("container init does not answer");
        assert_eq!(c.status(), "created");
        signal(init, Signal::CONT);
        c.start().ok();
        assert_eq!(c.status(), "running");
        stop(init);
    }
    within(5, || c.call(&["delete", "--force"])).ok();
    c.nothing_left();
    let c = Container::sleeping();
    created_and_stopped(&c);
    within(5, || c.call(&["delete", "--force"])).ok();
    c.nothing_left();
}

/// A starter that is stopped when it has connected keeps nobody else from starting.
#[test]
fn a_stopped_starter_keeps_nobody_out() {
    need_root!();
    if !ours_alone("1.1.5 asks by opening a fifo, and waits there for an init that is stopped") {
        return;
    }
    let (c, mark) = marking();
    let init = created_and_stopped(&c);
    let starter = asking(&c);
    stop(starter.pid());
    signal(init, Signal::CONT);
    // Its request was whole: it counts, and the program is executed without it.
    assert!(wait_until(|| mark.exists()));
    within(2, || c.start()).refused("cannot start an already running container");
    signal(starter.pid(), Signal::CONT);
    starter.end(&c).ok();
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "ran\n");
}

/// A creator that is stopped in the middle: it holds its container, and does not notice that init is killed.
#[test]
fn delete_of_a_container_whose_creator_is_stopped() {
    need_root!();
    if !ours_alone(
        "1.1.5 knows no container before its creator has come to its end, and leaves its cgroup with an init in it",
    ) {
        return;
    }
    let dir = TempDir::new("hook");
    let said = dir.path().join("said");
    let mut fifo = integration::Fifo::new(&said);
    let script = format!(
        "read -r s; echo \"$s\" > {}; exec sleep 1000",
        said.display()
    );
    let c = Container::sleeping().with_config(|g| {
        g.push(
            "/hooks/createRuntime",
            json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}),
        );
    });
    for during in ["a hook", "its beginning"] {
        let creator = Running::create(&c);
        if during == "a hook" {
            let state: serde_json::Value = serde_json::from_str(&fifo.line()).unwrap();
            let init = u32::try_from(state["pid"].as_u64().unwrap()).unwrap();
            stop(creator.pid());
            assert_eq!(c.status(), "creating");
            within(2, || c.delete()).refused("is not stopped: creating");
            assert!(alive(init));
            within(5, || c.call(&["delete", "--force"])).ok();
            wait_gone(init);
        } else {
            // Wherever it is: with or without an init, with or without cgroups.
            assert!(wait_until(|| !c.state_entries().is_empty()));
            stop(creator.pid());
            within(5, || c.call(&["delete", "--force"])).ok();
            if alive(creator.pid()) {
                // It had made the directory, and not yet said by a lock whose it is: now it has lost it.
                signal(creator.pid(), Signal::CONT);
                creator.end(&c).exits(1);
                c.nothing_left();
                continue;
            }
        }
        assert_eq!(creator.end(&c).code, 137, "{during}");
        c.nothing_left();
    }
}

/// More have come than may wait to be accepted: who comes then is not kept waiting for room.
#[test]
fn a_crowd_at_the_gate_of_a_stopped_init() {
    need_root!();
    if !ours_alone("1.1.5 has a fifo there") {
        return;
    }
    let c = Container::sleeping();
    let init = created_and_stopped(&c);
    let gate = c.runtime.root().join(&c.id).join("gate.sock");
    let mut crowd = Vec::new();
    while let Some(one) = integration::try_connect(&gate) {
        crowd.push(one);
    }
    within(BOUND, || c.start()).refused("container init does not answer: it is stopped");
    within(BOUND, || c.delete()).refused("container init does not answer: it is stopped");
    signal(init, Signal::CONT);
    // With all of them still there.
    within(2, || c.start()).ok();
    drop(crowd);
}
