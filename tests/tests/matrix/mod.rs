//! The crash and errno matrix: each system call of the processes of a command is replaced by SIGKILL or by an errno, and after it nothing
//! may hang, lie, run with less isolation than asked for, or be left over.
//!
//! `a_sample_of_the_matrix` is part of every run; `the_whole_matrix` is ignored by default. `MATRIX_CASE` repeats one case,
//! `MATRIX_STEP` takes every n-th of the whole, `MATRIX_SEED` is where a sample begins.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use integration::conformance::{Judgement, deviations};
use integration::tracer::{Action, Call, LIMIT, Trace, trace};
use integration::{Container, alive, is_ours, need_root, skip};
use serde_json::json;

const ACTIONS: [Action; 7] = [
    Action::Kill,
    Action::Errno(12),
    Action::Errno(1),
    Action::Errno(4),
    Action::Errno(5),
    Action::Errno(28),
    Action::Errno(24),
];

const COMMANDS: [&str; 6] = ["run", "create", "start", "kill", "delete", "delete-force"];

/// Prints what of its isolation is missing; `$1` is what to do then.
const PAYLOAD: &str = r#"
echo START
bad=
t() { [ "$2" = "$3" ] || bad="$bad $1($2)"; }
has() { case ",$(grep " $1 " /proc/self/mountinfo | tail -n 1 | cut -d ' ' -f 6)," in *,$2,*) ;; *) bad="$bad $1-not-$2";; esac; }
field() { grep "^$1:" /proc/self/status | cut -f 2; }
t pid $$ 1
t ids "$(id -u):$(id -g)" 1000:1000
t hostname "$(hostname)" matrix
t cwd "$PWD" /tmp
t env "$MATRIX" yes
t nofile "$(ulimit -n)" 512
t nnp "$(field NoNewPrivs)" 1
t bounding "$(field CapBnd)" 0000000000000000
t effective "$(field CapEff)" 0000000000000000
t seccomp "$(field Seccomp)" 2
mkdir /tmp/made 2>/dev/null && bad="$bad mkdir"
t oom "$(cat /proc/self/oom_score_adj)" 77
t sysctl "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 81
for masked in kcore keys timer_list; do [ ! -e /proc/$masked ] || [ -c /proc/$masked ] || bad="$bad $masked"; done
[ -z "$(ls /sys/firmware)" ] || bad="$bad firmware"
has / ro
has /proc/sys ro
has /proc nosuid
has /tmp nodev
has /tmp noexec
has /bound ro
has /sys ro
for ns in pid net ipc uts mnt cgroup; do
    eval "host=\$HOST_$ns"
    [ "$(readlink /proc/self/ns/$ns)" != "$host" ] || bad="$bad $ns"
done
t pids "$(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)" 64
t memory "$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)" 67108864
cat /dev/denied >/dev/null 2>&1 && bad="$bad device"
[ -z "$bad" ] && echo WHOLE || echo "MISSING$bad"
"#;

/// A container that asks for all isolation and looks for it from inside.
fn bundle(after: &str) -> Container {
    let c = Container::unsaved();
    std::fs::create_dir_all(c.bundle.rootfs("bound")).unwrap();
    let source = c.bundle.rootfs("home");
    c.with_config(|g| {
        g.sh(&format!("{PAYLOAD}{after}"))
            .caps(&[])
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .set("/process/cwd", "/tmp")
            .set("/process/oomScoreAdj", 77)
            .set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "hard": 512, "soft": 512}]))
            .set("/hostname", "matrix")
            .set("/linux/sysctl", json!({"net.ipv4.ip_unprivileged_port_start": "81"}))
            .set("/linux/resources/pids", json!({"limit": 64}))
            .set("/linux/resources/memory", json!({"limit": 64 << 20}))
            .set("/linux/devices", json!([{"path": "/dev/denied", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]))
            .set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}))
            .set("/mounts/0/options", json!(["nosuid", "noexec", "nodev"]))
            .mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec", "mode=1777"])
            .bind(&source, "/bound", &["ro"])
            .push("/process/env", json!("MATRIX=yes"));
        for ns in ["pid", "net", "ipc", "uts", "mnt", "cgroup"] {
            let host = std::fs::read_link(format!("/proc/self/ns/{ns}")).unwrap();
            g.push("/process/env", json!(format!("HOST_{ns}={}", host.display())));
        }
    })
}

