//! Tests that change the process they run in (user, limits, namespaces, signals, standard streams): each gets one of its own.

use std::io::Read;
use std::process::{Command, Stdio};

const ALONE: &str = "RUNC_RS_TEST_ALONE";

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

/// Runs `command` and wants success; says what it printed otherwise.
pub(crate) fn succeed(command: &mut Command) {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut child = command
        .stdout(write.try_clone().expect("a descriptor"))
        .stderr(write)
        .spawn()
        .expect("the test program starts");
    // The command holds the writing ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = Vec::new();
    read.read_to_end(&mut output).expect("its output");
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
