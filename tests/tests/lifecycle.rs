//! create, start, state, run, kill, delete, list: statuses, exit codes, words.

use integration::{Container, alive, cgroups_named, is_ours, need_root, reap, skip, wait_until};
use serde_json::{Value, json};

/// From create to delete, for one that sleeps.
pub fn lives_as_any_other(c: &Container) {
    c.create().ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    assert_eq!(c.status(), "running");
    c.kill("KILL").ok();
    assert_eq!(c.wait(), Some(137));
    c.delete().ok();
    c.nothing_left();
}

#[test]
fn create_then_start_then_delete() {
    need_root!();
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    let c = c.with_config(|g| {
        g.sh("echo up > /ready; sleep 1000");
    });
    c.create().ok();
    let state = c.state();
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], json!(c.id));
    assert_eq!(state["bundle"], json!(c.bundle.path()));
    assert_eq!(
        state["rootfs"],
        json!(c.bundle.rootfs(""))
            .as_str()
            .unwrap()
            .trim_end_matches('/')
    );
    let pid = c.pid();
    assert!(alive(pid), "init lives before start");
    c.start().ok();
    assert_eq!(ready.line(), "up");
    assert_eq!(c.status(), "running");
    assert_eq!(c.pid(), pid, "start makes no new process");
    c.kill("KILL").ok();
    c.wait();
    assert_eq!(c.status(), "stopped");
    c.delete().ok();
    c.call(&["state"]).refused("container does not exist");
    c.nothing_left();
}

/// S1: the user's program does not run before `start`.
#[test]
fn nothing_runs_before_start() {
    need_root!();
    let c = Container::new(|g| {
        g.sh("echo ran > /mark").set("/root/readonly", false);
    });
    c.create().ok();
    assert_eq!(c.status(), "created");
    assert!(!c.bundle.rootfs("mark").exists());
    c.start().ok();
    c.wait();
    assert!(c.bundle.rootfs("mark").exists());
}

#[test]
fn a_created_container_is_deleted_without_being_run() {
    need_root!();
    let c = Container::new(|g| {
        g.sh("echo ran > /mark").set("/root/readonly", false);
    });
    c.create().ok();
    c.delete().ok();
    c.nothing_left();
    assert!(!c.bundle.rootfs("mark").exists());
}

#[test]
fn create_twice_is_refused() {
    need_root!();
    let c = Container::sleeping();
    c.create().ok();
    let pid = c.pid();
    c.create().refused("container with given ID already exists");
    c.run().refused("container with given ID already exists");
    assert_eq!(
        (c.status().as_str(), c.pid()),
        ("created", pid),
        "the first one is untouched"
    );
}

#[test]
fn start_twice_is_refused() {
    need_root!();
    let c = Container::sleeping();
    c.create().ok();
    c.start().ok();
    c.start()
        .refused("cannot start an already running container");
    assert_eq!(c.status(), "running");
}

#[test]
fn start_of_a_stopped_container_is_refused() {
    need_root!();
    let c = Container::sh("exit 0");
    c.create().ok();
    c.start().ok();
    c.wait();
    c.start()
        .refused("cannot start a container that has stopped");
}

#[test]
fn delete_of_a_running_container_is_refused() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    c.delete().refused(&format!(
        "cannot delete container {} that is not stopped: running",
        c.id
    ));
    assert!(alive(pid));
    assert_eq!(c.status(), "running");
}

#[test]
fn delete_force_of_a_running_container() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    c.call(&["delete", "--force"]).ok();
    assert!(wait_until(|| !alive(pid)));
    c.nothing_left();
}

#[test]
fn delete_force_kills_the_processes_beside_init() {
    need_root!();
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    // Without a pid namespace the children outlive init.
    let c = c.with_config(|g| {
        g.without_namespace("pid")
            .sh("sleep 1001 & sleep 1002 & echo up > /ready; wait");
    });
    c.detach();
    ready.line();
    let before = integration::pids_of_cgroup(&c.id);
    assert_eq!(before.len(), 3, "sh and two sleeps");
    c.call(&["delete", "--force"]).ok();
    for pid in before {
        integration::wait_gone(pid);
    }
    c.nothing_left();
}

#[test]
fn delete_of_a_missing_container() {
    need_root!();
    let c = Container::sleeping();
    c.delete().refused("container does not exist");
    let out = c.call(&["delete", "--force"]).ok();
    assert_eq!(
        out.stderr, "",
        "delete --force of nothing is silent: engines call it twice"
    );
}

