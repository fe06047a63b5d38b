//! `linux.cgroupsPath` and `linux.resources`.
//!
//! Where Go has a plain number, 0 and "not given" are the same to runc, and engines write 0 for "not given": so they are
//! the same here. `pids.limit` is not among them (config-linux.md: 0 is a limit).

use super::LoadOptions;
use super::config::{self, DeviceRule as RuleConfig};
use super::devices::{number, out_of_range};
use super::error::{Error, Result};
use super::json::Str;
use crate::plan::{BlockIo, CgroupPlan, Cpu, DeviceKind, DeviceRule, Memory, Resources};

/// Where the container's cgroup is, and its limits.
pub(super) fn plan(
    path: Option<Str<'_>>,
    resources: Option<config::Resources<'_>>,
    options: &LoadOptions,
    warnings: &mut Vec<String>,
) -> Result<CgroupPlan> {
    let path = given(path);
    if let Some(path) = &path
        && options.systemd_cgroup
        && path.split(':').count() != 3
    {
        return Err(Error::refused(format!(
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {path:?} instead"
        )));
    }
    let resources = resources.unwrap_or_default();
    Ok(CgroupPlan {
        path,
        resources: Resources {
            devices: resources
                .devices
                .unwrap_or_default()
                .into_iter()
                .enumerate()
                .map(|(index, rule)| device_rule(index, &rule))
                .collect::<Result<_>>()?,
            memory: memory(resources.memory.unwrap_or_default(), warnings)?,
            cpu: cpu(resources.cpu.unwrap_or_default()),
            pids_limit: resources.pids.and_then(|pids| pids.limit),
            block_io: block_io(resources.block_io.unwrap_or_default())?,
            hugepages: hugepages(resources.hugepage_limits.unwrap_or_default())?,
            net_class_id: resources
                .network
                .as_ref()
                .and_then(|network| nonzero(network.class_id)),
            net_priorities: resources
                .network
                .and_then(|network| network.priorities)
                .unwrap_or_default()
                .into_iter()
                .enumerate()
                .map(|(index, entry)| match given(entry.name) {
                    Some(name) if !name.contains([' ', '\n']) => {
                        Ok((name, entry.priority.unwrap_or(0)))
                    }
                    _ => Err(Error::invalid(
                        format!("linux.resources.network.priorities[{index}].name"),
                        "must be the name of an interface",
                    )),
                })
                .collect::<Result<_>>()?,
            rdma: resources
                .rdma
                .unwrap_or_default()
                .0
                .into_iter()
                .map(|(device, limits)| {
                    (device.into_string(), limits.hca_handles, limits.hca_objects)
                })
                .collect(),
            unified: resources
                .unified
                .unwrap_or_default()
                .0
                .into_iter()
                .map(|(key, value)| unified(key, value))
                .collect::<Result<_>>()?,
        },
    })
}

/// A text that is given and not empty.
fn given(text: Option<Str<'_>>) -> Option<String> {
    text.filter(|text| !text.is_empty())
        .map(|text| text.into_string())
}

/// A number that is given and not 0.
fn nonzero<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

fn device_rule(index: usize, rule: &RuleConfig<'_>) -> Result<DeviceRule> {
    let field = |name: &str| format!("linux.resources.devices[{index}].{name}");
    let access = rule.access.as_deref().unwrap_or("");
    if access.is_empty() {
        return Err(Error::refused(format!(
            "device access at {index} field cannot be empty"
        )));
    }
    if !access.bytes().all(|letter| b"rwm".contains(&letter)) {
        return Err(Error::invalid(
            field("access"),
            format!("{access:?} is not made of r, w and m"),
        ));
    }
    let kind = match rule.kind.as_deref() {
        None | Some("" | "a") => None,
        Some("c") => Some(DeviceKind::Char),
        Some("b") => Some(DeviceKind::Block),
        Some(kind) => {
            return Err(Error::refused(format!(
                "invalid cgroup device type {kind:?}"
            )));
        }
    };
    let number = |name, value: Option<i64>| match value {
        // runc's own wildcard.
        None | Some(-1) => Ok(None),
        Some(value) => match number(value) {
            Some(number) => Ok(Some(number)),
            None => Err(out_of_range(field(name), value)),
        },
    };
    Ok(DeviceRule {
        allow: rule.allow.unwrap_or(false),
        kind,
        major: number("major", rule.major)?,
        minor: number("minor", rule.minor)?,
        read: access.contains('r'),
        write: access.contains('w'),
        mknod: access.contains('m'),
    })
}

pub(super) fn memory(memory: config::Memory, warnings: &mut Vec<String>) -> Result<Memory> {
    if memory.kernel.is_some() || memory.kernel_tcp.is_some() {
        warnings.push("Kernel memory settings are ignored and will be removed".to_owned());
    }
    // Old engines write -1 as an unsigned number, for "not given".
    let swappiness = memory.swappiness.filter(|&value| value != u64::MAX);
    if let Some(value) = swappiness
        && value > 100
    {
        return Err(Error::invalid(
            "linux.resources.memory.swappiness",
            format!("invalid memory swappiness value: {value} (valid range is 0-100)"),
        ));
    }
    Ok(Memory {
        limit: nonzero(memory.limit),
        reservation: nonzero(memory.reservation),
        swap: nonzero(memory.swap),
        kernel: nonzero(memory.kernel),
        kernel_tcp: nonzero(memory.kernel_tcp),
        swappiness,
        disable_oom_killer: memory.disable_oom_killer,
        use_hierarchy: memory.use_hierarchy,
        check_before_update: memory.check_before_update,
    })
}

