//! A classic BPF machine with the instructions that seccomp(2) allows: for tests and fuzzing, never for a container.
//!
//! It accepts what the kernel accepts (`bpf_check_classic` and then `seccomp_check_filter`) and refuses what it refuses:
//! a test asks the kernel about random programs. Written without a look at the compiler.

use super::Instruction;

/// `struct seccomp_data` of linux/seccomp.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Data {
    /// The system call's number.
    pub nr: u32,
    /// `AUDIT_ARCH_*`
    pub arch: u32,
    /// Where the call was made.
    pub ip: u64,
    /// The arguments.
    pub args: [u64; 6],
}

/// `sizeof(struct seccomp_data)`
const DATA: u32 = 64;
/// `BPF_MEMWORDS`
const WORDS: usize = 16;
/// `BPF_MAXINSNS`
const LONGEST: usize = 4096;

impl Data {
    /// The word at a multiple of 4 below 64, as a little-endian machine has it.
    fn word(&self, offset: u32) -> u32 {
        let half = |value: u64, high: bool| {
            let bytes = value.to_le_bytes();
            let at = if high { 4 } else { 0 };
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let high = offset & 4 != 0;
        match offset {
            0 => self.nr,
            4 => self.arch,
            8 | 12 => half(self.ip, high),
            _ => {
                let index = (offset as usize).saturating_sub(16) / 8;
                half(self.args.get(index).copied().unwrap_or(0), high)
            }
        }
    }
}

/// Why the kernel would not take a program (EINVAL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// None, or more than `BPF_MAXINSNS`.
    #[error("{0} instructions")]
    Length(usize),
    /// Not an instruction, or none that a filter may use.
    #[error("instruction {at}: no such operation {code:#06x}")]
    Operation {
        /// Counted from 0.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// The operand is not one that the operation takes.
    #[error("instruction {at}: operand {k:#x}")]
    Operand {
        /// Counted from 0.
        at: usize,
        /// `k`
        k: u32,
    },
    /// A jump behind the end.
    #[error("instruction {at}: jumps out of the program")]
    Jump {
        /// Counted from 0.
        at: usize,
    },
    /// A word of the scratch memory that is not written on each way there.
    #[error("instruction {at}: reads memory that is not written")]
    Memory {
        /// Counted from 0.
        at: usize,
    },
    /// The last one is no return.
    #[error("does not end with a return")]
    End,
}

// linux/bpf_common.h
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const MISC: u16 = 0x07;

const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;

/// The second operand is X.
const X: u16 = 0x08;
/// A return of A.
const A: u16 = 0x10;

const LD_IMM: u16 = LD | IMM;
const LD_ABS: u16 = LD | ABS;
const LD_MEM: u16 = LD | MEM;
const LD_LEN: u16 = LD | LEN;
const LDX_IMM: u16 = LDX | IMM;
const LDX_MEM: u16 = LDX | MEM;
const LDX_LEN: u16 = LDX | LEN;
const NEG: u16 = ALU | 0x80;
const JA: u16 = JMP;
const RET_K: u16 = RET;
const RET_A: u16 = RET | A;
const TAX: u16 = MISC;
const TXA: u16 = MISC | 0x80;

/// Two operands to one.
#[derive(Clone, Copy)]
enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Xor,
}

impl Alu {
    /// `None`: no two-operand operation, or `BPF_MOD`, which sockets have and seccomp has not.
    fn of(code: u16) -> Option<Self> {
        if code & 0x07 != ALU || code & 0xff00 != 0 {
            return None;
        }
        Some(match code & 0xf0 {
            0x00 => Alu::Add,
            0x10 => Alu::Sub,
            0x20 => Alu::Mul,
            0x30 => Alu::Div,
            0x40 => Alu::Or,
            0x50 => Alu::And,
            0x60 => Alu::Lsh,
            0x70 => Alu::Rsh,
            0xa0 => Alu::Xor,
            _ => return None,
        })
    }

    /// `None`: a division by X = 0, which ends the program with 0.
    fn apply(self, a: u32, b: u32) -> Option<u32> {
        Some(match self {
            Alu::Add => a.wrapping_add(b),
            Alu::Sub => a.wrapping_sub(b),
            Alu::Mul => a.wrapping_mul(b),
            Alu::Div => a.checked_div(b)?,
            Alu::Or => a | b,
            Alu::And => a & b,
            Alu::Lsh => a.wrapping_shl(b),
            Alu::Rsh => a.wrapping_shr(b),
            Alu::Xor => a ^ b,
        })
    }
}

