//! The harness of the integration tests: real busybox containers, made by a real runtime, on the real kernel.
//!
//! The runtime under test is the binary that `RUNTIME` names (a path, or a name in `PATH`), else the `runc-rs` that
//! was built beside the tests. Every expectation in `tests/` is runc's behaviour, so that the whole suite also runs
//! with `RUNTIME=runc`: that is how the suite itself is tested. What only runc-rs does asks [`is_ours`] first.
//!
//! A test makes one or more [`Container`]s. Each has an own bundle, an own `--root` and an id that no other test
//! uses, so tests run in parallel, as threads (`cargo test`) or as processes (nextest). Dropping a container deletes
//! it by force, then looks for what was left over: processes, cgroups, mounts, state. Leftovers fail the test.

mod agent;
mod bundle;
mod config;
pub mod conformance;
mod container;
mod host;
mod pty;
mod runtime;
mod tempdir;
pub mod tracer;

pub use agent::{Agent, Answer, receive, receive_fd, try_connect};
pub use bundle::{APPLETS, Bundle, copy_program, find_busybox};
pub use config::Config;
pub use container::Container;
pub use host::{
    Fifo, alive, at_most, become_subreaper, cgroup_dirs, cgroup_mounts, cgroups_named,
    describe_tree, hang, is_root, is_v2, kill, mounts_below, parse_mountinfo, pids_of_cgroup,
    poll_exit, proc_status, readable, reap, signal, signal_group, slow, wait_gone, wait_until,
};
pub use pty::Pty;
pub use runtime::{Output, Runtime, is_ours, runtime_binary};
pub use rustix::process::Signal;
pub use tempdir::TempDir;

/// Says why a test does nothing here, in a form that `ci/run` counts. Return right after it.
///
/// The line goes to standard error, past libtest's capture, and to the file that `SKIPS` names.
pub fn skip(test: &str, why: &str) {
    use std::io::Write;
    static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    // Once a test, however often it asks.
    #[allow(clippy::expect_used)]
    let mut said = SAID.lock().expect("no skip panics");
    if said.iter().any(|t| t == test) {
        return;
    }
    said.push(test.to_owned());
    let line = format!("SKIPPED {test}: {why}\n");
    // A skip that cannot be shown must not pass for a test that ran.
    #[allow(clippy::expect_used)]
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("cannot say on standard error that a test is skipped");
    if let Some(path) = std::env::var_os("SKIPS") {
        #[allow(clippy::expect_used)]
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut f| f.write_all(line.as_bytes()))
            .expect("cannot write the file that SKIPS names");
    }
}

/// The name of the running test: libtest names its thread so.
pub fn this_test() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

/// `need_root!()` at the top of a test: without root the test is skipped, with the reason.
#[macro_export]
macro_rules! need_root {
    () => {
        if !$crate::is_root() {
            $crate::skip(
                &$crate::this_test(),
                "not root: a container with all namespaces needs it",
            );
            return;
        }
    };
}
