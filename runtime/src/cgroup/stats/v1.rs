//! Counters on v1: which file has what, as runc's fs manager.

use std::io::ErrorKind;

use super::super::error::Result;
use super::super::path::CgroupPaths;
use super::group::Group;
use super::{Blkio, BlkioEntry, Cpu, Cpuset, Hugetlb, Memory, MemoryEntry, Pids, Stats, table};
use crate::sys;

/// Nanoseconds of a tick of `cpuacct.stat`: `USER_HZ` is 100 on every architecture that Linux has today.
const TICK_NS: u64 = 10_000_000;

pub(super) fn stats(paths: &CgroupPaths) -> Result<Stats> {
    let mut stats = Stats::default();
    let group = |controller| paths.get(controller).map(Group);
    if let Some(group) = group("cpu") {
        throttling(group, &mut stats.cpu)?;
    }
    if let Some(group) = group("cpuacct") {
        usage(group, &mut stats.cpu)?;
    }
    if let Some(group) = group("cpuset") {
        stats.cpuset = cpuset(group)?;
    }
    if let Some(group) = group("memory") {
        stats.memory = memory(group)?;
    }
    if let Some(group) = group("pids") {
        stats.pids = pids(group)?;
    }
    if let Some(group) = group("blkio") {
        stats.blkio = blkio(group)?;
    }
    if let Some(group) = group("hugetlb") {
        for size in page_sizes()? {
            let count = |what| group.count(&format!("hugetlb.{size}.{what}"));
            let one = Hugetlb {
                usage: count("usage_in_bytes")?,
                max: count("max_usage_in_bytes")?,
                failcnt: count("failcnt")?,
            };
            stats.hugetlb.insert(size, one);
        }
    }
    Ok(stats)
}

/// The sizes of huge pages as the controller spells them: "2MB". None of a kernel without.
pub(super) fn page_sizes() -> Result<Vec<String>> {
    const PATH: &str = "/sys/kernel/mm/hugepages";
    let mut sizes: Vec<u64> = Vec::new();
    let read = std::fs::read_dir(PATH).and_then(|entries| {
        for entry in entries {
            let name = entry?.file_name().into_string().unwrap_or_default();
            let digits = name.strip_prefix("hugepages-");
            let digits = digits.and_then(|name| name.strip_suffix("kB"));
            sizes.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        Ok(())
    });
    match read {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(sys::Error::io("read", PATH, &error).into());
        }
        _ => {}
    }
    sizes.sort_unstable();
    Ok(sizes.into_iter().map(spelled).collect())
}

fn spelled(kib: u64) -> String {
    match kib {
        _ if kib >= 1 << 20 => format!("{}GB", kib >> 20),
        _ if kib >= 1 << 10 => format!("{}MB", kib >> 10),
        _ => format!("{kib}KB"),
    }
}

fn throttling(group: Group<'_>, cpu: &mut Cpu) -> Result<()> {
    let found = group.table("cpu.stat", table::flat)?.unwrap_or_default();
    let get = |key: &str| found.get(key).copied().unwrap_or(0);
    cpu.throttling.periods = get("nr_periods");
    cpu.throttling.throttled_periods = get("nr_throttled");
    cpu.throttling.throttled_time = get("throttled_time");
    Ok(())
}

fn usage(group: Group<'_>, cpu: &mut Cpu) -> Result<()> {
    let ticks = (group.table("cpuacct.stat", table::flat)?).unwrap_or_default();
    let time = |key: &str| {
        ticks
            .get(key)
            .map_or(0, |&ticks| ticks.saturating_mul(TICK_NS))
    };
    cpu.usage.user = time("user");
    cpu.usage.kernel = time("system");
    cpu.usage.total = group.count("cpuacct.usage")?;
    cpu.usage.percpu = (group.table("cpuacct.usage_percpu", table::numbers)?).unwrap_or_default();
    let all = group.table("cpuacct.usage_all", table::usage_all)?;
    (cpu.usage.percpu_kernel, cpu.usage.percpu_user) = all.unwrap_or_default();
    Ok(())
}

