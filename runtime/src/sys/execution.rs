//! sched_setattr(2), ioprio_set(2), personality(2), set_mempolicy(2): of the calling thread, which is alone.

use nix::errno::Errno;

use super::{Error, Result};
use crate::plan::{MemoryPolicy, Scheduler};

/// linux/sched/types.h: `struct sched_attr` of Linux 5.3.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

/// sched_setattr(2)
///
/// # Errors
/// `EPERM`, `EINVAL` for a dozen reasons; see the manual page.
pub fn set_scheduler(what: &Scheduler) -> Result<()> {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: what.policy,
        flags: what.flags,
        nice: what.nice,
        priority: what.priority,
        runtime: what.runtime,
        deadline: what.deadline,
        period: what.period,
        util_min: 0,
        util_max: 0,
    };
    // SAFETY: `attr` is live, and says its own size; the kernel only reads it (but for a size that it does not know).
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    finish(done, "sched_setattr")
}

/// sched_setaffinity(2) to the CPUs whose bits are set.
///
/// # Errors
/// `EINVAL`: none of them is there, or in the cpuset of the cgroup.
pub fn set_affinity(cpus: &[u64]) -> Result<()> {
    // SAFETY: the pointer and the length are those of one live slice, which the kernel only reads.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            0,
            size_of_val(cpus),
            cpus.as_ptr(),
        )
    };
    finish(done, "sched_setaffinity")
}

/// ioprio_set(2) with class and level in one number.
///
/// # Errors
/// `EPERM`: the real-time class needs CAP_SYS_ADMIN or CAP_SYS_NICE.
pub fn set_io_priority(priority: u16) -> Result<()> {
    const WHO_PROCESS: i32 = 1;
    // SAFETY: takes plain numbers.
    let done = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, i32::from(priority)) };
    finish(done, "ioprio_set")
}

/// personality(2)
///
/// # Errors
/// `EINVAL`
pub fn set_personality(persona: u32) -> Result<()> {
    // SAFETY: takes a plain number.
    let done = unsafe { libc::syscall(libc::SYS_personality, libc::c_ulong::from(persona)) };
    finish(done, "personality")
}

/// set_mempolicy(2)
///
/// # Errors
/// `EINVAL`: a node that is not there or has no memory, a mode with or without nodes that it must not or must have; `ENOSYS`: a
/// kernel without NUMA.
pub fn set_memory_policy(policy: &MemoryPolicy) -> Result<()> {
    let nodes = match policy.nodes.as_slice() {
        [] => std::ptr::null(),
        nodes => nodes.as_ptr(),
    };
    // The kernel takes it for one more than the number of bits.
    let bits = match policy.nodes.len() {
        0 => 0,
        words => words * 64 + 1,
    };
    // SAFETY: `nodes` is null with no bits, or that many bits of a live vector, which the kernel only reads.
    let done = unsafe { libc::syscall(libc::SYS_set_mempolicy, policy.mode, nodes, bits) };
    finish(done, "set_mempolicy")
}

fn finish(done: libc::c_long, call: &'static str) -> Result<()> {
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new(call, "", errno))
}
