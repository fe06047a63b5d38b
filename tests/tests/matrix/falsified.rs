//! What exec's program does not have is missed: the look from inside is no formality.

use std::path::PathBuf;

use integration::{Config, Container, cgroup_dirs, is_ours, need_root, skip};

use super::bundle::{Variation, bundle, clear_log};
use super::running::{args, prepare};

/// What its program says last; `change` makes other arguments of those that are right.
fn last_words(variation: Variation, config: fn(&mut Config), change: Change) -> String {
    let c = bundle(variation, "").with_config(|g| {
        super::running::config(g, "exec");
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
