//! The rules of a profile, applied to one call by walking them: slow, and plain enough to be believed.
//!
//! What the rules mean is what runc with libseccomp makes of them; where that is not what one would read into the
//! runtime-spec, a comment says so.

use crate::seccomp::interpret::Data;
use crate::seccomp::{Action, Arch, Condition, Op, Profile, Rule, Syscall};

/// libseccomp's answer to an ABI that the profile does not list; runc leaves it as it is.
const BAD_ARCH: Action = Action::KillThread;
const ENOSYS: Action = Action::Errno(38);
/// `X32_SYSCALL_BIT`
const X32: u32 = 0x4000_0000;

/// What the filter of `profile` returns for this call (`SECCOMP_RET_*`); `None`: rules with different actions match, and
/// libseccomp's choice among [`answers`] is not a matter of the rules alone.
pub fn evaluate(profile: &Profile, data: &Data) -> Option<u32> {
    match *answers(profile, data) {
        [one] => Some(one),
        _ => None,
    }
}

/// The actions of all rules that match this call, each once; the default if there is none.
pub fn answers(profile: &Profile, data: &Data) -> Vec<u32> {
    if enosys(profile, data) {
        return vec![ENOSYS.ret()];
    }
    let architectures = abis(profile, data);
    if architectures.is_empty() {
        return vec![BAD_ARCH.ret()];
    }
    let mut found: Vec<u32> = profile
        .rules
        .iter()
        .filter(|rule| rule.action != profile.default_action)
        .filter(|rule| architectures.iter().any(|&arch| matches(rule, arch, data)))
        .map(|rule| rule.action.ret())
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(profile.default_action.ret());
    }
    found
}

/// Is the call newer than the profile? runc answers such calls itself, in front of libseccomp's filter: a program that
/// sees ENOSYS falls back to an older call, one that sees EPERM gives up.
pub fn enosys(profile: &Profile, data: &Data) -> bool {
    // A profile that lets unknown calls through is left alone. (runc means to leave one alone, too, whose default is ENOSYS,
    // but compares that with the wrong number.)
    if let Action::Allow | Action::Log | Action::Trace(_) = profile.default_action {
        return false;
    }
    // runc looks at the bit, where libseccomp compares: they differ for 0x8000_0000 and above.
    let abi = |arch: Arch| match arch {
        Arch::X86_64 => data.nr & X32 == 0,
        Arch::X32 => data.nr & X32 != 0,
        _ => true,
    };
    listed(profile)
        .filter(|arch| arch.audit() == data.arch && abi(*arch))
        .any(|arch| newest(profile, arch).is_some_and(|newest| data.nr > newest))
}

/// The largest number of any name in the profile, whatever its action. runc knows no other than 0 as "none".
fn newest(profile: &Profile, arch: Arch) -> Option<u32> {
    profile
        .rules
        .iter()
        .flat_map(|rule| &rule.syscalls)
        // libseccomp gives them negative numbers, even where there is a direct call too.
        .filter(|syscall| syscall.multiplexed(arch).is_none())
        .filter_map(|syscall| syscall.number(arch))
        .filter(|&number| number != 0)
        .max()
}

/// The architectures of the profile; the native one is always among them.
fn listed(profile: &Profile) -> impl Iterator<Item = Arch> {
    let native = (!profile.architectures.contains(&Arch::NATIVE)).then_some(Arch::NATIVE);
    native
        .into_iter()
        .chain(profile.architectures.iter().copied())
}

/// Whose rules apply: none for a bad architecture. With x86_64 *and* x32, libseccomp asks the number alone.
fn abis(profile: &Profile, data: &Data) -> Vec<Arch> {
    let found: Vec<Arch> = listed(profile)
        .filter(|arch| arch.audit() == data.arch)
        .collect();
    match found[..] {
        // -1 is what a tracer writes to skip a call: not one of x32.
        [Arch::X86_64] if data.nr >= X32 && data.nr != u32::MAX => vec![],
        [Arch::X32] if data.nr < X32 => vec![],
        _ => found,
    }
}

fn matches(rule: &Rule, arch: Arch, data: &Data) -> bool {
    rule.syscalls.iter().any(|syscall| {
        direct(rule, *syscall, arch, data) || multiplexed(rule, *syscall, arch, data)
    })
}

fn direct(rule: &Rule, syscall: Syscall, arch: Arch, data: &Data) -> bool {
    syscall.number(arch) == Some(data.nr)
        && rule.conditions.iter().all(|one| holds(one, arch, data))
}

/// socket(2) and its like are also reached through socketcall(2), semget(2) and its like through ipc(2). There the first
/// argument says which call it is, so the rule's own condition on it is given up; the others are kept, although they
/// then look at arguments that mean something else.
fn multiplexed(rule: &Rule, syscall: Syscall, arch: Arch, data: &Data) -> bool {
    let Some((entry, call)) = syscall.multiplexed(arch) else {
        return false;
    };
    entry.number(arch) == Some(data.nr)
        && low(data.args[0]) == u64::from(call)
        && rule
            .conditions
            .iter()
            .filter(|one| one.index != 0)
            .all(|one| holds(one, arch, data))
}

fn low(value: u64) -> u64 {
    value & u64::from(u32::MAX)
}

fn holds(condition: &Condition, arch: Arch, data: &Data) -> bool {
    let Some(&argument) = data.args.get(usize::from(condition.index)) else {
        return false;
    };
    // x32's registers are 64 bits wide, but libseccomp compares 32 of them.
    let cut: fn(u64) -> u64 = match arch {
        Arch::X86_64 | Arch::Aarch64 | Arch::Riscv64 => |value| value,
        Arch::X86 | Arch::X32 | Arch::Arm => low,
    };
    let (argument, value) = (cut(argument), cut(condition.value));
    match condition.op {
        Op::Ne => argument != value,
        Op::Lt => argument < value,
        Op::Le => argument <= value,
        Op::Eq => argument == value,
        Op::Ge => argument >= value,
        Op::Gt => argument > value,
        // Bits of `valueTwo` outside of the mask are dropped: literally, such a condition would never hold.
        Op::MaskedEq => argument & value == condition.value_two & value,
    }
}
