//! Limits on v2: the values of `linux.resources`, which are v1's, turned into v2's.

use nix::errno::Errno;

use super::devices::Policy;
use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::{file, v1};
use crate::plan::{BlockIo, Cpu, Memory, Resources};

/// What cannot be done on v2: found before anything is made.
///
/// # Errors
/// Device rules that cannot be kept; limits of controllers that only v1 has; a key of `unified` that is no file.
pub(super) fn check(resources: &Resources) -> Result<()> {
    Policy::of(&resources.devices)?;
    if resources.net_class_id.is_some_and(|id| id != 0) {
        return Err(Error::NoController {
            controller: "net_cls",
        });
    }
    if !resources.net_priorities.is_empty() {
        return Err(Error::NoController {
            controller: "net_prio",
        });
    }
    for (key, _) in &resources.unified {
        if key.is_empty() || key.contains('/') || key.starts_with('.') {
            return Err(Error::UnifiedKey(key.clone()));
        }
    }
    Ok(())
}

/// Passes every controller on from the hierarchy's root to the container's group, as runc. Controllers that cannot be
/// passed on (a group with processes in it, threaded siblings) are left out; a limit that needs them then fails by name.
pub(super) fn enable_controllers(paths: &CgroupPaths, _resources: &Resources) -> Result<()> {
    let Some(directory) = paths.get("") else {
        return Ok(());
    };
    let root = super::layout::ROOT;
    let below = directory.strip_prefix(root).unwrap_or_default();
    let available = file::read_line(&format!("{root}/cgroup.controllers"))?;
    let all: Vec<String> = available
        .split_whitespace()
        .map(|name| format!("+{name}"))
        .collect();
    let mut group = root.to_owned();
    let mut components = below.split('/').filter(|name| !name.is_empty()).peekable();
    while let Some(component) = components.next() {
        let control = format!("{group}/cgroup.subtree_control");
        if file::write_file(&control, &all.join(" ")).is_err() {
            for one in &all {
                // Each by itself: the kernel takes a list whole or not at all.
                let _ = file::write_file(&control, one);
            }
        }
        group = format!("{group}/{component}");
        if components.peek().is_none() {
            break;
        }
    }
    Ok(())
}

/// See [`super::apply`].
pub(super) fn apply(paths: &CgroupPaths, resources: &Resources) -> Result<()> {
    check(resources)?;
    let Some(group) = paths.get("") else {
        return Ok(());
    };
    // First: whatever fails after it, nobody was in the group without it.
    Policy::of(&resources.devices)?.attach_v2(group)?;
    memory(group, &resources.memory)?;
    cpu(group, &resources.cpu)?;
    if let Some(limit) = resources.pids_limit {
        put(group, "pids", "pids.max", &number(limit))?;
    }
    block_io(group, &resources.block_io)?;
    for (size, limit) in &resources.hugepages {
        put(
            group,
            "hugetlb",
            &format!("hugetlb.{size}.max"),
            &limit.to_string(),
        )?;
        let reserved = format!("{group}/hugetlb.{size}.rsvd.max");
        v1::if_there(file::write_file(&reserved, &limit.to_string()))?;
    }
    for (device, handles, objects) in &resources.rdma {
        put(
            group,
            "rdma",
            "rdma.max",
            &v1::rdma_line(device, *handles, *objects),
        )?;
    }
    for (key, value) in &resources.unified {
        match file::write_file(&format!("{group}/{key}"), value) {
            Err(Error::Write { source, .. }) if source.errno == Errno::ENOENT => {
                return Err(Error::UnifiedController(key.clone()));
            }
            done => done?,
        }
    }
    Ok(())
}

