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

/// What a name in `linux.seccomp.architectures` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// One that filters are made for.
    Known(Arch),
    /// One that the spec or libseccomp names, and no filter of ours is made for: none of the machines that this program is
    /// built for can run its programs.
    Foreign,
}

/// The other names of config-linux.md (1.3.0), and of libseccomp 2.6 and runc 1.4 beside.
const FOREIGN: [&str; 17] = [
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

impl Arch {
    /// All of them, in the order of their discriminants.
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

    /// By its name in `linux.seccomp.architectures` (config-linux.md, "Seccomp"); `None`: no such name, which runc refuses.
    pub fn from_oci(name: &str) -> Option<Listed> {
        if let Some(arch) = Self::ALL.into_iter().find(|arch| arch.oci_name() == name) {
            return Some(Listed::Known(arch));
        }
        FOREIGN.contains(&name).then_some(Listed::Foreign)
    }

    /// Every name that [`Arch::from_oci`] knows.
    pub fn oci_names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::oci_name).chain(FOREIGN)
    }

    /// Its name in `linux.seccomp.architectures`.
    pub const fn oci_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "SCMP_ARCH_X86_64",
            Arch::X86 => "SCMP_ARCH_X86",
            Arch::X32 => "SCMP_ARCH_X32",
            Arch::Aarch64 => "SCMP_ARCH_AARCH64",
            Arch::Arm => "SCMP_ARCH_ARM",
            Arch::Riscv64 => "SCMP_ARCH_RISCV64",
        }
    }

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_config_json() {
        for arch in Arch::ALL {
            assert_eq!(Arch::from_oci(arch.oci_name()), Some(Listed::Known(arch)));
        }
        for name in FOREIGN {
            assert_eq!(Arch::from_oci(name), Some(Listed::Foreign));
        }
        // runc hands short names to libseccomp, and takes none; nor does it know libseccomp's NATIVE.
        for name in [
            "amd64",
            "x86",
            "X86_64",
            "SCMP_ARCH_NATIVE",
            "SCMP_ARCH_x86",
            "SCMP_ARCH_ARM ",
            "",
        ] {
            assert_eq!(Arch::from_oci(name), None, "{name}");
        }
    }

    #[test]
    fn foreign_names_have_no_table() {
        assert!(
            FOREIGN
                .iter()
                .all(|name| Arch::ALL.iter().all(|arch| arch.oci_name() != *name))
        );
    }
}