fn cpuset(group: Group<'_>) -> Result<Cpuset> {
    let list = |name| Ok(group.table(name, table::list)?.unwrap_or_default());
    let level = group.table("cpuset.sched_relax_domain_level", table::signed)?;
    let cpus = list("cpuset.cpus")?;
    let mems: Result<_> = list("cpuset.mems");
    Ok(Cpuset {
        cpus,
        mems: mems?,
        cpu_exclusive: group.count("cpuset.cpu_exclusive")?,
        mem_hardwall: group.count("cpuset.mem_hardwall")?,
        mem_exclusive: group.count("cpuset.mem_exclusive")?,
        memory_migrate: group.count("cpuset.memory_migrate")?,
        memory_spread_page: group.count("cpuset.memory_spread_page")?,
        memory_spread_slab: group.count("cpuset.memory_spread_slab")?,
        memory_pressure: group.count("cpuset.memory_pressure")?,
        sched_load_balance: group.count("cpuset.sched_load_balance")?,
        sched_relax_domain_level: level.unwrap_or(0),
    })
}

fn memory(group: Group<'_>) -> Result<Memory> {
    let Some(raw) = group.table("memory.stat", table::flat)? else {
        return Ok(Memory::default());
    };
    let entry = |name: &str| -> Result<MemoryEntry> {
        Ok(MemoryEntry {
            usage: group.count(&format!("{name}.usage_in_bytes"))?,
            max: group.count(&format!("{name}.max_usage_in_bytes"))?,
            failcnt: group.count(&format!("{name}.failcnt"))?,
            limit: group.count(&format!("{name}.limit_in_bytes"))?,
        })
    };
    Ok(Memory {
        cache: raw.get("cache").copied().unwrap_or(0),
        usage: entry("memory")?,
        swap: entry("memory.memsw")?,
        kernel: entry("memory.kmem")?,
        kernel_tcp: entry("memory.kmem.tcp")?,
        raw,
        psi: None,
    })
}

/// The same on v1 and v2. "max" is told as 0.
pub(super) fn pids(group: Group<'_>) -> Result<Pids> {
    Ok(Pids {
        current: group.count("pids.current")?,
        limit: match group.count("pids.max")? {
            u64::MAX => 0,
            limit => limit,
        },
    })
}

type Field = fn(&mut Blkio) -> &mut Vec<BlkioEntry>;

/// Of the schedulers' own numbers: the file's name behind "blkio." or "blkio.bfq.", and its place.
const SCHEDULER: [(&str, Field); 8] = [
    ("sectors_recursive", |to| &mut to.sectors_recursive),
    ("io_service_time_recursive", |to| {
        &mut to.io_service_time_recursive
    }),
    ("io_wait_time_recursive", |to| {
        &mut to.io_wait_time_recursive
    }),
    ("io_merged_recursive", |to| &mut to.io_merged_recursive),
    ("io_queued_recursive", |to| &mut to.io_queued_recursive),
    ("time_recursive", |to| &mut to.io_time_recursive),
    ("io_serviced_recursive", |to| &mut to.io_serviced_recursive),
    ("io_service_bytes_recursive", |to| {
        &mut to.io_service_bytes_recursive
    }),
];
/// What every scheduler has.
const COMMON: [(&str, Field); 2] = [SCHEDULER[6], SCHEDULER[7]];
const NOT_RECURSIVE: [(&str, Field); 2] = [
    ("io_serviced", |to| &mut to.io_serviced_recursive),
    ("io_service_bytes", |to| &mut to.io_service_bytes_recursive),
];

/// The first source that has something, as runc: the schedulers count only the devices that they serve.
fn blkio(group: Group<'_>) -> Result<Blkio> {
    let mut found = Blkio::default();
    let sources: [(&str, &[(&str, Field)]); 5] = [
        ("blkio.bfq", &SCHEDULER),
        ("blkio.bfq", &COMMON),
        ("blkio", &SCHEDULER),
        ("blkio.throttle", &COMMON),
        ("blkio.throttle", &NOT_RECURSIVE),
    ];
    for (prefix, files) in sources {
        for (at, (name, field)) in files.iter().enumerate() {
            let read = group.table(&format!("{prefix}.{name}"), table::blkio)?;
            match read.filter(|entries| !entries.is_empty()) {
                Some(entries) => *field(&mut found) = entries,
                None if at == 0 => break,
                None => return Ok(found),
            }
            if at + 1 == files.len() {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_spelled_as_the_controller_does() {
        for (kib, text) in [
            (64, "64KB"),
            (2048, "2MB"),
            (32_768, "32MB"),
            (1_048_576, "1GB"),
            (16_777_216, "16GB"),
        ] {
            assert_eq!(spelled(kib), text);
        }
    }
}
