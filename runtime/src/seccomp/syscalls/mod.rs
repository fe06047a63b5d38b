//! The names of system calls, and their numbers on each architecture.
//!
//! `table` has a row for each name, made from the kernel's own tables by ci/syscall-table; `layout` is what becomes of the
//! rows in the program; `multiplexed` has what x86 does by socketcall(2) and ipc(2).

mod layout;
mod multiplexed;
mod table;
#[cfg(test)]
mod tests;

use super::Arch;
use layout::{COUNT, NO, NUMBERS, SLOTS, SLOTS_LEN, STARTS, TEXT};

/// Where the rows have ARM's private calls; the kernel has them at [`ARM_PRIVATE`].
const ARM_PRIVATE_ROW: u16 = 0xf000;
/// `__ARM_NR_BASE`
const ARM_PRIVATE: u32 = 0x0f_0000;
/// `__X32_SYSCALL_BIT`
const X32_BIT: u32 = 0x4000_0000;

/// A system call that is known by name on at least one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall(u16);

impl Syscall {
    /// By its name, as the kernel's tables and libseccomp have it; `None`: not in the table.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut slot = layout::first_slot(name.as_bytes());
        loop {
            let row = Self(*SLOTS.get(slot)?);
            if row.0 == NO {
                return None;
            }
            if row.name() == name {
                return Some(row);
            }
            slot = (slot + 1) % SLOTS_LEN;
        }
    }

    /// By its number on `arch`, with x32's bit. For tests and error texts: it looks through the whole table.
    pub fn from_number(arch: Arch, number: u32) -> Option<Self> {
        Self::all().find(|call| call.number(arch) == Some(number))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let row = usize::from(self.0);
        let (Some(&start), Some(&end)) = (STARTS.get(row), STARTS.get(row + 1)) else {
            return "";
        };
        TEXT.get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    /// Its number on `arch`, with x32's bit; `None`: that architecture does not have it.
    pub fn number(self, arch: Arch) -> Option<u32> {
        let number = *NUMBERS.get(arch as usize)?.get(usize::from(self.0))?;
        match (number, arch) {
            (NO, _) => None,
            (_, Arch::X32) => Some(X32_BIT | u32::from(number)),
            (ARM_PRIVATE_ROW.., _) => Some(ARM_PRIVATE + u32::from(number - ARM_PRIVATE_ROW)),
            _ => Some(u32::from(number)),
        }
    }

    /// The call that it goes through on `arch`, and that call's first argument for it: socketcall(2) and ipc(2) of x86. It may
    /// have a number of its own beside, as most do.
    pub fn multiplexed(self, arch: Arch) -> Option<(Self, u32)> {
        match arch {
            Arch::X86 => multiplexed::on_x86(self),
            _ => None,
        }
    }

    /// Its place in [`Syscall::all`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All of the table, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u16..).take(COUNT).map(Self)
    }
}
