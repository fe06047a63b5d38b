//! What becomes of a hook, and of the command that runs it, when one of those who have to do with it is killed, or takes too long.

use std::path::PathBuf;

use integration::{
    Container, Fifo, Output, Signal, TempDir, alive, is_ours, need_root, signal, skip, this_test,
    wait_gone, wait_until,
};
use serde_json::{Value, json};

use crate::hangs::{Running, within};
use crate::hooks_where::sh;

/// A hook that says its pid, and then waits to be killed; it fails then.
struct Waiting {
    _dir: TempDir,
    said: PathBuf,
    fifo: Fifo,
}

impl Waiting {
    fn new() -> Self {
        let dir = TempDir::new("hook");
        let said = dir.path().join("said");
        let fifo = Fifo::new(&said);
        Self {
            _dir: dir,
            said,
            fifo,
        }
    }

    fn hook(&self) -> Value {
        // A createContainer hook is in the container's pid namespace, but sees the host's /proc.
        sh(&format!(
            "read -r pid _ < /proc/self/stat; echo $pid > {}; exec sleep 1000",
            self.said.display()
        ))
    }

    /// Until it is at work.
    fn pid(&mut self) -> u32 {
        self.fifo.line().parse().unwrap()
    }
}

/// Ended by the death of who is killed, or else left alone.
fn killed(c: &Container, command: Running) -> Output {
    signal(command.pid(), Signal::KILL);
    let out = command.end(c);
    assert_eq!(out.code, 137);
    out
}

/// L2: the creator is killed while a hook of its own or of init's is at work; both go with it.
#[test]
fn the_creator_is_killed_during_each_kind() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 leaves the hook and a waiting init");
    }
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let mut waiting = Waiting::new();
        let c = Container::sleeping().with_config(|g| {
            g.push(&format!("/hooks/{kind}"), waiting.hook());
        });
        let creator = Running::create(&c);
        let hook = waiting.pid();
        assert!(alive(hook));
        killed(&c, creator);
        within(2, || wait_gone(hook));
        assert!(wait_until(|| c.status() == "stopped"), "{kind}");
        within(2, || c.delete()).ok();
        c.nothing_left();
    }
}

/// Init is killed while a hook is at work: the command says so, and the hook goes with it.
#[test]
fn init_is_killed_during_each_kind() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 waits for the hook");
    }
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
    ] {
        let mut waiting = Waiting::new();
        let c = Container::unsaved().with_config(|g| {
            let hook = match kind {
                // There the host's files are not to be seen.
                "startContainer" => sh("echo $$ > /said; exec sleep 1000"),
                _ => waiting.hook(),
            };
            g.push(&format!("/hooks/{kind}"), hook)
                .args(&["sleep", "1000"]);
        });
        let mut inside = c.fifo("said");
        let command = if kind == "startContainer" {
            c.create().ok();
            Running::start(&c, &["start", &c.id])
        } else {
            Running::create(&c)
        };
        let hook = match kind {
            // Its number is the container's.
            "startContainer" => {
                inside.line();
                None
            }
            _ => Some(waiting.pid()),
        };
        signal(c.pid(), Signal::KILL);
        within(2, || command.end(&c))
            .refused("container init was killed by SIGKILL while it was at: ");
        hook.map(|hook| within(2, || wait_gone(hook)));
        if kind == "startContainer" {
            assert_eq!(c.status(), "stopped");
            c.delete().ok();
        }
        c.nothing_left();
    }
}

/// The starter is killed while init runs a hook: its request was accepted, and counts.
#[test]
fn the_starter_is_killed_during_a_start_container_hook() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 does not wait for it");
    }
    let c = Container::unsaved().with_config(|g| {
        g.push(
            "/hooks/startContainer",
            sh("echo here > /said; read x < /go"),
        )
        .args(&["sleep", "1000"]);
    });
    let (mut said, mut go) = (c.fifo("said"), c.fifo("go"));
    c.create().ok();
    let starter = Running::start(&c, &["start", &c.id]);
    assert_eq!(said.line(), "here");
    killed(&c, starter);
    assert_eq!(c.status(), "created");
    go.say("go");
    assert!(wait_until(|| c.status() == "running"));
}

/// The starter is killed during a poststart hook: the container runs, and the hook is left alone.
#[test]
fn the_starter_is_killed_during_a_poststart_hook() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 runs it in create");
    }
    let mut waiting = Waiting::new();
    let c = Container::sleeping().with_config(|g| {
        g.push("/hooks/poststart", waiting.hook());
    });
    c.create().ok();
    let starter = Running::start(&c, &["start", &c.id]);
    let hook = waiting.pid();
    killed(&c, starter);
    assert_eq!(c.status(), "running");
    assert!(alive(hook));
    signal(hook, Signal::KILL);
    wait_gone(hook);
    c.start()
        .refused("cannot start an already running container");
}

/// The deleter is killed during a poststop hook: by then there is nothing left of the container.
#[test]
fn the_deleter_is_killed_during_a_poststop_hook() {
    need_root!();
    let mut waiting = Waiting::new();
    let c = Container::new(|g| {
        g.push("/hooks/poststop", waiting.hook()).args(&["true"]);
    });
    c.create().ok();
    c.start().ok();
    c.wait();
    let deleter = Running::start(&c, &["delete", &c.id]);
    let hook = waiting.pid();
    killed(&c, deleter);
    c.nothing_left();
    signal(hook, Signal::KILL);
    wait_gone(hook);
}

/// A hook that is ended with init is dead when what is left of the container is removed.
#[test]
fn a_hook_that_is_ended_is_dead_before_the_rest_goes() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 waits for the hook");
    }
    let mut waiting = Waiting::new();
    let dir = TempDir::new("hook");
    let (number, lives) = (dir.path().join("number"), dir.path().join("lives"));
    let (number, lives) = (number.display(), lives.display());
    let c = Container::sleeping().with_config(|g| {
        let said = waiting.said.display();
        let hook = format!("echo $$ > {number}; echo $$ > {said}; exec sleep 1000");
        let late = format!("kill -0 $(cat {number}) && echo yes > {lives} || echo no > {lives}");
        g.push("/hooks/createRuntime", sh(&hook))
            .push("/hooks/poststop", sh(&late));
    });
    let creator = Running::create(&c);
    waiting.pid();
    signal(c.pid(), Signal::KILL);
    within(2, || creator.end(&c)).refused("was killed by SIGKILL");
    assert_eq!(std::fs::read_to_string(lives.to_string()).unwrap(), "no\n");
    c.nothing_left();
}

/// A poststart or poststop hook that takes too long: the first stops the container, the second is a warning.
#[test]
fn late_hooks_have_timeouts_too() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 runs poststart in create");
    }
    let mut waiting = Waiting::new();
    let mut slow = waiting.hook();
    slow["timeout"] = json!(1);
    let words = "hook ran past specified timeout of 1.0s";
    let c = Container::sleeping().with_config(|g| {
        g.push("/hooks/poststart", slow.clone());
    });
    c.create().ok();
    within(3, || c.start()).refused(&format!("error running poststart hook #0: {words}"));
    assert!(!alive(waiting.pid()), "the hook lives on");
    assert_eq!(c.status(), "stopped");
    c.delete().ok();
    let c = Container::sleeping().with_config(|g| {
        g.push("/hooks/poststop", slow);
    });
    c.detach();
    within(3, || c.call(&["delete", "--force"]))
        .ok()
        .says(&format!("error running poststop hook #0: {words}"));
    assert!(!alive(waiting.pid()), "the hook lives on");
    c.nothing_left();
}
