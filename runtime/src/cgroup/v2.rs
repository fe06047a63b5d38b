//! Limits on v2: the values of `linux.resources`, which are v1's, turned into v2's.

use nix::errno::Errno;

use super::devices::Policy;
use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::{controllers, file, v1};
use crate::plan::{BlockIo, Cpu, Memory, Resources};

/// What cannot be done on v2: found before anything is made.
///
/// # Errors
/// Device rules that cannot be kept; limits of controllers that only v1 has; a key of `unified` that is no file's name; swap
/// without memory.
pub(super) fn check(resources: &Resources) -> Result<()> {
    Policy::of(&resources.devices)?;
    check_names(resources)?;
    v1::enough_for_init(&resources.memory)?;
    let own = resources
        .unified
        .iter()
        .find(|(key, _)| key == "memory.max");
    if own
        .and_then(|(_, value)| bytes(value))
        .is_some_and(|max| max < v1::FEWEST)
    {
        return Err(Error::Limit {
            field: "linux.resources.unified: memory.max",
            what: v1::TOO_FEW,
        });
    }
    swap_max(set(resources.memory.limit), set(resources.memory.swap)).map(drop)
}

/// The part of [`check`] that holds for an update too: it has memory's limit where the container has it.
///
/// # Errors
/// Limits of controllers that only v1 has; a key of `unified` that is no file's name.
pub(super) fn check_names(resources: &Resources) -> Result<()> {
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

/// A number of bytes as the kernel reads it, as far as it is a small one: "4096", "4k".
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_suffix(['k', 'K']) {
        Some(text) => text.parse::<u64>().ok()?.checked_mul(1024),
        None => text.parse().ok(),
    }
}

/// See [`super::apply`].
pub(super) fn apply(
    paths: &CgroupPaths,
    resources: &Resources,
    devices: impl Fn(Result<()>) -> Result<()>,
) -> Result<()> {
    check(resources)?;
    let Some(group) = paths.get("") else {
        return Ok(());
    };
    // First: whatever fails after it, nobody was in the group without it.
    devices(Policy::of(&resources.devices)?.attach_v2(group))?;
    limits(group, resources).map_err(|error| controllers::explain(group, error))?;
    for (key, value) in &resources.unified {
        file::write_file(&format!("{group}/{key}"), value)
            .map_err(|error| unified_refused(group, key, error))?;
    }
    Ok(())
}

/// In runc's words.
fn unified_refused(group: &str, key: &str, error: Error) -> Error {
    if matches!(&error, Error::Write { source, .. } if matches!(source.errno, Errno::ENOENT | Errno::EPERM | Errno::EACCES))
    {
        match key.split_once('.') {
            None => return Error::UnifiedForm(key.to_owned()),
            Some((controller, _))
                if controller != "cgroup" && !controllers::has(group, controller) =>
            {
                return Error::UnifiedController {
                    key: key.to_owned(),
                    controller: controller.to_owned(),
                };
            }
            Some(_) => {}
        }
    }
    Error::Unified {
        key: key.to_owned(),
        source: Box::new(error),
    }
}

fn limits(group: &str, resources: &Resources) -> Result<()> {
    memory(group, &resources.memory)?;
    cpu(group, &resources.cpu)?;
    if let Some(limit) = resources.pids_limit {
        put(group, "pids.max", &number(limit))?;
    }
    block_io(group, &resources.block_io)?;
    for (size, limit) in &resources.hugepages {
        put(group, &format!("hugetlb.{size}.max"), &limit.to_string())?;
        let reserved = format!("hugetlb.{size}.rsvd.max");
        v1::if_there(put(group, &reserved, &limit.to_string()))?;
    }
    for (device, handles, objects) in &resources.rdma {
        put(
            group,
            "rdma.max",
            &v1::rdma_line(device, *handles, *objects),
        )?;
    }
    Ok(())
}

