//! `process.terminal` in the foreground: the container's terminal is joined to the caller's.

use std::process::Child;

use integration::{Container, Pty, Signal, is_ours, need_root, signal, skip, wait_until};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

fn on_terminal(c: &Container, pty: &Pty) -> (Child, std::path::PathBuf, std::path::PathBuf) {
    let (mut command, out, err) =
        c.runtime
            .command(&["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id]);
    command
        .stdin(pty.open_slave())
        .stdout(pty.open_slave())
        .stderr(pty.open_slave());
    (command.spawn().unwrap(), out, err)
}

fn terminal(script: &str) -> Container {
    Container::new(|g| {
        g.set("/process/terminal", true).sh(script);
    })
}

#[test]
fn the_program_has_a_terminal() {
    need_root!();
    let mut pty = Pty::new(24, 80);
    let c = terminal(
        "tty; test -t 0 && test -t 1 && test -t 2 && echo all three; stat -c '%t' /dev/console; echo end",
    );
    let (child, out, err) = on_terminal(&c, &pty);
    let seen = pty.expect("end");
    assert!(
        seen.contains("/dev/pts/0") || seen.contains("/dev/console"),
        "{seen:?}"
    );
    assert!(seen.contains("all three"), "{seen:?}");
    assert!(seen.contains("88"), "a pty slave has major 0x88: {seen:?}");
    c.runtime.wait(child, &["run"], out, err).ok();
}

#[test]
fn what_is_typed_arrives() {
    need_root!();
    let mut pty = Pty::new(24, 80);
    let c = terminal("stty -echo; echo ready; read x; echo got [$x]");
    let (child, out, err) = on_terminal(&c, &pty);
    pty.expect("ready");
    pty.type_in("some words\n");
    pty.expect("got [some words]");
    c.runtime.wait(child, &["run"], out, err).ok();
}

#[test]
fn the_exit_code_comes_through_a_terminal() {
    need_root!();
    let pty = Pty::new(24, 80);
    let c = terminal("exit 9");
    let (child, out, err) = on_terminal(&c, &pty);
    c.runtime.wait(child, &["run"], out, err).exits(9);
}

/// It is the controlling terminal of a new session: Ctrl-C is a signal inside, not outside.
#[test]
fn ctrl_c_goes_to_the_container() {
    need_root!();
    let mut pty = Pty::new(24, 80);
    let c = terminal("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.02; done");
    let (child, out, err) = on_terminal(&c, &pty);
    pty.expect("ready");
    pty.type_in("\u{3}");
    pty.expect("caught");
    c.runtime.wait(child, &["run"], out, err).exits(3);
}

#[test]
fn the_size_is_the_callers_and_follows_it() {
    need_root!();
    let mut pty = Pty::new(33, 99);
    let c = terminal(
        "echo up; read x; stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done",
    );
    let (child, out, err) = on_terminal(&c, &pty);
    pty.expect("up");
    pty.type_in("\n");
    pty.expect("33 99");
    pty.expect("ready");
    pty.resize(44, 111);
    signal(child.id(), Signal::WINCH);
    pty.expect("44 111");
    c.kill("KILL").ok();
    c.runtime.wait(child, &["run"], out, err).exits(137);
}

/// The caller's terminal is raw while the container runs, and as before afterwards.
#[test]
fn the_callers_terminal_is_restored() {
    need_root!();
    let mut pty = Pty::new(24, 80);
    let slave = pty.open_slave();
    let before = tcgetattr(&slave).unwrap().local_modes;
    assert!(before.contains(LocalModes::ICANON));
    let c = terminal("echo ready; read x");
    let (child, out, err) = on_terminal(&c, &pty);
    pty.expect("ready");
    assert!(
        !tcgetattr(&slave)
            .unwrap()
            .local_modes
            .contains(LocalModes::ICANON),
        "raw while it runs"
    );
    pty.type_in("\n");
    c.runtime.wait(child, &["run"], out, err).ok();
    assert_eq!(tcgetattr(&slave).unwrap().local_modes, before);
}

/// A job in the background leaves the terminal to who has it; in the foreground it is raw, and as before afterwards.
#[test]
fn a_job_in_the_background() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_job_in_the_background",
            "runc uses up the CPUs, being told of SIGTTOU for ever",
        );
    }
    let mut pty = Pty::new(24, 80);
    let slave = pty.open_slave();
    let mode = || tcgetattr(&slave).unwrap().local_modes;
    let before = mode();
    let mut c = terminal("echo up; read x; echo got [$x]; exit 5");
    let shell = [
        "setsid",
        "--ctty",
        "--wait",
        "bash",
        "-mc",
        "\"$@\" & read go; fg >/dev/null",
        "bash",
    ];
    c.runtime.prefix = shell.map(str::to_owned).to_vec();
    let (child, out, err) = on_terminal(&c, &pty);
    pty.expect("up");
    assert_eq!(mode(), before, "it is the shell's");
    pty.type_in("go\n");
    assert!(wait_until(|| !mode().contains(LocalModes::ICANON)));
    pty.type_in("words\n");
    pty.expect("got [words]");
    c.runtime.wait(child, &["run"], out, err).exits(5);
    assert_eq!(mode(), before);
    c.runtime.prefix.clear();
}

#[test]
fn console_size_of_the_config() {
    need_root!();
    let mut pty = Pty::new(24, 80);
    let c = Container::new(|g| {
        g.set("/process/terminal", true)
            .set("/process/consoleSize", json!({"height": 50, "width": 120}))
            .sh("stty size; read x");
    });
    let (child, out, err) = on_terminal(&c, &pty);
    // In the foreground the caller's size wins a moment later.
    let seen = pty.expect("\n");
    assert!(
        seen.contains("50 120") || seen.contains("24 80"),
        "{seen:?}"
    );
    pty.type_in("\n");
    c.runtime.wait(child, &["run"], out, err).ok();
}

#[test]
fn a_terminal_needs_a_terminal() {
    need_root!();
    let c = terminal("true");
    let out = c.run().exits(1);
    assert!(
        out.stderr.contains("terminal")
            || out.stderr.contains("console")
            || out.stderr.contains("tty"),
        "{out}"
    );
    c.nothing_left();
    c.run_with(&["--detach"])
        .refused("cannot allocate tty if runc will detach without setting console socket");
    c.nothing_left();
    c.create()
        .refused("cannot allocate tty if runc will detach without setting console socket");
    c.nothing_left();
}
