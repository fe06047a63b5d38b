//! `exec` that fails: each cause by its name, and never a process left or a command that waits.

use std::time::{Duration, Instant};

use integration::{
    Agent, Container, is_ours, need_root, pids_of_cgroup, receive, skip, this_test, wait_until,
};
use serde_json::json;

use crate::exec::{exec, running, sh};
use crate::seccomp::on;

/// Nobody is in the container but its init.
#[track_caller]
fn alone(c: &Container) {
    let alone = wait_until(|| pids_of_cgroup(&c.id).len() <= 1);
    assert!(alone, "{:?}", pids_of_cgroup(&c.id));
    c.reap_orphans();
}

/// The words by which Docker tells 126 from 127.
/// What has no end is not read to its end.
#[test]
fn a_process_file_without_an_end() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_process_file_without_an_end",
            "runc reads what is no JSON from its beginning",
        );
    }
    let c = Container::sleeping();
    c.detach();
    for (path, words) in [
        ("/dev/zero", "read /dev/zero: file too large"),
        ("/", "read /: is a directory"),
        ("/none", "open /none: no such file or directory"),
    ] {
        c.runtime
            .run(&["exec", "--process", path, &c.id])
            .exits(255)
            .says(&format!("cannot read the process: {words}"));
    }
}

#[test]
fn programs_that_are_none() {
    need_root!();
    let c = running();
    for (program, words) in [
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        (
            "/bin/nope",
            "exec: \"/bin/nope\": stat /bin/nope: no such file or directory",
        ),
        ("", "exec: \"\": executable file not found in $PATH"),
        ("/tmp", "exec: \"/tmp\": permission denied"),
    ] {
        exec(&c, &[], &[program]).exits(255).says(words);
    }
    std::fs::write(c.bundle.rootfs("/plain"), "text").unwrap();
    exec(&c, &[], &["/plain"])
        .exits(255)
        .says("exec: \"/plain\": permission denied");
    let broken = c.bundle.rootfs("/broken");
    std::fs::write(&broken, "neither a program nor a script").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&broken, mode).unwrap();
    let out = exec(&c, &[], &["/broken"]).says("exec format error");
    // runc has nobody left to tell it there, and its process exits with 1.
    assert!(out.code == 255 || !is_ours(), "{out}");
    alone(&c);
}

#[test]
fn directories_that_are_none() {
    need_root!();
    let c = running();
    exec(&c, &["--cwd", "/none"], &["true"])
        .exits(255)
        .says("chdir to cwd (\"/none\") set in config.json failed: no such file or directory");
    exec(&c, &["--cwd", "/bin/busybox"], &["true"])
        .exits(255)
        .says("not a directory");
    alone(&c);
}

/// CVE-2024-21626: a directory of the host by a descriptor that was left open.
#[test]
fn no_directory_of_the_host() {
    need_root!();
    let c = running();
    for fd in 3..24 {
        let cwd = format!("/proc/self/fd/{fd}");
        exec(&c, &["--cwd", &cwd], &["pwd"]).exits(255);
    }
    alone(&c);
}

/// As `create`, `exec` says what its process died of.
#[test]
fn a_filter_that_kills_the_process() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 does not say why");
    }
    for (call, action) in [("execve", "KILL_PROCESS"), ("execve", "TRAP")] {
        // The container's own program is executed before: by an agent who lets it pass once there is none.
        let c = Container::new(|g| {
            g.args(&["sleep", "1000"]);
        });
        c.detach();
        let config = c.runtime.root().join(&c.id).join("config.json");
        let text = std::fs::read_to_string(&config).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["linux"]["seccomp"] = on(&[call], &format!("SCMP_ACT_{action}"));
        std::fs::write(&config, value.to_string()).unwrap();
        let begin = Instant::now();
        exec(&c, &[], &["true"]).exits(255).says(
            "exec's process was killed by SIGSYS while it was at: executing the program: its seccomp filter",
        );
        assert!(begin.elapsed() < Duration::from_secs(2));
        alone(&c);
    }
}

/// What the process calls after its filter is loaded is execve alone.
#[test]
fn a_filter_that_would_kill_another_process() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 needs these calls under the filter");
    }
    for call in ["write", "close", "sendto", "futex", "exit_group"] {
        let c = Container::new(|g| {
            g.args(&["sleep", "1000"])
                .set("/linux/seccomp", on(&[call], "SCMP_ACT_KILL_PROCESS"));
        });
        c.detach();
        let out = exec(&c, &[], &["true"]);
        // The program itself may die of it, and does with the last.
        assert!(out.code != 255, "{call}: {out}");
    }
}