/// -1 is "max".
pub(super) fn number(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

fn put(group: &str, name: &str, value: &str) -> Result<()> {
    file::write_file(&format!("{group}/{name}"), value)
}

fn is_missing(done: &Result<()>) -> bool {
    matches!(done, Err(Error::Write { source, .. }) if source.errno == Errno::ENOENT)
}

/// A number that is not runc's "not set".
fn set(value: Option<i64>) -> Option<i64> {
    value.filter(|&value| value != 0)
}

fn memory(group: &str, memory: &Memory) -> Result<()> {
    let limit = set(memory.limit);
    if let Some(swap) = swap_max(limit, set(memory.swap))? {
        let done = put(group, "memory.swap.max", &number(swap));
        // Without swap accounting there is no file; "no limit" and "no swap" need none.
        if !(swap <= 0 && is_missing(&done)) {
            done?;
        }
    }
    if let Some(limit) = limit {
        put(group, "memory.max", &number(limit))?;
    }
    if let Some(reservation) = set(memory.reservation) {
        put(group, "memory.low", &number(reservation))?;
    }
    Ok(())
}

/// v1's memory-and-swap as v2's swap alone.
pub(super) fn swap_max(limit: Option<i64>, swap: Option<i64>) -> Result<Option<i64>> {
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
        put(group, "cpu.idle", &idle.to_string())?;
    }
    if let Some(shares) = cpu.shares.filter(|&shares| shares != 0) {
        put(group, "cpu.weight", &weight_of_shares(shares).to_string())?;
    }
    let quota = cpu.quota.filter(|&quota| quota != 0);
    let period = cpu.period.filter(|&period| period != 0);
    if quota.is_some() || period.is_some() {
        let mut value = number(quota.filter(|&quota| quota > 0).unwrap_or(-1));
        if let Some(period) = period {
            value.push_str(&format!(" {period}"));
        }
        put(group, "cpu.max", &value)?;
    }
    if let Some(burst) = cpu.burst {
        put(group, "cpu.max.burst", &burst.to_string())?;
    }
    for (name, value) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            put(group, name, value)?;
        }
    }
    Ok(())
}

/// [2..262144] to [1..10000], linearly: runc's formula before 1.4, which monitoring tools know.
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9_999 / 262_142
}

fn block_io(group: &str, io: &BlockIo) -> Result<()> {
    if let Some(weight) = io.weight.filter(|&weight| weight != 0) {
        let weight = u64::from(weight);
        let done = put(group, "io.bfq.weight", &weight.to_string());
        if is_missing(&done) {
            // [10..1000] to [1..10000].
            let weight = 1 + weight.saturating_sub(10) * 9_999 / 990;
            put(group, "io.weight", &weight.to_string())?;
        } else {
            done?;
        }
    }
    for (major, minor, weight, _) in &io.weight_devices {
        if let Some(weight) = weight.filter(|&weight| weight != 0) {
            // Only BFQ weighs disks one by one. Without it this is left out, as runc does: where there is no scheduler
            // that weighs, there is nothing that the weight could say.
            let line = format!("{major}:{minor} {weight}");
            v1::if_there(put(group, "io.bfq.weight", &line))?;
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
            put(group, "io.max", &format!("{major}:{minor} {key}={rate}"))?;
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
    fn a_limit_that_is_too_small_to_start_a_process() {
        let unified = |text: &str| Resources {
            unified: vec![("memory.max".to_owned(), text.to_owned())],
            ..Resources::default()
        };
        for text in ["0", "4096", " 32767\n", "31k", "4K"] {
            assert!(check(&unified(text)).is_err(), "{text}");
        }
        for text in ["32768", "32k", "1m", "max", "", "k", "x"] {
            assert!(check(&unified(text)).is_ok(), "{text}");
        }
        let limit = |limit| Resources {
            memory: Memory {
                limit: Some(limit),
                ..Memory::default()
            },
            ..Resources::default()
        };
        assert!(check(&limit(32_767)).is_err());
        for enough in [-1, 0, 32_768] {
            assert!(check(&limit(enough)).is_ok(), "{enough}");
        }
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
