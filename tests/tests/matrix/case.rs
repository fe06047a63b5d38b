//! One case: a command, one of its system calls broken, and what is looked at afterwards.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use integration::conformance::{Judgement, deviations};
use integration::tracer::{Action, Call, Task, Trace, limit, trace};
use integration::{Container, alive, cgroups_named, is_ours, mounts_below, pids_of_cgroup, reap};

use super::bundle::{HOOK, PROGRAM, Variation, bundle, clear_log, log};
use super::given;
use super::running::{self, Before, RUNNING, Unbroken};
use crate::hooks::KINDS;

/// How long what is on its way may take to get there.
fn patience() -> Duration {
    limit() * 2 / 5
}

/// Why a case is bad; the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::upper_case_acronyms, missing_docs)]
pub enum Verdict {
    HANG,
    MUTE,
    LIE,
    EARLY,
    TWICE,
    HOLE,
    ORPHAN,
    STUCK,
    LEAK,
    HARM,
    DEVIATION,
}

/// All of them, in the order of the columns.
pub const VERDICTS: [Verdict; 11] = [
    Verdict::HANG,
    Verdict::MUTE,
    Verdict::LIE,
    Verdict::EARLY,
    Verdict::TWICE,
    Verdict::HOLE,
    Verdict::ORPHAN,
    Verdict::STUCK,
    Verdict::LEAK,
    Verdict::HARM,
    Verdict::DEVIATION,
];

/// A command and the container on which it is tried.
pub struct Row {
    pub command: &'static str,
    /// One of [`RUNNING`].
    is_running: bool,
    mapped: bool,
    pub c: Container,
    /// Goes after the container.
    _net: Option<given::Net>,
    unbroken: std::cell::OnceCell<Unbroken>,
}

/// What was seen of one case.
pub struct Seen {
    pub trace: Trace,
    pub verdicts: Vec<(Verdict, String)>,
    /// What the command said on standard error.
    pub stderr: String,
}

pub type Fault<'a> = Option<(&'a Call, Action)>;

impl Row {
    pub fn new(command: &'static str, variation: Variation) -> Self {
        let after = match command {
            "run" => String::new(),
            _ => format!("\nexec /bin/{PROGRAM} sleep 1000"),
        };
        let mut c = bundle(variation, &after);
        let mut net = None;
        let is_running = RUNNING.contains(&command);
        if is_running {
            c = c.with_config(|g| {
                given::config(g, command);
                net = (variation == Variation::Plain).then(|| given::Net::of(g));
            });
        }
        Self {
            command,
            is_running,
            mapped: variation == Variation::Mapped,
            c,
            _net: net,
            unbroken: std::cell::OnceCell::new(),
        }
    }

    /// What the command makes of a container when nothing is broken.
    pub fn unbroken(&self) -> &Unbroken {
        self.unbroken
            .get_or_init(|| running::unbroken(self.command, &self.c))
    }

    /// One case, from nothing to nothing.
    pub fn case(&self, fault: Fault<'_>) -> Seen {
        // Of a case that had no result.
        if !self.c.state_entries().is_empty() {
            sweep(&self.c, &[]);
        }
        clear_log(&self.c);
        let (mut init, mut before) = (None, Before::default());
        if self.is_running {
            self.unbroken();
            clear_log(&self.c);
            before = running::prepare(self.command, &self.c);
        } else {
            init = self.prepare();
        }
        let (trace, out, stderr) = self.trace(init, &before, fault);
        let said = std::fs::read_to_string(&out).unwrap_or_default();
        let mut after = After {
            row: self,
            fault,
            trace: &trace,
            out,
            stderr: &stderr,
            said,
            before,
            verdicts: Vec::new(),
        };
        match self.is_running {
            true => after.look_at_the_running(),
            false => after.look(),
        }
        let verdicts = after.verdicts;
        self.c.collect();
        self.c.runtime.forget_files();
        Seen {
            trace,
            verdicts,
            stderr,
        }
    }

    /// Brings the container to where the command needs it; init, if its way is part of the command.
    fn prepare(&self) -> Option<u32> {
        let c = &self.c;
        if matches!(self.command, "run" | "create") {
            return None;
        }
        if !is_ours() && !c.leftovers().is_empty() {
            sweep(c, &[]);
        }
        c.create().ok();
        if matches!(self.command, "kill" | "delete-force") {
            c.start().ok();
            return None;
        }
        let pid = std::fs::read_to_string(c.bundle.path().join("pid"));
        Some(pid.unwrap().trim().parse().unwrap())
    }

