//! What becomes of limits: the lists of changes, beside files as the kernel shows them. That the kernel takes them is for the
//! integration tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::plan::{Cpu, Memory, Resources};

/// A directory with these files.
struct Group(PathBuf);

impl Group {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("runc-rs-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn told(&self, changes: Result<Vec<Change>>) -> Vec<String> {
        let changes = changes.unwrap();
        let name = |change: &Change| change.path.strip_prefix(self.path()).unwrap()[1..].to_owned();
        (changes.iter())
            .map(|change| format!("{} {}", name(change), change.value))
            .collect()
    }

    fn v2(&self, resources: &Resources) -> Vec<String> {
        self.told(v2::changes(self.path(), resources))
    }

    fn v1(&self, resources: &Resources) -> Result<Vec<Change>> {
        let names = ["memory", "cpu", "cpuset", "pids", "blkio"];
        let map: BTreeMap<_, _> = names
            .map(|name| (name.to_owned(), self.path().to_owned()))
            .into();
        v1::changes(&CgroupPaths::from_map(map), resources)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn memory(limit: Option<i64>, swap: Option<i64>) -> Resources {
    Resources {
        memory: Memory {
            limit,
            swap,
            ..Memory::default()
        },
        ..Resources::default()
    }
}

fn time(quota: Option<i64>, period: Option<u64>) -> Resources {
    Resources {
        cpu: Cpu {
            quota,
            period,
            ..Cpu::default()
        },
        ..Resources::default()
    }
}

#[test]
fn of_quota_and_period_the_one_that_is_not_given_is_what_it_is() {
    let group = Group::new("period", &[("cpu.max", "20000 100000\n")]);
    assert_eq!(group.v2(&time(None, Some(50_000))), ["cpu.max 20000 50000"]);
    assert_eq!(group.v2(&time(Some(7_000), None)), ["cpu.max 7000 100000"]);
    assert_eq!(group.v2(&time(Some(-1), None)), ["cpu.max max 100000"]);
    let group = Group::new("nothing", &[("cpu.max", "max 100000\n")]);
    assert_eq!(group.v2(&time(None, Some(50_000))), ["cpu.max max 50000"]);
    assert!(group.v2(&Resources::default()).is_empty());
}

#[test]
fn memory_and_swap_together_keep_their_limit_on_v2() {
    let files = [("memory.max", "100\n"), ("memory.swap.max", "50\n")];
    let group = Group::new("both", &files);
    let set = |limit, swap| group.v2(&memory(limit, swap));
    assert_eq!(
        set(Some(120), None),
        ["memory.swap.max 30", "memory.max 120"]
    );
    assert_eq!(set(Some(60), None), ["memory.swap.max 90", "memory.max 60"]);
    assert_eq!(set(None, Some(180)), ["memory.swap.max 80"]);
    assert_eq!(set(None, Some(-1)), ["memory.swap.max max"]);
    assert_eq!(
        set(Some(200), Some(300)),
        ["memory.swap.max 100", "memory.max 200"]
    );
    assert_eq!(
        set(Some(-1), None),
        ["memory.swap.max max", "memory.max max"]
    );
    let error = v2::changes(group.path(), &memory(Some(151), None)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::AboveSwap {
                limit: 151,
                both: 150
            }
        ),
        "{error}"
    );
    let error = v2::changes(group.path(), &memory(None, Some(99))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("memory+swap limit should be >= memory limit")
    );
    // The caller knows better.
    let mut resources = memory(Some(151), None);
    resources.unified = vec![("memory.swap.max".to_owned(), "5".to_owned())];
    assert_eq!(
        group.v2(&resources),
        ["memory.max 151", "memory.swap.max 5"]
    );
}

#[test]
fn no_swap_and_any_swap_stay_what_they_are_on_v2() {
    for swap in ["0\n", "max\n"] {
        let group = Group::new(
            &format!("swap{}", swap.trim()),
            &[("memory.max", "100\n"), ("memory.swap.max", swap)],
        );
        assert_eq!(group.v2(&memory(Some(150), None)), ["memory.max 150"]);
    }
    let group = Group::new(
        "unlimited",
        &[("memory.max", "max\n"), ("memory.swap.max", "max\n")],
    );
    let error = v2::changes(group.path(), &memory(None, Some(5))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("unable to set swap limit without memory limit")
    );
    // No swap accounting: "none" and "any" are what there is.
    let group = Group::new("unaccounted", &[("memory.max", "100\n")]);
    assert_eq!(group.v2(&memory(Some(50), Some(50))), ["memory.max 50"]);
    assert_eq!(group.v2(&memory(Some(-1), None)), ["memory.max max"]);
    assert_eq!(
        group.v2(&memory(Some(50), Some(60))),
        ["memory.swap.max 10", "memory.max 50"],
        "refused by the kernel"
    );
}

#[test]
fn usage_is_looked_at_where_that_is_asked_for() {
    let group = Group::new(
        "usage",
        &[("memory.current", "100\n"), ("memory.max", "max\n")],
    );
    let mut resources = memory(Some(100), None);
    assert!(v2::changes(group.path(), &resources).is_ok());
    resources.memory.check_before_update = Some(true);
    let error = v2::changes(group.path(), &resources)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "rejecting memory limit 100 <= usage 100");
    resources.memory.limit = Some(101);
    assert!(v2::changes(group.path(), &resources).is_ok());
    resources.memory.swap = Some(100);
    let error = v2::changes(group.path(), &resources)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "rejecting memory+swap limit 100 <= usage 100");
}

