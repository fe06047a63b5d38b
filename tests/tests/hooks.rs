//! The six hooks: order, what each is told and where it runs, what a failure leaves, and that none keeps anybody waiting.

use integration::{Config, Container, is_ours, need_root, skip, wait_until};
use serde_json::{Value, json};

/// In the order in which they run.
pub const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// A hook that runs a shell script. It names its environment, so that nothing of the host's is needed.
fn sh(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin", "HOOK=1"]})
}

/// A hook that fails with this text.
fn fails(text: &str) -> Value {
    sh(&format!("echo {text} >&2; exit 3"))
}

fn log_path(c: &Container, name: &str) -> String {
    c.bundle
        .path()
        .join(name)
        .to_str()
        .expect("UTF-8")
        .to_owned()
}

fn with(change: impl FnOnce(&Container, &mut Config)) -> Container {
    let mut c = Container::unsaved();
    let mut config = c.bundle.config.clone();
    change(&c, &mut config);
    c.bundle.config = config;
    c.bundle.save();
    c
}

/// All six write their name, the state's words and their mount namespace to one file.
fn all_six(c: &Container, g: &mut Config) {
    let log = log_path(c, "log");
    let line = |name: &str, file: &str| {
        sh(&format!(
            "read -r state; echo \"{name} $state\" >> {file}; [ $HOOK = 1 ]"
        ))
    };
    for name in [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ] {
        g.push(&format!("/hooks/{name}"), line(name, &log));
    }
    // In the container.
    g.push("/hooks/startContainer", line("startContainer", "/log"));
    g.set("/root/readonly", false);
    g.set("/annotations", json!({"key": "value"}));
    g.sh("echo program >> /log");
}

fn lines(path: &str) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| {
            let (name, state) = line.split_once(' ').unwrap_or((line, "null"));
            (name.to_owned(), serde_json::from_str(state).expect("JSON"))
        })
        .collect()
}

