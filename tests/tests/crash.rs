//! Death at every system call: the model's killer, let loose on the real processes.
//!
//! strace sends SIGKILL to the command at its n-th system call, for each n until the command gets through. Whatever
//! had happened by then: the status is true, `delete --force` removes everything, the program ran at most once.

use std::path::PathBuf;
use std::process::Command;

use integration::{Agent, Container, Output, is_ours, need_root, skip, wait_until};
use serde_json::json;

fn has_strace() -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join("strace").is_file())
}

/// `need!(test)`: root, strace, and a runtime that means to survive this.
macro_rules! need {
    ($test:literal) => {
        need_root!();
        if !has_strace() {
            return skip($test, "no strace (apt-get install strace)");
        }
        if !is_ours() {
            return skip(
                $test,
                "runc 1.1 leaves cgroups and frozen inits, and reports `created` for what runs",
            );
        }
    };
}

/// The command under strace with these options; its children are not traced unless they say so.
fn traced(c: &Container, options: &[&str], args: &[&str]) -> Output {
    let (inner, out, err) = c.runtime.command(args);
    let mut command = Command::new("strace");
    let append = |p: &PathBuf| std::fs::File::options().append(true).open(p).unwrap();
    use std::os::unix::process::CommandExt;
    command
        .args(["-qq", "-o"])
        .arg(c.bundle.path().join("strace"))
        .args(options)
        .arg(inner.get_program())
        .args(inner.get_args())
        .stdin(std::process::Stdio::null())
        .stdout(append(&out))
        .stderr(append(&err))
        .process_group(0);
    c.runtime.finish(command, args, out, err)
}

/// Every system call of a command, as (name, how many of that name by then): what strace counts an injection by.
fn calls(c: &Container, args: &[&str]) -> Vec<(String, u32)> {
    traced(c, &["-e", "trace=all"], args).ok();
    let text = std::fs::read_to_string(c.bundle.path().join("strace")).unwrap();
    let mut seen = std::collections::HashMap::new();
    let name = |line: &str| {
        let name = line.split('(').next()?;
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
            .then(|| name.to_owned())
    };
    text.lines()
        .filter_map(name)
        .map(|name| {
            let n: &mut u32 = seen.entry(name.clone()).or_default();
            *n += 1;
            (name, *n)
        })
        // strace's own, before the command exists.
        .filter(|(name, _)| name != "execve")
        .collect()
}

/// Kills the command at its n-th call of this name. It may get through: another run may make fewer of them.
fn killed_at(c: &Container, (name, n): &(String, u32), args: &[&str]) -> bool {
    let inject = format!("inject={name}:signal=KILL:when={n}");
    let out = traced(c, &["-e", "trace=all", "-e", &inject], args);
    assert!(
        out.code == 137 || out.code == 0,
        "killed or through, nothing else: {name} {n}: {out}"
    );
    out.code == 137
}

#[test]
fn create_killed_at_every_system_call() {
    need!("create_killed_at_every_system_call");
    killed_everywhere(&Container::sleeping());
}

/// The same with a filter whose notify descriptor goes to an agent: no init may wait for an answer that will not come.
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
    killed_everywhere(&c);
    stop();
}

fn killed_everywhere(c: &Container) {
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    let args = ["create", "--bundle", &bundle, &c.id];
    let calls = calls(c, &args);
    c.call(&["delete", "--force"]).ok();
    let mut deaths = 0;
    for n in &calls {
        deaths += u32::from(killed_at(c, n, &args));
        let state = c.call(&["state"]);
        if state.code != 0 {
            // No record: nothing may be left but its directory, and an init that is still dying may not stay.
            assert!(
                state.stderr.contains("does not exist"),
                "call {n:?}: {state}"
            );
            let only_directory = || {
                c.leftovers()
                    .iter()
                    .all(|l| l.starts_with("state directory"))
            };
            assert!(
                wait_until(only_directory),
                "call {n:?}: {:#?}",
                c.leftovers()
            );
        }
        c.call(&["delete", "--force"]).ok();
        let clean = wait_until(|| c.leftovers().is_empty());
        assert!(
            clean,
            "killed at call {n:?}, left over: {:#?}",
            c.leftovers()
        );
    }
    println!("create: killed at {deaths} of {} system calls", calls.len());
    assert!(deaths > 50, "{deaths}");
}