    fn trace(
        &self,
        init: Option<u32>,
        before: &Before,
        fault: Fault<'_>,
    ) -> (Trace, std::path::PathBuf, String) {
        let c = &self.c;
        let path = c.bundle.path().to_str().unwrap();
        let words;
        let args = match self.command {
            "run" | "create" => vec![self.command, "--bundle", path, &c.id],
            "kill" => vec!["kill", &c.id, "KILL"],
            "delete-force" => vec!["delete", "--force", &c.id],
            command if self.is_running => {
                words = given::args(command, c, before);
                words.iter().map(String::as_str).collect()
            }
            other => vec![other, &c.id],
        };
        let (command, out, err) = c.runtime.command(&args);
        let append = |p: &Path| File::options().append(true).open(p).unwrap().into();
        // Files: crun changes the owner of what it is given.
        let input = File::open(out.with_extension("in")).unwrap();
        let trace = trace(Task {
            command: &command,
            stdio: [input.into(), append(&out), append(&err)],
            program: PROGRAM,
            others: if self.is_running { "ps" } else { HOOK },
            also: init,
            fault,
            record: is_ours(),
        });
        let stderr = std::fs::read_to_string(err).unwrap_or_default();
        // What `start` lets run writes where `create` was told to.
        let out = match self.command {
            "run" | "create" => out,
            _ if self.is_running => out,
            _ => c.output_path(),
        };
        (trace, out, stderr)
    }
}

/// The look around after a case.
pub struct After<'a> {
    pub row: &'a Row,
    pub fault: Fault<'a>,
    pub trace: &'a Trace,
    out: std::path::PathBuf,
    stderr: &'a str,
    said: String,
    pub before: Before,
    verdicts: Vec<(Verdict, String)>,
}