fn names(found: &[(String, Value)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn all_six_in_order_and_what_they_are_told() {
    need_root!();
    let c = with(all_six);
    let log = log_path(&c, "log");
    let before = ["prestart", "createRuntime", "createContainer"];
    c.create().ok();
    let pid = c.pid();
    if is_ours() {
        // runc before 1.5 runs poststart here.
        assert_eq!(names(&lines(&log)), before);
    }
    c.start().ok();
    c.wait();
    c.delete().ok();
    let found = lines(&log);
    assert_eq!(
        names(&found),
        [&before[..], &["poststart", "poststop"]].concat()
    );
    for (name, state) in &found {
        assert_eq!(state["id"], c.id, "{name}");
        assert_eq!(state["bundle"], c.bundle.path().to_str().unwrap(), "{name}");
        assert_eq!(state["annotations"], json!({"key": "value"}), "{name}");
        let (status, seen) = match name.as_str() {
            "createContainer" => ("creating", json!(1)),
            "poststart" if is_ours() => ("running", json!(pid)),
            "poststart" => ("created", json!(pid)),
            "poststop" => ("stopped", Value::Null),
            _ => ("creating", json!(pid)),
        };
        assert_eq!(
            (&state["status"], &state["pid"]),
            (&json!(status), &seen),
            "{name}"
        );
    }
    let inside = lines(c.bundle.rootfs("log").to_str().unwrap());
    assert_eq!(names(&inside), ["startContainer", "program"]);
    assert_eq!(inside[0].1["status"], "created");
    assert_eq!(inside[0].1["pid"], 1);
}

#[test]
fn run_has_them_too() {
    need_root!();
    let c = with(all_six);
    c.run().ok();
    assert_eq!(
        names(&lines(&log_path(&c, "log"))),
        [
            "prestart",
            "createRuntime",
            "createContainer",
            "poststart",
            "poststop"
        ]
    );
    assert_eq!(
        names(&lines(c.bundle.rootfs("log").to_str().unwrap())),
        ["startContainer", "program"]
    );
    c.nothing_left();
}

#[test]
fn a_failure_before_the_gate_leaves_nothing_and_names_the_hook() {
    need_root!();
    for name in ["prestart", "createRuntime", "createContainer"] {
        let c = with(|c, g| {
            let log = log_path(c, "log");
            g.push(&format!("/hooks/{name}"), sh("exit 0"));
            g.push(&format!("/hooks/{name}"), fails("because"));
            g.push(
                &format!("/hooks/{name}"),
                sh(&format!("echo third >> {log}")),
            );
            g.push("/hooks/poststop", sh(&format!("echo poststop >> {log}")));
            g.sh("echo ran");
        });
        let out = c.run().refused("exit status 3, stdout: , stderr: because");
        if is_ours() {
            out.clone().says(&format!("error running {name} hook #1: "));
        }
        assert_eq!(out.text(), "");
        c.nothing_left();
        if is_ours() {
            let log = std::fs::read_to_string(log_path(&c, "log")).unwrap_or_default();
            assert_eq!(log, "poststop\n", "{name}");
        }
    }
}

#[test]
fn a_failure_at_the_start_stops_the_container() {
    need_root!();
    let c = with(|_, g| {
        g.push("/hooks/startContainer", fails("because"));
        g.sh("echo ran");
    });
    c.create().ok();
    if is_ours() {
        c.start().refused(
            "error running startContainer hook #0: exit status 3, stdout: , stderr: because",
        );
    }
    if !is_ours() {
        return skip(
            "a_failure_at_the_start_stops_the_container",
            "runc 1.1 starts it all the same",
        );
    }
    assert_eq!(c.status(), "stopped");
    assert_eq!(c.output(), "");
    c.delete().ok();

    let c = with(|_, g| {
        g.push("/hooks/poststart", fails("because"));
        g.args(&["sleep", "1000"]);
    });
    c.create().ok();
    c.start()
        .refused("error running poststart hook #0: exit status 3");
    assert!(wait_until(|| c.status() == "stopped"));
    c.delete().ok();
}

#[test]
fn a_failing_poststop_hook_is_a_warning() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_failing_poststop_hook_is_a_warning",
            "runc runs none after it",
        );
    }
    let c = with(|c, g| {
        g.push("/hooks/poststop", fails("because"));
        g.push(
            "/hooks/poststop",
            sh(&format!("echo second > {}", log_path(c, "log"))),
        );
    });
    c.run()
        .ok()
        .says("error running poststop hook #0: exit status 3");
    assert_eq!(
        std::fs::read_to_string(log_path(&c, "log")).unwrap(),
        "second\n"
    );
}

#[test]
fn no_hook_keeps_anybody_waiting() {
    need_root!();
    if !is_ours() {
        return skip(
            "no_hook_keeps_anybody_waiting",
            "runc 1.1 waits for the end of a hook's output",
        );
    }
    // Its timeout.
    let slow = |script: &str| {
        let mut hook = sh(script);
        hook["timeout"] = json!(1);
        hook
    };
    for script in ["exec sleep 1000", "exec yes"] {
        for name in ["createRuntime", "createContainer", "startContainer"] {
            let c = with(|_, g| {
                g.push(&format!("/hooks/{name}"), slow(script));
            });
            c.run().refused(&format!(
                "error running {name} hook #0: hook ran past specified timeout of 1.0s"
            ));
            c.nothing_left();
        }
    }
    // A state larger than its pipe that nobody reads, and a child that keeps its streams.
    let c = with(|_, g| {
        g.push("/hooks/createRuntime", sh("sleep 3 & exit 0"));
        g.set("/annotations", json!({"large": "x".repeat(2 << 20)}));
    });
    c.run().ok();
    // Init is killed under a hook that never ends.
    let c = with(|_, g| {
        g.push(
            "/hooks/createRuntime",
            sh("read -r s; s=${s#*\\\"pid\\\":}; kill -9 ${s%%,*}; exec sleep 1000"),
        );
    });
    c.run().refused("was killed by SIGKILL");
    c.nothing_left();
}

#[test]
fn a_hook_that_cannot_be_executed() {
    need_root!();
    let c = with(|_, g| {
        g.push("/hooks/createRuntime", json!({"path": "/nonexistent"}));
    });
    c.run()
        .refused("fork/exec /nonexistent: no such file or directory");
    c.nothing_left();
}