/// L2, without help from `delete`: an init whose creator is dead and that no record knows leaves by itself; one that the record
/// knows is `created`, and can be started.
#[test]
fn the_status_after_a_killed_create_is_true() {
    need!("the_status_after_a_killed_create_is_true");
    let c = Container::unsaved().with_config(|g| {
        g.sh("echo ran >> /mark").set("/root/readonly", false);
    });
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    let mark = c.bundle.rootfs("mark");
    let args = ["create", "--bundle", &bundle, &c.id];
    let calls = calls(&c, &args);
    c.call(&["delete", "--force"]).ok();
    let mut started = 0;
    for n in calls.iter().rev().step_by(3) {
        if !killed_at(&c, n, &args) {
            c.call(&["delete", "--force"]).ok();
            continue;
        }
        assert!(!mark.exists(), "call {n:?}: it ran without a start");
        let state = c.call(&["state"]);
        if state.code == 0 && state.stdout.contains("\"created\"") {
            let out = c.start();
            if out.code == 0 {
                assert!(
                    wait_until(|| mark.exists()),
                    "call {n:?}: started, and did not run"
                );
                started += 1;
                std::fs::remove_file(&mark).unwrap();
            } else {
                // It was on its way out: its creator died before it had got so far.
                assert!(wait_until(|| c.status() == "stopped"), "call {n:?}: {out}");
            }
        }
        c.call(&["delete", "--force"]).ok();
        assert!(
            wait_until(|| c.leftovers().is_empty()),
            "call {n:?}: {:#?}",
            c.leftovers()
        );
    }
    println!("create: {started} deaths left a container that could be started");
}

