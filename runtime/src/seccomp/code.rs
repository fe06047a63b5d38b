//! An assembler that writes backwards: whatever an instruction jumps to is already there, so each jump is known when
//! it is written, and one that is too far for its 8 bits gets a stepping stone.

use std::collections::BTreeMap;

use super::Instruction;

/// `BPF_*` of linux/bpf_common.h, as far as seccomp(2) allows them and we use them.
mod op {
    /// Load a word of `seccomp_data`.
    pub const LD: u16 = 0x20;
    pub const AND: u16 = 0x54;
    pub const JA: u16 = 0x05;
    pub const JEQ: u16 = 0x15;
    pub const JGT: u16 = 0x25;
    pub const JGE: u16 = 0x35;
    pub const RET: u16 = 0x06;
}

/// Comparisons of the accumulator with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// equal
    Eq,
    /// greater
    Gt,
    /// greater or equal
    Ge,
}

/// An instruction that is written, by its distance from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(usize);

/// Where a path through the program goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// It ends, with this `SECCOMP_RET_*`.
    Ret(u32),
    /// At an instruction that is written.
    At(Label),
}

/// The program so far; `K` names blocks that may be wanted again.
#[derive(Debug)]
pub struct Code<K> {
    backwards: Vec<Instruction>,
    /// The last written `RET` of each value.
    rets: Vec<(u32, Label)>,
    blocks: BTreeMap<K, Label>,
}

/// The farthest that a comparison jumps.
const FAR: usize = u8::MAX as usize;

impl<K: Ord> Code<K> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            backwards: Vec::with_capacity(512),
            rets: Vec::new(),
            blocks: BTreeMap::new(),
        }
    }

    /// The program, in its order.
    pub fn finish(mut self) -> Vec<Instruction> {
        self.backwards.reverse();
        self.backwards
    }

    /// `A = *(u32 *)(seccomp_data + offset)`, and on at `then`.
    pub fn load(&mut self, offset: u32, then: Target) -> Label {
        self.next(then);
        self.push(op::LD, 0, 0, offset)
    }

    /// `A &= mask`, and on at `then`.
    pub fn and(&mut self, mask: u32, then: Target) -> Label {
        self.next(then);
        self.push(op::AND, 0, 0, mask)
    }

    /// Compares the accumulator with `k`.
    pub fn branch(&mut self, test: Test, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let code = match test {
            Test::Eq => op::JEQ,
            Test::Gt => op::JGT,
            Test::Ge => op::JGE,
        };
        let (yes, no) = (self.label(yes), self.label(no));
        // A stone that is laid for the one moves the other away by one.
        let yes = self.near(yes, FAR - 1);
        let no = self.near(no, FAR);
        // Both are at most FAR.
        #[allow(clippy::cast_possible_truncation)]
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        Target::At(self.push(code, jt, jf, k))
    }

    /// The first instruction of `target`, written if need be.
    pub fn label(&mut self, target: Target) -> Label {
        match target {
            Target::At(label) => label,
            Target::Ret(value) => {
                let known = self.rets.iter().position(|(known, _)| *known == value);
                match known.map(|index| (index, self.rets[index].1)) {
                    // Not to the last yard: there may be another stone to lay.
                    Some((_, label)) if self.distance(label) < FAR - 2 => label,
                    Some((index, _)) => {
                        let label = self.push(op::RET, 0, 0, value);
                        self.rets[index].1 = label;
                        label
                    }
                    None => {
                        let label = self.push(op::RET, 0, 0, value);
                        self.rets.push((value, label));
                        label
                    }
                }
            }
        }
    }

    /// The block that `key` names, written by `write` the first time.
    pub fn block(&mut self, key: K, write: impl FnOnce(&mut Self) -> Target) -> Target {
        if let Some(label) = self.blocks.get(&key) {
            return Target::At(*label);
        }
        let target = write(self);
        if let Target::At(label) = target {
            self.blocks.insert(key, label);
        }
        target
    }

    /// Makes `target` what comes next.
    fn next(&mut self, target: Target) {
        let label = self.label(target);
        self.near(label, 0);
    }

    /// `label`, or a stepping stone to it, at most so far away.
    fn near(&mut self, label: Label, at_most: usize) -> Label {
        let distance = self.distance(label);
        if distance <= at_most {
            return label;
        }
        match self.backwards.get(label.0 - 1) {
            // As long as a jump to it, and quicker.
            Some(ret) if ret.code == op::RET => {
                let ret = *ret;
                self.push(ret.code, 0, 0, ret.k)
            }
            // Longer than 32 bits say, it is longer than the kernel takes.
            _ => self.push(op::JA, 0, 0, u32::try_from(distance).unwrap_or(u32::MAX)),
        }
    }

    /// How many instructions are between the next one to be written and this.
    fn distance(&self, to: Label) -> usize {
        self.backwards.len() - to.0
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.backwards.push(Instruction { code, jt, jf, k });
        Label(self.backwards.len())
    }
}
