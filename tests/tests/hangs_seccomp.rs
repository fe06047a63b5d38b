//! Filters that forbid init what it needs: it dies of them or may not speak, and whoever waits for it learns why, at once.

use std::time::{Duration, Instant};

use integration::{Agent, Answer, Container, at_most, need_root, receive};
use serde_json::{Value, json};

use crate::hangs::{ours_alone, within};
use crate::seccomp::on;

/// runc issue 5087: init that is killed by the filter. The command says so at once, and nothing hangs.
#[test]
fn a_filter_that_kills_init() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever") {
        return;
    }
    let words = "container init was killed by SIGSYS while it was at: executing the program: its seccomp filter";
    for action in ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"] {
        for (call, nnp) in [("execve", true), ("execve", false)] {
            let c = Container::new(|c| {
                c.set("/linux/seccomp", on(&[call], &format!("SCMP_ACT_{action}")))
                    .set("/process/noNewPrivileges", nnp)
                    .args(&["true"]);
            });
            let begin = Instant::now();
            c.run().refused(words);
            assert!(
                begin.elapsed() < at_most(Duration::from_secs(1)),
                "{action} {call}"
            );
            c.nothing_left();
            c.run_with(&["--detach"]).refused(words);
            c.nothing_left();
            c.create().ok();
            let begin = Instant::now();
            c.start().refused(words);
            assert!(
                begin.elapsed() < at_most(Duration::from_secs(1)),
                "{action} {call}"
            );
            assert_eq!(c.status(), "stopped");
            c.delete().ok();
            c.nothing_left();
        }
    }
}

/// The calls by which runc's init gets to its program are not ours to make under the filter: the program is executed.
#[test]
fn a_filter_that_would_kill_another_init() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever") {
        return;
    }
    for call in [
        "write",
        "close",
        "futex",
        "exit_group",
        "sendto",
        "recvfrom",
        "poll",
        "accept4",
        "openat",
        "rt_sigaction",
        "capset",
    ] {
        for action in ["KILL", "ERRNO"] {
            let c = Container::new(|c| {
                c.set("/linux/seccomp", on(&[call], &format!("SCMP_ACT_{action}")))
                    .set("/process/noNewPrivileges", action == "KILL")
                    .args(&["true"]);
            });
            let begin = Instant::now();
            let out = c.run();
            let killed = call == "exit_group" && action == "KILL";
            assert_eq!(
                out.code,
                if killed { 159 } else { 0 },
                "{call} {action}\n{out}"
            );
            c.create().ok();
            c.start().ok();
            assert!(
                begin.elapsed() < at_most(Duration::from_secs(4)),
                "{call} {action}"
            );
            c.wait();
            c.delete().ok();
            c.nothing_left();
        }
    }
}

/// Init that may not speak any more by one call speaks by another; with none left, its exit status says why, and its creator
/// or starter says so.
#[test]
fn a_filter_that_silences_init() {
    need_root!();
    if !ours_alone("1.1.5 says \"cannot start an already running container\"") {
        return;
    }
    let said = "exec /bin/true: operation not permitted";
    let unsaid = "container init failed while it was at: executing the program: operation not permitted: its seccomp filter keeps it from saying more";
    let killed = "container init was killed by SIGSYS while it was at: executing the program: its seccomp filter";
    for (calls, action, words) in [
        (&["write"][..], "ERRNO", said),
        (&["sendto", "exit_group"], "ERRNO", said),
        (&["write", "sendto"], "ERRNO", unsaid),
        (&["write"], "KILL_PROCESS", killed),
        (&["write", "sendto", "exit_group"], "KILL_PROCESS", killed),
    ] {
        for zero in [false, true] {
            // A filter may also let a call pass for done, which it is not.
            let silence = json!({"names": calls, "action": format!("SCMP_ACT_{action}"), "errnoRet": if zero { 0 } else { 1 }});
            let c = Container::new(|c| {
                c.set(
                    "/linux/seccomp",
                    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                    {"names": ["execve"], "action": "SCMP_ACT_ERRNO"}, silence]}),
                )
                .args(&["/bin/true"]);
            });
            within(1, || c.run()).refused(words);
            c.nothing_left();
            within(1, || c.run_with(&["--detach"])).refused(words);
            c.nothing_left();
            c.create().ok();
            within(1, || c.start()).refused(words);
            c.wait();
            assert_eq!(c.status(), "stopped");
            c.delete().ok();
            c.nothing_left();
        }
    }
}

