//! `process.scheduler`, `ioPriority`, `execCPUAffinity`, and `linux.personality`, `memoryPolicy`. runc's checks in its words.

use super::config::{CpuAffinity, IoPriority, Personality, Process};
use super::config::{MemoryPolicy as PolicyConfig, Scheduler as SchedulerConfig};
use super::error::{Error, Result};
use super::json::Str;
use crate::plan::{ExecAffinity, Execution, MemoryPolicy, Scheduler};

/// The kernel's policies by number.
const POLICIES: [(&str, u32); 7] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_ISO", 4),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

/// linux/sched.h, by bit.
const FLAGS: [&str; 7] = [
    "SCHED_FLAG_RESET_ON_FORK",
    "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
];

/// linux/mempolicy.h, by number.
const MODES: &str = "MPOL_DEFAULT MPOL_PREFERRED MPOL_BIND MPOL_INTERLEAVE MPOL_LOCAL MPOL_PREFERRED_MANY MPOL_WEIGHTED_INTERLEAVE";
const MODE_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// As in runc, whose set is the C library's.
const MAX_CPUS: usize = 1024;

/// All of it, taken out of the config's process and of these members of `linux`.
pub(super) fn plan(
    process: &mut Process<'_>,
    personality: Option<Personality<'_>>,
    memory_policy: Option<PolicyConfig<'_>>,
    warnings: &mut Vec<String>,
) -> Result<Execution> {
    Ok(Execution {
        scheduler: process.scheduler.take().map(scheduler).transpose()?,
        io_priority: process.io_priority.take().map(io_priority).transpose()?,
        personality: personality
            .map(|it| self::personality(it, warnings))
            .transpose()?,
        memory_policy: memory_policy.map(self::memory_policy).transpose()?,
        apparmor_profile: label(&mut process.apparmor_profile),
        selinux_label: label(&mut process.selinux_label),
    })
}

pub(super) fn scheduler(config: SchedulerConfig<'_>) -> Result<Scheduler> {
    let refused = |words: String| Err(Error::refused(words));
    let policy = config.policy.as_deref().unwrap_or("");
    if policy.is_empty() {
        return refused("scheduler policy is required".to_owned());
    }
    let Some((_, number)) = POLICIES.iter().find(|(name, _)| *name == policy) else {
        return refused(format!("invalid scheduler policy: {policy}"));
    };
    let (nice, priority) = (config.nice.unwrap_or(0), config.priority.unwrap_or(0));
    if matches!(policy, "SCHED_OTHER" | "SCHED_BATCH") && !(-20..=19).contains(&nice) {
        return refused(format!(
            "invalid scheduler.nice: {nice} when scheduler.policy is {policy}"
        ));
    }
    if priority != 0 && !matches!(policy, "SCHED_FIFO" | "SCHED_RR") {
        return refused(
            "scheduler.priority can only be specified for SchedFIFO or SchedRR policy".to_owned(),
        );
    }
    let Ok(priority) = u32::try_from(priority) else {
        return refused(format!("invalid scheduler.priority: {priority}"));
    };
    let times = [config.runtime, config.deadline, config.period].map(|time| time.unwrap_or(0));
    if policy != "SCHED_DEADLINE" && times != [0; 3] {
        return refused(
            "scheduler runtime/deadline/period can only be specified for SchedDeadline policy"
                .to_owned(),
        );
    }
    let mut flags = 0;
    for flag in config.flags.unwrap_or_default() {
        let Some(bit) = FLAGS.iter().position(|name| *name == &*flag) else {
            return refused(format!("invalid scheduler flag: {}", &*flag));
        };
        flags |= 1 << bit;
    }
    let [runtime, deadline, period] = times;
    Ok(Scheduler {
        policy: *number,
        flags,
        nice,
        priority,
        runtime,
        deadline,
        period,
    })
}

