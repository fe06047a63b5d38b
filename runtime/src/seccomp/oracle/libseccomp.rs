//! libseccomp's filter for a profile, built with the calls that runc makes, in their order; and runc's -ENOSYS answer
//! in front of it, as a function: runc writes instructions for that.

use std::io::{Read, Seek};

use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};

use crate::seccomp::interpret::{Data, Program};
use crate::seccomp::{Action, Arch, Condition, Instruction, Op, Profile, Syscall};

/// A filter, as runc would load it.
pub struct Reference {
    /// libseccomp's part.
    pub program: Vec<Instruction>,
    newest: Vec<(Arch, u32)>,
}

impl Reference {
    /// As runc does it: the binary tree from 33 names on.
    pub fn new(profile: &Profile) -> Result<Self, String> {
        let names: usize = profile.rules.iter().map(|rule| rule.syscalls.len()).sum();
        Self::optimized(profile, if names > 32 { 2 } else { 1 })
    }

    /// With libseccomp's list (1) or its binary tree (2).
    pub fn optimized(profile: &Profile, level: u32) -> Result<Self, String> {
        build(profile, level, false).map_err(|error| error.to_string())
    }

    /// Without a fault of libseccomp 2.5.4: a name that an architecture does not have stays in its list; if it is the first
    /// one there, the number of the call is never loaded, and all calls get the default action. Names with a priority
    /// come before it.
    pub fn mended(profile: &Profile) -> Result<Self, String> {
        build(profile, 1, true).map_err(|error| error.to_string())
    }

    /// What the kernel would be told, and after how many of libseccomp's instructions.
    pub fn run(&self, data: &Data) -> (u32, usize) {
        if self.newer(data) {
            return (Action::Errno(38).ret(), 0);
        }
        Program::new(&self.program)
            .expect("libseccomp's filters are valid")
            .run(data)
    }

    /// runc's patchbpf.
    fn newer(&self, data: &Data) -> bool {
        let x32 = data.nr & (1 << 30) != 0;
        self.newest.iter().any(|&(arch, newest)| {
            let here = match arch {
                Arch::X86_64 => !x32,
                Arch::X32 => x32,
                _ => true,
            };
            arch.audit() == data.arch && here && data.nr > newest
        })
    }
}

fn build(
    profile: &Profile,
    level: u32,
    mended: bool,
) -> Result<Reference, libseccomp::error::SeccompError> {
    let mut filter = ScmpFilterContext::new(action(profile.default_action))?;
    for &one in &profile.architectures {
        filter.add_arch(arch(one))?;
    }
    filter.set_ctl_optimize(level)?;
    filter.set_ctl_nnp(false)?;
    for rule in &profile.rules {
        if rule.action == profile.default_action {
            continue;
        }
        let conditions: Vec<ScmpArgCompare> = rule.conditions.iter().map(compare).collect();
        for syscall in &rule.syscalls {
            // runc warns about such a name and goes on.
            let Ok(number) = ScmpSyscall::from_name(syscall.name()) else {
                continue;
            };
            if conditions.is_empty() {
                filter.add_rule(action(rule.action), number)?;
            } else {
                filter.add_rule_conditional(action(rule.action), number, &conditions)?;
            }
        }
    }
    if mended {
        let added = profile
            .rules
            .iter()
            .filter(|rule| rule.action != profile.default_action);
        for syscall in added.flat_map(|rule| &rule.syscalls) {
            if let Ok(number) = ScmpSyscall::from_name(syscall.name()) {
                // A name that the native architecture does not have cannot get one everywhere.
                let _ = filter.set_syscall_priority(number, 255);
            }
        }
    }
    let mut file = tempfile();
    filter.export_bpf(&file)?;
    Ok(Reference {
        program: read(&mut file),
        newest: newest(profile),
    })
}

fn newest(profile: &Profile) -> Vec<(Arch, u32)> {
    if matches!(
        profile.default_action,
        Action::Allow | Action::Log | Action::Trace(_)
    ) {
        return vec![];
    }
    let largest = |one: Arch| {
        profile
            .rules
            .iter()
            .flat_map(|rule| &rule.syscalls)
            .filter_map(|syscall| ScmpSyscall::from_name_by_arch(syscall.name(), arch(one)).ok())
            .map(ScmpSyscall::as_raw_syscall)
            .fold(0, i32::max)
    };
    profile
        .architectures
        .iter()
        .map(|&one| (one, largest(one).unsigned_abs()))
        .filter(|&(_, largest)| largest != 0)
        .collect()
}

/// A file of its own without a name.
fn tempfile() -> std::fs::File {
    nix::sys::memfd::memfd_create(c"filter", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)
        .expect("a memfd")
        .into()
}

fn read(file: &mut std::fs::File) -> Vec<Instruction> {
    let mut bytes = Vec::new();
    file.rewind().expect("a memfd seeks");
    file.read_to_end(&mut bytes).expect("a memfd reads");
    let (instructions, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    instructions
        .iter()
        .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| Instruction {
            code: u16::from_ne_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_ne_bytes([k0, k1, k2, k3]),
        })
        .collect()
}

/// Does libseccomp know the name as our table does? Not if it is newer than libseccomp, or has come to more architectures
/// since; the table's own tests say which names these may be.
pub fn knows(name: &str) -> bool {
    let Some(syscall) = Syscall::from_name(name) else {
        return false;
    };
    Arch::ALL.into_iter().all(|one| {
        let theirs =
            ScmpSyscall::from_name_by_arch(name, arch(one)).map(ScmpSyscall::as_raw_syscall);
        match (theirs, syscall.number(one)) {
            (Err(_), _) => false,
            (Ok(number), _) if syscall.multiplexed(one).is_some() => {
                (-299..=-100).contains(&number)
            }
            (Ok(number), Some(ours)) => u32::try_from(number) == Ok(ours),
            (Ok(number), None) => number < 0,
        }
    })
}

fn action(action: Action) -> ScmpAction {
    match action {
        Action::KillProcess => ScmpAction::KillProcess,
        Action::KillThread => ScmpAction::KillThread,
        Action::Trap => ScmpAction::Trap,
        Action::Errno(errno) => ScmpAction::Errno(errno.into()),
        Action::Notify => ScmpAction::Notify,
        Action::Trace(data) => ScmpAction::Trace(data),
        Action::Log => ScmpAction::Log,
        Action::Allow => ScmpAction::Allow,
    }
}

fn arch(arch: Arch) -> ScmpArch {
    match arch {
        Arch::X86_64 => ScmpArch::X8664,
        Arch::X86 => ScmpArch::X86,
        Arch::X32 => ScmpArch::X32,
        Arch::Aarch64 => ScmpArch::Aarch64,
        Arch::Arm => ScmpArch::Arm,
        Arch::Riscv64 => ScmpArch::Riscv64,
    }
}

fn compare(condition: &Condition) -> ScmpArgCompare {
    let (op, datum) = match condition.op {
        Op::Ne => (ScmpCompareOp::NotEqual, condition.value),
        Op::Lt => (ScmpCompareOp::Less, condition.value),
        Op::Le => (ScmpCompareOp::LessOrEqual, condition.value),
        Op::Eq => (ScmpCompareOp::Equal, condition.value),
        Op::Ge => (ScmpCompareOp::GreaterEqual, condition.value),
        Op::Gt => (ScmpCompareOp::Greater, condition.value),
        Op::MaskedEq => (
            ScmpCompareOp::MaskedEqual(condition.value),
            condition.value_two,
        ),
    };
    ScmpArgCompare::new(condition.index.into(), op, datum)
}