pub(super) fn cpu(cpu: config::Cpu<'_>) -> Cpu {
    Cpu {
        shares: nonzero(cpu.shares),
        quota: nonzero(cpu.quota),
        burst: cpu.burst,
        period: nonzero(cpu.period),
        realtime_runtime: nonzero(cpu.realtime_runtime),
        realtime_period: nonzero(cpu.realtime_period),
        cpus: given(cpu.cpus),
        mems: given(cpu.mems),
        idle: cpu.idle,
    }
}

fn block_io(block_io: config::BlockIo) -> Result<BlockIo> {
    const FIELD: &str = "linux.resources.blockIO";
    let weight = |field: &str, weight: Option<u16>| match nonzero(weight) {
        Some(weight) if !(10..=1000).contains(&weight) => Err(Error::invalid(
            format!("{FIELD}.{field}"),
            format!("{weight} is not in 10..1000"),
        )),
        weight => Ok(weight),
    };
    let device = |list: &str, index: usize, major: Option<i64>, minor: Option<i64>| {
        let number = |name: &str, value: Option<i64>| {
            let field = || format!("{FIELD}.{list}[{index}].{name}");
            let value = value.ok_or_else(|| Error::invalid(field(), "must be given"))?;
            number(value).ok_or_else(|| out_of_range(field(), value))
        };
        Ok::<_, Error>((number("major", major)?, number("minor", minor)?))
    };
    let throttle = |name: &str, list: Option<Vec<config::ThrottleDevice>>| {
        list.unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, entry)| {
                let (major, minor) = device(name, index, entry.major, entry.minor)?;
                let rate = entry.rate.ok_or_else(|| {
                    Error::invalid(format!("{FIELD}.{name}[{index}].rate"), "must be given")
                })?;
                Ok((major, minor, rate))
            })
            .collect::<Result<_>>()
    };
    Ok(BlockIo {
        weight: weight("weight", block_io.weight)?,
        leaf_weight: weight("leafWeight", block_io.leaf_weight)?,
        weight_devices: block_io
            .weight_device
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, entry)| {
                let (major, minor) = device("weightDevice", index, entry.major, entry.minor)?;
                let field = |name| format!("weightDevice[{index}].{name}");
                Ok((
                    major,
                    minor,
                    weight(&field("weight"), entry.weight)?,
                    weight(&field("leafWeight"), entry.leaf_weight)?,
                ))
            })
            .collect::<Result<_>>()?,
        read_bps: throttle("throttleReadBpsDevice", block_io.read_bps)?,
        write_bps: throttle("throttleWriteBpsDevice", block_io.write_bps)?,
        read_iops: throttle("throttleReadIOPSDevice", block_io.read_iops)?,
        write_iops: throttle("throttleWriteIOPSDevice", block_io.write_iops)?,
    })
}

/// The size becomes part of a file's name: it must look as the spec has it, `^[1-9][0-9]*[KMGTPE]B$`.
fn hugepages(limits: Vec<config::Hugepage<'_>>) -> Result<Vec<(String, u64)>> {
    limits
        .into_iter()
        .enumerate()
        .map(|(index, entry)| {
            let field = |name: &str| format!("linux.resources.hugepageLimits[{index}].{name}");
            let size = entry.page_size.as_deref().unwrap_or("");
            let digits = size
                .strip_suffix('B')
                .and_then(|size| size.strip_suffix(['K', 'M', 'G', 'T', 'P', 'E']))
                .unwrap_or("");
            if digits.is_empty()
                || digits.starts_with('0')
                || !digits.bytes().all(|digit| digit.is_ascii_digit())
            {
                return Err(Error::invalid(
                    field("pageSize"),
                    format!("{size:?} is not a size (2MB)"),
                ));
            }
            let limit = entry
                .limit
                .ok_or_else(|| Error::invalid(field("limit"), "must be given"))?;
            Ok((size.to_owned(), limit))
        })
        .collect()
}

/// The key is a file of the container's cgroup.
pub(super) fn unified(key: Str<'_>, value: Str<'_>) -> Result<(String, String)> {
    if key.contains('/') {
        return Err(Error::refused(format!(
            "unified resource {:?} must be a file name (no slashes)",
            &*key
        )));
    }
    if matches!(&*key, "" | "." | "..") {
        return Err(Error::invalid(
            "linux.resources.unified",
            format!("{:?} is not the name of a file", &*key),
        ));
    }
    // A frozen init never comes to its program; who is written to `cgroup.procs` ends with the container.
    if matches!(
        &*key,
        "cgroup.procs" | "cgroup.threads" | "cgroup.freeze" | "cgroup.kill"
    ) {
        return Err(Error::invalid(
            "linux.resources.unified",
            format!(
                "{:?} is no setting of the group, but acts on processes",
                &*key
            ),
        ));
    }
    Ok((key.into_string(), value.into_string()))
}