#[test]
fn start_killed_at_every_system_call() {
    need!("start_killed_at_every_system_call");
    let c = Container::unsaved().with_config(|g| {
        g.sh("echo ran >> /mark; sleep 1000")
            .set("/root/readonly", false);
    });
    let mark = c.bundle.rootfs("mark");
    let runs = || {
        std::fs::read_to_string(&mark)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let args = ["start", &c.id];
    c.create().ok();
    let calls = calls(&c, &args);
    c.call(&["delete", "--force"]).ok();
    let _ = std::fs::remove_file(&mark);
    let mut deaths = 0;
    for n in &calls {
        c.create().ok();
        deaths += u32::from(killed_at(&c, n, &args));
        // Init may be on its way from the accepted request to the program: the status says which.
        match c.status().as_str() {
            "created" => {
                // Not started: `start` still works, unless the dead one's request had been accepted meanwhile.
                let out = c.start();
                assert!(
                    out.code == 0 || out.stderr.contains("already running"),
                    "call {n:?}: {out}"
                );
            }
            "running" => {
                c.start()
                    .refused("cannot start an already running container");
            }
            other => panic!("call {n:?}: {other}"),
        }
        assert!(
            wait_until(|| runs() == 1),
            "call {n:?}: ran {} times",
            runs()
        );
        assert_eq!(c.status(), "running");
        c.call(&["delete", "--force"]).ok();
        assert!(
            wait_until(|| c.leftovers().is_empty()),
            "call {n:?}: {:#?}",
            c.leftovers()
        );
        assert_eq!(runs(), 1, "call {n:?}");
        std::fs::remove_file(&mark).unwrap();
    }
    println!("start: killed at {deaths} of {} system calls", calls.len());
    assert!(deaths > 20, "{deaths}");
}

#[test]
fn delete_killed_at_every_system_call() {
    need!("delete_killed_at_every_system_call");
    let c = Container::sleeping();
    for force in [false, true] {
        let make = || {
            c.create().ok();
            if force {
                c.start().ok();
            }
        };
        let args = if force {
            vec!["delete", "--force", &c.id]
        } else {
            vec!["delete", &c.id]
        };
        make();
        let calls = calls(&c, &args);
        let mut deaths = 0;
        for n in &calls {
            make();
            deaths += u32::from(killed_at(&c, n, &args));
            // Half deleted is not undeletable.
            c.call(&["delete", "--force"]).ok();
            assert!(
                wait_until(|| c.leftovers().is_empty()),
                "force {force}, call {n:?}: {:#?}",
                c.leftovers()
            );
        }
        println!(
            "delete, force {force}: killed at {deaths} of {} system calls",
            calls.len()
        );
        assert!(deaths > 20, "{deaths}");
    }
}

/// Init dies at one of its own system calls: the command ends, says that init died of a signal, and leaves nothing.
#[test]
fn init_killed_at_its_steps() {
    need!("init_killed_at_its_steps");
    // Calls that only init makes.
    let steps = [
        "mount",
        "move_mount",
        "pivot_root",
        "mknodat",
        "symlinkat",
        "sethostname",
        "umount2",
        "setgroups",
        "setresgid",
        "setresuid",
        "capset",
        "setsid",
    ];
    let mut hit = 0;
    for step in steps {
        // `run` and not `create`: strace ends with the last of those that it follows.
        let c = Container::sh("echo ran");
        let bundle = c.bundle.path().to_str().unwrap();
        let trace = format!("trace={step}");
        let inject = format!("inject={step}:signal=KILL:when=1");
        let out = traced(
            &c,
            &["-f", "-e", &trace, "-e", &inject],
            &["run", "--bundle", bundle, &c.id],
        );
        let seen = std::fs::read_to_string(c.bundle.path().join("strace")).unwrap();
        if !seen.contains("killed by SIGKILL") {
            continue;
        }
        hit += 1;
        assert_eq!(out.code, 1, "{step}: {out}");
        let last = out.stderr.lines().last().unwrap_or_default();
        assert!(
            last.contains("init") && last.to_lowercase().contains("kill"),
            "{step}: names the death: {out}"
        );
        assert!(!out.stdout.contains("ran"), "{step}: {out}");
        assert!(
            wait_until(|| c.leftovers().is_empty()),
            "{step}: {:#?}",
            c.leftovers()
        );
    }
    assert!(hit > 6, "most of the steps are taken: {hit}");
    println!("init: killed at {hit} steps");
}

/// S9: a filter that cannot be loaded is an error, and an init that dies of it a death that is told.
#[test]
fn without_its_filter_nothing_is_executed() {
    need!("without_its_filter_nothing_is_executed");
    for (inject, words) in [
        (
            "error=ENOMEM",
            "unable to init seccomp: error loading seccomp filter into kernel: ",
        ),
        ("error=EINVAL", "this kernel does not know one of its flags"),
        (
            "signal=KILL",
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
            let bundle = c.bundle.path().to_str().unwrap();
            let inject = format!("inject=seccomp:{inject}:when=1");
            let out = traced(
                &c,
                &["-f", "-e", "trace=seccomp", "-e", &inject],
                &["run", "--bundle", bundle, &c.id],
            )
            .exits(1)
            .says(words);
            assert!(!out.stdout.contains("ran"), "{out}");
            assert!(
                wait_until(|| c.leftovers().is_empty()),
                "{:#?}",
                c.leftovers()
            );
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
    let mut hit = 0;
    for step in steps {
        // Each time that init makes the call, up to some number.
        for n in 1..=12 {
            let c = Container::sh("echo ran");
            let bundle = c.bundle.path().to_str().unwrap();
            let trace = format!("trace={step}");
            let inject = format!("inject={step}:error=EIO:when={n}");
            let out = traced(
                &c,
                &["-f", "-e", &trace, "-e", &inject],
                &["run", "--bundle", bundle, &c.id],
            );
            let seen = std::fs::read_to_string(c.bundle.path().join("strace")).unwrap();
            if !seen.contains("INJECTED") {
                break;
            }
            hit += 1;
            assert!(
                out.code != 0 && !out.stdout.contains("ran"),
                "{step} {n} failed, and it ran: {out}\n{seen}"
            );
            let last = out.stderr.lines().last().unwrap_or_default().to_lowercase();
            assert!(
                last.contains("input/output error"),
                "{step} {n}: the kernel's words: {out}"
            );
            assert!(
                wait_until(|| c.leftovers().is_empty()),
                "{step} {n}: {:#?}",
                c.leftovers()
            );
        }
    }
    println!("init: {hit} failing calls");
    assert!(hit > 40, "{hit}");
}

/// Init opens devices while it mounts. Between the rule that denies all and those that allow some it may not exist yet.
#[test]
fn device_rules_are_complete_before_init() {
    need!("device_rules_are_complete_before_init");
    let c = Container::new(|g| {
        g.args(&["true"]);
    });
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    let args = ["run", "--bundle", &bundle, &c.id];
    traced(&c, &["-e", "trace=openat,clone3"], &args).ok();
    let text = std::fs::read_to_string(c.bundle.path().join("strace")).unwrap();
    let position = |what: &str| text.lines().position(|line| line.contains(what));
    let (rules, init) = (position("devices.allow"), position("clone3("));
    assert!(init.is_some() && rules < init, "{text}");
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
