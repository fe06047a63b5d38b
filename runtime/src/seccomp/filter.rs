//! A compiled filter: what crosses the wire, and what the kernel gets.

use super::Flags;

/// `struct sock_filter` of linux/filter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Instruction {
    /// `BPF_*`
    pub code: u16,
    /// How many instructions a true comparison skips.
    pub jt: u8,
    /// How many a false one skips.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// A program for seccomp(2), with the flags to load it with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// With `NEW_LISTENER` if an action of the program is `SECCOMP_RET_USER_NOTIF`.
    pub flags: Flags,
    /// At most [`Filter::MAX`].
    pub program: Vec<Instruction>,
}

impl Filter {
    /// `BPF_MAXINSNS`: the kernel takes no more.
    pub const MAX: usize = 4096;

    /// For the wire: the flags, then the instructions as the kernel has them; all little-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.program.len() * 8);
        bytes.extend(self.flags.0.to_le_bytes());
        for one in &self.program {
            bytes.extend(one.code.to_le_bytes());
            bytes.extend([one.jt, one.jf]);
            bytes.extend(one.k.to_le_bytes());
        }
        bytes
    }

    /// Back from [`Filter::encode`]; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (flags, rest) = bytes.split_first_chunk::<4>()?;
        let (program, []) = rest.as_chunks::<8>() else {
            return None;
        };
        if program.is_empty() || program.len() > Self::MAX {
            return None;
        }
        Some(Self {
            flags: Flags(u32::from_le_bytes(*flags)),
            program: program
                .iter()
                .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| Instruction {
                    code: u16::from_le_bytes([c0, c1]),
                    jt,
                    jf,
                    k: u32::from_le_bytes([k0, k1, k2, k3]),
                })
                .collect(),
        })
    }
}