#[test]
fn a_notify_listener() {
    need_root!();
    let agent = Agent::new();
    let mut profile = on(&["mkdir", "mkdirat"], "SCMP_ACT_NOTIFY");
    profile["listenerPath"] = json!(agent.path());
    profile["listenerMetadata"] = json!("words");
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/root/readonly", false)
            .set("/linux/seccomp", profile);
    });
    let mut command = c
        .runtime
        .command(&[
            "run",
            "--detach",
            "--bundle",
            c.bundle.path().to_str().unwrap(),
            &c.id,
        ])
        .0;
    let mut child = command.spawn().unwrap();
    let stream = agent.accept();
    let (_, _own) = receive(&stream);
    assert!(child.wait().unwrap().success());
    let args = ["exec", &c.id, "mkdir", "/made"];
    let (mut command, out, err) = c.runtime.command(&args);
    let child = command.spawn().unwrap();
    let stream = agent.accept();
    let (state, notify) = receive(&stream);
    assert_eq!(state["state"]["status"], "running");
    assert_eq!(state["state"]["pid"], c.pid());
    assert_ne!(state["pid"], c.pid());
    assert_eq!(state["metadata"], "words");
    drop(stream);
    let answered = pretend(notify);
    c.runtime.wait(child, &args, out, err).ok();
    assert!(!c.bundle.rootfs("/made").exists());
    assert_eq!(answered.join().unwrap(), 1);
}

/// Pretends that the next call was done.
fn pretend(notify: std::os::fd::OwnedFd) -> std::thread::JoinHandle<u32> {
    use std::os::fd::AsRawFd;
    std::thread::spawn(move || {
        let fd = notify.as_raw_fd();
        let request = libseccomp::ScmpNotifReq::receive(fd).unwrap();
        libseccomp::ScmpNotifResp::new_val(request.id, 0, libseccomp::ScmpNotifRespFlags::empty())
            .respond(fd)
            .unwrap();
        1
    })
}

/// It is charged to the container, and says so when that is too much.
#[test]
fn under_the_memory_limit() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/linux/resources/memory",
            json!({"limit": 16 << 20, "swap": 16 << 20}),
        )
        .args(&["sleep", "1000"]);
    });
    c.detach();
    exec(&c, &[], &["true"]).ok();
    let out = sh(&c, &[], "x=$(yes | head -c 64000000); echo survived");
    assert_eq!(out.code, 137, "{out}");
    if !is_ours() {
        return;
    }
    // No room for the process at all.
    let memory = integration::cgroup_dirs(c.pid());
    let limit = memory
        .iter()
        .find_map(|(controllers, dir)| match controllers.as_str() {
            "memory" => Some(dir.join("memory.limit_in_bytes")),
            "" if memory.len() == 1 => Some(dir.join("memory.max")),
            _ => None,
        });
    let limit = limit.expect("a memory controller");
    let mut size = 1_u64 << 20;
    while std::fs::write(&limit, size.to_string()).is_ok() && size > 4096 {
        size /= 2;
    }
    let out = exec(&c, &[], &["true"]);
    // The kernel chooses whom it kills: also the container's init.
    let words = [
        "exec's process was OOM-killed (memory limit too low?)",
        // Meanwhile, or, on v2, when the limit was set.
        "cannot exec in a stopped container",
    ];
    let said = words.iter().any(|words| out.stderr.contains(words));
    assert!(
        [0, 137].contains(&out.code) || (out.code == 255 && said),
        "{out}"
    );
}

#[test]
fn many_at_once() {
    need_root!();
    let c = running();
    let children: Vec<_> = (0..60)
        .map(|n| {
            let args = vec![
                "exec".to_owned(),
                c.id.clone(),
                "echo".to_owned(),
                n.to_string(),
            ];
            let words: Vec<&str> = args.iter().map(String::as_str).collect();
            let (mut command, out, err) = c.runtime.command(&words);
            (n, args.clone(), command.spawn().unwrap(), out, err)
        })
        .collect();
    for (n, args, child, out, err) in children {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let out = c.runtime.wait(child, &words, out, err).ok();
        assert_eq!(out.text(), n.to_string());
    }
    alone(&c);
}

/// While the container is deleted by force: it works, or it says why, and nothing is left.
#[test]
fn against_delete() {
    need_root!();
    if !is_ours() {
        return skip(
            &this_test(),
            "1.1.5's delete gives up after ten seconds now and then",
        );
    }
    for round in 0..12 {
        let c = running();
        let children: Vec<_> = (0..4)
            .map(|_| {
                let (mut command, out, err) = c.runtime.command(&["exec", &c.id, "sleep", "1000"]);
                (command.spawn().unwrap(), out, err)
            })
            .collect();
        // From before the first call on to the foreground.
        std::thread::sleep(Duration::from_micros(700 * round));
        c.call(&["delete", "--force"]).ok();
        for (child, out, err) in children {
            let out = c.runtime.wait(child, &["exec"], out, err);
            match out.code {
                137 => {}
                255 => assert!(
                    [
                        "stopped container",
                        "does not exist",
                        "was killed by SIGKILL",
                        "being created",
                        "no such file",
                    ]
                    .iter()
                    .any(|words| out.stderr.contains(words)),
                    "{out}"
                ),
                _ => panic!("{out}"),
            }
        }
        c.nothing_left();
    }
}
