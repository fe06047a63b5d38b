//! `run`: exit codes, signals, and what is left when it has ended.

use integration::{Container, alive, need_root};

#[test]
fn run_passes_the_exit_code_through() {
    need_root!();
    for code in [0, 1, 2, 42, 126, 127, 128, 137, 254, 255] {
        Container::sh(&format!("exit {code}")).run().exits(code);
    }
}

/// `create` makes the process group of the test's command: a signal to init from inside has no effect (it is PID 1),
/// so it comes from outside.
#[test]
fn run_exits_with_128_plus_the_signal() {
    need_root!();
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("USR1", 138)] {
        let c = Container::unsaved();
        let mut ready = c.fifo("ready");
        // `env` replaced by `sleep`: PID 1 ignores signals without a handler, unless they come from an ancestor
        // namespace and are SIGKILL; so the shell exits by a trap for the others.
        let c = c.with_config(|g| {
            g.sh("trap 'exit 143' TERM; trap 'exit 138' USR1; echo up > /ready; while :; do sleep 0.01; done");
        });
        let (command, out, err) =
            c.runtime
                .command(&["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id]);
        let mut command = command;
        let child = command.spawn().unwrap();
        assert_eq!(ready.line(), "up");
        c.kill(signal).ok();
        c.runtime.wait(child, &["run"], out, err).exits(code);
        c.nothing_left();
    }
}

#[test]
fn run_forwards_signals_to_the_container() {
    need_root!();
    let c = Container::unsaved();
    let mut ready = c.fifo("ready");
    let c = c.with_config(|g| {
        g.sh("trap 'exit 55' TERM; echo up > /ready; while :; do sleep 0.01; done");
    });
    let (mut command, out, err) =
        c.runtime
            .command(&["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id]);
    let child = command.spawn().unwrap();
    ready.line();
    integration::signal(child.id(), integration::Signal::TERM);
    c.runtime.wait(child, &["run"], out, err).exits(55);
}

#[test]
fn run_removes_everything_when_the_container_ends() {
    need_root!();
    let c = Container::sh("exit 0");
    c.run().ok();
    c.nothing_left();
}

#[test]
fn run_keep_leaves_a_stopped_container() {
    need_root!();
    let c = Container::sh("exit 4");
    c.run_with(&["--keep"]).exits(4);
    assert_eq!(c.status(), "stopped");
    assert_eq!(c.state()["pid"], 0);
    c.delete().ok();
    c.nothing_left();
}

#[test]
fn run_detach_returns_while_the_container_runs() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    assert_eq!(c.status(), "running");
    assert!(alive(pid));
    c.kill("KILL").ok();
    assert_eq!(c.wait(), Some(137));
    assert_eq!(c.status(), "stopped");
    c.delete().ok();
    c.nothing_left();
}

#[test]
fn a_detached_container_keeps_its_stdio() {
    need_root!();
    let c = Container::unsaved();
    let mut go = c.fifo("go");
    let c = c.with_config(|g| {
        g.sh("read x < /go; echo said $x; echo also >&2");
    });
    c.detach();
    go.say("hello");
    c.wait();
    assert_eq!(c.output(), "said hello\n");
}
