//! Corners of rlimits, ids, umask, oomScoreAdj and domainname.

use integration::{Config, Container, is_ours, need_root, skip, this_test};
use serde_json::{Value, json};

fn limits(list: Value, script: &str) -> Container {
    Container::new(|g| {
        g.set("/process/rlimits", list).sh(script);
    })
}

/// What a config with this `change` is refused with, at once.
fn refused(change: impl FnOnce(&mut Config), words: &str) {
    let c = Container::new(change);
    c.create().refused(words);
    c.nothing_left();
}

/// Every name of the kernel's, and its line in /proc/self/limits. The values are ones that nothing fails at.
const NAMES: [(&str, &str, u64); 16] = [
    ("RLIMIT_CPU", "Max cpu time", 1000),
    ("RLIMIT_FSIZE", "Max file size", 1 << 33),
    ("RLIMIT_DATA", "Max data size", 1 << 34),
    ("RLIMIT_STACK", "Max stack size", 1 << 22),
    ("RLIMIT_CORE", "Max core file size", 0),
    ("RLIMIT_RSS", "Max resident set", 1 << 35),
    ("RLIMIT_NPROC", "Max processes", 999),
    ("RLIMIT_NOFILE", "Max open files", 99),
    ("RLIMIT_MEMLOCK", "Max locked memory", 4096),
    ("RLIMIT_AS", "Max address space", 1 << 36),
    ("RLIMIT_LOCKS", "Max file locks", 77),
    ("RLIMIT_SIGPENDING", "Max pending signals", 66),
    ("RLIMIT_MSGQUEUE", "Max msgqueue size", 8192),
    ("RLIMIT_NICE", "Max nice priority", 0),
    ("RLIMIT_RTPRIO", "Max realtime priority", 0),
    ("RLIMIT_RTTIME", "Max realtime timeout", 123_456),
];

#[test]
fn every_limit_by_its_name() {
    need_root!();
    let list: Vec<Value> = NAMES
        .iter()
        .map(|(name, _, value)| json!({"type": name, "soft": value, "hard": value}))
        .collect();
    let out = limits(json!(list), "cat /proc/self/limits").run().ok();
    for (name, title, value) in NAMES {
        let line = out.stdout.lines().find(|line| line.starts_with(title));
        let values: Vec<&str> = line.unwrap()[title.len()..].split_whitespace().collect();
        let value = value.to_string();
        assert_eq!(values[..2], [&*value, &*value], "{name}");
    }
}

#[test]
fn fewer_open_files_than_init_needs() {
    need_root!();
    if !is_ours() {
        skip(&this_test(), "runc fails: \"too many open files\"");
        return;
    }
    for number in [0, 1, 3, 4, 10] {
        let list = json!([{"type": "RLIMIT_NOFILE", "soft": number, "hard": number}]);
        let out = limits(list, "ulimit -n; ulimit -Hn").run().ok();
        assert_eq!(out.text(), format!("{number}\n{number}"));
    }
    let list = json!([{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 500}]);
    let c = limits(list, "ulimit -n; ulimit -Hn");
    let out = c.create().ok();
    c.start().ok();
    c.wait();
    let said = std::fs::read_to_string(&out.stdout_path).unwrap();
    assert_eq!(said.trim(), "3\n500");
}

#[test]
fn limits_that_cannot_be() {
    need_root!();
    let list = json!([{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]);
    refused(
        |g| {
            g.set("/process/rlimits", list);
        },
        "wrong rlimit value: RLIMIT_NOSUCH",
    );
    let list = json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]);
    let words = match is_ours() {
        true => "process.rlimits[0]: the soft limit 2 is above the hard limit 1",
        false => "error setting rlimit type 4: invalid argument",
    };
    refused(
        |g| {
            g.set("/process/rlimits", list);
        },
        words,
    );
    if is_ours() {
        let list = json!([{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]);
        refused(
            |g| {
                g.set("/process/rlimits", list);
            },
            "process.rlimits[1].type: RLIMIT_CORE is given twice",
        );
    }
}

#[test]
fn a_limit_above_the_callers_names_itself_and_what_it_needs() {
    need_root!();
    // The caller has no right to raise, as far as it is in our hands: more open files than the kernel ever allows.
    let list = json!([{"type": "RLIMIT_NOFILE", "soft": 1_u64 << 40, "hard": 1_u64 << 40}]);
    let c = limits(list, "true");
    let out = c.create().refused("error setting rlimit type 7");
    if is_ours() {
        assert!(
            out.stderr.contains(
                "(RLIMIT_NOFILE, soft 1099511627776, hard 1099511627776): operation not permitted"
            ),
            "{out}"
        );
        assert!(
            out.stderr.contains("(raising the hard limit from "),
            "{out}"
        );
    }
    c.nothing_left();
}

#[test]
fn numbers_that_are_no_ids() {
    need_root!();
    let none = u32::MAX;
    for (field, value) in [
        ("uid", json!(none)),
        ("gid", json!(none)),
        ("additionalGids", json!([1, none])),
    ] {
        let words = match is_ours() {
            true => "4294967295 is not an id",
            false => "unable to setup user",
        };
        refused(
            |g| {
                g.set(&format!("/process/user/{field}"), value);
            },
            words,
        );
    }
}

#[test]
fn many_groups() {
    need_root!();
    for count in [1000_u32, 65536] {
        let groups: Vec<u32> = (1..=count).collect();
        let c = Container::new(|g| {
            g.set("/process/user/additionalGids", json!(groups))
                .sh("grep ^Groups: /proc/self/status | wc -w");
        });
        assert_eq!(c.run().ok().text(), (count + 1).to_string());
    }
    let groups: Vec<u32> = (1..=65537).collect();
    let words = match is_ours() {
        true => "process.user.additionalGids: 65537 groups, the kernel takes at most 65536",
        false => "setgroups: invalid argument",
    };
    refused(
        |g| {
            g.set("/process/user/additionalGids", json!(groups));
        },
        words,
    );
}

#[test]
fn what_the_kernel_would_cut_off_is_refused() {
    need_root!();
    if !is_ours() {
        skip(
            &this_test(),
            "runc 1.1 cuts a umask off, and does not know domainname",
        );
        return;
    }
    refused(
        |g| {
            g.set("/process/user/umask", 0o1000);
        },
        "process.user.umask: 512 is larger than 511 (0777)",
    );
    refused(
        |g| {
            g.set("/process/oomScoreAdj", 1001);
        },
        "process.oomScoreAdj: 1001 is not in -1000..1000",
    );
    refused(
        |g| {
            g.set("/process/oomScoreAdj", -1001);
        },
        "process.oomScoreAdj: -1001 is not in -1000..1000",
    );
    refused(
        |g| {
            g.set("/domainname", "x".repeat(65));
        },
        "domainname: 65 bytes, the kernel takes at most 64",
    );
    let c = Container::new(|g| {
        g.set("/domainname", "x".repeat(64))
            .args(&["cat", "/proc/sys/kernel/domainname"]);
    });
    assert_eq!(c.run().ok().text(), "x".repeat(64));
    refused(
        |g| {
            g.set("/domainname", "x")
                .set("/hostname", "")
                .without_namespace("uts");
        },
        "unable to set domainname without a private UTS namespace",
    );
}
