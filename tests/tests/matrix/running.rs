//! The commands on a container that runs, and what is to be true after them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use integration::tracer::Action;
use integration::{Container, Output, alive, cgroup_dirs, pids_of_cgroup};
use serde_json::{Value, json};

use super::case::{After, Verdict, is_program, wait_until_true};
use super::given::{args, resources};

/// Their rows. `-detach` has a pid file too, `-file` is `-r FILE`, `-table` runs the host's ps.
pub const RUNNING: [&str; 9] = [
    "exec",
    "exec-detach",
    "pause",
    "resume",
    "update",
    "update-file",
    "ps",
    "ps-table",
    "events",
];

/// The container when the command begins.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Its first process.
    pub init: u32,
    /// Its limits.
    limits: Limits,
    /// Where it is paused.
    freezer: PathBuf,
}

/// What an unbroken command makes of it: known from the first one.
#[derive(Debug, Clone)]
pub struct Unbroken {
    limits: Limits,
    keys: Vec<String>,
}

/// The files, and what is in them.
type Limits = BTreeMap<PathBuf, String>;

const FILES: [&str; 10] = [
    "pids.max",
    "memory.limit_in_bytes",
    "cpu.shares",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "memory.max",
    "cpu.weight",
    "cpu.max",
    "hugetlb.2MB.max",
    "hugetlb.2MB.rsvd.max",
];

/// Starts the container, and brings it to where the command needs it.
pub fn prepare(command: &str, c: &Container) -> Before {
    c.run_with(&["--detach"]).ok();
    let pid = std::fs::read_to_string(c.bundle.path().join("pid"));
    let init = pid.unwrap().trim().parse().unwrap();
    // runc's `run --detach` returns a moment before its init executes.
    assert!(is_program(init) || !integration::is_ours() && wait_until_true(|| is_program(init)));
    // runc's next `exec` fails for the second, which a killed one leaves.
    for name in ["exec.pid", ".exec.pid"] {
        let _ = std::fs::remove_file(c.bundle.path().join(name));
    }
    if command == "resume" {
        c.call(&["pause"]).ok();
    }
    let limits = match command.starts_with("update") {
        true => limits(init),
        false => Limits::new(),
    };
    Before {
        init,
        limits,
        freezer: freezers_dir(init),
    }
}

/// The command as it is when nothing is broken, on a container of its own.
pub fn unbroken(command: &str, c: &Container) -> Unbroken {
    let file = c.bundle.path().join("limits.json");
    std::fs::write(file, resources().to_string()).unwrap();
    let mut unbroken = Unbroken {
        limits: Limits::new(),
        keys: Vec::new(),
    };
    if command.starts_with("update") || command == "events" {
        let before = prepare(command, c);
        let out = call(command, c, &before).ok();
        unbroken.limits = limits(before.init);
        let event: Value = serde_json::from_str(&out.stdout).unwrap_or_default();
        unbroken.keys = keys(&event);
        c.delete_by_force().ok();
    }
    unbroken
}

fn call(command: &str, c: &Container, before: &Before) -> Output {
    let args = args(command, c, before);
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    c.runtime.run(&words)
}

fn limits(init: u32) -> Limits {
    let dirs = cgroup_dirs(init);
    let files = dirs
        .iter()
        .flat_map(|(_, dir)| FILES.map(|name| dir.join(name)));
    files
        .filter_map(|file| Some((file.clone(), std::fs::read_to_string(file).ok()?)))
        .collect()
}

/// The names in an object, and in those below it.
fn keys(value: &Value) -> Vec<String> {
    let Value::Object(members) = value else {
        return Vec::new();
    };
    let below = |(name, value): (&String, &Value)| {
        let below = keys(value).into_iter().map(|it| format!("{name}/{it}"));
        [name.clone()].into_iter().chain(below).collect::<Vec<_>>()
    };
    members.iter().flat_map(below).collect()
}

/// What the kernel says of the container's own group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Freezer {
    /// It is to be frozen.
    asked: bool,
    /// Nobody in it runs.
    frozen: bool,
}