impl After<'_> {
    pub fn fails(&mut self, verdict: Verdict, why: impl Into<String>) {
        self.verdicts.push((verdict, why.into()));
    }

    fn look(&mut self) {
        self.conforms();
        self.ended();
        let now = self.status_is_true();
        self.did_what_it_says(&now);
        self.the_program(&now);
        self.nothing_is_left();
        self.hooks();
    }

    pub fn ok(&self) -> bool {
        self.trace.code == 0
    }

    /// Was it not the command that was killed, but a process of its making?
    fn killed_another(&self) -> bool {
        matches!(self.fault, Some((call, Action::Kill)) if call.process != 0)
    }

    pub fn conforms(&mut self) {
        if !is_ours() || self.trace.hung.is_some() {
            return;
        }
        let broken = self.fault.filter(|_| self.trace.fired);
        let judgement = Judgement {
            command: self.row.command,
            code: self.trace.code,
            stderr: self.stderr,
            broken: broken
                .map(|(call, action)| (call.process, call.name.as_str(), action == Action::Kill)),
        };
        for why in deviations(&self.trace.record, &judgement) {
            self.fails(Verdict::DEVIATION, why);
        }
    }

    pub fn ended(&mut self) {
        if let Some(place) = &self.trace.hung {
            return self.fails(
                Verdict::HANG,
                format!("not ended after {:?}:\n{place}", limit()),
            );
        }
        let killed = matches!(self.fault, Some((call, Action::Kill)) if call.process == 0);
        if !self.ok() && !killed && self.stderr.trim().is_empty() {
            self.fails(
                Verdict::MUTE,
                format!("exit code {} and no word", self.trace.code),
            );
        }
    }

    /// The status beside the truth.
    pub fn status(&self) -> (String, u32) {
        let text = self.row.c.runtime.ask(&["state", &self.row.c.id]);
        let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let status = state["status"].as_str().unwrap_or("none");
        let pid = u32::try_from(state["pid"].as_u64().unwrap_or(0)).unwrap();
        (status.to_owned(), pid)
    }

    fn lives(&self) -> bool {
        self.trace.pids.iter().skip(1).any(|pid| alive(*pid))
    }

    fn status_is_true(&mut self) -> String {
        let mut last = self.status();
        let truth = wait_until_true(|| {
            last = self.status();
            let (status, pid) = (last.0.as_str(), last.1);
            match status {
                "running" => alive(pid) && is_program(pid),
                "created" => alive(pid) && !is_program(pid),
                "stopped" => true,
                _ => !self.lives(),
            }
        });
        if !truth {
            let verdict = match last.0 == "none" {
                true => Verdict::ORPHAN,
                false => Verdict::LIE,
            };
            self.fails(verdict, format!("state says {last:?}"));
        }
        last.0
    }

    fn did_what_it_says(&mut self, now: &str) {
        let ok = self.ok();
        let ran = self.text().contains("START");
        match self.row.command {
            "create" if ran => {
                self.fails(Verdict::EARLY, "it ran without a start");
            }
            // It was, until its init was killed: that the creator has heard of the gate is the conformance's part.
            "create" if ok && now == "stopped" && self.killed_another() => {}
            "create" if ok && now != "created" => {
                self.fails(Verdict::LIE, format!("create says 0, and it is {now}"));
            }
            "kill" if ok && !wait_until_true(|| self.status().0 == "stopped") => {
                self.fails(Verdict::LIE, "kill says 0, and it lives");
            }
            "delete" | "delete-force" if ok && now != "none" => {
                self.fails(Verdict::LIE, "delete says 0, and it is there");
            }
            _ => {}
        }
    }

    /// What the program has said by now.
    pub fn text(&mut self) -> &str {
        self.said = std::fs::read_to_string(&self.out).unwrap_or_default();
        &self.said
    }

    fn the_program(&mut self, now: &str) {
        let command = self.row.command;
        let mut expected = self.ok() && matches!(command, "run" | "start");
        // S5: once it was started, whoever was told so.
        if matches!(command, "create" | "start") && now == "created" {
            let again = self.row.c.call(&["start"]);
            if again.code == 0 {
                expected = true;
            } else if !wait_until_true(|| {
                let (status, pid) = self.status();
                status == "stopped" || is_program(pid)
            }) {
                let why = format!("created, and start says {}", again.stderr);
                self.fails(Verdict::STUCK, why);
            }
        }
        if expected || self.text().contains("START") {
            wait_until_true(|| {
                let text = self.text();
                let looked = text.contains("WHOLE") || text.contains("MISSING");
                looked || !expected && self.status().0 != "running"
            });
        }
        let text = self.text().to_owned();
        if text.contains("MISSING") {
            let why = text.lines().last().unwrap_or_default();
            self.fails(Verdict::HOLE, why);
        } else if expected && !text.contains("WHOLE") {
            let why = format!("exit code 0, and the program said {text:?}");
            self.fails(Verdict::LIE, why);
        }
        if text.matches("START").count() > 1 || self.trace.executions > 1 {
            self.fails(Verdict::TWICE, text);
        }
        if expected && self.row.mapped && !log(&self.row.c).iter().any(|it| it == "poststart") {
            self.fails(Verdict::LIE, "started, and no poststart hook has run");
        }
    }

    pub fn nothing_is_left(&mut self) {
        let c = &self.row.c;
        let deleted = c.delete_by_force();
        if deleted.code != 0 {
            self.fails(Verdict::LEAK, format!("delete --force: {}", deleted.stderr));
        }
        let clean = wait_until_true(|| {
            for pid in &self.trace.pids {
                let _ = reap(*pid);
            }
            c.leftovers().is_empty() && !self.lives()
        });
        if !clean {
            let lives: Vec<_> = self.trace.pids.iter().filter(|pid| alive(**pid)).collect();
            self.fails(
                Verdict::LEAK,
                format!("{:?}, processes {lives:?}", c.leftovers()),
            );
            sweep(c, &self.trace.pids);
        }
    }

    /// Each at most once and in their order; poststop when it is gone, or a word about it.
    fn hooks(&mut self) {
        if !self.row.mapped {
            return;
        }
        let log = log(&self.row.c);
        let mut places = log
            .iter()
            .map(|name| KINDS.iter().position(|hook| hook == name));
        if !log.is_empty()
            && !places
                .by_ref()
                .map_while(|it| it)
                .is_sorted_by(|a, b| a < b)
        {
            return self.fails(Verdict::TWICE, format!("hooks: {log:?}"));
        }
        let deleted = self.ok() && self.row.command.starts_with("delete");
        if deleted && self.stderr.is_empty() && log.last().is_none_or(|last| last != "poststop") {
            self.fails(
                Verdict::LIE,
                format!("deleted without a poststop hook: {log:?}"),
            );
        }
    }
}

/// Removes by pid and path what a runtime has left, when it was counted.
fn sweep(c: &Container, pids: &[u32]) {
    thaw(c);
    for pid in pids_of_cgroup(&c.id)
        .into_iter()
        .chain(pids.iter().copied().skip(1).filter(|pid| alive(*pid)))
    {
        integration::kill(pid);
    }
    wait_until_true(|| {
        for pid in pids {
            let _ = reap(*pid);
        }
        thaw(c);
        for cgroup in cgroups_named(&c.id).iter().rev() {
            let _ = std::fs::remove_dir(cgroup);
        }
        cgroups_named(&c.id).is_empty()
    });
    for place in [c.bundle.path(), c.runtime.root()] {
        for mount in mounts_below(place).iter().rev() {
            let _ = rustix::mount::unmount(mount.as_path(), rustix::mount::UnmountFlags::DETACH);
        }
    }
    let _ = std::fs::remove_dir_all(c.runtime.root());
}

/// Who is frozen does not die.
fn thaw(c: &Container) {
    for cgroup in cgroups_named(&c.id) {
        for (file, word) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            let file = cgroup.join(file);
            if file.exists() {
                let _ = std::fs::write(file, word);
            }
        }
    }
}

pub fn wait_until_true(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience();
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    true
}

/// Has it become the container's program?
pub fn is_program(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with(PROGRAM))
}