struct Row {
    command: &'static str,
    c: Container,
}

/// What was seen of one case.
struct Seen {
    trace: Trace,
    verdicts: Vec<String>,
}

impl Row {
    fn new(command: &'static str) -> Self {
        let after = if command == "run" {
            ""
        } else {
            "exec sleep 1000"
        };
        Self {
            command,
            c: bundle(after),
        }
    }

    /// One case, from nothing to nothing.
    fn case(&self, fault: Option<(&Call, Action)>) -> Seen {
        let c = &self.c;
        let mut verdicts = Vec::new();
        let mut init = None;
        if !matches!(self.command, "run" | "create") {
            c.create().ok();
            let pid = c.pid();
            // Its way from the gate to the program is part of the command.
            init = (self.command == "start").then_some(pid);
            if matches!(self.command, "kill" | "delete-force") {
                c.start().ok();
            }
        }
        let path = c.bundle.path().to_str().unwrap();
        let args = match self.command {
            "run" | "create" => vec![self.command, "--bundle", path, &c.id],
            "kill" => vec!["kill", &c.id, "KILL"],
            "delete-force" => vec!["delete", "--force", &c.id],
            other => vec![other, &c.id],
        };
        let (command, out, err) = c.runtime.command(&args);
        let append = |p: &Path| File::options().append(true).open(p).unwrap().into();
        let stdio = [
            File::open("/dev/null").unwrap().into(),
            append(&out),
            append(&err),
        ];
        let trace = trace(&command, stdio, Path::new("bin/busybox"), init, fault);
        let read = |p: &Path| std::fs::read_to_string(p).unwrap_or_default();
        let said = || match self.command {
            "run" | "create" => read(&out),
            _ => c.output(),
        };
        let ok = trace.code == 0;
        if is_ours() && !trace.hung {
            let judgement = Judgement {
                command: self.command,
                code: trace.code,
                stderr: &read(&err),
                broken: fault.filter(|_| trace.fired).map(|(call, action)| {
                    (call.process, call.name.as_str(), action == Action::Kill)
                }),
            };
            let found = deviations(&trace.record, &judgement).into_iter();
            verdicts.extend(found.map(|why| format!("DEVIATION: {why}")));
        }
        let mut fails = |kind: &str, why: String| verdicts.push(format!("{kind}: {why}"));
        if trace.hung {
            fails("HANG", format!("not ended after {LIMIT:?}"));
        }
        let killed = matches!(fault, Some((call, Action::Kill)) if call.process == 0);
        if !ok && !killed && !trace.hung && read(&err).trim().is_empty() {
            fails("MUTE", format!("exit code {} and no word", trace.code));
        }
        // The status beside the truth.
        let status = || {
            let out = c.call(&["state"]);
            let state: serde_json::Value = serde_json::from_str(&out.stdout).unwrap_or_default();
            (
                state["status"].as_str().unwrap_or("none").to_owned(),
                u32::try_from(state["pid"].as_u64().unwrap_or(0)).unwrap(),
            )
        };
        let lives = || trace.pids.iter().skip(1).any(|pid| alive(*pid));
        let truth = wait_until_true(|| {
            let (status, pid) = status();
            match status.as_str() {
                "running" => alive(pid) && is_program(pid),
                "created" => alive(pid) && !is_program(pid),
                "stopped" => true,
                _ => !lives(),
            }
        });
        if !truth {
            let kind = if status().0 == "none" {
                "ORPHAN"
            } else {
                "LIE"
            };
            fails(kind, format!("state says {:?}", status()));
        }
        let now = status().0;
        match self.command {
            "create" if said().contains("START") => {
                fails("EARLY", "it ran without a start".to_owned())
            }
            "create" if ok && now != "created" => {
                fails("LIE", format!("create says 0, and it is {now}"))
            }
            "kill" if ok && !wait_until_true(|| status().0 == "stopped") => {
                fails("LIE", "kill says 0, and it lives".to_owned());
            }
            "delete" | "delete-force" if ok && now != "none" => {
                fails("LIE", "delete says 0, and it is there".to_owned())
            }
            _ => {}
        }
        let mut expected = ok && matches!(self.command, "run" | "start");
        if matches!(self.command, "create" | "start") && now == "created" {
            let again = c.call(&["start"]);
            if again.code == 0 {
                expected = true;
            } else if !wait_until_true(|| status().0 == "stopped" || is_program(status().1)) {
                fails("STUCK", format!("created, and start says {}", again.stderr));
            }
        }
        if expected || said().contains("START") {
            let whole = |text: &str| text.contains("WHOLE") || text.contains("MISSING");
            wait_until_true(|| whole(&said()));
        }
        let text = said();
        if text.contains("MISSING") {
            fails("HOLE", text.lines().last().unwrap_or_default().to_owned());
        } else if expected && !text.contains("WHOLE") {
            fails("LIE", format!("exit code 0, and the program said {text:?}"));
        }
        if text.matches("START").count() > 1 || trace.executions > 1 {
            fails("TWICE", text);
        }
        let deleted = c.call(&["delete", "--force"]);
        if deleted.code != 0 {
            fails("LEAK", format!("delete --force: {}", deleted.stderr));
        }
        let clean = wait_until_true(|| {
            for pid in &trace.pids {
                let _ = integration::reap(*pid);
            }
            c.leftovers().is_empty() && !lives()
        });
        if !clean {
            fails("LEAK", format!("{:?}", c.leftovers()));
        }
        Seen { trace, verdicts }
    }
}

