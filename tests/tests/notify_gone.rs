//! `$NOTIFY_SOCKET`, and one of those whom it takes is not there, or not any more: the manager, the starter, the container.

use std::os::unix::net::UnixDatagram;

use integration::{
    Container, Signal, alive, is_ours, need_root, signal, skip, this_test, wait_gone, wait_until,
};

use crate::hangs::{ours_alone, within};
use crate::notify::{Manager, PLACE, created, notify_dir, say, waiting};

#[test]
fn a_created_container_is_deleted() {
    need_root!();
    let (_manager, c, _up, _go) = created();
    assert!(notify_dir(&c).is_dir());
    c.delete().ok();
    c.nothing_left();
}

/// Who has called `run` may be gone: the container runs all the same. `start` has nothing else to do than to tell.
#[test]
fn nobody_at_the_address() {
    need_root!();
    let c = Container::sh("exit 7");
    let mut manager = Manager::new();
    manager.address.push_str(".gone");
    let out = manager.start(&c, "run", &[]);
    if !is_ours() {
        out.end(&c).exits(7);
        return skip(&this_test(), "1.1.5 starts the container and then fails");
    }
    let said = "dial unixgram";
    out.end(&c).exits(7).says(said);
    let c = Container::sh("exit 7");
    manager
        .start(&c, "run", &["--detach"])
        .end(&c)
        .ok()
        .says(said);
    let c = Container::sleeping();
    manager.start(&c, "create", &[]).end(&c).ok();
    let out = manager.start(&c, "start", &[]).end(&c).refused(said);
    assert!(out.stderr.contains("no such file or directory"), "{out}");
    assert_eq!(c.status(), "created");
    c.start().ok();
    assert_eq!(c.status(), "running");
}

#[test]
fn created_without_and_started_with_a_manager() {
    need_root!();
    let c = Container::sleeping();
    let manager = Manager::new();
    c.create().ok();
    let out = manager
        .start(&c, "start", &[])
        .end(&c)
        .refused("notify.sock: bind: no such file or directory");
    assert_eq!(c.status(), "created", "{out}");
    c.start().ok();
    assert_eq!(c.status(), "running");
}

#[test]
fn created_with_and_started_without_a_manager() {
    need_root!();
    let (_manager, c, mut up, _go) = created();
    c.start().ok();
    assert_eq!(up.line(), PLACE);
    assert!(say(c.pid(), "READY=1").is_err());
}

/// A starter was killed between its listening and its asking: its socket is still there.
#[test]
fn what_a_dead_starter_has_left() {
    need_root!();
    if !ours_alone("1.1.5 never starts it: the address is in use") {
        return;
    }
    let (manager, c, mut up, _go) = created();
    drop(UnixDatagram::bind(notify_dir(&c).join("notify.sock")).unwrap());
    let start = manager.start(&c, "start", &[]);
    up.line();
    let pid = c.pid();
    say(pid, "READY=1").unwrap();
    drop(manager.hear_ready(pid));
    start.end(&c).ok();
}

#[test]
fn a_killed_starter_takes_nothing_along() {
    need_root!();
    let (manager, c, mut up, mut go) = created();
    let start = manager.start(&c, "start", &[]);
    up.line();
    signal(start.pid(), Signal::KILL);
    assert_eq!(start.end(&c).code, 137);
    // runc says so of what runs, if its starter was killed before it has removed the fifo.
    let status = c.status();
    assert!(
        status == "running" || !is_ours() && status == "created",
        "{status}"
    );
    let pid = c.pid();
    go.say("2");
    assert_eq!(wait_gone(pid), Some(2));
    c.delete().ok();
    c.nothing_left();
}

#[test]
fn deleted_while_start_waits() {
    need_root!();
    let (manager, c, mut up, _go) = created();
    let pid = c.pid();
    let start = manager.start(&c, "start", &[]);
    up.line();
    c.call(&["delete", "--force"]).ok();
    wait_gone(pid);
    within(5, || start.end(&c)).ok();
    c.nothing_left();
}

/// Who waits for its manager keeps nobody from the container.
#[test]
fn deleted_while_the_manager_does_not_answer() {
    need_root!();
    if !ours_alone("1.1.5 sends no barrier") {
        return;
    }
    for (options, code) in [(&["--detach"][..], 0), (&["--keep"], 0)] {
        let (c, mut up, mut go) = waiting(|_| {});
        let manager = Manager::new();
        let run = manager.start(&c, "run", options);
        up.line();
        let pid = c.pid();
        say(pid, "READY=1").unwrap();
        let main_pid = if options == ["--keep"] {
            run.pid()
        } else {
            pid
        };
        let barrier = manager.hear_ready(main_pid);
        go.say("0");
        assert!(wait_until(|| c.status() == "stopped"));
        within(5, || c.delete()).ok();
        assert!(alive(run.pid()));
        drop(barrier);
        within(5, || run.end(&c)).exits(code);
        c.nothing_left();
    }
}
