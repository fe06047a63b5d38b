//! The files of v2 for an update: the same as [`super::super::v2`] writes for a new container. Where v2 has one value for
//! two of the config's, the other one is what the kernel has now.

use super::super::error::{Error, Result};
use super::super::{file, v2};
use super::{Change, Needs, given, number, set};
use crate::plan::{Cpu, Memory, Resources};

struct Group<'a> {
    directory: &'a str,
    changes: Vec<Change>,
}

impl Group<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    fn has(&self, name: &str) -> bool {
        std::path::Path::new(&self.path(name)).exists()
    }

    /// `None`: no such file, or "max".
    fn number(&self, name: &str) -> Option<u64> {
        number(&self.path(name))
    }

    fn put<T: ToString>(&mut self, controller: &'static str, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.changes.push(Change {
                path: self.path(name),
                value: value.to_string(),
                needs: Needs::Controller(controller),
            });
        }
    }
}

pub(super) fn changes(directory: &str, resources: &Resources) -> Result<Vec<Change>> {
    v2::check_names(resources)?;
    let mut group = Group {
        directory,
        changes: Vec::new(),
    };
    let own_swap = (resources.unified.iter()).any(|(key, _)| key == "memory.swap.max");
    memory(&mut group, &resources.memory, own_swap)?;
    cpu(&mut group, &resources.cpu)?;
    group.put("pids", "pids.max", resources.pids_limit.map(v2::number));
    if let Some(weight) = set(resources.block_io.weight).map(u64::from) {
        if group.has("io.bfq.weight") {
            group.put("io", "io.bfq.weight", Some(weight));
        } else {
            // [10..1000] to [1..10000].
            let weight = 1 + weight.saturating_sub(10) * 9_999 / 990;
            group.put("io", "io.weight", Some(format!("default {weight}")));
        }
    }
    for (key, value) in &resources.unified {
        group.changes.push(Change {
            path: group.path(key),
            value: value.clone(),
            needs: Needs::Unified(key.clone()),
        });
    }
    Ok(group.changes)
}

/// `own_swap`: the limit on swap alone is among `unified`.
fn memory(group: &mut Group<'_>, memory: &Memory, own_swap: bool) -> Result<()> {
    let (limit, both) = (set(memory.limit), set(memory.swap));
    if memory.check_before_update == Some(true) {
        check_usage(group, limit, both)?;
    }
    let now = group.number("memory.max");
    let swap = match (limit, both) {
        (None, Some(_)) => {
            // What is there is what the new limit on both is beyond of.
            let limit = now.and_then(|now| i64::try_from(now).ok());
            v2::swap_max(limit, both)?
        }
        (Some(limit), None) if limit > 0 && !own_swap => keep_both(group, limit, now)?,
        (Some(limit), None) if limit > 0 => None,
        _ => v2::swap_max(limit, both)?,
    };
    // Without swap accounting there is no file; "no limit" and "no swap" need none.
    if swap.is_some_and(|swap| swap > 0) || group.has("memory.swap.max") {
        group.put("memory", "memory.swap.max", swap.map(v2::number));
    }
    group.put("memory", "memory.max", limit.map(v2::number));
    let low = set(memory.reservation).map(v2::number);
    group.put("memory", "memory.low", low);
    Ok(())
}

/// A new limit on memory alone: memory and swap together keep theirs, as on v1. No swap stays no swap.
fn keep_both(group: &Group<'_>, limit: i64, now: Option<u64>) -> Result<Option<i64>> {
    let swap = group.number("memory.swap.max").filter(|&swap| swap > 0);
    let (Some(now), Some(swap)) = (now, swap) else {
        return Ok(None);
    };
    let both = now.saturating_add(swap);
    match both.checked_sub(limit.cast_unsigned()) {
        Some(swap) => Ok(i64::try_from(swap).ok()),
        None => Err(Error::AboveSwap { limit, both }),
    }
}

fn check_usage(group: &Group<'_>, limit: Option<i64>, both: Option<i64>) -> Result<()> {
    let Some(usage) = group.number("memory.current") else {
        return Ok(());
    };
    for (what, limit) in [("memory+swap", both), ("memory", limit)] {
        if let Some(limit) = limit.filter(|&limit| limit > 0 && limit.cast_unsigned() <= usage) {
            return Err(Error::BelowUsage { what, limit, usage });
        }
    }
    Ok(())
}

fn cpu(group: &mut Group<'_>, cpu: &Cpu) -> Result<()> {
    group.put("cpu", "cpu.idle", cpu.idle);
    group.put(
        "cpu",
        "cpu.weight",
        set(cpu.shares).map(v2::weight_of_shares),
    );
    let (quota, period) = (set(cpu.quota), set(cpu.period));
    if quota.is_some() || period.is_some() {
        let now = file::read_line(&group.path("cpu.max")).unwrap_or_default();
        let mut now = now.split_whitespace();
        let (quota_now, period_now) = (now.next().unwrap_or("max"), now.next().unwrap_or("100000"));
        let quota = quota.map_or(quota_now.to_owned(), v2::number);
        let period = period.map_or(period_now.to_owned(), |period| period.to_string());
        group.put("cpu", "cpu.max", Some(format!("{quota} {period}")));
    }
    group.put("cpu", "cpu.max.burst", cpu.burst);
    group.put("cpuset", "cpuset.cpus", given(cpu.cpus.as_ref()));
    group.put("cpuset", "cpuset.mems", given(cpu.mems.as_ref()));
    Ok(())
}