fn wait_until_true(mut condition: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(2);
    while !condition() {
        if std::time::Instant::now() > end {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    true
}

/// Has it become the container's program?
fn is_program(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("bin/busybox"))
}

fn name(command: &str, call: &Call, action: Action) -> String {
    format!(
        "{command}/{}/{}#{}/{action:?}",
        call.process, call.name, call.nth
    )
}

/// Every `step`-th case from the `seed`-th on; the failures.
fn matrix(step: usize, seed: usize) -> Vec<String> {
    let only = std::env::var("MATRIX_CASE").ok();
    let (mut failures, mut number) = (Vec::new(), 0);
    for command in COMMANDS {
        let row = Row::new(command);
        let whole = row.case(None);
        assert!(
            whole.trace.code == 0 && whole.verdicts.is_empty(),
            "{command}, unbroken: {} {:?}\n{}",
            whole.trace.code,
            whole.verdicts,
            whole.trace.record
        );
        let (mut cases, mut fired) = (0, 0);
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        // Up to here it is the C library's start, which can end the program but has no words of its own.
        let main = Call {
            process: 0,
            name: "getrandom".to_owned(),
            nth: 1,
        };
        let main = whole.trace.calls.iter().position(|call| *call == main);
        for (index, call) in whole.trace.calls.iter().enumerate() {
            for action in ACTIONS {
                number += 1;
                let name = name(command, call, action);
                if only
                    .as_ref()
                    .map_or(number % step != seed % step, |only| *only != name)
                {
                    continue;
                }
                let seen = row.case(Some((call, action)));
                cases += 1;
                fired += u32::from(seen.trace.fired);
                for mut verdict in seen.verdicts {
                    let before_main = call.process == 0 && main.is_some_and(|main| index <= main);
                    let tolerated = before_main && verdict.starts_with("MUTE");
                    if tolerated {
                        verdict.insert_str(0, "BEFORE-MAIN ");
                    }
                    let kind = verdict.split(':').next().unwrap_or_default().to_owned();
                    *kinds.entry(kind).or_default() += 1;
                    println!("MATRIX_CASE={name}: {verdict}");
                    if !tolerated {
                        failures.push(format!("{name}: {verdict}"));
                    }
                }
            }
        }
        println!(
            "{command}: {} calls, {cases} cases, {fired} reached, {kinds:?}",
            whole.trace.calls.len()
        );
    }
    failures
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn a_sample_of_the_matrix() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_sample_of_the_matrix",
            "runc 1.1 hangs, lies and leaks in some cases: the whole matrix counts them",
        );
    }
    let failures = matrix(197, number("MATRIX_SEED", 11));
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
#[ignore = "minutes: cargo test -p integration -- --ignored --nocapture the_whole_matrix"]
fn the_whole_matrix() {
    need_root!();
    let failures = matrix(number("MATRIX_STEP", 1), number("MATRIX_SEED", 0));
    assert!(failures.is_empty(), "{} failures", failures.len());
}
