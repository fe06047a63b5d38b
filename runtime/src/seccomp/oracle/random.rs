//! Random profiles: small, and full of rules that meet each other.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use crate::seccomp::{Action, Arch, Condition, Flags, Op, Profile, Rule, Syscall};

/// Names with something about them: multiplexed on x86, missing on some architectures, private to ARM, newest, number 0.
const SPECIAL: &[&str] = &[
    "socket",
    "connect",
    "accept",
    "accept4",
    "send",
    "recvmmsg",
    "sendmmsg",
    "setsockopt",
    "socketcall",
    "ipc",
    "semget",
    "semop",
    "semtimedop",
    "semctl",
    "msgctl",
    "shmat",
    "shmget",
    "arch_prctl",
    "modify_ldt",
    "set_tls",
    "breakpoint",
    "cacheflush",
    "riscv_flush_icache",
    "_llseek",
    "_newselect",
    "open",
    "stat",
    "fstatat64",
    "newfstatat",
    "ugetrlimit",
    "mmap2",
    "sigreturn",
    "rt_sigreturn",
    "waitpid",
    "read",
    "restart_syscall",
    "io_setup",
    "personality",
    "clone",
    "clone3",
    "faccessat2",
    "process_madvise",
    "epoll_pwait2",
    "mount_setattr",
    "futex_waitv",
    "getppid",
    "ioctl",
    "rt_sigaction",
    "execveat",
    "preadv2",
    "clock_gettime64",
    "futex_time64",
    "umount",
    "umount2",
    "sync_file_range2",
    "arm_fadvise64_64",
    "arm_sync_file_range",
    "fadvise64_64",
    "sendfile64",
];

/// How profiles are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One action for each name, the default aside: what matches is never in conflict.
    Agreeing,
    /// Any action anywhere.
    Any,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Allow),
        1 => Just(Action::KillProcess),
        1 => Just(Action::KillThread),
        1 => Just(Action::Trap),
        3 => prop_oneof![Just(1u16), Just(38), Just(0), 0u16..4095].prop_map(Action::Errno),
        1 => Just(Action::Notify),
        1 => prop_oneof![Just(1u16), any::<u16>()].prop_map(Action::Trace),
        1 => Just(Action::Log),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Eq),
        Just(Op::Ne),
        Just(Op::Lt),
        Just(Op::Le),
        Just(Op::Ge),
        Just(Op::Gt),
        Just(Op::MaskedEq),
    ]
}

/// Small, at the signs and carries of both halves, or anything.
fn value() -> impl Strategy<Value = u64> {
    let half = || {
        prop_oneof![
            3 => 0u64..4,
            1 => Just(0x7fff_ffffu64),
            1 => Just(0x8000_0000),
            1 => Just(0xffff_ffff),
            1 => 0u64..0x1_0000_0000,
        ]
    };
    prop_oneof![
        2 => half(),
        1 => half().prop_map(|half| half << 32),
        2 => (half(), half()).prop_map(|(high, low)| high << 32 | low),
        1 => any::<u64>(),
    ]
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let one = || (op(), value(), value());
    prop_oneof![
        2 => Just(0usize),
        3 => Just(1),
        2 => Just(2),
        1 => 3usize..=6,
    ]
    .prop_flat_map(move |count| {
        (
            subsequence((0u8..6).collect::<Vec<_>>(), count),
            vec(one(), count),
        )
    })
    .prop_map(|(indexes, rest)| {
        indexes
            .into_iter()
            .zip(rest)
            .map(|(index, (op, value, value_two))| Condition {
                index,
                op,
                value,
                value_two: if op == Op::MaskedEq { value_two } else { 0 },
            })
            .collect()
    })
}

fn syscall(known: fn(&str) -> bool) -> impl Strategy<Value = Syscall> {
    let all: Vec<Syscall> = Syscall::all().filter(|one| known(one.name())).collect();
    let special: Vec<Syscall> = SPECIAL
        .iter()
        .filter(|name| known(name))
        .filter_map(|name| Syscall::from_name(name))
        .collect();
    assert!(all.len() > 400 && special.len() > 40, "the table has names");
    prop_oneof![
        2 => proptest::sample::select(special),
        1 => proptest::sample::select(all),
    ]
}

/// Of names that are `known`.
pub fn profile(kind: Kind, known: fn(&str) -> bool) -> impl Strategy<Value = Profile> {
    let rule = (vec(any::<Index>(), 1..4), action(), conditions());
    // Few names, so that rules meet.
    let names = prop_oneof![3 => vec((syscall(known), action()), 1..6), 1 => vec((syscall(known), action()), 20..60)];
    (
        action(),
        subsequence(
            vec![
                Arch::X32,
                Arch::X86,
                Arch::Aarch64,
                Arch::Arm,
                Arch::Riscv64,
            ],
            0..=5,
        )
        .prop_shuffle(),
        names,
        vec(rule, 0..14),
        prop_oneof![4 => Just(false), 1 => Just(true)],
    )
        .prop_map(
            move |(default_action, mut architectures, names, rules, each)| {
                architectures.insert(0, Arch::NATIVE);
                let mut made: Vec<Rule> = Vec::new();
                if each {
                    made.extend(names.iter().map(|&(syscall, action)| Rule {
                        syscalls: vec![syscall],
                        action,
                        conditions: vec![],
                    }));
                }
                for (indexes, action, conditions) in rules {
                    let chosen: Vec<_> = indexes.iter().map(|index| *index.get(&names)).collect();
                    if kind == Kind::Any {
                        let syscalls = chosen.iter().map(|&(syscall, _)| syscall).collect();
                        made.push(Rule {
                            syscalls,
                            action,
                            conditions,
                        });
                        continue;
                    }
                    for (syscall, _) in chosen {
                        made.push(Rule {
                            syscalls: vec![syscall],
                            action: agreed(&names, syscall),
                            conditions: conditions.clone(),
                        });
                    }
                }
                if kind == Kind::Agreeing {
                    for rule in &mut made {
                        rule.action = agreed(&names, rule.syscalls[0]);
                    }
                }
                Profile {
                    default_action,
                    architectures,
                    flags: Flags::default(),
                    rules: made,
                    listener: None,
                }
            },
        )
}

/// The action of a name; calls that share a number on x86 share it.
fn agreed(names: &[(Syscall, Action)], syscall: Syscall) -> Action {
    let class = |one: Syscall| match one.multiplexed(Arch::X86) {
        Some((entry, _)) => entry,
        None => one,
    };
    names
        .iter()
        .find(|(one, _)| class(*one) == class(syscall))
        .map_or(Action::Allow, |&(_, action)| action)
}

/// For messages: the names, and what is there.
pub fn show(profile: &Profile) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "default {:?}, {:?}\n",
        profile.default_action, profile.architectures
    );
    for rule in &profile.rules {
        let names: Vec<&str> = rule.syscalls.iter().map(|syscall| syscall.name()).collect();
        let _ = write!(text, "  {} {:?}", names.join(","), rule.action);
        for one in &rule.conditions {
            let _ = match one.op {
                Op::MaskedEq => write!(
                    text,
                    " arg{} & {:#x} == {:#x}",
                    one.index, one.value, one.value_two
                ),
                op => write!(text, " arg{} {op:?} {:#x}", one.index, one.value),
            };
        }
        text.push('\n');
    }
    text
}
