//! The architectures that filters are made for.

/// An ABI of system calls, as `linux.seccomp.architectures` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// `SCMP_ARCH_X86_64`
    X86_64,
    /// `SCMP_ARCH_X86`
    X86,
    /// `SCMP_ARCH_X32`: the audit value of x86_64, and bit 30 in each system call's number.
    X32,
    /// `SCMP_ARCH_AARCH64`
    Aarch64,
    /// `SCMP_ARCH_ARM`
    Arm,
    /// `SCMP_ARCH_RISCV64`
    Riscv64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 6] = [
        Arch::X86_64,
        Arch::X86,
        Arch::X32,
        Arch::Aarch64,
        Arch::Arm,
        Arch::Riscv64,
    ];

    /// The one that this program is built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Arch = Arch::X86_64;
    /// The one that this program is built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Arch = Arch::Aarch64;
    /// The one that this program is built for.
    #[cfg(target_arch = "riscv64")]
    pub const NATIVE: Arch = Arch::Riscv64;

    /// `AUDIT_ARCH_*` of linux/audit.h: what the kernel puts into `seccomp_data.arch`.
    pub const fn audit(self) -> u32 {
        match self {
            Arch::X86_64 | Arch::X32 => 0xc000_003e,
            Arch::X86 => 0x4000_0003,
            Arch::Aarch64 => 0xc000_00b7,
            Arch::Arm => 0x4000_0028,
            Arch::Riscv64 => 0xc000_00f3,
        }
    }

    /// Are all 64 bits of an argument compared? x32 has registers of that width, but its arguments are ints and pointers
    /// of 32 bits, and libseccomp compares those.
    pub const fn is_64bit(self) -> bool {
        !matches!(self, Arch::X86 | Arch::Arm | Arch::X32)
    }
}
