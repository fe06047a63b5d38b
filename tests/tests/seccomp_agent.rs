//! The agent behind a seccomp filter with a listener: what it gets, and whatever it may do or leave undone.

use integration::{Agent, Answer, is_ours, need_root, receive};
use serde_json::{Value, json};

use crate::seccomp::{on, only_ours, under};

/// A profile with a listener at `agent`, who is asked about these calls.
fn notify(agent: &Agent, names: &[&str]) -> Value {
    let mut profile = on(names, "SCMP_ACT_NOTIFY");
    profile["listenerPath"] = json!(agent.path());
    profile["listenerMetadata"] = json!("meta \"data\"");
    profile
}

#[test]
fn an_agent_gets_the_state_and_decides() {
    need_root!();
    for nnp in [true, false] {
        let agent = Agent::new();
        let c = under(
            notify(&agent, &["mkdir", "rmdir"]),
            "mkdir /dev/shm/d; mkdir /dev/shm/e && echo made; rmdir /dev/shm/e && echo gone; test -d /dev/shm/e && echo there",
        )
        .with_config(|c| {
            c.set("/process/noNewPrivileges", nnp)
                .set("/annotations", json!({"a": "b"}));
        });
        let calls = std::sync::atomic::AtomicU32::new(0);
        let agent = agent.serve(move |call| {
            match (
                call,
                calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            ) {
                ("mkdir", 0) => Answer::Error(123),
                ("mkdir", _) => Answer::Continue,
                _ => Answer::Pretend,
            }
        });
        let out = c.run();
        assert!(out.stderr.contains("No medium found"), "{out}");
        assert_eq!(out.lines(), ["made", "gone", "there"], "{out}");
        let served = agent.join().unwrap();
        assert_eq!(served.asked, ["mkdir", "mkdir", "rmdir"]);
        let state = served.state;
        assert_eq!(state["fds"], json!(["seccompFd"]), "{state}");
        assert_eq!(state["metadata"], "meta \"data\"");
        assert!(state["ociVersion"].is_string() && state["state"]["ociVersion"].is_string());
        assert!(state["pid"].as_u64().unwrap() > 1, "{state}");
        assert_eq!(state["pid"], state["state"]["pid"]);
        assert_eq!(state["state"]["id"], c.id);
        assert_eq!(state["state"]["status"], "creating");
        assert_eq!(state["state"]["bundle"], c.bundle.path().to_str().unwrap());
        assert_eq!(state["state"]["annotations"]["a"], "b");
    }
}

#[test]
fn an_agent_for_a_container_that_is_created_first() {
    need_root!();
    let agent = Agent::new();
    let c = under(notify(&agent, &["mkdir"]), "mkdir /dev/shm/d");
    let agent = agent.serve(|_| Answer::Error(123));
    c.create().ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    assert_eq!(c.wait(), Some(1));
    c.delete().ok();
    let served = agent.join().unwrap();
    assert_eq!(served.asked, ["mkdir"]);
}

#[test]
fn an_agent_that_is_not_there() {
    need_root!();
    let path = {
        let agent = Agent::new();
        agent.path()
    };
    let mut profile = on(&["mkdir"], "SCMP_ACT_NOTIFY");
    profile["listenerPath"] = json!(path);
    let c = under(profile.clone(), "true");
    let words = format!(
        "failed to connect with seccomp agent specified in the seccomp profile: dial unix {}: connect: no such file or directory",
        path.display()
    );
    c.run().refused(&words);
    c.nothing_left();
    if is_ours() {
        profile["listenerPath"] = json!(format!("/{}", "x".repeat(200)));
        let c = under(profile, "true");
        c.run().refused("failed to connect with seccomp agent");
        c.nothing_left();
    }
}

/// Whoever closes the descriptor has decided: the kernel says ENOSYS from then on.
#[test]
fn an_agent_that_leaves() {
    need_root!();
    let agent = Agent::new();
    let c = under(notify(&agent, &["mkdir"]), "mkdir /dev/shm/d; exit $?");
    let thread = std::thread::spawn(move || drop(receive(&agent.accept())));
    c.create().ok();
    thread.join().unwrap();
    let out = c.start().ok();
    assert_eq!(c.wait(), Some(1), "{out}");
    c.delete().ok();
}

/// Init's own calls are asked about as well. An agent that lets them pass does not disturb.
#[test]
fn an_agent_that_is_asked_about_all_that_init_does() {
    need_root!();
    if !only_ours("other calls") {
        return;
    }
    for nnp in [true, false] {
        let agent = Agent::new();
        let c = under(
            notify(
                &agent,
                &[
                    "read",
                    "close",
                    "capset",
                    "poll",
                    "ppoll",
                    "accept4",
                    "recvfrom",
                    "sendto",
                    "rt_sigaction",
                    "rt_sigprocmask",
                    "signalfd4",
                    "execve",
                    "exit_group",
                    "prlimit64",
                ],
            ),
            "true",
        )
        .with_config(|c| {
            c.set("/process/noNewPrivileges", nnp);
        });
        let agent = agent.serve(|_| Answer::Continue);
        c.create().ok();
        c.start().ok();
        assert_eq!(c.wait(), Some(0));
        c.delete().ok();
        let asked = agent.join().unwrap().asked;
        assert!(asked.iter().any(|call| call == "execve"), "{asked:?}");
    }
}

/// An agent that does not answer what it is asked about init: the command ends by itself, says who, and nothing is left.
#[test]
fn an_agent_that_never_answers() {
    need_root!();
    if !only_ours("1.1.5 waits for ever") {
        return;
    }
    for (call, nnp) in [("read", true), ("close", true), ("execve", true)] {
        let agent = Agent::new();
        let words = format!(
            "the seccomp agent at {} has not answered",
            agent.path().display()
        );
        let c = under(notify(&agent, &[call]), "true").with_config(|c| {
            c.set("/process/noNewPrivileges", nnp);
        });
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let held = receive(&agent.accept());
            let _ = wait.recv();
            drop(held);
        });
        c.run().refused(&words);
        c.nothing_left();
        drop(done);
        thread.join().unwrap();
    }
}

/// An agent that accepts and does not read, and more to say than a socket holds.
#[test]
fn an_agent_that_never_reads() {
    need_root!();
    if !only_ours("1.1.5 waits for ever") {
        return;
    }
    let agent = Agent::new();
    let words = format!(
        "cannot send the seccomp notify descriptor to the agent at {}",
        agent.path().display()
    );
    let c = under(notify(&agent, &["mkdir"]), "true").with_config(|c| {
        c.set("/annotations", json!({"a": "x".repeat(1 << 20)}));
    });
    c.create().refused(&words);
    c.nothing_left();
}

/// An agent that does not accept, and has a queue that is full.
#[test]
fn an_agent_that_never_accepts() {
    need_root!();
    if !only_ours("1.1.5 waits for ever") {
        return;
    }
    let agent = Agent::new();
    let mut waiting = Vec::new();
    // Each a connection that nobody accepts, until there is no room for another.
    while let Some(one) = agent.try_connect() {
        waiting.push(one);
    }
    let words = format!(
        "failed to connect with seccomp agent specified in the seccomp profile: dial unix {}: connect: resource temporarily unavailable",
        agent.path().display()
    );
    let c = under(notify(&agent, &["mkdir"]), "true");
    c.run().refused(&words);
    c.nothing_left();
}