/// Does the conditional jump `code` compare true? `None`: not one.
fn compares(code: u16, a: u32, b: u32) -> Option<bool> {
    if code & 0x07 != JMP || code & 0xff00 != 0 {
        return None;
    }
    Some(match code & 0xf0 {
        0x10 => a == b,
        0x20 => a > b,
        0x30 => a >= b,
        0x40 => a & b != 0,
        _ => return None,
    })
}

/// A program that the kernel would take.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a>(&'a [Instruction]);

impl<'a> Program<'a> {
    /// Checks as the kernel does when a filter is installed.
    pub fn new(code: &'a [Instruction]) -> Result<Self, Invalid> {
        if code.is_empty() || code.len() > LONGEST {
            return Err(Invalid::Length(code.len()));
        }
        for (at, &one) in code.iter().enumerate() {
            check(at, one, code.len())?;
        }
        if !matches!(code.last(), Some(last) if last.code == RET_K || last.code == RET_A) {
            return Err(Invalid::End);
        }
        check_memory(code)?;
        Ok(Self(code))
    }

    /// What it returns for this call, and how many instructions that takes.
    pub fn run(self, data: &Data) -> (u32, usize) {
        let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; WORDS]);
        let (mut at, mut steps) = (0usize, 0usize);
        // Every jump goes forward and stays inside, and the last instruction returns: this ends.
        while let Some(&Instruction { code, jt, jf, k }) = self.0.get(at) {
            at += 1;
            steps += 1;
            let word = (k as usize).min(WORDS - 1);
            match code {
                LD_IMM => a = k,
                LD_ABS => a = data.word(k),
                LD_MEM => a = memory[word],
                LD_LEN => a = DATA,
                LDX_IMM => x = k,
                LDX_MEM => x = memory[word],
                LDX_LEN => x = DATA,
                ST => memory[word] = a,
                STX => memory[word] = x,
                TAX => x = a,
                TXA => a = x,
                NEG => a = a.wrapping_neg(),
                JA => at += k as usize,
                RET_K => return (k, steps),
                RET_A => return (a, steps),
                _ => {
                    let b = if code & X != 0 { x } else { k };
                    if let Some(yes) = compares(code, a, b) {
                        at += usize::from(if yes { jt } else { jf });
                    } else if let Some(operation) = Alu::of(code) {
                        match operation.apply(a, b) {
                            Some(value) => a = value,
                            None => return (0, steps),
                        }
                    }
                }
            }
        }
        unreachable!("a checked program ends with a return")
    }
}

fn check(at: usize, one: Instruction, length: usize) -> Result<(), Invalid> {
    let Instruction { code, jt, jf, k } = one;
    let operand = |good: bool| {
        if good {
            Ok(())
        } else {
            Err(Invalid::Operand { at, k })
        }
    };
    let target = |skip: usize| {
        if at.saturating_add(1).saturating_add(skip) < length {
            Ok(())
        } else {
            Err(Invalid::Jump { at })
        }
    };
    match code {
        LD_IMM | LDX_IMM | LD_LEN | LDX_LEN | TAX | TXA | NEG | RET_K | RET_A => Ok(()),
        LD_ABS => operand(k < DATA && k % 4 == 0),
        LD_MEM | LDX_MEM | ST | STX => operand((k as usize) < WORDS),
        JA => target(k as usize),
        _ if compares(code, 0, 0).is_some() => {
            target(usize::from(jt))?;
            target(usize::from(jf))
        }
        _ => match Alu::of(code) {
            None => Err(Invalid::Operation { at, code }),
            Some(Alu::Div) if code & X == 0 => operand(k != 0),
            Some(Alu::Lsh | Alu::Rsh) if code & X == 0 => operand(k < 32),
            Some(_) => Ok(()),
        },
    }
}

/// No word of the scratch memory is read before it is written, whichever way the program takes: `check_load_and_stores`.
fn check_memory(code: &[Instruction]) -> Result<(), Invalid> {
    // What is written on all ways to each instruction; jumps only go forward, so one pass will do.
    let mut written = vec![u16::MAX; code.len()];
    let mut now = 0u16;
    for (at, &Instruction { code, jt, jf, k }) in code.iter().enumerate() {
        now &= written[at];
        let mut reach = |skip: usize, now: u16| {
            if let Some(mask) = written.get_mut(at.saturating_add(1).saturating_add(skip)) {
                *mask &= now;
            }
        };
        match code {
            ST | STX => now |= 1 << k,
            LD_MEM | LDX_MEM if now & (1 << k) == 0 => return Err(Invalid::Memory { at }),
            JA => {
                reach(k as usize, now);
                now = u16::MAX;
            }
            _ if compares(code, 0, 0).is_some() => {
                reach(usize::from(jt), now);
                reach(usize::from(jf), now);
                now = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