#[test]
fn memory_above_both_is_said_as_it_is_on_v1() {
    let group = Group::new("v1", &[("memory.memsw.limit_in_bytes", "150\n")]);
    let error = group.v1(&memory(Some(151), None)).unwrap_err().to_string();
    assert!(
        error.contains("limited to 150: change --memory-swap, too"),
        "{error}"
    );
    for (resources, told) in [
        (memory(Some(150), None), vec!["memory.limit_in_bytes 150"]),
        (
            memory(Some(-1), None),
            vec!["memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1"],
        ),
        (
            memory(Some(200), Some(300)),
            vec![
                "memory.limit_in_bytes 200",
                "memory.memsw.limit_in_bytes 300",
            ],
        ),
    ] {
        assert_eq!(group.told(group.v1(&resources)), told);
    }
}

/// A file cannot refuse a value as the kernel does; a directory in its place can.
#[test]
fn what_was_changed_is_set_back() {
    let group = Group::new("back", &[("a", "1111"), ("b", "2222")]);
    let change = |name: &str, value: &str| Change {
        path: format!("{}/{name}", group.path()),
        value: value.to_owned(),
        needs: Needs::Controller("cpu"),
    };
    let read = |name: &str| std::fs::read_to_string(group.0.join(name)).unwrap();
    let mut done = Updated::default();
    let changes = vec![
        change("a", "3333"),
        change("b", "2222"),
        change("none", "4"),
    ];
    let error = carry_out(changes, &mut done).unwrap_err();
    assert!(matches!(error, Error::NoController { controller: "cpu" }));
    assert_eq!(read("a"), "3333");
    assert_eq!(done.0.len(), 1, "what is there already is not written");
    assert_eq!(done.set_back(), None);
    assert_eq!((read("a").as_str(), read("b").as_str()), ("1111", "2222"));
    // What cannot be is named.
    let mut done = Updated::default();
    carry_out(vec![change("a", "3333")], &mut done).unwrap();
    std::fs::remove_file(group.0.join("a")).unwrap();
    let error = done.undo(Error::NoMemory).to_string();
    assert!(
        error.starts_with(
            "memory controller missing; what was changed before could not be set back: "
        ),
        "{error}"
    );
    assert!(error.ends_with("/a is \"\""), "{error}");
}
