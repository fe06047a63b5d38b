//! What exec's program does not have is missed: the look from inside is no formality.

use std::path::PathBuf;

use integration::{Config, Container, Runtime, cgroup_dirs, is_ours, need_root, skip};

use super::bundle::{Variation, bundle, clear_log};
use super::case::{Row, Verdict};
use super::given::args;
use super::running::prepare;

/// What its program says last; `change` makes other arguments of those that are right.
fn last_words(variation: Variation, config: fn(&mut Config), change: Change) -> String {
    let c = bundle(variation, "").with_config(|g| {
        super::given::config(g, "exec");
        config(g);
    });
    clear_log(&c);
    let before = prepare("exec", &c);
    let mut words = args("exec", &c, &before);
    let group = change(&c, &mut words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let out = c.runtime.run(&words).ok();
    c.delete_by_force();
    for group in group {
        let _ = std::fs::remove_dir(group);
    }
    out.lines().last().copied().unwrap_or_default().to_owned()
}

/// Returns the cgroups that it has made.
type Change = fn(&Container, &mut Vec<String>) -> Vec<PathBuf>;

/// Without this option and its value.
fn without(words: &mut Vec<String>, option: &str) -> Vec<PathBuf> {
    let at = words.iter().position(|word| word == option).unwrap();
    words.drain(at..=at + 1);
    Vec::new()
}

/// In a group of its own below the container's.
fn elsewhere(c: &Container, words: &mut Vec<String>) -> Vec<PathBuf> {
    let (controllers, dir) = cgroup_dirs(c.pid())
        .into_iter()
        .find(|(_, dir)| dir.ends_with(&c.id))
        .unwrap();
    let group = dir.join("below");
    std::fs::create_dir(&group).unwrap();
    let name = match controllers.as_str() {
        "" => "below".to_owned(),
        several => format!("{}:below", several.split(',').next().unwrap()),
    };
    words.splice(1..1, ["--cgroup".to_owned(), name]);
    vec![group]
}

fn in_another_namespace(words: &mut [String], name: &str) -> Vec<PathBuf> {
    let prefix = format!("INIT_{name}=");
    let word = words.iter_mut().find(|word| word.starts_with(&prefix));
    *word.unwrap() = format!("{prefix}{name}:[1]");
    Vec::new()
}

#[test]
fn execs_program_sees_what_is_missing() {
    need_root!();
    if !is_ours() {
        return skip(
            "matrix::execs_program_sees_what_is_missing",
            "what it sees is the same under any runtime",
        );
    }
    let same: fn(&mut Config) = |_| {};
    let right: Change = |_, _| Vec::new();
    type Case = (&'static str, fn(&mut Config), Change);
    let cases: [Case; 11] = [
        ("Uid:(1000) Gid:(1000)", same, |_, words| {
            without(words, "--user")
        }),
        ("Groups:(", same, |_, words| {
            without(words, "--additional-gids")
        }),
        ("cwd(/tmp)", same, |_, words| without(words, "--cwd")),
        ("CapBnd:(0000000000000000)", same, |_, words| {
            without(words, "--cap")
        }),
        ("cgroup(", same, elsewhere),
        ("own-mnt(mnt:[", same, |_, words| {
            in_another_namespace(words, "mnt")
        }),
        ("own-pid(pid:[", same, |_, words| {
            in_another_namespace(words, "pid")
        }),
        (
            "nnp(0)",
            |g| {
                g.set("/process/noNewPrivileges", false);
            },
            right,
        ),
        (
            "seccomp(0) filter",
            |g| {
                g.remove("/linux/seccomp");
            },
            right,
        ),
        (
            "nofile(",
            |g| {
                g.remove("/process/rlimits");
            },
            right,
        ),
        (
            "oom(78)",
            |g| {
                g.set("/process/oomScoreAdj", 78);
            },
            right,
        ),
    ];
    for (words, config, change) in cases {
        let last = last_words(Variation::Plain, config, change);
        assert!(
            last.starts_with("MISSING") && last.contains(words),
            "{words}: {last}"
        );
    }
    for variation in [Variation::Plain, Variation::Mapped] {
        assert_eq!(last_words(variation, same, right), "WHOLE");
    }
}

/// A runtime that does `script` before, instead of or after what the runtime under test does; `real` is that.
fn lies(command: &'static str, script: &str) -> Vec<Verdict> {
    let mut row = Row::new(command, Variation::Plain);
    let dir = row.c.runtime.root().parent().unwrap().to_owned();
    let path = dir.join("liar");
    let text = format!(
        "#!{} sh\nreal() {{ {} \"$@\"; }}\n{script}\nreal \"$@\"\n",
        integration::find_busybox().display(),
        row.c.runtime.binary().display()
    );
    // By another process: one that a test forks meanwhile would have it open for writing.
    let done = std::process::Command::new("sh")
        .args([
            "-c",
            "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"",
            "sh",
            &text,
        ])
        .arg(&path)
        .status();
    assert!(done.unwrap().success());
    row.c.runtime = Runtime::with_binary(path, &dir);
    let seen = row.case(None);
    seen.verdicts.into_iter().map(|it| it.0).collect()
}

/// Each verdict on the commands of a running container, from a runtime that deserves it.
#[test]
fn a_runtime_that_lies_is_found_out() {
    need_root!();
    if !is_ours() {
        return skip(
            "matrix::a_runtime_that_lies_is_found_out",
            "what is tried is the matrix",
        );
    }
    // The command is the third word, and what is called first is the unbroken one.
    let cases = [
        ("pause", Verdict::LIE, "[ $3 != pause ] || exit 0"),
        (
            "pause",
            Verdict::HARM,
            "[ $3 != pause ] || { real \"$@\"; echo no >&2; exit 1; }",
        ),
        ("resume", Verdict::LIE, "[ $3 != resume ] || exit 0"),
        ("resume", Verdict::STUCK, "[ $3 != resume ] || exit 0"),
        (
            "update",
            Verdict::LIE,
            "[ $3 != update ] || [ ! -e $0.again ] || exit 0; [ $3 != update ] || >$0.again",
        ),
        (
            "update",
            Verdict::LIE,
            "[ $3 != update ] || [ ! -e $0.again ] || { real \"$@\"; echo no >&2; exit 1; }; [ $3 != update ] || >$0.again",
        ),
        ("ps", Verdict::LIE, "[ $3 != ps ] || { echo [1]; exit 0; }"),
        ("ps-table", Verdict::LIE, "[ $3 != ps ] || exit 0"),
        (
            "events",
            Verdict::LIE,
            "[ $3 != events ] || [ ! -e $0.again ] || { echo {}; exit 0; }; [ $3 != events ] || >$0.again",
        ),
        ("exec", Verdict::LIE, "[ $3 != exec ] || exit 0"),
        (
            "exec",
            Verdict::ORPHAN,
            "[ $3 != exec ] || { for id; do case $id in rrt-*) break; esac; done; real --root $2 exec --detach $id sleep 1000; }",
        ),
        (
            "exec-detach",
            Verdict::LIE,
            "[ $3 != exec ] || { real \"$@\"; for file; do case $file in */exec.pid) echo 1 >$file; esac; done; exit 0; }",
        ),
        (
            "ps",
            Verdict::HARM,
            "[ $3 != ps ] || { real \"$@\"; real --root $2 kill $6 KILL; until real --root $2 state $6 | grep -q stopped; do :; done; exit 0; }",
        ),
        ("ps", Verdict::LEAK, "[ $3 != ps ] || { >$2/left; }"),
        ("ps", Verdict::MUTE, "[ $3 != ps ] || exit 1"),
    ];
    for (command, verdict, script) in cases {
        let found = lies(command, script);
        assert!(found.contains(&verdict), "{command}, {script}: {found:?}");
    }
}
