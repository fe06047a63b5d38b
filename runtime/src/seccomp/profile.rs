//! What `linux.seccomp` means, parsed: no name in it is unknown, no value out of range.

use super::Arch;

/// `linux.seccomp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// `defaultAction` with `defaultErrnoRet`: for a system call that no rule matches.
    pub default_action: Action,
    /// `architectures`: the native one first, even if it is not listed, then the others in their order, each once.
    pub architectures: Vec<Arch>,
    /// `flags`
    pub flags: Flags,
    /// `syscalls`. An entry is one rule, or several where runc makes several of it.
    pub rules: Vec<Rule>,
    /// `listenerPath`
    pub listener: Option<Listener>,
}

/// A rule: its system calls get its action when all its conditions hold. Between rules: whichever matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names, all in the table of at least one architecture.
    pub syscalls: Vec<super::Syscall>,
    /// `action` with `errnoRet`.
    pub action: Action,
    /// `args`: at most one for each argument. None: always.
    pub conditions: Vec<Condition>,
}

/// `SCMP_ACT_*`. The numbers are the 16 bits that the kernel hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `SCMP_ACT_KILL_PROCESS`
    KillProcess,
    /// `SCMP_ACT_KILL`, `SCMP_ACT_KILL_THREAD`
    KillThread,
    /// `SCMP_ACT_TRAP`: SIGSYS.
    Trap,
    /// `SCMP_ACT_ERRNO`: this errno, EPERM if the config names none.
    Errno(u16),
    /// `SCMP_ACT_NOTIFY`: the listener decides.
    Notify,
    /// `SCMP_ACT_TRACE`: a tracer decides, and gets this number.
    Trace(u16),
    /// `SCMP_ACT_LOG`: allowed, with a line in the audit log.
    Log,
    /// `SCMP_ACT_ALLOW`
    Allow,
}

impl Action {
    /// `SECCOMP_RET_*` of linux/seccomp.h.
    pub const fn ret(self) -> u32 {
        match self {
            Action::KillProcess => 0x8000_0000,
            Action::KillThread => 0,
            Action::Trap => 0x0003_0000,
            Action::Errno(errno) => 0x0005_0000 | errno as u32,
            Action::Notify => 0x7fc0_0000,
            Action::Trace(data) => 0x7ff0_0000 | data as u32,
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        }
    }
}

/// One entry of `args`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// How it is compared.
    pub op: Op,
    /// With what; the mask of [`Op::MaskedEq`].
    pub value: u64,
    /// What [`Op::MaskedEq`] wants behind the mask.
    pub value_two: u64,
}

/// `SCMP_CMP_*`: unsigned comparisons of the argument with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `SCMP_CMP_NE`
    Ne,
    /// `SCMP_CMP_LT`
    Lt,
    /// `SCMP_CMP_LE`
    Le,
    /// `SCMP_CMP_EQ`
    Eq,
    /// `SCMP_CMP_GE`
    Ge,
    /// `SCMP_CMP_GT`
    Gt,
    /// `SCMP_CMP_MASKED_EQ`
    MaskedEq,
}

/// `SECCOMP_FILTER_FLAG_*` of linux/seccomp.h, as seccomp(2) takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// `SECCOMP_FILTER_FLAG_TSYNC`
    pub const TSYNC: u32 = 1;
    /// `SECCOMP_FILTER_FLAG_LOG`
    pub const LOG: u32 = 2;
    /// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`
    pub const SPEC_ALLOW: u32 = 4;
    /// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: not for a config to ask for; a notify action does.
    pub const NEW_LISTENER: u32 = 8;
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`
    pub const WAIT_KILLABLE_RECV: u32 = 32;
}

impl Flags {
    /// Does the running kernel know them?
    pub fn takes(self) -> bool {
        let with = match self.0 & Self::WAIT_KILLABLE_RECV {
            0 => 0,
            _ => Self::NEW_LISTENER,
        };
        crate::sys::seccomp::takes(Self(self.0 | with))
    }
}

/// Who gets the notify descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `listenerPath`: a unix stream socket on the host.
    pub path: String,
    /// `listenerMetadata`: handed on as it is.
    pub metadata: String,
}