/// -1 is "max".
fn number(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

fn put(group: &str, controller: &'static str, name: &str, value: &str) -> Result<()> {
    match file::write_file(&format!("{group}/{name}"), value) {
        Err(Error::Write { source, .. }) if source.errno == Errno::ENOENT => {
            Err(Error::NoController { controller })
        }
        done => done,
    }
}

fn memory(group: &str, memory: &Memory) -> Result<()> {
    let set = |value: Option<i64>| value.filter(|&value| value != 0);
    let limit = set(memory.limit);
    if let Some(swap) = swap_max(limit, set(memory.swap))? {
        let done = put(group, "memory", "memory.swap.max", &number(swap));
        // Without swap accounting there is no file; "no limit" and "no swap" need none.
        if !(swap <= 0 && matches!(done, Err(Error::NoController { .. }))) {
            done?;
        }
    }
    if let Some(limit) = limit {
        put(group, "memory", "memory.max", &number(limit))?;
    }
    if let Some(reservation) = set(memory.reservation) {
        put(group, "memory", "memory.low", &number(reservation))?;
    }
    Ok(())
}

/// v1's memory-and-swap as v2's swap alone.
fn swap_max(limit: Option<i64>, swap: Option<i64>) -> Result<Option<i64>> {
    let bad = |what| Error::Limit {
        field: "linux.resources.memory.swap",
        what,
    };
    match (limit, swap) {
        (Some(-1), None) | (_, Some(-1)) => Ok(Some(-1)),
        (_, None) => Ok(None),
        (None | Some(-1), Some(_)) => Err(bad("unable to set swap limit without memory limit")),
        (Some(limit), Some(swap)) if swap < limit => {
            Err(bad("memory+swap limit should be >= memory limit"))
        }
        (Some(limit), Some(swap)) => Ok(Some(swap - limit)),
    }
}

fn cpu(group: &str, cpu: &Cpu) -> Result<()> {
    if let Some(idle) = cpu.idle {
        put(group, "cpu", "cpu.idle", &idle.to_string())?;
    }
    if let Some(shares) = cpu.shares.filter(|&shares| shares != 0) {
        put(
            group,
            "cpu",
            "cpu.weight",
            &weight_of_shares(shares).to_string(),
        )?;
    }
    let quota = cpu.quota.filter(|&quota| quota != 0);
    let period = cpu.period.filter(|&period| period != 0);
    if quota.is_some() || period.is_some() {
        let mut value = number(quota.filter(|&quota| quota > 0).unwrap_or(-1));
        if let Some(period) = period {
            value.push_str(&format!(" {period}"));
        }
        put(group, "cpu", "cpu.max", &value)?;
    }
    if let Some(burst) = cpu.burst {
        put(group, "cpu", "cpu.max.burst", &burst.to_string())?;
    }
    for (name, value) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            put(group, "cpuset", name, value)?;
        }
    }
    Ok(())
}

/// [2..262144] to [1..10000], linearly: runc's formula before 1.4, which monitoring tools know.
fn weight_of_shares(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9_999 / 262_142
}

fn block_io(group: &str, io: &BlockIo) -> Result<()> {
    if let Some(weight) = io.weight.filter(|&weight| weight != 0) {
        let weight = u64::from(weight);
        match put(group, "io", "io.bfq.weight", &weight.to_string()) {
            Err(Error::NoController { .. }) => {
                // [10..1000] to [1..10000].
                let weight = 1 + weight.saturating_sub(10) * 9_999 / 990;
                put(group, "io", "io.weight", &weight.to_string())?;
            }
            done => done?,
        }
    }
    for (major, minor, weight, _) in &io.weight_devices {
        if let Some(weight) = weight.filter(|&weight| weight != 0) {
            put(
                group,
                "io",
                "io.bfq.weight",
                &format!("{major}:{minor} {weight}"),
            )?;
        }
    }
    for (key, throttles) in [
        ("rbps", &io.read_bps),
        ("wbps", &io.write_bps),
        ("riops", &io.read_iops),
        ("wiops", &io.write_iops),
    ] {
        for (major, minor, rate) in throttles {
            let rate = if *rate == 0 {
                "max".to_owned()
            } else {
                rate.to_string()
            };
            put(
                group,
                "io",
                "io.max",
                &format!("{major}:{minor} {key}={rate}"),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn swap_is_what_is_beyond_memory() {
        assert_eq!(swap_max(Some(100), Some(150)).unwrap(), Some(50));
        assert_eq!(swap_max(Some(100), Some(100)).unwrap(), Some(0));
        assert_eq!(swap_max(Some(100), Some(-1)).unwrap(), Some(-1));
        assert_eq!(swap_max(Some(-1), None).unwrap(), Some(-1));
        assert_eq!(swap_max(Some(100), None).unwrap(), None);
        assert!(swap_max(Some(100), Some(50)).is_err());
        assert!(swap_max(None, Some(50)).is_err());
    }

    #[test]
    fn shares_map_to_weights() {
        for (shares, weight) in [
            (2, 1),
            (1024, 39),
            (262_144, 10_000),
            (1, 1),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
    }
}
