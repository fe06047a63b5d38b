//! Bytes from a fuzzer become a profile: any bytes do, and few bytes make a small one.

use crate::seccomp::{Action, Arch, Condition, Flags, Op, Profile, Rule, Syscall};

/// Reads what is there, and zeros behind the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn value(&mut self) -> u64 {
        let half = |bytes: &mut Self| u64::from(bytes.word()) | u64::from(bytes.word()) << 16;
        match self.byte() % 6 {
            0 => u64::from(self.byte()),
            1 => u64::from(self.byte()) << 32,
            2 => u64::from(self.byte()).wrapping_neg(),
            3 => 1 << (self.byte() % 64),
            4 => half(self),
            _ => half(self) | half(self) << 32,
        }
    }

    fn action(&mut self) -> Action {
        match self.byte() % 10 {
            0 | 8 | 9 => Action::Allow,
            1 => Action::KillProcess,
            2 => Action::KillThread,
            3 => Action::Trap,
            // The kernel's largest is 4095.
            4 => Action::Errno(self.word() % 4096),
            5 => Action::Notify,
            6 => Action::Trace(self.word()),
            _ => Action::Log,
        }
    }

    fn condition(&mut self, index: u8) -> Condition {
        let op = match self.byte() % 7 {
            0 => Op::Eq,
            1 => Op::Ne,
            2 => Op::Lt,
            3 => Op::Le,
            4 => Op::Ge,
            5 => Op::Gt,
            _ => Op::MaskedEq,
        };
        Condition {
            index,
            op,
            value: self.value(),
            value_two: if op == Op::MaskedEq { self.value() } else { 0 },
        }
    }
}

/// The profile, and a seed for the calls to ask about.
pub fn profile(data: &[u8]) -> (Profile, u64) {
    let mut bytes = Bytes(data);
    let seed = u64::from(bytes.word());
    let default_action = bytes.action();
    let listed = bytes.byte();
    let mut architectures = vec![Arch::NATIVE];
    for (bit, arch) in Arch::ALL.into_iter().enumerate() {
        if listed & (1 << bit) != 0 && !architectures.contains(&arch) {
            architectures.push(arch);
        }
    }
    if listed & 0x80 != 0 {
        architectures[1..].reverse();
    }
    let all: Vec<Syscall> = Syscall::all().collect();
    let pick = |at: u16| all[usize::from(at) % all.len()];
    // Few names, so that rules meet; and at times one of all.
    let names: [Syscall; 4] = std::array::from_fn(|_| pick(bytes.word()));
    let mut rules = Vec::new();
    while !bytes.0.is_empty() && rules.len() < 24 {
        let head = bytes.byte();
        let mut syscalls: Vec<Syscall> = (0..4)
            .filter(|bit| head & (1 << bit) != 0)
            .map(|bit| names[bit])
            .collect();
        if syscalls.is_empty() {
            syscalls.push(pick(bytes.word()));
        }
        let action = bytes.action();
        let arguments = if head & 0x30 == 0 {
            0
        } else {
            bytes.byte() & 0x3f
        };
        let conditions = (0..6)
            .filter(|index| arguments & (1 << index) != 0)
            .map(|index| bytes.condition(index))
            .collect();
        rules.push(Rule {
            syscalls,
            action,
            conditions,
        });
    }
    let profile = Profile {
        default_action,
        architectures,
        flags: Flags::default(),
        rules,
        listener: None,
    };
    (profile, seed)
}
