//! The names of system calls, and their numbers on each architecture.

use super::Arch;

/// A system call that is known by name on at least one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall(u16);

impl Syscall {
    /// By its name; `None`: not in the table.
    pub fn from_name(_name: &str) -> Option<Self> {
        None
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        ""
    }

    /// Its number on `arch`, with x32's bit; `None`: that architecture does not have it.
    pub fn number(self, _arch: Arch) -> Option<u32> {
        None
    }

    /// The call that it goes through on `arch`, and that call's first argument for it.
    pub fn multiplexed(self, _arch: Arch) -> Option<(Self, u32)> {
        None
    }

    /// All of the table, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..0).map(Self)
    }
}
