//! The commands on a container's life, all at once on one container: each ends, and nothing stays.

use integration::{Container, Output, is_ours, need_root, skip, wait_until};

/// Each of `lines` at once; "ID" is the container's.
pub fn at_once(c: &Container, lines: &[&str]) -> Vec<Output> {
    let running: Vec<_> = lines
        .iter()
        .map(|line| {
            let line = line.replace("ID", &c.id);
            let args: Vec<&str> = line.split(' ').collect();
            let (mut command, out, err) = c.runtime.command(&args);
            (line.clone(), command.spawn().unwrap(), out, err)
        })
        .collect();
    running
        .into_iter()
        .map(|(line, child, out, err)| c.runtime.wait(child, &[&line], out, err))
        .collect()
}

/// Every error is one of these: somebody else was faster.
pub fn harmless(out: &Output) {
    assert!(is_harmless(out), "{out}");
}

/// As [`harmless`].
pub fn is_harmless(out: &Output) -> bool {
    const WORDS: [&str; 12] = [
        "container not running",
        "container not paused",
        "container does not exist",
        "is not running",
        "that is not stopped",
        "cannot start",
        "another command is",
        "other commands are",
        "container init still running",
        "container init does not answer: it is paused",
        "memory.oom_control: no such",
        "no such device",
    ];
    out.code == 0 || WORDS.iter().any(|words| out.stderr.contains(words))
}

const LOOKS: [&str; 5] = [
    "ps --format json ID",
    "events --stats ID",
    "update --pids-limit 40 ID",
    "state ID",
    "list",
];

fn skip_runc(test: &str) -> bool {
    if !is_ours() {
        skip(
            test,
            "runc 1.1 has no locks: its commands may fail in any way",
        );
    }
    !is_ours()
}

/// Pausing and resuming beside everything that looks.
#[test]
fn pause_and_resume_at_once() {
    need_root!();
    if skip_runc("pause_and_resume_at_once") {
        return;
    }
    let c = Container::sh("while :; do busybox true; done");
    c.detach();
    let mut lines = vec!["pause ID", "resume ID", "pause ID", "resume ID"];
    lines.extend(LOOKS);
    for _ in 0..12 {
        for out in at_once(&c, &lines) {
            harmless(&out);
        }
        let status = c.status();
        assert!(status == "running" || status == "paused", "{status}");
        if status == "paused" {
            c.call(&["resume"]).ok();
        }
    }
    assert_eq!(c.status(), "running");
}

/// A kill, or a delete by force, ends it whatever the others do meanwhile.
#[test]
fn the_end_beside_everything() {
    need_root!();
    if skip_runc("the_end_beside_everything") {
        return;
    }
    for round in 0..12 {
        let c = Container::sh("sleep 1000 & sleep 1000 & wait");
        c.detach();
        let end = ["delete --force ID", "kill ID KILL", "kill --all ID KILL"][round % 3];
        let mut lines = vec!["pause ID", end, "resume ID", "pause ID"];
        if round % 3 == 0 {
            // Of a container that is paused in the end it would wait.
            lines.push("events --interval 1ms ID");
        }
        lines.extend(LOOKS);
        lines.rotate_left(round % 5);
        for out in at_once(&c, &lines) {
            harmless(&out);
        }
        if round % 3 == 0 {
            c.nothing_left();
        } else {
            // A pause that came last holds what the kill has not reached.
            assert!(wait_until(|| c.status() != "running"));
            c.call(&["delete", "--force"]).ok();
            c.nothing_left();
        }
    }
}

/// One `pause` after the other, each after the kill: the container is let go as often as it is held.
#[test]
fn frozen_again_and_again_while_it_is_deleted() {
    need_root!();
    if skip_runc("frozen_again_and_again_while_it_is_deleted") {
        return;
    }
    let c = Container::sleeping();
    c.detach();
    let dirs = integration::cgroup_dirs(c.pid());
    let file = |controllers: &str, name: &str| {
        let mut dirs = dirs.iter();
        let found = dirs.find(|(c, _)| c.split(',').any(|c| c == controllers));
        found.map(|(_, dir)| dir.join(name)).filter(|f| f.exists())
    };
    let (file, word) = match (file("freezer", "freezer.state"), file("", "cgroup.freeze")) {
        (Some(file), _) => (file, "FROZEN"),
        (None, Some(file)) => (file, "1"),
        (None, None) => {
            return skip("frozen_again_and_again_while_it_is_deleted", "no freezer");
        }
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(1);
    let freezing = std::thread::spawn(move || {
        while std::time::Instant::now() < end && std::fs::write(&file, word).is_ok() {
            std::thread::yield_now();
        }
    });
    c.call(&["delete", "--force"]).ok();
    freezing.join().unwrap();
    c.nothing_left();
}

/// A start that meets a pause: it happens, or it says why not; and afterwards it can be done.
#[test]
fn start_and_pause_at_once() {
    need_root!();
    if skip_runc("start_and_pause_at_once") {
        return;
    }
    for round in 0..8 {
        let c = Container::sleeping();
        c.create().ok();
        let mut lines = vec!["start ID", "pause ID", "update --pids-limit 40 ID", "ps ID"];
        lines.rotate_left(round % 4);
        let all = at_once(&c, &lines);
        all.iter().for_each(harmless);
        if all.iter().any(|out| was_paused_on_its_way(&c, out)) {
            continue;
        }
        if c.status() == "paused" {
            c.call(&["resume"]).ok();
        }
        if c.status() == "created" {
            c.start().ok();
        }
        assert!(wait_until(|| c.status() == "running"), "{}", c.status());
    }
}

/// Its init had accepted a start, and was paused before it executed: the start has failed, and so must the container have.
pub fn was_paused_on_its_way(c: &Container, start: &Output) -> bool {
    start.stderr.contains("does not answer: it is paused") && c.status() == "stopped"
}

/// A delete without force beside them: it removes a container that has stopped, and no other.
#[test]
fn delete_of_a_stopped_container_beside_everything() {
    need_root!();
    if skip_runc("delete_of_a_stopped_container_beside_everything") {
        return;
    }
    for _ in 0..8 {
        let c = Container::sleeping();
        c.detach();
        c.kill("KILL").ok();
        c.wait();
        assert!(wait_until(|| c.status() == "stopped"));
        let mut lines = vec![
            "pause ID",
            "resume ID",
            "delete ID",
            "update --memory 64m ID",
        ];
        lines.extend(LOOKS);
        for out in at_once(&c, &lines) {
            harmless(&out);
        }
        c.nothing_left();
    }
}
