//! The foreground against real processes, and real terminals: this test program runs again on a pty of the test's.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::sys::fork::{in_one_thread, spawn};
use crate::sys::status::Status;
use crate::sys::tty as kernel;
use crate::testing::{again_under, is_alone, solo, succeed};
use crate::tty::{HostConsole, Pty};

/// A test whose body has a process of its own with one thread.
macro_rules! in_one {
    ($(#[$meta:meta])* fn $name:ident() $body:block) => {
        solo! { $(#[$meta])* fn $name() { in_one_thread(|| $body); } }
    };
}

/// A shell that runs `script`, started as init starts the user's program.
fn shell(script: &str) -> i32 {
    spawn(&["/bin/bash", "-c", script], || Ok(()))
}

/// `pid` waits to be reaped.
fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

in_one! {
    fn exit_status_and_signal() {
        prepare(false).unwrap();
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
            let child = shell(script);
            assert_eq!(wait(child, None).unwrap(), code, "{script}");
        }
    }
}

in_one! {
    fn signals_are_passed_on() {
        prepare(false).unwrap();
        let me = pid_of_self();
        // One that came before there was anybody to pass it on to, a real-time one, and one that is not passed on.
        for (signal, number) in [("TERM", 15), ("USR1", 10), ("HUP", 1), ("RTMIN+3", 37)] {
            let script = format!(
                "trap 'exit {number}' {signal}; trap 'exit 99' URG; kill -URG {me}; kill -{number} {me}; \
                 while :; do sleep 0.01; done"
            );
            assert_eq!(wait(shell(&script), None).unwrap(), number, "{signal}");
        }
    }
}

fn catches(pid: i32, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:\t"))
        .unwrap();
    u64::from_str_radix(caught, 16).unwrap() & (1 << (signal - 1)) != 0
}

fn pid_of_self() -> u32 {
    std::process::id()
}

in_one! {
    /// A signal between the clone and the wait is neither lost nor deadly.
    fn an_early_signal_waits() {
        prepare(false).unwrap();
        crate::sys::signal::kill(pid_of_self().try_into().unwrap(), libc::SIGTERM).unwrap();
        let child = shell("trap 'exit 42' TERM; while :; do sleep 0.01; done");
        // The trap must be there first.
        while !catches(child, libc::SIGTERM) {
            std::thread::yield_now();
        }
        assert_eq!(wait(child, None).unwrap(), 42);
    }
}

in_one! {
    fn orphans_are_reaped_while_waiting() {
        prepare(true).unwrap();
        // The orphan ends first; its parent, an intermediate shell, is gone by then.
        let child = shell("sh -c 'sleep 0.05 & echo $! >&2' 2>/tmp/orphan-$PPID; sleep 0.3; exit 3");
        let file = format!("/tmp/orphan-{}", pid_of_self());
        assert_eq!(wait(child, None).unwrap(), 3);
        let orphan: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        fs::remove_file(file).unwrap();
        assert!(!is_zombie(orphan), "reaped by us, its subreaper");
        assert!(!fs::exists(format!("/proc/{orphan}")).unwrap());
    }
}

/// A caller that ignores SIGCHLD makes the kernel reap our children and forget their status; INT and QUIT are what `&` ignores.
#[test]
fn the_callers_ignored_signals_do_not_matter() {
    let name = concat!(
        module_path!(),
        "::the_callers_ignored_signals_do_not_matter"
    );
    if !is_alone(name) {
        let script = "trap '' CHLD INT QUIT HUP TTIN; exec \"$0\" \"$@\"";
        return succeed(&mut again_under(&["/bin/bash", "-c", script], name));
    }
    in_one_thread(ignored_signals_do_not_matter);
}

fn ignored_signals_do_not_matter() {
    let bit = |signal: i32| 1u64 << (signal - 1);
    let status = Status::read().unwrap();
    let ignored = [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTTIN]
        .map(bit)
        .iter()
        .sum::<u64>();
    assert_eq!(status.ignored_signals & ignored, ignored);
    assert_eq!(
        status.ignored_signals & bit(libc::SIGCHLD),
        bit(libc::SIGCHLD)
    );
    prepare(false).unwrap();
    assert_eq!(wait(shell("exit 5"), None).unwrap(), 5);
    // And what init does before the execve.
    crate::sys::signal::reset_for_exec(&Status::read().unwrap()).unwrap();
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"] {
        assert!(text.contains(line), "{text}");
    }
}

/// The caller's terminal, and the part of the test that sits before it.
struct Screen {
    pty: Pty,
    child: Child,
    seen: String,
}

impl Screen {
    /// Runs the test `name` again on a new terminal of 24 x 80, as its session's controlling one. `stdout`: not the terminal, but this.
    fn start(name: &str, stdout: Option<OwnedFd>) -> Self {
        let pty = Pty::open(Some((24, 80))).unwrap();
        let slave = || Stdio::from(pty.slave().try_clone_to_owned().unwrap());
        let mut command = again_under(&["/usr/bin/setsid", "-c"], name);
        command
            .stdin(slave())
            .stdout(stdout.map_or_else(slave, Stdio::from))
            .stderr(slave());
        let child = command.spawn().unwrap();
        drop(command);
        Self {
            pty,
            child,
            seen: String::new(),
        }
    }

    /// Reads what is shown until it has `text`.
    fn expect(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        let mut master = File::from(self.pty.master().try_clone_to_owned().unwrap());
        while !self.seen.contains(text) {
            let mut fds = [PollFd::new(self.pty.master(), PollFlags::POLLIN)];
            let left = end.saturating_duration_since(Instant::now());
            let ready = poll(&mut fds, PollTimeout::try_from(left).unwrap()).unwrap();
            assert!(ready > 0, "no {text:?} in {:?}", self.seen);
            let mut bytes = [0; 4096];
            let count = master.read(&mut bytes).unwrap();
            self.seen += &String::from_utf8_lossy(&bytes[..count]);
        }
    }

    fn type_in(&self, text: &str) {
        let mut master = File::from(self.pty.master().try_clone_to_owned().unwrap());
        master.write_all(text.as_bytes()).unwrap();
    }

    fn finish(mut self) -> String {
        self.expect(" passed");
        let status = self.child.wait().unwrap();
        assert!(
            status.success() && self.seen.contains("1 passed"),
            "{}",
            self.seen
        );
        self.seen
    }
}

/// In the test that runs again: `script` on a terminal of its own, shown by us, ends with `code`.
fn show(script: &str, drain: Duration, code: i32) {
    in_one_thread(|| assert_eq!(shown(script, drain), code));
}

fn shown(script: &str, drain: Duration) -> i32 {
    prepare(false).unwrap();
    let host = HostConsole::find().unwrap();
    let pty = Pty::open(None).unwrap();
    let master = pty.master().try_clone_to_owned().unwrap();
    let child = spawn(&["/bin/sh", "-c", script], move || {
        nix::unistd::setsid().unwrap();
        pty.become_console().unwrap();
        Ok(())
    });
    crate::tty::pass_newlines(&master).unwrap();
    wait_with_console(child, master, &host, None, drain).unwrap()
}

/// What the terminal's mode is now.
fn mode(terminal: impl AsFd) -> String {
    format!("{:?}", nix::sys::termios::tcgetattr(terminal).unwrap())
}

#[test]
fn a_terminal_is_shown() {
    let name = concat!(module_path!(), "::a_terminal_is_shown");
    if is_alone(name) {
        let script = "tty; stty size; echo ready; read x; echo got:$x:; trap 'stty size; exit 5' WINCH; echo trapped; \
                      while :; do sleep 0.02; done";
        show(script, DRAIN, 5);
        return;
    }
    let mut screen = Screen::start(name, None);
    let before = mode(screen.pty.master());
    screen.expect("/dev/pts/");
    // The size is the caller's from the start, or from the first resize on.
    screen.expect("ready\r\n");
    assert_ne!(mode(screen.pty.master()), before, "raw");
    screen.type_in("hello\r");
    // Echoed by the container's terminal, then answered.
    screen.expect("hello\r\n");
    screen.expect("got:hello:\r\n");
    screen.expect("trapped");
    kernel::set_size(screen.pty.master(), 40, 100).unwrap();
    screen.expect("40 100\r\n");
    let master = screen.pty.master().try_clone_to_owned().unwrap();
    let seen = screen.finish();
    assert_eq!(mode(master), before, "as it was");
    assert!(
        !seen.contains("\r\r\n"),
        "one carriage return a line: {seen:?}"
    );
}

#[test]
fn keys_that_mean_signals_go_to_the_container() {
    let name = concat!(
        module_path!(),
        "::keys_that_mean_signals_go_to_the_container"
    );
    if is_alone(name) {
        show(
            "trap 'echo interrupted; exit 6' INT; echo ready; while :; do sleep 0.02; done",
            DRAIN,
            6,
        );
        return;
    }
    let mut screen = Screen::start(name, None);
    screen.expect("ready");
    screen.type_in("\x03");
    screen.expect("interrupted");
    screen.finish();
}

#[test]
fn all_output_is_shown_before_the_return() {
    let name = concat!(module_path!(), "::all_output_is_shown_before_the_return");
    if is_alone(name) {
        show("seq 1 3000; echo the-last-line", DRAIN, 0);
        return;
    }
    let mut screen = Screen::start(name, None);
    screen.expect("the-last-line\r\n");
    let seen = screen.finish();
    for line in 1..=3000 {
        assert!(
            seen.contains(&format!("\n{line}\r\n")) || line == 1,
            "{line}"
        );
    }
}

/// L3: a process that leaves its terminal must not make us spin; and one that opens it again is shown again.
#[test]
fn a_terminal_left_alone_costs_nothing() {
    let name = concat!(module_path!(), "::a_terminal_left_alone_costs_nothing");
    if is_alone(name) {
        let script = "t=$(tty); exec </dev/null >/dev/null 2>&1; sleep 0.6; echo back >$t; exit 4";
        in_one_thread(|| {
            assert_eq!(shown(script, DRAIN), 4);
            let who = nix::sys::resource::UsageWho::RUSAGE_SELF;
            let usage = nix::sys::resource::getrusage(who).unwrap();
            let spent = usage.user_time().tv_usec() + usage.system_time().tv_usec();
            let seconds = usage.user_time().tv_sec() + usage.system_time().tv_sec();
            assert!(spent < 200_000 && seconds == 0, "{spent} us of 600,000");
        });
        return;
    }
    let mut screen = Screen::start(name, None);
    screen.expect("back\r\n");
    screen.finish();
}

/// L3: stdout is a full pipe that nobody reads. The end comes all the same, after `drain` and not before.
#[test]
fn a_reader_that_stopped_does_not_hold_us() {
    let name = concat!(module_path!(), "::a_reader_that_stopped_does_not_hold_us");
    if is_alone(name) {
        let start = Instant::now();
        let drain = Duration::from_millis(300);
        show("yes & sleep 0.5; kill -9 $! $$", drain, 137);
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(750) && took < Duration::from_secs(5),
            "{took:?}"
        );
        // Where the harness's words can be seen.
        eprintln!("test result: 1 passed");
        std::process::exit(0);
    }
    let (read, write) = std::io::pipe().unwrap();
    let screen = Screen::start(name, Some(write.into()));
    screen.finish();
    drop(read);
}

/// A reader that is gone is not the container's business: it goes on, and its end is ours.
#[test]
fn a_reader_that_is_gone_does_not_stop_the_container() {
    let name = concat!(
        module_path!(),
        "::a_reader_that_is_gone_does_not_stop_the_container"
    );
    if is_alone(name) {
        show("seq 1 50000; exit 9", DRAIN, 9);
        eprintln!("test result: 1 passed");
        std::process::exit(0);
    }
    let (mut read, write) = std::io::pipe().unwrap();
    let screen = Screen::start(name, Some(write.into()));
    let mut seen = Vec::new();
    while !seen.ends_with(b"\n99\n") {
        let mut byte = [0];
        read.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    drop(read);
    screen.finish();
}

/// stdin at its end, from the start: the container's terminal is not told, its output is.
#[test]
fn stdin_may_be_empty() {
    let name = concat!(module_path!(), "::stdin_may_be_empty");
    if is_alone(name) {
        let null = File::open("/dev/null").unwrap();
        nix::unistd::dup2_stdin(null).unwrap();
        show("sleep 0.1; echo there; exit 2", DRAIN, 2);
        return;
    }
    let mut screen = Screen::start(name, None);
    screen.expect("there\r\n");
    screen.finish();
}
