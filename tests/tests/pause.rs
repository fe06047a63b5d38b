//! `pause` and `resume`.

use std::path::{Path, PathBuf};
use std::process::Command;

use integration::tracer::Action;
use integration::{
    Container, Signal, TempDir, cgroup_dirs, is_ours, need_root, pids_of_cgroup, proc_status,
    signal, skip, wait_gone, wait_until,
};

use crate::looked_into::run;

/// The freezer's directory of a process, and whether it is v2's.
fn freezer(pid: u32) -> (PathBuf, bool) {
    let dirs = cgroup_dirs(pid);
    let find = |name: &str| dirs.iter().find(|(c, _)| c == name).map(|(_, d)| d.clone());
    match find("freezer") {
        Some(dir) => (dir, false),
        None => (find("").expect("a freezer"), true),
    }
}

/// What the kernel says: does nobody in the group run?
fn frozen((dir, v2): &(PathBuf, bool)) -> bool {
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    if *v2 {
        read("cgroup.events").contains("frozen 1")
    } else {
        read("freezer.state").trim() == "FROZEN"
    }
}

fn set((dir, v2): &(PathBuf, bool), freeze: bool) {
    let (file, value) = match (v2, freeze) {
        (true, true) => ("cgroup.freeze", "1"),
        (true, false) => ("cgroup.freeze", "0"),
        (false, true) => ("freezer.state", "FROZEN"),
        (false, false) => ("freezer.state", "THAWED"),
    };
    std::fs::write(dir.join(file), value).unwrap();
    assert!(wait_until(|| frozen(&(dir.clone(), *v2)) == freeze));
}

/// Answers each line of /in on /out.
const ECHO: &str = "while read x; do echo got $x > /out; done < /in";

#[test]
fn a_paused_container_does_not_run() {
    need_root!();
    let c = Container::sh(ECHO);
    let (mut to, mut from) = (c.fifo("in"), c.fifo("out"));
    let pid = c.detach();
    to.say("a");
    assert_eq!(from.line(), "got a");
    for word in ["b", "c"] {
        c.call(&["pause"]).ok();
        assert!(
            frozen(&freezer(pid)),
            "when it returns nobody runs any more"
        );
        assert_eq!(c.status(), "paused");
        assert_eq!(c.pid(), pid);
        to.say(word);
        assert!(frozen(&freezer(pid)));
        c.call(&["resume"]).ok();
        assert_eq!(c.status(), "running");
        assert_eq!(from.line(), format!("got {word}"));
    }
}

#[test]
fn each_command_wants_its_state() {
    need_root!();
    let c = Container::sleeping();
    c.create().ok();
    c.call(&["resume"]).refused("container not paused");
    c.call(&["pause"]).ok();
    c.call(&["pause"]).refused("container not running");
    c.start()
        .refused("cannot start a container in the paused state");
    c.delete().refused(&format!(
        "cannot delete container {} that is not stopped: paused",
        c.id
    ));
    c.call(&["resume"]).ok();
    assert_eq!(c.status(), "created", "as before");
    c.start().ok();
    c.call(&["resume"]).refused("container not paused");
    c.call(&["pause"]).ok();
    c.call(&["resume"]).ok();
    c.kill("KILL").ok();
    c.wait();
    assert!(wait_until(|| c.status() == "stopped"));
    c.call(&["pause"]).refused("container not running");
    c.call(&["resume"]).refused("container not paused");
    c.delete().ok();
    c.call(&["pause"]).refused("container does not exist");
    c.call(&["resume"]).refused("container does not exist");
}

/// The status is the kernel's: whoever froze it.
#[test]
fn the_status_is_the_freezers() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    let freezer = freezer(pid);
    set(&freezer, true);
    assert_eq!(c.status(), "paused");
    c.call(&["pause"]).refused("container not running");
    c.call(&["resume"]).ok();
    assert!(!frozen(&freezer));
    c.call(&["pause"]).ok();
    set(&freezer, false);
    assert_eq!(c.status(), "running");
    c.call(&["resume"]).refused("container not paused");
}

#[test]
fn signals_wait_for_a_paused_container() {
    need_root!();
    let c = Container::sh("trap 'exit 3' TERM; echo ready > /out; sleep 1000 & wait");
    let mut out = c.fifo("out");
    c.detach();
    assert_eq!(out.line(), "ready");
    c.call(&["pause"]).ok();
    c.kill("TERM").ok();
    assert_eq!(c.status(), "paused");
    c.call(&["resume"]).ok();
    assert_eq!(c.wait(), Some(3));
}