/// Class and level in one number: linux/ioprio.h.
pub(super) fn io_priority(config: IoPriority<'_>) -> Result<u16> {
    let class = config.class.as_deref().unwrap_or("");
    let number = match class {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        _ => {
            return Err(Error::refused(format!(
                "invalid io priority class: {class}"
            )));
        }
    };
    match config.priority.unwrap_or(0) {
        level @ 0..=7 => Ok(number << 13 | u16::try_from(level).unwrap_or(0)),
        level => Err(Error::refused(format!(
            "invalid ioPriority.Priority: {level}"
        ))),
    }
}

/// `execCPUAffinity` is for `exec`; what is wrong with it is said to `create` already.
pub(super) fn cpu_affinity(config: &CpuAffinity<'_>) -> Result<ExecAffinity> {
    let cpus = |name, list: &Option<Str<'_>>| match list.as_deref().unwrap_or("") {
        "" => Ok(Vec::new()),
        list => set(list).map_err(|why| Error::refused(format!("bad CPUAffinity.{name}: {why}"))),
    };
    Ok(ExecAffinity {
        initial: cpus("Initial", &config.initial)?,
        last: cpus("Final", &config.last)?,
    })
}

/// `domain` as a number. Flags are warned of and ignored, as by runc.
pub(super) fn personality(config: Personality<'_>, warnings: &mut Vec<String>) -> Result<u32> {
    let flags = config.flags.unwrap_or_default();
    if !flags.is_empty() {
        let names: Vec<&str> = flags.iter().map(|flag| &**flag).collect();
        warnings.push(format!(
            "ignoring unsupported personality flags: [{}] because personality flag has not supported at this time",
            names.join(" ")
        ));
    }
    match config.domain.as_deref().unwrap_or("") {
        "LINUX" => Ok(0),
        "LINUX32" => Ok(8),
        domain => Err(Error::refused(format!(
            "invalid personality domain {domain}"
        ))),
    }
}

/// A profile or label; an empty one asks for nothing.
pub(super) fn label(label: &mut Option<Str<'_>>) -> String {
    label.take().map(Str::into_string).unwrap_or_default()
}

pub(super) fn memory_policy(config: PolicyConfig<'_>) -> Result<MemoryPolicy> {
    let mode = config.mode.as_deref().unwrap_or("");
    let Some(number) = MODES.split(' ').position(|name| name == mode) else {
        return Err(Error::refused(format!(
            "invalid memory policy mode {mode:?}"
        )));
    };
    let mut number = u32::try_from(number).unwrap_or(0);
    let nodes = match config.nodes.as_deref().unwrap_or("") {
        "" => Vec::new(),
        list => set(list).map_err(|why| {
            Error::refused(format!("invalid memory policy nodes {list:?}: {why}"))
        })?,
    };
    for flag in config.flags.unwrap_or_default() {
        let Some((_, bit)) = MODE_FLAGS.iter().find(|(name, _)| *name == &*flag) else {
            return Err(Error::refused(format!(
                "invalid memory policy flag {:?}",
                &*flag
            )));
        };
        number |= bit;
    }
    Ok(MemoryPolicy {
        mode: number,
        nodes,
    })
}

/// "0-3,7" as bits. Blanks around and empty elements are allowed, as in runc.
fn set(list: &str) -> std::result::Result<Vec<u64>, String> {
    let number = |text: &str| match text.parse::<u32>() {
        Ok(n) if (n as usize) < MAX_CPUS => Ok(n as usize),
        Ok(_) => Err(format!(
            "values larger than {} are not supported",
            MAX_CPUS - 1
        )),
        Err(_) => Err(format!("{text:?} is not a number")),
    };
    let mut bits = vec![0_u64; MAX_CPUS / 64];
    let mut any = false;
    for part in list.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(format!("invalid range: {part}"));
        }
        (first..=last).for_each(|n| bits[n / 64] |= 1 << (n % 64));
        any = true;
    }
    match any {
        true => Ok(bits),
        false => Err(format!("no members found in set {list:?}")),
    }
}

/// `linux.memoryPolicy` of `features`.
pub const MEMORY_MODES: &str = MODES;

/// The text of a list in [`memory_policy`]'s flags, for `features`.
pub fn memory_flags() -> impl Iterator<Item = &'static str> {
    MODE_FLAGS.iter().map(|(name, _)| *name)
}
