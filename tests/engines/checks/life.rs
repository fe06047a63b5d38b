//! The life of a container as the engine leads it.

use super::{await_state, background, inspect, sleeping};
use crate::engine::{Engine, Kind, until};

/// Ends with 7 when it is asked to, and says what it is asked.
const OBEDIENT: &str =
    "trap 'echo USR1' USR1; trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";

/// A container that waits for signals.
fn obedient(e: &Engine, name: &str) {
    background(e, name, &[], OBEDIENT);
    await_log(e, name, "ready");
}

#[track_caller]
fn await_log(e: &Engine, name: &str, words: &str) {
    let mut seen = String::new();
    let there = until(|| {
        seen = e.run(&["logs", name]).ok().stdout;
        seen.contains(words)
    });
    assert!(there, "the log of {name} is {seen:?}");
}

pub fn again(e: &Engine) {
    e.run(&[
        "create",
        "--name",
        "c1",
        "busybox:1",
        "sh",
        "-c",
        "echo hello; exit 3",
    ])
    .ok();
    for _ in 0..2 {
        let out = e.run(&["start", "-a", "c1"]).exits(3);
        assert_eq!(out.stdout, "hello\n");
    }
}

pub fn never_started(e: &Engine) {
    e.run(&["create", "--name", "c1", "busybox:1", "true"]).ok();
    assert_eq!(inspect(e, "c1", ".State.Status"), "created");
    e.run(&["rm", "c1"]).ok();
    if e.kind != Kind::Docker {
        // Podman can take it as far as the runtime's `create`, and no further.
        e.run(&["create", "--name", "c1", "busybox:1", "true"]).ok();
        e.run(&["init", "c1"]).ok();
        assert_eq!(inspect(e, "c1", ".State.Status"), "initialized");
        e.run(&["rm", "c1"]).ok();
    }
}

pub fn stop(e: &Engine) {
    obedient(e, "c1");
    e.run(&["stop", "-t", "10", "c1"]).ok();
    assert_eq!(inspect(e, "c1", ".State.ExitCode"), "7");
    assert_eq!(inspect(e, "c1", ".State.Status"), "exited");
    e.run(&["stop", "c1"]).ok();
    e.run(&["rm", "c1"]).ok();
}

pub fn stop_kills(e: &Engine) {
    sleeping(e, "c1");
    e.run(&["stop", "-t", "1", "c1"]).ok();
    assert_eq!(inspect(e, "c1", ".State.ExitCode"), "137");
}

pub fn kill(e: &Engine) {
    obedient(e, "c1");
    e.run(&["kill", "-s", "USR1", "c1"]).ok();
    await_log(e, "c1", "USR1");
    e.run(&["kill", "-s", "10", "c1"]).ok();
    e.run(&["kill", "c1"]).ok();
    await_state(e, "c1", ".State.Status", "exited");
    assert_eq!(inspect(e, "c1", ".State.ExitCode"), "137");
    let out = e.run(&["kill", "c1"]);
    assert_ne!(out.code, 0, "{out}");
}

pub fn pause(e: &Engine) {
    background(e, "c1", &[], "while :; do echo x; sleep 0.1; done");
    await_log(e, "c1", "x");
    e.run(&["pause", "c1"]).ok();
    assert_eq!(inspect(e, "c1", ".State.Status"), "paused");
    let pid = inspect(e, "c1", ".State.Pid");
    // It does not run: its time stands still.
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let rest = stat.rsplit(')').next().unwrap().to_owned();
        rest.split_whitespace()
            .skip(11)
            .take(4)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let before = (ticks(), e.run(&["logs", "c1"]).ok().stdout.len());
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(before, (ticks(), e.run(&["logs", "c1"]).ok().stdout.len()));
    let out = e.run(&["exec", "c1", "true"]);
    assert_ne!(out.code, 0, "exec in a paused container: {out}");
    e.run(&["unpause", "c1"]).ok();
    assert_eq!(inspect(e, "c1", ".State.Status"), "running");
    let lines = before.1;
    assert!(until(|| e.run(&["logs", "c1"]).ok().stdout.len() > lines));
}

pub fn remove_paused(e: &Engine) {
    sleeping(e, "c1");
    e.run(&["pause", "c1"]).ok();
    super::remove(e, "c1");
}

pub fn restart(e: &Engine) {
    sleeping(e, "c1");
    let before = inspect(e, "c1", ".State.Pid");
    e.run(&["restart", "-t", "0", "c1"]).ok();
    assert_eq!(inspect(e, "c1", ".State.Status"), "running");
    assert_ne!(inspect(e, "c1", ".State.Pid"), before);
}

pub fn restart_policy(e: &Engine) {
    background(e, "c1", &["--restart", "on-failure:2"], "echo once; exit 1");
    await_state(e, "c1", ".RestartCount", "2");
    await_state(e, "c1", ".State.Status", "exited");
    assert_eq!(inspect(e, "c1", ".State.ExitCode"), "1");
    assert_eq!(e.run(&["logs", "c1"]).ok().stdout, "once\n".repeat(3));
}

