//! Deaths and failures at named places, with what must be said of them. That nothing hangs, lies or is left over after any of them
//! is the matrix's to find out.

use std::fs::File;
use std::path::Path;

use integration::tracer::{Action, Call, Task, Trace, trace};
use integration::{
    Agent, Container, Output, alive, cgroups_named, is_ours, need_root, reap, skip, slow,
    wait_until,
};
use serde_json::json;

/// `need!(test)`: root, and a runtime that means to survive this.
macro_rules! need {
    ($test:literal) => {
        need_root!();
        if !is_ours() {
            return skip(
                $test,
                "runc 1.1 leaves cgroups and frozen inits, and reports `created` for what runs",
            );
        }
    };
}

const COMMAND: usize = 0;
const INIT: usize = 1;

/// `run` or `create` with one call broken; 0 is the command, 1 is init.
fn traced(c: &Container, command: &str, fault: Option<(&Call, Action)>) -> (Trace, Output) {
    let bundle = c.bundle.path().to_str().unwrap();
    traced_command(c, &[command, "--bundle", bundle, &c.id], fault)
}

/// Any command with one call broken.
pub fn traced_command(
    c: &Container,
    args: &[&str],
    fault: Option<(&Call, Action)>,
) -> (Trace, Output) {
    let (started, out, err) = c.runtime.command(args);
    let append = |p: &Path| File::options().append(true).open(p).unwrap().into();
    let trace = trace(Task {
        command: &started,
        stdio: [
            File::open("/dev/null").unwrap().into(),
            append(&out),
            append(&err),
        ],
        program: "bin/busybox",
        others: "no other program",
        also: None,
        fault,
        record: false,
    });
    let read = |p: &Path| std::fs::read_to_string(p).unwrap();
    let output = Output {
        command: format!("{args:?} with {fault:?}"),
        code: trace.code,
        stdout: read(&out),
        stderr: read(&err),
        stdout_path: out,
    };
    assert!(trace.hung.is_none(), "hang: {output}\n{:?}", trace.hung);
    (trace, output)
}

/// The calls of one process of an unbroken command.
fn calls(c: &Container, command: &str, process: usize) -> Vec<Call> {
    let (trace, out) = traced(c, command, None);
    out.ok();
    gone(c, &trace);
    sample(trace, process)
}

/// The calls of a command that makes no container, unbroken.
pub fn calls_of(c: &Container, args: &[&str]) -> Vec<Call> {
    let (trace, out) = traced_command(c, args, None);
    out.ok();
    sample(trace, COMMAND)
}

/// All of one process; a slow machine takes some.
fn sample(trace: Trace, process: usize) -> Vec<Call> {
    let calls = trace.calls.into_iter();
    calls
        .filter(|call| call.process == process)
        .step_by(slow().try_into().unwrap())
        .collect()
}

/// Kills the command at this call. It may get through: another run may make fewer of them.
pub fn killed_at(c: &Container, call: &Call, args: &[&str]) -> bool {
    let (trace, out) = traced_command(c, args, Some((call, Action::Kill)));
    assert_eq!(
        out.code,
        if trace.fired { 137 } else { 0 },
        "{call:?}: {out}"
    );
    trace.fired
}

/// Deletes it, and sees that nothing is left of it.
#[track_caller]
fn gone(c: &Container, trace: &Trace) {
    c.call(&["delete", "--force"]).ok();
    let clean = wait_until(|| {
        for pid in &trace.pids {
            let _ = reap(*pid);
        }
        c.leftovers().is_empty() && !trace.pids.iter().any(|pid| alive(*pid))
    });
    assert!(clean, "{:#?}", c.leftovers());
}

/// A filter whose notify descriptor goes to an agent: no init may wait for an answer that will not come.
#[test]
fn create_with_an_agent_killed_at_every_system_call() {
    need!("create_with_an_agent_killed_at_every_system_call");
    let agent = Agent::new();
    let c = Container::sleeping().with_config(|g| {
        g.set(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": agent.path(),
                "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}),
        );
    });
    let stop = agent.hold();
    let calls = calls(&c, "create", COMMAND);
    let mut deaths = 0;
    for call in &calls {
        let (trace, out) = traced(&c, "create", Some((call, Action::Kill)));
        // It may get through: another run may make fewer of them.
        assert_eq!(out.code, if trace.fired { 137 } else { 0 }, "{out}");
        deaths += u32::from(trace.fired);
        let state = c.call(&["state"]);
        assert!(
            state.code == 0 || state.stderr.contains("does not exist"),
            "{call:?}: {state}"
        );
        gone(&c, &trace);
    }
    stop();
    println!("create: killed at {deaths} of {} system calls", calls.len());
    assert!(deaths * slow() > 50, "{deaths}");
}

/// The command ends, and says that init died of a signal.
#[test]
fn init_killed_at_every_system_call() {
    need!("init_killed_at_every_system_call");
    let c = Container::sh("echo ran");
    let calls = calls(&c, "run", INIT);
    for call in &calls {
        let (trace, out) = traced(&c, "run", Some((call, Action::Kill)));
        if !trace.fired {
            gone(&c, &trace);
            continue;
        }
        assert_eq!(out.code, 1, "{out}");
        let last = out.stderr.lines().last().unwrap_or_default();
        assert!(
            last.contains("init") && last.contains("killed by SIGKILL"),
            "names the death: {out}"
        );
        assert!(!out.stdout.contains("ran"), "{out}");
        gone(&c, &trace);
    }
    println!("init: killed at {} system calls", calls.len());
    let all = calls.len() * usize::try_from(slow()).unwrap();
    assert!(all > 100, "{all}");
}

