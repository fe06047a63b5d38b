//! Scheduler, I/O priority, personality and memory policy of the process. All of them survive its execve.

use nix::errno::Errno;

use super::Error;
use crate::plan::{Execution, Scheduler};
use crate::sys;

/// Sets what the plan asks for, as runc before the capabilities are dropped: most of it needs some.
///
/// # Errors
/// "error setting scheduler: ...", "failed to set io priority: ..." and the like, in runc's words.
pub fn apply(plan: &Execution) -> Result<(), Error> {
    if let Some(scheduler) = &plan.scheduler {
        sys::execution::set_scheduler(scheduler).map_err(|source| Error::Scheduler {
            hint: hint(scheduler, source.errno),
            source,
        })?;
    }
    if let Some(priority) = plan.io_priority {
        sys::execution::set_io_priority(priority).map_err(Error::IoPriority)?;
    }
    if let Some(persona) = plan.personality {
        sys::execution::set_personality(persona).map_err(Error::Personality)?;
    }
    if let Some(policy) = &plan.memory_policy {
        sys::execution::set_memory_policy(policy).map_err(Error::MemoryPolicy)?;
    }
    Ok(())
}

/// EPERM has many causes: the likely ones of each policy.
fn hint(asked: &Scheduler, errno: Errno) -> &'static str {
    match (errno, asked.policy.cast_signed()) {
        (Errno::EPERM, libc::SCHED_FIFO | libc::SCHED_RR) => {
            " (needs CAP_SYS_NICE, and on cgroup v1 resources.cpu.realtimeRuntime)"
        }
        (Errno::EPERM, libc::SCHED_DEADLINE) => {
            " (needs CAP_SYS_NICE, and no cpuset that leaves CPUs out)"
        }
        (Errno::EPERM, _) => " (a lower nice value needs CAP_SYS_NICE)",
        (Errno::EBUSY, _) => " (no such bandwidth is left)",
        _ => "",
    }
}
