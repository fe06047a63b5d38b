//! `pause` beside `start`, `exec` and `delete`: each ends, what says 0 is so, and nothing stays. `RACE_ROUNDS` makes more of them.

use std::collections::BTreeMap;

use integration::{Container, Output, is_ours, need_root, pids_of_cgroup, skip, wait_until};

use crate::races_commands::{at_once, harmless, is_harmless, was_paused_on_its_way};

fn skip_runc(test: &str) -> bool {
    if !is_ours() {
        skip(
            test,
            "runc 1.1: start hangs on the fifo of a paused container, exec waits for its thaw for ever",
        );
    }
    !is_ours()
}

fn rounds(default: usize) -> usize {
    std::env::var("RACE_ROUNDS").map_or(default, |text| text.parse().expect("a number"))
}

/// How often which way it went.
#[derive(Default)]
struct Outcomes(BTreeMap<String, usize>);

impl Outcomes {
    fn count(&mut self, lines: &[&str], all: &[Output], end: &str) {
        let codes = lines.iter().zip(all).map(|(line, out)| {
            let word = line.split(' ').next().unwrap_or_default();
            format!("{word} {}", out.code)
        });
        let mut codes: Vec<String> = codes.collect();
        codes.sort();
        *self
            .0
            .entry(format!("{}: {end}", codes.join(", ")))
            .or_default() += 1;
    }

    fn print(&self, test: &str) {
        for (outcome, times) in &self.0 {
            println!("{test}: {times:4} x {outcome}");
        }
    }
}

/// The lines in another order each round: all of them come up.
fn order(mut lines: Vec<&str>, mut round: usize) -> Vec<&str> {
    let mut ordered = Vec::new();
    while !lines.is_empty() {
        ordered.push(lines.remove(round % lines.len()));
        round /= lines.len() + 1;
    }
    ordered
}

fn code(lines: &[&str], all: &[Output], command: &str) -> i32 {
    let at = lines.iter().position(|line| line.starts_with(command));
    all[at.expect("it is among them")].code
}

/// Its program leaves a mark each time that it runs.
fn marking() -> Container {
    Container::new(|g| {
        g.sh("echo ran >> /mark; exec sleep 1000")
            .set("/root/readonly", false);
    })
}

fn marks(c: &Container) -> usize {
    let text = std::fs::read_to_string(c.bundle.rootfs("mark"));
    text.unwrap_or_default().lines().count()
}

/// Of `pause` and `resume` that have both said 0, `pause` was the first: the other way round `resume` had nothing to do.
fn is_paused_if_told(lines: &[&str], all: &[Output], end: &str) {
    let told = ["pause", "resume"].map(|command| code(lines, all, command) == 0);
    match told {
        [true, true] => assert_ne!(end, "paused", "{all:#?}"),
        [pause, _] => assert_eq!(end == "paused", pause, "{all:#?}"),
    }
}

/// What is paused and not started can be resumed and started; the program runs once.
fn comes_to_run(c: &Container, lines: &[&str], all: &[Output]) {
    let started = code(lines, all, "start") == 0;
    if c.status() == "paused" {
        c.call(&["resume"]).ok();
    }
    let created = c.status() == "created";
    assert!(!created || !started, "start says 0: {all:#?}");
    let again = created.then(|| c.start());
    let done = again.as_ref().is_none_or(|out| out.code == 0);
    let runs = done && wait_until(|| c.status() == "running") && wait_until(|| marks(c) == 1);
    let now = (c.status(), marks(c));
    assert!(runs, "{now:?}, {again:?}: {lines:?} {all:#?}");
}

