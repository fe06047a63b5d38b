//! Hooks that are real processes: what they are given, and how they end.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::solo;

fn sh(script: &str, timeout: Option<u64>) -> Vec<Hook> {
    let args = ["sh", "-c", script].map(str::to_owned).to_vec();
    let (path, env) = ("/bin/sh".to_owned(), None);
    vec![Hook {
        path,
        args,
        env,
        timeout,
    }]
}

fn run_with(annotation: &str, script: &str, timeout: Option<u64>) -> Result<(), String> {
    let about = About {
        id: "c".to_owned(),
        bundle: "/b".to_owned(),
        annotations: [("k".to_owned(), annotation.to_owned())].into(),
    };
    let (status, pid) = ("creating", 7);
    let state = State {
        about: &about,
        status,
        pid,
    };
    let hooks = sh(script, timeout);
    run(Kind::Prestart, &hooks, &state, &mut Surroundings::default()).map_err(|e| e.to_string())
}

solo! {
fn a_hook_reads_the_state() {
    let expected = format!(
        "{{\"ociVersion\":\"{}\",\"id\":\"c\",\"status\":\"creating\",\"pid\":7,\"bundle\":\"/b\",\"annotations\":{{\"k\":\"v\"}}}}",
        crate::spec::VERSION
    );
    run_with("v", &format!("[ \"$(cat)\" = '{expected}' ]"), None).unwrap();
}
}

solo! {
fn a_state_larger_than_a_pipe_is_read_or_not() {
    let large = "x".repeat(2 << 20);
    run_with(&large, "[ $(wc -c) -gt 2097152 ]", None).unwrap();
    run_with(&large, "exec <&-; exit 0", None).unwrap();
}
}

solo! {
fn failures_have_runcs_words() {
    assert_eq!(
        run_with("", "echo out; echo err >&2; exit 3", None).unwrap_err(),
        "error running prestart hook #0: exit status 3, stdout: out\n, stderr: err\n"
    );
    assert_eq!(
        run_with("", "kill -9 $$", None).unwrap_err(),
        "error running prestart hook #0: signal: killed, stdout: , stderr: "
    );
    assert_eq!(
        run_with("", "exec sleep 1000", Some(1)).unwrap_err(),
        "error running prestart hook #0: hook ran past specified timeout of 1.0s"
    );
    assert_eq!(
        run_with("", "yes", Some(1)).unwrap_err(),
        "error running prestart hook #0: hook ran past specified timeout of 1.0s"
    );
}
}

solo! {
fn a_child_of_a_hook_that_keeps_its_streams_keeps_nobody() {
    let begin = std::time::Instant::now();
    run_with("", "sleep 20 & exit 0", None).unwrap();
    assert!(begin.elapsed().as_secs() < 10);
}
}
