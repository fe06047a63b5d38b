//! How the kernel runs the process: when, where its memory is, as what it sees itself, under which label.

use serde::{Deserialize, Serialize};

/// All of it; what is `None` or empty is left as the caller has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Execution {
    /// `process.scheduler`
    pub scheduler: Option<Scheduler>,
    /// `process.ioPriority` as ioprio_set(2) takes it: class and level.
    pub io_priority: Option<u16>,
    /// `linux.personality.domain` as personality(2) takes it.
    pub personality: Option<u32>,
    /// `linux.memoryPolicy`
    pub memory_policy: Option<MemoryPolicy>,
    /// `process.apparmorProfile`; empty: the caller's.
    pub apparmor_profile: String,
    /// `process.selinuxLabel`; empty: the caller's.
    pub selinux_label: String,
}

/// The arguments of sched_setattr(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scheduler {
    /// `SCHED_*`
    pub policy: u32,
    /// `SCHED_FLAG_*` bits.
    pub flags: u64,
    /// -20 to 19; of `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: i32,
    /// Of `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// Nanoseconds; this and the next two are of `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// The arguments of set_mempolicy(2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// `MPOL_*` and `MPOL_F_*`.
    pub mode: u32,
    /// Bit n: node n.
    pub nodes: Vec<u64>,
}

/// A device of the caller's network namespace that becomes the container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetDevice {
    /// Its name there.
    pub name: String,
    /// Its name in the container.
    pub to: String,
}

/// On which CPUs `exec` runs, and then its process; bit n: CPU n. Empty: wherever it may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecAffinity {
    /// Before it is in the container's cgroup.
    pub initial: Vec<u64>,
    /// When it is there.
    pub last: Vec<u64>,
}