#[test]
fn commands_on_a_missing_container() {
    need_root!();
    let c = Container::sleeping();
    for command in [&["state"][..], &["start"], &["kill"]] {
        c.call(command).refused("container does not exist");
    }
    assert_eq!(c.state_entries(), [""; 0]);
}

#[test]
fn kill_by_name_and_number() {
    need_root!();
    for signal in ["9", "KILL", "SIGKILL", "kill", "sigkill"] {
        let c = Container::sleeping();
        c.detach();
        c.kill(signal).ok();
        assert_eq!(c.wait(), Some(137), "{signal}");
    }
}

#[test]
fn kill_defaults_to_term() {
    need_root!();
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    let c = c.with_config(|g| {
        g.sh("trap 'exit 15' TERM; echo up > /ready; while :; do sleep 0.01; done");
    });
    c.detach();
    ready.line();
    c.call(&["kill"]).ok();
    assert_eq!(c.wait(), Some(15));
}

#[test]
fn kill_of_an_unknown_signal() {
    need_root!();
    let c = Container::sleeping();
    c.detach();
    c.kill("NOSUCH").refused("unknown signal \"NOSUCH\"");
    // An empty word is none, and SIGTERM is nothing to a PID 1 that does not ask for it.
    c.kill("").ok();
    assert_eq!(c.status(), "running");
}

#[test]
fn kill_of_a_stopped_container() {
    need_root!();
    let c = Container::sh("exit 0");
    c.detach();
    c.wait();
    c.kill("TERM").refused("container not running");
}

/// Engines stop the rest of a container that way after init has died.
#[test]
fn kill_all_of_a_stopped_container() {
    need_root!();
    let c = Container::sh("exit 0");
    c.detach();
    c.wait();
    c.runtime.run(&["kill", "--all", &c.id, "KILL"]).ok();
}

#[test]
fn kill_of_a_created_container() {
    need_root!();
    let c = Container::sleeping();
    c.create().ok();
    c.kill("KILL").ok();
    assert_eq!(c.wait(), Some(137));
    assert_eq!(c.status(), "stopped");
    c.start()
        .refused("cannot start a container that has stopped");
}

#[test]
fn the_pid_file_has_the_pid_alone() {
    need_root!();
    for command in ["create", "run"] {
        let c = Container::sleeping();
        let file = c.bundle.path().join("pid");
        let option = ["--pid-file", file.to_str().unwrap()];
        if command == "create" {
            c.create_with(&option).ok();
        } else {
            c.run_with(&[&option[..], &["--detach"]].concat()).ok();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            c.pid().to_string(),
            "no newline: engines parse the whole file"
        );
    }
}

#[test]
fn an_impossible_pid_file_fails_and_leaves_nothing() {
    need_root!();
    let c = Container::sleeping();
    let out = c
        .create_with(&["--pid-file", "/nonexistent/dir/pid"])
        .exits(1);
    assert!(out.stderr.contains("no such file or directory"), "{out}");
    c.nothing_left();
}

#[test]
fn state_json_has_runcs_keys_in_runcs_order() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/annotations", json!({"b.example": "2", "a.example": "1"}));
    });
    c.detach();
    let out = c.call(&["state"]).ok();
    let keys: Vec<&str> = out
        .stdout
        .lines()
        .filter_map(|l| l.strip_prefix("  \"")?.split('"').next())
        .collect();
    assert_eq!(
        keys,
        [
            "ociVersion",
            "id",
            "pid",
            "status",
            "bundle",
            "rootfs",
            "created",
            "annotations",
            "owner"
        ]
    );
    let state: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(
        state["annotations"],
        json!({"a.example": "1", "b.example": "2"})
    );
    assert_eq!(state["owner"], "");
    let created = state["created"].as_str().unwrap();
    assert!(
        created.len() >= 20 && created.as_bytes()[10] == b'T' && created.ends_with('Z'),
        "RFC 3339 in UTC: {created}"
    );
}

#[test]
fn list_shows_each_container() {
    need_root!();
    let c = Container::sleeping();
    let empty = c.runtime.run(&["list"]).ok();
    assert_eq!(
        empty.text(),
        "ID          PID         STATUS      BUNDLE      CREATED     OWNER"
    );
    assert_eq!(
        c.runtime.run(&["list", "--format", "json"]).ok().text(),
        "null"
    );
    let pid = c.detach();
    let table = c.runtime.run(&["list"]).ok();
    let lines = table.lines();
    assert_eq!(lines.len(), 2, "{table}");
    let row: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        row[..4],
        [
            &c.id,
            &pid.to_string(),
            "running",
            c.bundle.path().to_str().unwrap()
        ],
        "{table}"
    );
    assert_eq!(row[5], "root", "the owner of the state directory");
    assert_eq!(c.runtime.run(&["list", "-q"]).ok().text(), c.id);
    let json: Value =
        serde_json::from_str(&c.runtime.run(&["list", "-f", "json"]).ok().stdout).unwrap();
    assert_eq!(
        (&json[0]["id"], &json[0]["pid"], &json[0]["status"]),
        (&json!(c.id), &json!(pid), &json!("running"))
    );
}

