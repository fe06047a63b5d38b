//! Tests that change the process they run in (user, limits, namespaces, signals, standard streams): each gets one of its own.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The words between quotation marks in a source file's own code, without its tests: what a parser may compare with.
pub(crate) fn words(source: &'static str) -> impl Iterator<Item = &'static str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2))
}

const ALONE: &str = "RUNC_RS_TEST_ALONE";

/// Says why a test does nothing here, so that it does not count as passed. Return right after it.
pub(crate) fn skip(why: &str) {
    let test = std::env::var(ALONE).unwrap_or_else(|_| integration::this_test());
    integration::skip(&test, why);
}

/// Runs `body` in a new process: this test program, told to run the one test `name` (see [`solo!`]) and nothing else.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if is_alone(name) {
        return body();
    }
    succeed(again(name).stdin(Stdio::null()));
}

/// Are we the process that was made for `name`?
pub(crate) fn is_alone(name: &str) -> bool {
    std::env::var(ALONE).is_ok_and(|value| value == name)
}

/// The command that runs the test `name` alone.
pub(crate) fn again(name: &str) -> Command {
    again_under(&["/proc/self/exe"], name)
}

/// The same, started by `wrapper`, a program and its arguments ("/proc/self/exe" for none).
pub(crate) fn again_under(wrapper: &[&str], name: &str) -> Command {
    let exe = std::env::current_exe().expect("a test program has a path");
    let test = name.strip_prefix("runc_rs::").unwrap_or(name);
    let mut command = match wrapper {
        ["/proc/self/exe"] => Command::new(exe),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
        [] => unreachable!("a wrapper is a program"),
    };
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, name);
    command
}

/// A body that takes this long hangs: the most that one waits for on purpose is a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `command` and wants success, in time; says what it printed otherwise.
pub(crate) fn succeed(command: &mut Command) {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut child = command
        .stdout(write.try_clone().expect("a descriptor"))
        .stderr(write)
        .process_group(0)
        .spawn()
        .expect("the test program starts");
    // The command holds the writing ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let end = Instant::now() + PATIENCE;
    let mut output = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(read.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, timeout) == Ok(0) {
            // And what it has forked.
            let group = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
            killpg(group, Signal::SIGKILL).expect("it is ours");
            let _ = child.wait();
            panic!("it hangs\n{}", String::from_utf8_lossy(&output));
        }
        let mut bytes = [0; 4096];
        match read.read(&mut bytes).expect("its output") {
            0 => break,
            count => output.extend_from_slice(&bytes[..count]),
        }
    }
    let output = String::from_utf8_lossy(&output);
    let status = child.wait().expect("its end");
    assert!(
        status.success() && output.contains("1 passed"),
        "{status}\n{output}"
    );
}

/// A test whose body has a process of its own.
macro_rules! solo {
    ($(#[$meta:meta])* fn $name:ident() $body:block) => {
        #[test]
        $(#[$meta])*
        fn $name() {
            $crate::testing::alone(concat!(module_path!(), "::", stringify!($name)), || $body);
        }
    };
}
pub(crate) use solo;