/// A created container that is started, paused and deleted at once: never both started and deleted.
#[test]
fn start_pause_and_delete_at_once() {
    need_root!();
    if skip_runc("start_pause_and_delete_at_once") {
        return;
    }
    let mut outcomes = Outcomes::default();
    for round in 0..rounds(8) {
        let c = marking();
        c.create().ok();
        // What meets a pause says so after five seconds.
        let lines = order(
            vec!["start ID", "pause ID", "resume ID", "delete ID"],
            round,
        );
        let all = at_once(&c, &lines);
        if !all.iter().all(is_harmless) {
            panic!("{lines:?}: {all:#?}, {}", c.call(&["state"]));
        }
        let [start, delete] = ["start", "delete"].map(|command| code(&lines, &all, command));
        assert!(start != 0 || delete != 0, "both: {all:#?}");
        let end = match delete {
            0 => "none".to_owned(),
            _ => c.status(),
        };
        outcomes.count(&lines, &all, &end);
        if delete == 0 {
            c.nothing_left();
            assert_eq!(marks(&c), 0, "it was deleted, and has run");
            continue;
        }
        if all.iter().any(|out| was_paused_on_its_way(&c, out)) {
            assert_eq!(marks(&c), 0, "start failed, and it has run");
        } else {
            is_paused_if_told(&lines, &all, &end);
            comes_to_run(&c, &lines, &all);
        }
        c.call(&["delete", "--force"]).ok();
        c.nothing_left();
    }
    outcomes.print("start, pause, resume, delete");
}

/// The same, with one more process that is brought in: it runs, or `exec` says why not.
#[test]
fn start_pause_and_exec_at_once() {
    need_root!();
    if skip_runc("start_pause_and_exec_at_once") {
        return;
    }
    let mut outcomes = Outcomes::default();
    for round in 0..rounds(8) {
        let c = marking();
        c.create().ok();
        // In the foreground it would wait for its program, and that for the thaw.
        let exec = "exec --detach ID sh -c echo>>/in";
        let lines = order(vec!["start ID", "pause ID", "resume ID", exec], round);
        let all = at_once(&c, &lines);
        has_run_or_says_why(&lines, &all);
        let exec = code(&lines, &all, "exec");
        let end = c.status();
        outcomes.count(&lines, &all, &end);
        if all.iter().any(|out| was_paused_on_its_way(&c, out)) {
            assert_eq!(marks(&c), 0, "start failed, and it has run");
            c.delete_by_force().ok();
            c.nothing_left();
            continue;
        }
        is_paused_if_told(&lines, &all, &end);
        comes_to_run(&c, &lines, &all);
        let there = || c.bundle.rootfs("in").exists();
        if exec == 0 {
            assert!(
                wait_until(there),
                "exec says 0, and its program has not run"
            );
        }
        // What was refused while it was paused dies with the thaw.
        assert!(wait_until(|| {
            c.reap_orphans();
            pids_of_cgroup(&c.id).len() == 1
        }));
        assert!(exec == 0 || !there(), "refused, and it has run: {all:#?}");
        c.delete_by_force().ok();
        c.nothing_left();
    }
    outcomes.print("start, pause, resume, exec");
}

/// All that can be done to a running container, and its end.
#[test]
fn exec_pause_and_delete_by_force_at_once() {
    need_root!();
    if skip_runc("exec_pause_and_delete_by_force_at_once") {
        return;
    }
    let mut outcomes = Outcomes::default();
    for round in 0..rounds(12) {
        let c = Container::sleeping();
        c.detach();
        let lines = order(
            vec![
                "pause ID",
                "exec ID echo brought in",
                "exec --ignore-paused ID echo brought in",
                "delete --force ID",
                "resume ID",
            ],
            round,
        );
        let all = at_once(&c, &lines);
        assert_eq!(code(&lines, &all, "delete"), 0, "{all:#?}");
        has_run_or_says_why(&lines, &all);
        outcomes.count(&lines, &all, "none");
        c.nothing_left();
    }
    outcomes.print("exec, pause, delete --force");
}

fn has_run_or_says_why(lines: &[&str], all: &[Output]) {
    for (line, out) in lines.iter().zip(all) {
        if !line.starts_with("exec") {
            harmless(out);
            continue;
        }
        let words = [
            "paused container",
            "stopped container",
            "still being created",
            "does not exist",
            "was killed by SIGKILL",
            "paused meanwhile",
        ];
        let said = words.iter().any(|words| out.stderr.contains(words));
        match out.code {
            0 if line.contains("--detach") => {}
            0 => assert_eq!(out.text(), "brought in", "{line}: {out}"),
            // It was in the container, and ended with it.
            137 => {}
            _ => assert!(out.code == 255 && said, "{line}: {out}"),
        }
    }
}
