//! `linux.seccomp`.

use serde_json::{Value, json};

use super::{at, refused};
use crate::seccomp::{Action, Arch, Condition, Flags, Listener, Op, Profile, Syscall};

#[track_caller]
fn profile(section: Value) -> Profile {
    at("/linux/seccomp", section).unwrap().seccomp.unwrap()
}

#[track_caller]
fn no(section: Value, words: &str) {
    refused(at("/linux/seccomp", section), words);
}

/// A section that allows everything but what `entry` says.
fn but(entry: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [entry]})
}

fn calls(names: &[&str]) -> Vec<Syscall> {
    let all = names.iter().map(|name| Syscall::from_name(name).unwrap());
    all.collect()
}

#[test]
fn a_section_that_says_nothing_is_none() {
    for nothing in [
        Value::Null,
        json!({}),
        json!({"syscalls": []}),
        json!({"defaultAction": "", "architectures": ["SCMP_ARCH_X86"], "flags": ["what"]}),
    ] {
        assert_eq!(at("/linux/seccomp", nothing).unwrap().seccomp, None);
    }
}

#[test]
fn actions_and_their_numbers() {
    for (name, errno, action) in [
        ("KILL", None, Action::KillThread),
        ("KILL_THREAD", None, Action::KillThread),
        ("KILL_PROCESS", None, Action::KillProcess),
        ("TRAP", None, Action::Trap),
        ("ERRNO", None, Action::Errno(1)),
        ("ERRNO", Some(0), Action::Errno(0)),
        ("ERRNO", Some(4095), Action::Errno(4095)),
        ("TRACE", None, Action::Trace(1)),
        ("TRACE", Some(7), Action::Trace(7)),
        ("LOG", None, Action::Log),
        // runc does not look at a number that the action has no use for.
        ("LOG", Some(9), Action::Log),
        ("KILL", Some(70000), Action::KillThread),
    ] {
        let name = format!("SCMP_ACT_{name}");
        let rule = profile(but(
            json!({"names": ["mkdir"], "action": name, "errnoRet": errno}),
        ));
        assert_eq!(rule.rules[0].action, action, "{name}");
        let default = profile(json!({"defaultAction": name, "defaultErrnoRet": errno}));
        assert_eq!(default.default_action, action, "{name}");
    }
    no(
        json!({"defaultAction": "SCMP_ACT_NO"}),
        "string SCMP_ACT_NO is not a valid action for seccomp",
    );
    no(
        json!({"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_LOG"}]}),
        "string  is not a valid action for seccomp",
    );
    no(
        but(json!({"names": ["mkdir"]})),
        "string  is not a valid action for seccomp",
    );
    no(
        but(json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096})),
        "linux.seccomp.syscalls[0].errnoRet: 4096 is larger than 4095",
    );
    no(
        json!({"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65536}),
        "linux.seccomp.defaultErrnoRet: 65536 is larger than 65535",
    );
}

#[test]
fn names() {
    let found = profile(but(
        json!({"names": ["mkdir", "no_such_call", "getppid"], "action": "SCMP_ACT_LOG"}),
    ));
    assert_eq!(found.rules.len(), 1);
    assert_eq!(found.rules[0].syscalls, calls(&["mkdir", "getppid"]));
    for nothing in [
        json!({"action": "SCMP_ACT_LOG"}),
        json!({"names": [], "action": "SCMP_ACT_LOG"}),
        json!({"names": ["no_such_call"], "action": "SCMP_ACT_LOG"}),
        // The default action anyway.
        json!({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW"}),
    ] {
        assert_eq!(profile(but(nothing)).rules, []);
    }
    for (names, words) in [
        (json!([""]), "empty string is not a valid syscall"),
        (json!([5]), "expected a string"),
        (json!("mkdir"), "expected a list"),
    ] {
        let error = at(
            "/linux/seccomp",
            but(json!({"names": names, "action": "SCMP_ACT_LOG"})),
        );
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("config.json: linux.seccomp.syscalls[0].names"),
            "{error}"
        );
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn conditions() {
    let arg = |index: u64, op: &str| json!({"index": index, "value": 1_u64 << 40, "valueTwo": 5, "op": format!("SCMP_CMP_{op}")});
    let condition = |index, op| Condition {
        index,
        op,
        value: 1 << 40,
        value_two: 5,
    };
    for (name, op) in [
        ("NE", Op::Ne),
        ("LT", Op::Lt),
        ("LE", Op::Le),
        ("EQ", Op::Eq),
        ("GE", Op::Ge),
        ("GT", Op::Gt),
        ("MASKED_EQ", Op::MaskedEq),
    ] {
        let found = profile(but(
            json!({"names": ["mkdir"], "action": "SCMP_ACT_LOG", "args": [arg(3, name)]}),
        ));
        assert_eq!(found.rules[0].conditions, [condition(3, op)]);
    }
    // Of different arguments: all of them. Of the same one: one rule each, as runc has it, and a warning.
    let both = profile(but(
        json!({"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_LOG", "args": [arg(0, "EQ"), arg(5, "GT")]}),
    ));
    assert_eq!(both.rules.len(), 1);
    assert_eq!(
        both.rules[0].conditions,
        [condition(0, Op::Eq), condition(5, Op::Gt)]
    );
    let plan = at(
        "/linux/seccomp",
        but(
            json!({"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_LOG", "args": [arg(1, "GE"), arg(2, "EQ"), arg(1, "LE")]}),
        ),
    )
    .unwrap();
    let rules = plan.seccomp.unwrap().rules;
    let each: Vec<_> = rules.iter().map(|rule| rule.conditions.clone()).collect();
    assert_eq!(
        each,
        [
            [condition(1, Op::Ge)],
            [condition(2, Op::Eq)],
            [condition(1, Op::Le)]
        ]
    );
    assert!(
        rules
            .iter()
            .all(|rule| rule.syscalls == calls(&["mkdir", "rmdir"]))
    );
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    no(
        but(json!({"names": ["mkdir"], "action": "SCMP_ACT_LOG", "args": [arg(6, "EQ")]})),
        "linux.seccomp.syscalls[0].args[0].index: syscalls only have up to 6 arguments (6 given)",
    );
    no(
        but(json!({"names": ["mkdir"], "action": "SCMP_ACT_LOG", "args": [arg(0, "IS")]})),
        "string SCMP_CMP_IS is not a valid operator for seccomp",
    );
}

#[test]
fn flags_and_architectures() {
    let flags = |flags: Value| {
        profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": flags}))
            .flags
            .0
    };
    assert_eq!(flags(Value::Null), Flags::SPEC_ALLOW);
    assert_eq!(flags(json!([])), 0);
    assert_eq!(
        flags(json!([
            "SECCOMP_FILTER_FLAG_TSYNC",
            "SECCOMP_FILTER_FLAG_LOG"
        ])),
        Flags::LOG
    );
    no(
        json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NO"]}),
        "seccomp flag SECCOMP_FILTER_FLAG_NO is not known to runc",
    );
    no(
        json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}),
        "linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY",
    );
    let archs = |list: Value| {
        profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": list})).architectures
    };
    assert_eq!(archs(Value::Null), [Arch::NATIVE]);
    let foreign = Arch::ALL
        .into_iter()
        .find(|it| *it != Arch::NATIVE)
        .unwrap();
    assert_eq!(
        archs(json!([
            "SCMP_ARCH_S390X",
            foreign.oci_name(),
            Arch::NATIVE.oci_name(),
            foreign.oci_name()
        ])),
        [Arch::NATIVE, foreign]
    );
    no(
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NO"]}),
        "string SCMP_ARCH_NO is not a valid arch for seccomp",
    );
}

#[test]
fn notify_needs_a_listener() {
    let notify = json!({"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"});
    let mut section = but(notify.clone());
    no(section.clone(), "listenerPath is not set");
    section["listenerPath"] = json!("/run/agent.sock");
    section["listenerMetadata"] = json!("m");
    section["flags"] = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    let found = profile(section.clone());
    assert_eq!(found.flags.0, Flags::WAIT_KILLABLE_RECV);
    assert_eq!(
        found.listener,
        Some(Listener {
            path: "/run/agent.sock".to_owned(),
            metadata: "m".to_owned()
        })
    );
    section["syscalls"][0]["names"] = json!(["read", "write"]);
    no(
        section.clone(),
        "SCMP_ACT_NOTIFY cannot be used for the write syscall",
    );
    section["defaultAction"] = json!("SCMP_ACT_NOTIFY");
    no(section, "SCMP_ACT_NOTIFY cannot be used as default action");
    // A listener that is asked nothing is not looked for.
    let unused = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nobody"});
    assert_eq!(profile(unused).listener, None);
}

/// `features` prints the lists; the parser has its own words.
#[test]
fn the_lists_for_features_and_the_parser_agree() {
    use crate::spec::seccomp::{ACTIONS, FLAGS, OPERATORS};
    let with = |action: &str, op: &str, flag: &str| {
        let mut section = but(json!({"names": ["getpgid"], "action": action,
            "args": [{"index": 0, "value": 1, "op": op}]}));
        section["flags"] = json!([flag]);
        section["listenerPath"] = json!("/x");
        at("/linux/seccomp", section).is_ok()
    };
    let (op, flag) = ("SCMP_CMP_EQ", "SECCOMP_FILTER_FLAG_LOG");
    let bare = |name: &'static str| {
        ["SCMP_ACT_", "SCMP_CMP_", "SECCOMP_FILTER_FLAG_"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .unwrap()
    };
    let words = crate::testing::words(include_str!("../seccomp.rs"));
    let listed = [ACTIONS, OPERATORS, FLAGS]
        .into_iter()
        .flat_map(|l| l.split(' '));
    let mut taken = [0; 3];
    for word in words.chain(listed.map(bare)) {
        for (at, (list, prefix)) in [
            (ACTIONS, "SCMP_ACT_"),
            (OPERATORS, "SCMP_CMP_"),
            (FLAGS, "SECCOMP_FILTER_FLAG_"),
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("{prefix}{word}");
            let takes = match at {
                0 => with(&name, op, flag),
                1 => with("SCMP_ACT_NOTIFY", &name, flag),
                _ => with("SCMP_ACT_NOTIFY", op, &name),
            };
            assert_eq!(list.split(' ').any(|it| it == name), takes, "{name}");
            taken[at] += usize::from(takes);
        }
    }
    assert!(taken[0] >= 9 && taken[1] >= 7 && taken[2] >= 4, "{taken:?}");
}
