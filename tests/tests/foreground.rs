//! `run` in the foreground: signals, orphans, a terminal that goes, a reader that does not read; and paths from where the caller stands.

use std::io::Read;
use std::time::Duration;

use integration::{Container, Pty, is_ours, need_root, proc_status, wait_gone, wait_until};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{LocalModes, tcgetattr};

use crate::hangs::{Running, within};

fn run(c: &Container, options: &[&str]) -> Running {
    let bundle = c.bundle.path().to_str().unwrap();
    let args = [&["run", "--bundle", bundle][..], options, &[&c.id]].concat();
    Running::start(c, &args)
}

fn send(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// All but those that are for the runtime itself, or that nobody can have.
#[test]
fn signals_are_the_programs() {
    need_root!();
    use nix::sys::signal::Signal::{self, *};
    let passed = [
        SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCONT, SIGTSTP,
        SIGTTIN, SIGTTOU, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR,
    ];
    // 1.1.5 passes on SIGURG, which Go sends to itself.
    let kept = [SIGCHLD, SIGWINCH, SIGURG];
    let kept = &kept[..if is_ours() { 3 } else { 2 }];
    let name = |signal: &Signal| signal.as_str().trim_start_matches("SIG").to_owned();
    let traps: String = passed
        .iter()
        .chain(kept)
        .map(|it| format!("trap 'echo {0} > /up' {0}; ", name(it)))
        .collect();
    let c = Container::unsaved();
    let (mut up, _go) = (c.fifo("up"), c.fifo("go"));
    let c = c.with_config(|g| {
        // read is the shell's own: no child's end is among the signals.
        g.sh(&format!(
            "{traps} echo up > /up; while :; do read x < /go; done"
        ));
    });
    let run = run(&c, &[]);
    assert_eq!(up.line(), "up");
    for signal in passed {
        // Go's runtime has that one for itself.
        if signal == SIGPROF && !is_ours() {
            continue;
        }
        send(run.pid(), signal);
        assert_eq!(up.line(), name(&signal), "{signal}");
    }
    for &signal in kept {
        send(run.pid(), signal);
    }
    // It has the highest number: what was pending before is served before.
    send(run.pid(), SIGPWR);
    assert_eq!(up.line(), "PWR");
    c.kill("KILL").ok();
    run.end(&c).exits(137);
}

/// Without a pid namespace the container's orphans come to `run`, which reaps them; with `--no-subreaper` to who is above it.
#[test]
fn orphans() {
    need_root!();
    for (options, adopted) in [(&[][..], true), (&["--no-subreaper"], false)] {
        let c = Container::unsaved();
        let (mut up, mut go) = (c.fifo("up"), c.fifo("go"));
        let (mut last, mut end) = (c.fifo("last"), c.fifo("end"));
        let c = c.with_config(|g| {
            g.without_namespace("pid").sh(
                "sh -c 'sh -c \"echo \\$\\$ > /up; read x < /last\" & read y < /go'; echo left > /up; read x < /end",
            );
        });
        let run = run(&c, options);
        let orphan: u32 = up.line().parse().unwrap();
        // Their parent ends, and it is one.
        go.say("x");
        assert_eq!(up.line(), "left");
        let parent: u32 = proc_status(orphan, "PPid").unwrap().parse().unwrap();
        let expected = if adopted {
            run.pid()
        } else {
            std::process::id()
        };
        assert_eq!(parent, expected, "{options:?}");
        last.say("x");
        if adopted {
            let entry = format!("/proc/{orphan}");
            assert!(
                wait_until(|| !std::path::Path::new(&entry).exists()),
                "a zombie"
            );
        } else {
            wait_gone(orphan);
        }
        end.say("x");
        run.end(&c).ok();
    }
}

/// How long it has been on a CPU.
fn cpu(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// It waits, and does not ask again and again.
#[track_caller]
fn is_quiet(pid: u32) {
    let before = cpu(pid);
    std::thread::sleep(Duration::from_millis(300));
    let used = cpu(pid) - before;
    assert!(used < Duration::from_millis(60), "busy: {used:?} of 300 ms");
}

/// The terminal's other end is closed: nothing comes and nothing goes, and the program lives on until it ends.
#[test]
fn the_terminal_goes() {
    need_root!();
    // When it is shown already, and before that.
    for shown in [true, false] {
        let c = Container::unsaved();
        let (mut up, mut go) = (c.fifo("up"), c.fifo("go"));
        let c = c.with_config(|g| {
            g.set("/process/terminal", true).sh(
                "echo up > /up; read x < /go; echo said; echo more > /up; read x < /go; exit $x",
            );
        });
        let pty = Pty::new(24, 80);
        let slave = pty.open_slave();
        let bundle = c.bundle.path().to_str().unwrap();
        let run = Running::start_with(&c, &["run", "--bundle", bundle, &c.id], |command| {
            command
                .stdin(pty.open_slave())
                .stdout(pty.open_slave())
                .stderr(pty.open_slave());
        });
        assert_eq!(up.line(), "up");
        let is_raw = || {
            let mode = tcgetattr(&slave).unwrap();
            !mode.local_modes.contains(LocalModes::ICANON)
        };
        assert!(!shown || wait_until(is_raw));
        drop(slave);
        drop(pty);
        // As the kernel does when it is the controlling terminal.
        send(run.pid(), nix::sys::signal::Signal::SIGCONT);
        go.say("x");
        assert_eq!(up.line(), "more");
        is_quiet(run.pid());
        go.say("8");
        within(8, || run.end(&c)).exits(8);
    }
}

/// Standard output is a pipe that is full, and whose reader is at rest: it is waited for, and nothing is lost.
#[test]
fn a_reader_at_rest() {
    need_root!();
    const COUNT: usize = 300_000;
    let c = Container::unsaved();
    let mut up = c.fifo("up");
    let c = c.with_config(|g| {
        g.set("/process/terminal", true)
            .sh(&format!("echo up > /up; yes | head -c {COUNT}; exit 3"));
    });
    let pty = Pty::new(24, 80);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let copy = writer.try_clone().unwrap();
    let bundle = c.bundle.path().to_str().unwrap();
    let run = Running::start_with(&c, &["run", "--bundle", bundle, &c.id], |command| {
        command
            .stdin(pty.open_slave())
            .stdout(writer)
            .stderr(pty.open_slave());
    });
    assert_eq!(up.line(), "up");
    let full = || {
        let mut places = [PollFd::new(&copy, PollFlags::OUT)];
        let now = Timespec::default();
        rustix::event::poll(&mut places, Some(&now)).is_ok_and(|count| count == 0)
    };
    assert!(wait_until(full));
    drop(copy);
    is_quiet(run.pid());
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    run.end(&c).exits(3);
    assert_eq!(all.len(), COUNT);
}

/// Where the caller stands, which is not the bundle that the command goes to.
#[test]
fn relative_paths() {
    need_root!();
    let mut c = Container::sleeping();
    let base = c.bundle.path().join("base");
    std::fs::create_dir(&base).unwrap();
    let relative = ["--root", "state", "--log", "the.log"].map(str::to_owned);
    let own = std::mem::replace(&mut c.runtime.globals, relative.to_vec());
    let here = |args: &[&str]| {
        Running::start_with(&c, args, |command| {
            command.current_dir(&base);
        })
        .end(&c)
    };
    here(&[
        "run",
        "--detach",
        "--bundle",
        "..",
        "--pid-file",
        "pid",
        &c.id,
    ])
    .ok();
    assert!(base.join("state").join(&c.id).is_dir());
    assert!(base.join("the.log").is_file());
    let pid: u32 = std::fs::read_to_string(base.join("pid"))
        .unwrap()
        .parse()
        .unwrap();
    let state: serde_json::Value =
        serde_json::from_str(&here(&["state", &c.id]).ok().stdout).unwrap();
    assert_eq!(state["pid"], pid);
    assert_eq!(state["bundle"], c.bundle.path().to_str().unwrap());
    here(&["kill", "no-such", "KILL"]).exits(1);
    let log = std::fs::read_to_string(base.join("the.log")).unwrap();
    assert!(log.contains("container does not exist"), "{log}");
    here(&["delete", "--force", &c.id]).ok();
    wait_gone(pid);
    // What cleans up behind the test does so from elsewhere.
    c.runtime.globals = own;
}

#[test]
fn rootless_is_a_word_of_three() {
    need_root!();
    for word in ["--rootless=false", "--rootless=auto", "--rootless=true"] {
        let mut c = Container::sh("exit 5");
        c.runtime.globals = vec![word.to_owned()];
        c.run().exits(5);
    }
    let mut c = Container::sh("exit 5");
    c.runtime.globals = vec!["--rootless=perhaps".to_owned()];
    c.run().exits(1);
    c.runtime.globals.clear();
}