#[test]
fn sigkill_does_not_wait() {
    need_root!();
    for all in [false, true] {
        let c = Container::sh("sleep 1000 & sleep 1000 & wait");
        let pid = c.detach();
        assert!(wait_until(|| pids_of_cgroup(&c.id).len() == 3));
        c.call(&["pause"]).ok();
        if all {
            c.runtime.run(&["kill", "--all", &c.id, "9"]).ok();
        } else {
            c.kill("9").ok();
        }
        assert_eq!(c.wait(), Some(137), "{pid} all={all}");
        assert!(wait_until(|| pids_of_cgroup(&c.id).is_empty()));
        c.delete().ok();
    }
}

#[test]
fn delete_by_force_of_a_paused_container() {
    need_root!();
    let c = Container::sh("for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait");
    c.detach();
    assert!(wait_until(|| pids_of_cgroup(&c.id).len() == 9));
    c.call(&["pause"]).ok();
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

/// Who is forked while the freezer looks is caught, too.
#[test]
fn processes_that_fork_all_the_time() {
    need_root!();
    let c = Container::sh(
        "for i in 1 2 3; do (while :; do busybox true; done) & done; echo ready > /out; wait",
    );
    let mut out = c.fifo("out");
    let pid = c.detach();
    assert_eq!(out.line(), "ready");
    for _ in 0..5 {
        c.call(&["pause"]).ok();
        assert!(frozen(&freezer(pid)));
        let before = pids_of_cgroup(&c.id);
        assert_eq!(pids_of_cgroup(&c.id), before);
        c.call(&["resume"]).ok();
    }
}

/// Both say 0: it was paused, and was resumed after it. A pause that freezes what has been let go of meanwhile (runc's does) leaves a
/// container that does not run, and nobody who would know.
#[test]
fn a_resume_in_the_middle_of_a_pause() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_resume_in_the_middle_of_a_pause",
            "runc writes FROZEN until it reads it",
        );
    }
    let c = Container::sleeping();
    c.detach();
    let dir = TempDir::new("stdio");
    let mut command = Command::new(c.runtime.binary());
    let root = c.runtime.root();
    command.arg("--root").arg(root).args(["pause", &c.id]);
    let whole = run(&command, dir.path(), None);
    assert_eq!(whole.code, 0, "{whole:?}");
    c.call(&["resume"]).ok();
    // The freezer has heard of it, and `pause` has not seen yet what came of it.
    let call = whole.calls.iter().rfind(|call| call.name == "write");
    let call = call.expect("it writes to the freezer");
    run(&command, dir.path(), Some((call, Action::Stop)));
    let mut pausing = None;
    assert!(wait_until(|| {
        pausing = stopped_pause(&c.id);
        pausing.is_some()
    }));
    c.call(&["resume"]).ok();
    let pausing = pausing.expect("it has stopped");
    signal(pausing, Signal::CONT);
    let code = wait_gone(pausing);
    assert_eq!((code, c.status().as_str()), (Some(0), "running"));
}

/// The process that pauses `id`, if it is stopped.
fn stopped_pause(id: &str) -> Option<u32> {
    let words = format!("pause\0{id}\0");
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.ends_with(&words) && proc_status(*pid, "State").is_some_and(|s| s.starts_with('T'))
    })
}

/// Groups that the container has made of its own stop with it.
#[test]
fn groups_below_the_containers() {
    need_root!();
    let c = Container::sh(&format!("{{ {ECHO}; }} & wait"));
    let (mut to, mut from) = (c.fifo("in"), c.fifo("out"));
    let pid = c.detach();
    let (dir, v2) = freezer(pid);
    to.say("a");
    assert_eq!(from.line(), "got a");
    let child = *pids_of_cgroup(&c.id).iter().find(|&&p| p != pid).unwrap();
    std::fs::create_dir(dir.join("inner")).unwrap();
    std::fs::write(dir.join("inner/cgroup.procs"), child.to_string()).unwrap();
    c.call(&["pause"]).ok();
    let below = (dir.join("inner"), v2);
    assert!(frozen(&below) && Path::new(&below.0).exists());
    c.call(&["resume"]).ok();
    to.say("b");
    assert_eq!(from.line(), "got b");
}
