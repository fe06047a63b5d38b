//! Device rules on v2: there is no device controller, but a program of the group is asked for each open and mknod.
//!
//! The program compares the request with one exception of the [`Policy`](super::devices::Policy) after the other, as the v1
//! controller does. A request is one kind, one pair of numbers and a set of rights. An exception that allows must have all of
//! them; one that denies need only touch them: who may not read may not open for reading and writing. (runc's program lets
//! the latter through.)

use super::devices::{Access, Device, Kind, MKNOD, READ, WRITE};
use crate::sys::bpf::Instruction;

const fn insn(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: dst | src << 4,
        offset,
        immediate,
    }
}

// BPF_LDX|BPF_MEM|BPF_W, BPF_ALU|op, BPF_JMP|op: linux/bpf_common.h.
const LOAD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const MOVE: u8 = 0xbc;
const SET: u8 = 0xb4;
const NOT_EQUAL: u8 = 0x55;
const NOT_EQUAL_REGISTER: u8 = 0x5d;
const EQUAL: u8 = 0x15;
const EXIT: u8 = 0x95;

/// Registers: the answer; the request (`struct bpf_cgroup_dev_ctx`), then scratch; its parts.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const SCRATCH: u8 = 1;
const KIND: u8 = 2;
const RIGHTS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The program for a default and its exceptions.
pub(super) fn program(
    allow: bool,
    exceptions: impl Iterator<Item = (Device, Access)>,
) -> Vec<Instruction> {
    let mut code = vec![
        insn(LOAD, KIND, CONTEXT, 0, 0),
        insn(MOVE, RIGHTS, KIND, 0, 0),
        insn(AND, KIND, 0, 0, 0xffff),
        insn(SHIFT_RIGHT, RIGHTS, 0, 0, 16),
        insn(LOAD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD, MINOR, CONTEXT, 8, 0),
    ];
    for (device, access) in exceptions {
        let numbers = [(MAJOR, device.major), (MINOR, device.minor)];
        let numbers = numbers.map(|(register, number)| (register, number.map(i32::try_from)));
        if numbers
            .iter()
            .any(|(_, number)| matches!(number, Some(Err(_))))
        {
            // The kernel has 12 bits for a major and 20 for a minor number: there is no such device.
            continue;
        }
        let kind = match device.block_first {
            Kind::Block => 1,
            Kind::Char => 2,
        };
        // The kernel's bits for rights.
        let rights = [(MKNOD, 1), (READ, 2), (WRITE, 4)]
            .into_iter()
            .filter(|(bit, _)| access & bit != 0)
            .fold(0, |all, (_, bit)| all | bit);
        // Each test jumps to the next exception: how far is known when all are there.
        let mut tests = vec![
            insn(NOT_EQUAL, KIND, 0, 0, kind),
            insn(MOVE, SCRATCH, RIGHTS, 0, 0),
            insn(AND, SCRATCH, 0, 0, rights),
            if allow {
                insn(EQUAL, SCRATCH, 0, 0, 0)
            } else {
                insn(NOT_EQUAL_REGISTER, SCRATCH, RIGHTS, 0, 0)
            },
        ];
        for (register, number) in numbers {
            if let Some(Ok(number)) = number {
                tests.push(insn(NOT_EQUAL, register, 0, 0, number));
            }
        }
        let end = tests.len() + 2;
        for (index, test) in tests.iter_mut().enumerate() {
            if matches!(test.code, NOT_EQUAL | NOT_EQUAL_REGISTER | EQUAL) {
                // At most 8.
                test.offset = i16::try_from(end - index - 1).unwrap_or_default();
            }
        }
        code.append(&mut tests);
        code.push(insn(SET, ANSWER, 0, 0, i32::from(!allow)));
        code.push(insn(EXIT, 0, 0, 0, 0));
    }
    code.push(insn(SET, ANSWER, 0, 0, i32::from(allow)));
    code.push(insn(EXIT, 0, 0, 0, 0));
    code
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        clippy::cast_lossless
    )]
    use super::*;
    use crate::cgroup::devices::Policy;
    use crate::plan::{DeviceKind, DeviceRule};
    use proptest::prelude::*;

    /// The few operations of [`program`], as the kernel's documentation has them.
    fn interpret(code: &[Instruction], context: [u32; 3]) -> u64 {
        let mut registers = [0u64; 11];
        let mut at = 0usize;
        loop {
            let one = code[at];
            let (dst, src) = (
                usize::from(one.registers & 15),
                usize::from(one.registers >> 4),
            );
            at += 1;
            let jump = |taken: bool| if taken { one.offset as usize } else { 0 };
            let constant = one.immediate as i64 as u64;
            match one.code {
                0x61 => registers[dst] = u64::from(context[one.offset as usize / 4]),
                0x54 => registers[dst] = u64::from(registers[dst] as u32 & one.immediate as u32),
                0x74 => registers[dst] = u64::from(registers[dst] as u32 >> one.immediate),
                0xbc => registers[dst] = u64::from(registers[src] as u32),
                0xb4 => registers[dst] = u64::from(one.immediate as u32),
                0x55 => at += jump(registers[dst] != constant),
                0x5d => at += jump(registers[dst] != registers[src]),
                0x15 => at += jump(registers[dst] == constant),
                0x95 => return registers[0],
                other => panic!("no such operation: {other:#x}"),
            }
        }
    }

    /// What the rules say of one right of one device, as runc and the v1 controller: denied; then the rules in order, an "a"
    /// being everything, and any other changing what was said of the very same numbers (a later wildcard takes nothing away
    /// from a narrower rule); then runc's defaults.
    fn rules_say(
        rules: &[DeviceRule],
        kind: DeviceKind,
        major: u32,
        minor: u32,
        right: u8,
    ) -> bool {
        let mut default = false;
        let mut said = std::collections::BTreeMap::new();
        for rule in rules {
            let Some(of) = rule.kind else {
                default = rule.allow;
                said.clear();
                continue;
            };
            if of == kind && [rule.read, rule.write, rule.mknod][usize::from(right)] {
                said.insert((rule.major, rule.minor), rule.allow);
            }
        }
        if right == 2 {
            said.insert((None, None), true);
        }
        if kind == DeviceKind::Char {
            for (major, minor) in [
                (1, Some(3)),
                (1, Some(5)),
                (1, Some(7)),
                (1, Some(8)),
                (1, Some(9)),
                (5, Some(0)),
                (5, Some(2)),
                (10, Some(200)),
                (136, None),
            ] {
                said.insert((Some(major), minor), true);
            }
        }
        let exception = said.iter().any(|(numbers, &allowed)| {
            allowed != default
                && numbers.0.is_none_or(|one| one == major)
                && numbers.1.is_none_or(|one| one == minor)
        });
        exception != default
    }

    fn a_rule() -> impl Strategy<Value = DeviceRule> {
        let kind = prop_oneof![
            1 => Just(None),
            5 => Just(Some(DeviceKind::Char)),
            5 => Just(Some(DeviceKind::Block)),
        ];
        let number = || prop_oneof![Just(None), (0u32..4).prop_map(Some), Just(Some(136))];
        (any::<bool>(), kind, number(), number(), 1u8..8).prop_map(
            |(allow, kind, major, minor, rights)| DeviceRule {
                allow,
                kind,
                major,
                minor,
                read: rights & 1 != 0,
                write: rights & 2 != 0,
                mknod: rights & 4 != 0,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_program_says_what_the_rules_say(rules in proptest::collection::vec(a_rule(), 0..5)) {
            // Those with a hole are refused.
            if let Ok(policy) = Policy::of(&rules) {
                let code = policy.program();
                for kind in [DeviceKind::Block, DeviceKind::Char] {
                    for (major, minor) in [0u32, 1, 2, 3, 136, 200].into_iter().flat_map(|a| [0u32, 1, 2, 3, 136].map(|b| (a, b))) {
                        for (right, bit) in [(0u8, 2u32), (1, 4), (2, 1)] {
                            let number = if kind == DeviceKind::Block { 1 } else { 2 };
                            let says = interpret(&code, [bit << 16 | number, major, minor]) == 1;
                            prop_assert_eq!(
                                says, rules_say(&rules, kind, major, minor, right),
                                "{:?} {}:{} right {}", kind, major, minor, right
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_denied_right_is_denied_beside_others() {
        let all = DeviceRule {
            allow: true,
            kind: None,
            major: None,
            minor: None,
            read: true,
            write: true,
            mknod: true,
        };
        let no_read = DeviceRule {
            allow: false,
            kind: Some(DeviceKind::Block),
            major: Some(8),
            minor: Some(0),
            write: false,
            mknod: false,
            ..all
        };
        let code = Policy::of(&[all, no_read]).unwrap().program();
        assert_eq!(interpret(&code, [2 << 16 | 1, 8, 0]), 0, "read");
        assert_eq!(interpret(&code, [6 << 16 | 1, 8, 0]), 0, "read and write");
        assert_eq!(interpret(&code, [4 << 16 | 1, 8, 0]), 1, "write");
        assert_eq!(interpret(&code, [6 << 16 | 1, 8, 1]), 1, "another");
    }
}