#[test]
fn options_may_follow_the_id() {
    need_root!();
    let c = Container::sleeping();
    c.runtime
        .run(&[
            "create",
            &c.id,
            "--bundle",
            c.bundle.path().to_str().unwrap(),
        ])
        .ok();
    assert_eq!(c.status(), "created");
    c.runtime.run(&["delete", &c.id, "--force"]).ok();
}

#[test]
fn the_bundle_defaults_to_the_working_directory() {
    need_root!();
    let c = Container::sh("echo here");
    let (mut command, out, err) = c.runtime.command(&["run", &c.id]);
    command.current_dir(c.bundle.path());
    assert_eq!(
        c.runtime.finish(command, &["run"], out, err).ok().text(),
        "here"
    );
}

/// A second container of the same id in another state root is another container, but shares the cgroup's name.
#[test]
fn a_cgroup_in_use_is_refused() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_cgroup_in_use_is_refused",
            "runc 1.1 only warns; 1.2 and later refuse",
        );
    }
    let c = Container::sleeping();
    c.detach();
    let other = Container::sleeping();
    let bundle = other.bundle.path().to_str().unwrap();
    let out = other
        .runtime
        .run(&["create", "--bundle", bundle, &c.id])
        .exits(1);
    assert!(out.stderr.contains("is not empty"), "{out}");
    // What failed has no claim on the other's processes.
    other.runtime.run(&["delete", "--force", &c.id]).ok();
    assert!(other.state_entries().is_empty());
    assert_eq!(c.status(), "running");
    assert!(
        !cgroups_named(&c.id).is_empty(),
        "the first container's cgroups are untouched"
    );
}

#[test]
fn the_log_file_gets_the_error_as_json() {
    need_root!();
    let mut c = Container::sleeping();
    let log = c.bundle.path().join("log");
    c.runtime.globals = ["--log", log.to_str().unwrap(), "--log-format", "json"]
        .map(str::to_owned)
        .to_vec();
    c.call(&["start"]).refused("container does not exist");
    let text = std::fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["level"], &last["msg"]),
        (&json!("error"), &json!("container does not exist"))
    );
    assert!(last["time"].is_string());
    c.runtime.globals.clear();
}

/// The caller of a detached run adopts init (a shim is a subreaper) and gets its exit status.
#[test]
fn init_is_reparented_to_the_caller() {
    need_root!();
    let c = Container::unsaved();
    let mut go = c.fifo("go");
    let c = c.with_config(|g| {
        g.sh("read x < /go; exit 77");
    });
    let pid = c.detach();
    assert_eq!(reap(pid), None);
    go.say("now");
    assert_eq!(c.wait(), Some(77));
}

/// The kernel's name for a process tells init from the program that it became; a program may have the same name.
#[test]
fn a_program_with_the_name_of_init() {
    need_root!();
    let name = "/bin/runc-rs:[INIT]";
    let c = Container::new(|g| {
        g.args(&[name]);
    });
    // A script has its own name, not its shell's.
    let script = c.bundle.path().join("rootfs").join(&name[1..]);
    std::fs::write(&script, "#!/bin/sh\nsleep 1000 & wait\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    c.detach();
    assert_eq!(c.status(), "running");
    c.call(&["delete", "--force"]).ok();
    c.create().ok();
    c.start().ok();
    assert_eq!(c.status(), "running");
}

/// What is recorded must be readable: a container that `delete` cannot read is there for ever.
#[test]
fn annotations_of_five_mebibytes() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/annotations/big", "x".repeat(5 << 20));
    });
    c.create().ok();
    assert_eq!(c.status(), "created");
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

/// The limit is the program's; init's gate needs descriptors of its own.
#[test]
fn a_limit_of_three_open_files() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_limit_of_three_open_files",
            "runc 1.1 cannot start such a container",
        );
    }
    let c = Container::new(|g| {
        g.sh("ulimit -n").set(
            "/process/rlimits",
            serde_json::json!([{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 1024}]),
        );
    });
    c.create().ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    c.wait();
    assert_eq!(c.output().trim(), "3");
}