/// A profile that tells an agent of mkdir(2) and does `action` to these: such a filter is loaded before the gate, and init lives
/// under it while it waits there.
fn with_agent(agent: &Agent, names: &[&str], action: &str) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": agent.path(), "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}, {"names": names, "action": action}]})
}

/// A filter with a listener that kills init on what it calls at its gate: `create` says so, or `start` does.
#[test]
fn a_filter_that_kills_init_at_its_gate() {
    need_root!();
    if !ours_alone("1.1.5 says \"connection reset by peer\"") {
        return;
    }
    let (mut at_create, mut at_start) = (0, 0);
    for call in [
        "read",
        "close",
        "poll",
        "ppoll",
        "accept4",
        "recvfrom",
        "sendto",
        "rt_sigaction",
        "rt_sigprocmask",
        "signalfd4",
        "fcntl",
        "munmap",
        "futex",
        "execve",
        "exit_group",
    ] {
        let agent = Agent::new();
        let c = Container::new(|g| {
            g.args(&["true"]).set(
                "/linux/seccomp",
                with_agent(&agent, &[call], "SCMP_ACT_KILL_PROCESS"),
            );
        });
        let agent = agent.serve(|_| Answer::Continue);
        let created = within(1, || c.create());
        if created.code != 0 {
            at_create += 1;
            created.refused("container init was killed by SIGSYS while it was at: ");
            c.nothing_left();
        } else {
            let started = within(1, || c.start());
            if started.code != 0 {
                at_start += 1;
                started.refused("container init was killed by SIGSYS while it was at: ");
            }
            within(1, || c.wait());
            assert_eq!(c.status(), "stopped", "{call}");
            c.delete().ok();
            c.nothing_left();
        }
        // It has nothing to serve if init dies before it has its descriptor.
        let _ = agent.join();
    }
    println!("killed under create: {at_create}, under start: {at_start}");
    assert!(at_create > 1 && at_start > 1, "{at_create} {at_start}");
}

/// An agent that has let init come to its gate and is silent then: `start` says who it waits for, and ends.
#[test]
fn an_agent_that_is_silent_at_the_gate() {
    need_root!();
    if !ours_alone("1.1.5 says that it is started") {
        return;
    }
    for call in ["accept4", "recvfrom", "execve"] {
        let agent = Agent::new();
        let words = format!(
            "the seccomp agent at {} has not answered",
            agent.path().display()
        );
        let c = Container::new(|g| {
            g.args(&["true"]).set(
                "/linux/seccomp",
                with_agent(&agent, &[call], "SCMP_ACT_NOTIFY"),
            );
        });
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let held = receive(&agent.accept());
            let _ = wait.recv();
            drop(held);
        });
        c.create().ok();
        within(8, || c.start()).refused(&words);
        if call == "execve" {
            // It was accepted: what was told to have failed must not happen later.
            assert_eq!(c.status(), "stopped");
            c.delete().ok();
        } else {
            assert_eq!(c.status(), "created");
            within(8, || c.delete()).refused(&words);
            within(5, || c.call(&["delete", "--force"])).ok();
        }
        c.nothing_left();
        drop(done);
        thread.join().unwrap();
    }
}

/// The time that hooks take in the container is not the agent's.
#[test]
fn an_agent_is_not_blamed_for_a_hook() {
    need_root!();
    // Known to be long, and of unknown length.
    for (detached, timeout) in [(false, json!(8)), (true, Value::Null)] {
        let agent = Agent::new();
        let c = Container::new(|g| {
            g.args(&["true"])
                .set(
                    "/linux/seccomp",
                    with_agent(&agent, &["rmdir"], "SCMP_ACT_NOTIFY"),
                )
                .push(
                    "/hooks/startContainer",
                    json!({"path": "/bin/sleep", "args": ["sleep", "6"], "timeout": timeout}),
                );
        });
        let agent = agent.serve(|_| Answer::Continue);
        if detached {
            c.create().ok();
            c.start().ok();
            c.wait();
            c.delete().ok();
        } else {
            c.run().ok();
        }
        agent.join().unwrap();
        c.nothing_left();
    }
}