/// What init needs to wait at its gate it has before `create` ends: a limit that forbids it is `create`'s error, and not the
/// death of a container that was said to be created.
#[test]
fn a_gate_that_cannot_be_waited_at() {
    need!("a_gate_that_cannot_be_waited_at");
    for name in ["rt_sigprocmask", "signalfd4"] {
        let c = Container::sleeping();
        let call = Call {
            process: INIT,
            name: name.to_owned(),
            nth: 1,
        };
        let (trace, out) = traced(&c, "create", Some((&call, Action::Errno(libc::EMFILE))));
        let out = out.refused("too many open files");
        assert!(trace.fired, "{out}");
        gone(&c, &trace);
    }
}

/// S9: a filter that cannot be loaded is an error, and an init that dies of it a death that is told.
#[test]
fn without_its_filter_nothing_is_executed() {
    need!("without_its_filter_nothing_is_executed");
    for (action, words) in [
        (
            Action::Errno(libc::ENOMEM),
            "unable to init seccomp: error loading seccomp filter into kernel: ",
        ),
        (
            Action::Errno(libc::EINVAL),
            "this kernel does not know one of its flags",
        ),
        (
            Action::Kill,
            "container init was killed by SIGKILL while it was at: executing the program",
        ),
    ] {
        for nnp in [true, false] {
            let c = Container::sh("echo ran").with_config(|g| {
                g.set("/process/noNewPrivileges", nnp).set(
                    "/linux/seccomp",
                    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}),
                );
            });
            let call = Call {
                process: INIT,
                name: "seccomp".to_owned(),
                nth: 1,
            };
            let (trace, out) = traced(&c, "run", Some((&call, action)));
            let out = out.exits(1).says(words);
            assert!(trace.fired && !out.stdout.contains("ran"), "{out}");
            gone(&c, &trace);
        }
    }
}

/// S9: any step of init that fails is an error with the step's cause, not a container with less isolation.
#[test]
fn init_fails_closed() {
    need!("init_fails_closed");
    let steps = [
        "mount",
        "move_mount",
        "open_tree",
        "mount_setattr",
        "pivot_root",
        "umount2",
        "mknodat",
        "sethostname",
        "setgroups",
        "setresgid",
        "setresuid",
        "capset",
        "prctl",
        "unshare",
        "setsid",
    ];
    let c = Container::sh("echo ran");
    let calls = calls(&c, "run", INIT);
    let mut hit = 0;
    for call in calls.iter().filter(|call| steps.contains(&&*call.name)) {
        let (trace, out) = traced(&c, "run", Some((call, Action::Errno(libc::EIO))));
        if trace.fired {
            hit += 1;
            assert!(
                out.code != 0 && !out.stdout.contains("ran"),
                "failed, and it ran: {out}"
            );
            let last = out.stderr.lines().last().unwrap_or_default().to_lowercase();
            assert!(
                last.contains("input/output error"),
                "the kernel's words: {out}"
            );
        }
        gone(&c, &trace);
    }
    println!("init: {hit} failing calls");
    assert!(hit * slow() > 60, "{hit}");
}

/// Only a user namespace that denies setgroups(2) may be why a program runs without its groups.
#[test]
fn refused_groups_are_an_error() {
    need!("refused_groups_are_an_error");
    let c = Container::new(|g| {
        g.sh("echo ran")
            .set("/process/user/additionalGids", json!([5, 7]));
    });
    let call = Call {
        process: INIT,
        name: "setgroups".to_owned(),
        nth: 1,
    };
    let (trace, out) = traced(&c, "run", Some((&call, Action::Errno(libc::EPERM))));
    let out = out.exits(1).says("setgroups: operation not permitted");
    assert!(trace.fired && !out.stdout.contains("ran"), "{out}");
    gone(&c, &trace);
}

/// Init opens devices while it mounts. Between the rule that denies all and those that allow some it may not exist yet.
#[test]
fn device_rules_are_complete_before_init() {
    need!("device_rules_are_complete_before_init");
    if !Path::new("/sys/fs/cgroup/devices/devices.list").exists() {
        return skip(
            "device_rules_are_complete_before_init",
            "only the v1 controller shows its rules",
        );
    }
    let c = Container::sleeping();
    let clone = Call {
        process: COMMAND,
        name: "clone3".to_owned(),
        nth: 1,
    };
    let (trace, out) = traced(&c, "create", Some((&clone, Action::Kill)));
    assert!(trace.fired, "{out}");
    let rules = cgroups_named(&c.id)
        .iter()
        .find_map(|dir| std::fs::read_to_string(dir.join("devices.list")).ok())
        .unwrap();
    // The first and the last of those that every container has.
    for rule in ["c *:* m", "c 1:3 rwm", "c 5:2 rwm"] {
        assert!(rules.lines().any(|line| line == rule), "{rule}: {rules}");
    }
    assert!(!rules.contains("a *:*"), "{rules}");
    gone(&c, &trace);
}

/// Killed for want of memory before it has a name of its own: that is what is said, and not that it hung up.
#[test]
fn a_limit_that_is_too_small_for_init() {
    need!("a_limit_that_is_too_small_for_init");
    let c = Container::new(|g| {
        g.args(&["true"])
            .set("/linux/resources/memory/limit", 65_536);
    });
    c.run().exits(1).says("OOM-killed");
}