/// The directory of the freezer that pauses this process.
fn freezers_dir(init: u32) -> PathBuf {
    let dirs = cgroup_dirs(init);
    let find = |name: &str| {
        dirs.iter()
            .find(|(it, _)| it == name)
            .map(|it| it.1.clone())
    };
    find("freezer").or_else(|| find("")).unwrap_or_default()
}

fn freezer(dir: &Path) -> Freezer {
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    let state = read("freezer.state");
    if state.is_empty() {
        return Freezer {
            asked: read("cgroup.freeze").trim() == "1",
            frozen: read("cgroup.events").contains("frozen 1"),
        };
    }
    Freezer {
        frozen: state.trim() == "FROZEN",
        asked: read("freezer.self_freezing").trim() == "1",
    }
}

impl After<'_> {
    /// After a command on a running container.
    pub fn look_at_the_running(&mut self) {
        self.conforms();
        let now = freezer(&self.before.freezer);
        self.ended();
        self.who_is_in_it();
        let now = self.is_what_it_was(now);
        self.is_done(now);
        self.can_go_on(now);
        self.nothing_is_left();
    }

    /// Was the command itself killed?
    fn is_killed(&self) -> bool {
        self.trace.fired && matches!(self.fault, Some((call, Action::Kill)) if call.process == 0)
    }

    /// Nobody but the container's program, and what exec was asked for.
    fn who_is_in_it(&mut self) {
        let (exec, detached) = match self.row.command {
            "exec" => (true, false),
            "exec-detach" => (true, true),
            _ => (false, false),
        };
        let (ok, killed) = (self.ok(), self.is_killed());
        let init = self.before.init;
        let id = self.row.c.id.clone();
        let mut others = Vec::new();
        let settled = wait_until_true(|| {
            for pid in &self.trace.pids {
                let _ = integration::reap(*pid);
            }
            others = pids_of_cgroup(&id);
            others.retain(|pid| *pid != init);
            let text = self.text();
            let looked = text.contains("WHOLE") || text.contains("MISSING");
            let programs = looked && others.iter().all(|pid| is_program(*pid));
            let outside = (self.trace.pids.iter())
                .filter(|pid| **pid != init && !others.contains(pid))
                .any(|pid| alive(*pid));
            // Of one that was killed the program may be there; of one that failed it may not.
            let inside = match exec {
                true if ok && detached => programs && others.len() == 1,
                true if killed => others.is_empty() || programs,
                _ => others.is_empty(),
            };
            inside && !outside
        });
        let text = self.text().to_owned();
        if !settled {
            let names: Vec<_> = (others.iter().chain(&self.trace.pids))
                .filter(|pid| alive(**pid))
                .map(|pid| (pid, std::fs::read_link(format!("/proc/{pid}/exe"))))
                .collect();
            self.fails(
                Verdict::ORPHAN,
                format!("exit code {}: {names:?}, {text:?}", self.trace.code),
            );
        }
        if text.contains("MISSING") {
            self.fails(Verdict::HOLE, text.lines().last().unwrap_or_default());
        } else if exec && ok && !text.contains("WHOLE") {
            let why = format!("exit code 0, and the program said {text:?}");
            self.fails(Verdict::LIE, why);
        }
        if exec && (text.matches("START").count() > 1 || self.trace.executions > 1) {
            self.fails(Verdict::TWICE, text);
        }
        if detached {
            let file = std::fs::read_to_string(self.row.c.bundle.path().join("exec.pid"));
            let number = file.as_ref().ok().and_then(|text| text.parse::<u32>().ok());
            let right = match ok {
                true => number.is_some() && number == others.first().copied(),
                false => file.is_err() || number.is_some(),
            };
            if !right {
                let why = format!("the pid file has {file:?}, in the container are {others:?}");
                self.fails(Verdict::LIE, why);
            }
        }
    }

    /// The same program, and `state` says what the kernel says.
    fn is_what_it_was(&mut self, at_once: Freezer) -> Freezer {
        let init = self.before.init;
        if !alive(init) || !is_program(init) {
            self.fails(Verdict::HARM, "its program is gone");
        }
        let (status, pid) = self.status();
        let now = freezer(&self.before.freezer);
        let expected = if now.asked { "paused" } else { "running" };
        if status != expected || pid != init {
            let why = format!("state says {status} of {pid}, it is {expected}, {init}: {now:?}");
            self.fails(Verdict::LIE, why);
        }
        // Nobody has to wait for it but a pause that says it is done.
        let dir = self.before.freezer.clone();
        let waits = self.row.command != "pause" || !self.ok();
        let true_soon = at_once.frozen == at_once.asked
            || waits && wait_until_true(|| freezer(&dir).frozen == now.asked);
        if !true_soon {
            self.fails(Verdict::LIE, format!("{status}, and the kernel: {now:?}"));
        }
        let may_be = match self.row.command {
            "pause" | "resume" if self.is_killed() => return now,
            "pause" => self.ok(),
            "resume" => !self.ok(),
            _ => false,
        };
        if now.asked != may_be {
            let verdict = if self.ok() {
                Verdict::LIE
            } else {
                Verdict::HARM
            };
            let why = format!("exit code {}, and it is {status}", self.trace.code);
            self.fails(verdict, why);
        }
        now
    }

    /// An exit code of 0 means it.
    fn is_done(&mut self, _: Freezer) {
        let ok = self.ok();
        let (init, text) = (self.before.init, self.text().to_owned());
        match self.row.command {
            "ps" if ok && serde_json::from_str(&text).ok() != Some(json!([init])) => {
                self.fails(Verdict::LIE, format!("ps says {text}, it is {init}"));
            }
            "ps-table" if ok => {
                let title = text.lines().next().unwrap_or_default();
                let column = title.split_whitespace().position(|it| it == "PID");
                let pids: Vec<&str> = (text.lines().skip(1))
                    .filter_map(|line| line.split_whitespace().nth(column?))
                    .collect();
                if pids != [init.to_string()] {
                    self.fails(Verdict::LIE, format!("ps says {text}, it is {init}"));
                }
            }
            "events" if ok => {
                let event: Value = serde_json::from_str(&text).unwrap_or_default();
                let (seen, all) = (keys(&event), &self.row.unbroken().keys);
                let lost: Vec<_> = all.iter().filter(|key| !seen.contains(key)).collect();
                if !lost.is_empty() {
                    let why = format!("exit code 0, and the event is without {lost:?}");
                    self.fails(Verdict::LIE, why);
                }
            }
            "update" | "update-file" => self.limits_are_one(),
            _ => {}
        }
    }

    /// All of the new ones, or all of the old ones.
    fn limits_are_one(&mut self) {
        let (now, old) = (limits(self.before.init), &self.before.limits);
        let new = &self.row.unbroken().limits;
        let other = |than: &Limits| -> Vec<String> {
            (now.iter())
                .filter(|(path, text)| than.get(*path) != Some(*text))
                .map(|(path, text)| format!("{} is {}", path.display(), text.trim()))
                .collect()
        };
        if self.is_killed() {
            // Between two files there is no way back for it; but no file has a third value, and a second update makes all of them.
            let third = |path: &PathBuf, text: &String| {
                old.get(path) != Some(text) && new.get(path) != Some(text)
            };
            if let Some((path, text)) = now.iter().find(|(path, text)| third(path, text)) {
                let why = format!("killed, and {} is {text}", path.display());
                self.fails(Verdict::LIE, why);
            }
            let again = call(self.row.command, &self.row.c, &self.before);
            if again.code != 0 || limits(self.before.init) != *new {
                self.fails(Verdict::STUCK, format!("a second update: {again}"));
            }
            return;
        }
        let (what, wrong) = match self.ok() {
            true => ("update says 0", other(new)),
            false => ("update failed", other(old)),
        };
        if !wrong.is_empty() {
            self.fails(Verdict::LIE, format!("{what}, and {wrong:?}"));
        }
    }

    /// What is paused can be resumed, and what runs be paused.
    fn can_go_on(&mut self, now: Freezer) {
        let next = match self.row.command {
            "pause" | "resume" if now.asked => "resume",
            "pause" | "resume" => "pause",
            _ => return,
        };
        let done = self.row.c.call(&[next]);
        let asked = freezer(&self.before.freezer).asked;
        if done.code != 0 || asked == now.asked {
            self.fails(Verdict::STUCK, format!("it was {now:?}, and {done}"));
        }
    }
}