pub fn remove(e: &Engine) {
    sleeping(e, "c1");
    let out = e.run(&["rm", "c1"]);
    assert_ne!(out.code, 0, "rm of a running container: {out}");
    super::remove(e, "c1");
    assert_eq!(e.run(&["ps", "-aq"]).ok().text(), "");
    // One that has gone by itself.
    background(e, "c1", &[], "exit 0");
    await_state(e, "c1", ".State.Status", "exited");
    super::remove(e, "c1");
}

pub fn state(e: &Engine) {
    sleeping(e, "c1");
    assert_eq!(
        inspect(
            e,
            "c1",
            ".State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.ExitCode"
        ),
        "running true false 0"
    );
    let pid: u32 = inspect(e, "c1", ".State.Pid").parse().unwrap();
    assert!(wait_exec(pid), "process {pid} is not the program");
    e.run(&["kill", "c1"]).ok();
    await_state(e, "c1", ".State.Running", "false");
    assert_eq!(
        inspect(
            e,
            "c1",
            ".State.Status}} {{.State.Pid}} {{.State.ExitCode}} {{.State.OOMKilled"
        ),
        "exited 0 137 false"
    );
}

fn wait_exec(pid: u32) -> bool {
    until(|| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text == b"sleep\x001000\0")
    })
}

pub fn events(e: &Engine) {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .to_string();
    e.run(&["run", "--name", "events", "busybox:1", "true"])
        .ok();
    e.run(&["rm", "events"]).ok();
    let until = (since.parse::<u64>().unwrap() + 5).to_string();
    let mut args = vec!["events", "--since", &since, "--filter", "container=events"];
    if e.kind == Kind::Docker {
        args.extend(["--until", &until]);
    } else {
        args.push("--stream=false");
    }
    let out = e.run(&args).ok();
    let gone = if e.kind == Kind::Docker {
        " destroy "
    } else {
        " remove "
    };
    let mut at = 0;
    for event in [" create ", " start ", " die", gone] {
        let found = out.stdout[at..].find(event);
        at += found.unwrap_or_else(|| panic!("no{event}in {out}"));
    }
}

pub fn top(e: &Engine) {
    background(e, "c1", &[], "sleep 998 & exec sleep 999");
    let there = until(|| {
        let text = e.run(&["top", "c1"]).ok().stdout;
        text.contains("sleep 998") && text.contains("sleep 999")
    });
    assert!(there, "{}", e.run(&["top", "c1"]));
    // With ps's own options: Podman runs it inside, Docker outside.
    let out = e.run(&["top", "c1", "-o", "pid,args"]).ok();
    assert!(
        out.stdout.contains("sleep 998") && out.lines().len() >= 3,
        "{out}"
    );
}

pub fn stats(e: &Engine) {
    background(e, "c1", &["--memory", "64m"], "exec sleep 1000");
    let out = e
        .run(&[
            "stats",
            "--no-stream",
            "--format",
            "{{.Name}};{{.MemUsage}};{{.PIDs}}",
            "c1",
        ])
        .ok();
    let fields: Vec<&str> = out.text().split(';').collect();
    assert_eq!((fields[0], fields[2]), ("c1", "1"), "{out}");
    let (used, limit) = fields[1].split_once(" / ").unwrap();
    assert!(!used.starts_with("0B"), "{out}");
    assert!(
        limit.starts_with("64MiB") || limit.starts_with("67.1"),
        "{out}"
    );
}

pub fn health(e: &Engine) {
    let test = "test -e /tmp/well";
    if e.kind == Kind::Docker {
        background(
            e,
            "c1",
            &[
                "--health-cmd",
                test,
                "--health-interval",
                "200ms",
                "--health-retries",
                "1",
            ],
            "touch /tmp/well; exec sleep 1000",
        );
        until(|| inspect(e, "c1", ".State.Health.Status") != "starting");
        assert_eq!(inspect(e, "c1", ".State.Health.Status"), "healthy");
        e.run(&["exec", "c1", "rm", "/tmp/well"]).ok();
        await_state(e, "c1", ".State.Health.Status", "unhealthy");
    } else {
        // Its timers are systemd's; without them each look is asked for.
        background(
            e,
            "c1",
            &[
                "--health-cmd",
                test,
                "--health-interval",
                "disable",
                "--health-retries",
                "1",
            ],
            "touch /tmp/well; exec sleep 1000",
        );
        e.run(&[
            "exec",
            "c1",
            "sh",
            "-c",
            "until [ -e /tmp/well ]; do sleep 0.05; done",
        ])
        .ok();
        e.run(&["healthcheck", "run", "c1"]).ok();
        assert_eq!(inspect(e, "c1", ".State.Health.Status"), "healthy");
        e.run(&["exec", "c1", "rm", "/tmp/well"]).ok();
        e.run(&["healthcheck", "run", "c1"]).exits(1);
        assert_eq!(inspect(e, "c1", ".State.Health.Status"), "unhealthy");
    }
}

pub fn many(e: &Engine) {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|n: i32| {
                scope.spawn(move || {
                    let n = n.to_string();
                    let out = e.run(&["run", "--rm", "busybox:1", "echo", &n]).ok();
                    assert_eq!(out.text(), n);
                })
            })
            .collect();
        let failed = all.into_iter().filter_map(|t| t.join().err()).count();
        assert_eq!(failed, 0, "of ten");
    });
}
