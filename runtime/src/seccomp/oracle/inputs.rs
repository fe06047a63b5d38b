//! Calls to ask a filter about: those at the edges of its profile's rules.

use std::collections::BTreeSet;

use crate::seccomp::interpret::Data;
use crate::seccomp::{Arch, Condition, Profile};

/// Of `AUDIT_ARCH_PPC64LE`, of nothing, and next to ours.
const FOREIGN: [u32; 4] = [0xc000_0015, 0, 0xc000_003f, 0x4000_0002];

/// Numbers where the lines of x86_64, x32 and of signs are drawn.
const EDGES: [u32; 16] = [
    0,
    1,
    0x3fff_ffff,
    0x4000_0000,
    0x4000_0001,
    0x4000_03ff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xbfff_ffff,
    0xc000_0000,
    0xc000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x000f_0001,
    0x000f_0007,
];

/// A small generator of numbers (splitmix64): the same calls for the same profile and seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of them.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let length = u64::try_from(of.len()).ok().filter(|&length| length > 0)?;
        of.get(usize::try_from(self.draw() % length).unwrap_or(0))
            .copied()
    }
}

/// Calls at and beside each number of the profile on each architecture, and with arguments at and beside each value,
/// about `per_number` of them for a number whose rules have conditions.
pub fn inputs(profile: &Profile, seed: u64, per_number: usize, mut ask: impl FnMut(&Data)) {
    let mut random = Random(seed);
    let mut audits: BTreeSet<u32> = Arch::ALL.iter().map(|arch| arch.audit()).collect();
    audits.extend(FOREIGN);
    let mut plain: BTreeSet<u32> = EDGES.into();
    // Which rules' values matter at which number.
    let mut conditional: BTreeSet<(u32, u32)> = BTreeSet::new();
    for rule in &profile.rules {
        for syscall in &rule.syscalls {
            for arch in Arch::ALL {
                let entry = syscall
                    .multiplexed(arch)
                    .and_then(|(entry, _)| entry.number(arch));
                for number in syscall.number(arch).into_iter().chain(entry) {
                    for near in [number.wrapping_sub(1), number, number.wrapping_add(1)] {
                        plain.extend([near, near ^ 0x4000_0000, near ^ 0x8000_0000]);
                    }
                    if !rule.conditions.is_empty() || entry.is_some() {
                        conditional.insert((arch.audit(), number));
                    }
                }
            }
        }
    }
    for &arch in &audits {
        for &nr in &plain {
            ask(&Data {
                nr,
                arch,
                ip: random.draw(),
                args: std::array::from_fn(|_| random.draw()),
            });
        }
    }
    for (arch, nr) in conditional {
        arguments(profile, arch, nr, &mut random, per_number, &mut ask);
    }
}

/// Calls of one number, with the values of its rules.
fn arguments(
    profile: &Profile,
    arch: u32,
    nr: u32,
    random: &mut Random,
    count: usize,
    ask: &mut impl FnMut(&Data),
) {
    let mut values: [Vec<u64>; 6] = Default::default();
    let mut wholes: Vec<[u64; 6]> = Vec::new();
    for rule in &profile.rules {
        let mut here = None;
        for syscall in &rule.syscalls {
            for one in Arch::ALL.into_iter().filter(|one| one.audit() == arch) {
                if syscall.number(one) == Some(nr) {
                    here = here.or(Some(None));
                }
                if let Some((entry, call)) = syscall.multiplexed(one)
                    && entry.number(one) == Some(nr)
                {
                    let call = u64::from(call);
                    values[0].extend([call, call - 1, call + 1, call | 1 << 32, call | 1 << 31]);
                    here = Some(Some(call));
                }
            }
        }
        let Some(call) = here else { continue };
        // A call that the rule matches, so that each of its conditions decides in the ones beside it.
        let mut whole: [u64; 6] = std::array::from_fn(|_| random.draw());
        for condition in &rule.conditions {
            let index = usize::from(condition.index).min(5);
            let edges = edges(condition);
            whole[index] = edges
                .iter()
                .copied()
                .find(|&value| fits(condition, value))
                .unwrap_or(0);
            values[index].extend(edges);
        }
        if let Some(call) = call {
            whole[0] = call;
        }
        wholes.push(whole);
    }
    for whole in &wholes {
        ask(&Data {
            nr,
            arch,
            ip: 0,
            args: *whole,
        });
    }
    for _ in 0..count {
        let mut args = random.one(&wholes).unwrap_or_default();
        for (index, arg) in args.iter_mut().enumerate() {
            match random.draw() % 8 {
                0..=2 => {}
                3..=5 => *arg = random.one(&values[index]).unwrap_or(*arg),
                6 => *arg ^= 1 << (random.draw() % 64),
                _ => *arg = random.draw(),
            }
        }
        ask(&Data {
            nr,
            arch,
            ip: random.draw(),
            args,
        });
    }
}

/// Does a full 64-bit argument fit? Only to choose inputs by: a wrong answer here hides nothing.
fn fits(condition: &Condition, value: u64) -> bool {
    use crate::seccomp::Op;
    match condition.op {
        Op::Ne => value != condition.value,
        Op::Lt => value < condition.value,
        Op::Le => value <= condition.value,
        Op::Eq => value == condition.value,
        Op::Ge => value >= condition.value,
        Op::Gt => value > condition.value,
        Op::MaskedEq => value & condition.value == condition.value_two & condition.value,
    }
}

/// The values that a condition names, and those beside them.
fn edges(condition: &Condition) -> Vec<u64> {
    let Condition {
        value, value_two, ..
    } = *condition;
    let mut edges = Vec::new();
    for one in [
        value,
        value_two,
        value & value_two,
        !value | value_two,
        value_two | !value & value_two,
    ] {
        edges.extend([
            one,
            one.wrapping_sub(1),
            one.wrapping_add(1),
            one.rotate_left(32),
            one ^ 1 << 31,
            one ^ 1 << 32,
            one ^ 1 << 63,
            one & 0xffff_ffff,
            one & !0xffff_ffff,
            one.wrapping_add(1 << 32),
            one.wrapping_sub(1 << 32),
            !one,
        ]);
    }
    edges
}
