//! Counters on v2, under v1's names as far as those go.

use super::super::error::Result;
use super::group::Group;
use super::v1::{page_sizes, pids};
use super::{Hugetlb, Memory, MemoryEntry, Stats, table};

pub(super) fn stats(directory: &str) -> Result<Stats> {
    let group = Group(directory);
    let mut stats = Stats {
        pids: pids(group)?,
        memory: memory(group)?,
        ..Stats::default()
    };
    if stats.pids.current == 0 {
        stats.pids.current = members(group)?;
    }
    let (bytes, requests) = group.table("io.stat", table::io_stat)?.unwrap_or_default();
    stats.blkio.io_service_bytes_recursive = bytes;
    stats.blkio.io_serviced_recursive = requests;
    stats.blkio.psi = group.table("io.pressure", table::psi)?;

    let cpu = group.table("cpu.stat", table::flat)?.unwrap_or_default();
    let get = |key: &str| cpu.get(key).copied().unwrap_or(0);
    let micros = |key: &str| get(key).saturating_mul(1_000);
    stats.cpu.usage.total = micros("usage_usec");
    stats.cpu.usage.user = micros("user_usec");
    stats.cpu.usage.kernel = micros("system_usec");
    stats.cpu.throttling.periods = get("nr_periods");
    stats.cpu.throttling.throttled_periods = get("nr_throttled");
    stats.cpu.throttling.throttled_time = micros("throttled_usec");
    stats.cpu.psi = group.table("cpu.pressure", table::psi)?;

    for size in page_sizes()? {
        let Some(usage) = group.number(&format!("hugetlb.{size}.current"))? else {
            continue;
        };
        let events = group.table(&format!("hugetlb.{size}.events"), table::flat)?;
        let failcnt = events.and_then(|events| events.get("max").copied());
        let one = Hugetlb {
            usage,
            max: 0,
            failcnt: failcnt.unwrap_or(0),
        };
        stats.hugetlb.insert(size, one);
    }
    Ok(stats)
}

/// Without the pids controller: the processes of the group itself.
fn members(group: Group<'_>) -> Result<u64> {
    let found = match group.table("cgroup.procs", table::numbers)? {
        // A threaded group refuses to list processes.
        None => group.table("cgroup.threads", table::numbers)?,
        found => found,
    };
    Ok(found.map_or(0, |list| list.len() as u64))
}

fn memory(group: Group<'_>) -> Result<Memory> {
    let Some(raw) = group.table("memory.stat", table::flat)? else {
        return Ok(Memory::default());
    };
    let usage = entry(group, "memory")?;
    // As on v1, where what is counted is memory and swap together. How much of both there ever was is not known.
    let mut swap = entry(group, "memory.swap")?;
    swap.usage = swap.usage.saturating_add(usage.usage);
    swap.limit = swap.limit.saturating_add(usage.limit);
    swap.max = 0;
    Ok(Memory {
        cache: raw.get("file").copied().unwrap_or(0),
        usage,
        swap,
        raw,
        psi: group.table("memory.pressure", table::psi)?,
        ..Memory::default()
    })
}

fn entry(group: Group<'_>, name: &str) -> Result<MemoryEntry> {
    Ok(MemoryEntry {
        usage: group.count(&format!("{name}.current"))?,
        limit: group.count(&format!("{name}.max"))?,
        max: group.count(&format!("{name}.peak"))?,
        failcnt: 0,
    })
}
