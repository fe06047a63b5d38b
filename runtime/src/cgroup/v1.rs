//! Limits on v1: which file takes what, as runc's fs manager.
//!
//! A zero is "not set" where runc takes it so (memory, cpu, blkio weights); each place that differs says so.

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::devices::Policy;
use super::error::{Error, Result};
use super::file;
use super::path::CgroupPaths;
use crate::plan::{BlockIo, Cpu, Memory, Resources};
use crate::sys::{self, close::Batch};

/// The kernel's bounds of `cpu.shares`; it clamps silently.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// Limits that this host, or v1, cannot keep: found before anything is made.
///
/// # Errors
/// The first such limit.
pub(super) fn check(paths: &CgroupPaths, resources: &Resources) -> Result<()> {
    if !resources.unified.is_empty() {
        return Err(Error::NoUnified);
    }
    Policy::of(&resources.devices)?;
    if let Some(shares) = resources.cpu.shares.filter(|&shares| shares != 0) {
        if shares < *SHARES.start() {
            return Err(Error::Shares {
                bound: "minimum",
                value: *SHARES.start(),
            });
        }
        if shares > *SHARES.end() {
            return Err(Error::Shares {
                bound: "maximum",
                value: *SHARES.end(),
            });
        }
    }
    for (controller, wanted) in wanted(resources) {
        if wanted && paths.get(controller).is_none() {
            return Err(Error::NoController { controller });
        }
    }
    Ok(())
}

/// Init is born in its group with its creator's memory ([`crate::sys::clone`]). Where there is no room for what the kernel needs to give it
/// another one, whoever has this memory is killed, and the creator could say nothing of it.
pub(super) const FEWEST: u64 = 32 * 1024;
pub(super) const TOO_FEW: &str = "fewer bytes than it takes to start a process: container init would be OOM-killed (memory limit too low?)";

pub(super) fn enough_for_init(memory: &Memory) -> Result<()> {
    match memory.limit {
        Some(limit) if limit > 0 && limit.cast_unsigned() < FEWEST => Err(Error::Limit {
            field: "linux.resources.memory.limit",
            what: TOO_FEW,
        }),
        _ => Ok(()),
    }
}

/// Is any limit asked for, v2's too?
pub(super) fn has_limits(resources: &Resources) -> bool {
    !resources.unified.is_empty() || wanted(resources).iter().any(|(_, asked)| *asked)
}

/// Controllers, and whether a limit of theirs is asked for.
pub(super) fn wanted(resources: &Resources) -> [(&'static str, bool); 9] {
    let Memory {
        limit,
        reservation,
        swap,
        swappiness,
        disable_oom_killer,
        ..
    } = &resources.memory;
    let cpu = &resources.cpu;
    let io = &resources.block_io;
    let text = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    let memory = [limit, reservation, swap]
        .into_iter()
        .any(|value| set(*value).is_some())
        || swappiness.is_some()
        || *disable_oom_killer == Some(true);
    let cpu_time = [cpu.shares, cpu.burst, cpu.period, cpu.realtime_period]
        .into_iter()
        .any(|value| value.is_some_and(|value| value != 0))
        || [cpu.quota, cpu.realtime_runtime]
            .into_iter()
            .any(|value| set(value).is_some())
        || cpu.idle.is_some();
    [
        ("cpuset", text(&cpu.cpus) || text(&cpu.mems)),
        ("memory", memory),
        ("cpu", cpu_time),
        ("pids", resources.pids_limit.is_some()),
        ("blkio", *io != BlockIo::default()),
        ("hugetlb", !resources.hugepages.is_empty()),
        ("net_cls", resources.net_class_id.is_some_and(|id| id != 0)),
        ("net_prio", !resources.net_priorities.is_empty()),
        ("rdma", !resources.rdma.is_empty()),
    ]
}

/// A number that is not runc's "not set".
fn set(value: Option<i64>) -> Option<i64> {
    value.filter(|&value| value != 0)
}

/// See [`super::apply`].
pub(super) fn apply(
    paths: &CgroupPaths,
    resources: &Resources,
    devices: impl Fn(Result<()>) -> Result<()>,
) -> Result<Batch> {
    check(paths, resources)?;
    let mut files = Files {
        paths,
        batch: Batch::default(),
    };
    if let Some(directory) = paths.get("devices") {
        devices(Policy::of(&resources.devices)?.write_v1(directory, &mut files.batch))?;
    }
    memory(&mut files, &resources.memory)?;
    cpu(&mut files, &resources.cpu)?;
    if let Some(limit) = resources.pids_limit {
        // 0 is a limit (runtime-spec 1.3; runc before 1.4 took it for "not set"): no process may be added by fork.
        let value = if limit < 0 {
            "max".to_owned()
        } else {
            limit.to_string()
        };
        files.put("pids", "pids.max", &value)?;
    }
    block_io(&mut files, &resources.block_io)?;
    for (size, limit) in &resources.hugepages {
        files.put(
            "hugetlb",
            &format!("hugetlb.{size}.limit_in_bytes"),
            &limit.to_string(),
        )?;
        // Reservations are limited where the kernel can (5.7), as runc.
        let reserved = format!("hugetlb.{size}.rsvd.limit_in_bytes");
        if_there(files.put("hugetlb", &reserved, &limit.to_string()))?;
    }
    if let Some(id) = resources.net_class_id.filter(|&id| id != 0) {
        files.put("net_cls", "net_cls.classid", &id.to_string())?;
    }
    for (interface, priority) in &resources.net_priorities {
        files.put(
            "net_prio",
            "net_prio.ifpriomap",
            &format!("{interface} {priority}"),
        )?;
    }
    for (device, handles, objects) in &resources.rdma {
        files.put("rdma", "rdma.max", &rdma_line(device, *handles, *objects))?;
    }
    Ok(files.batch)
}

/// "mlx5_0 hca_handle=3 hca_object=max": the same on v1 and v2.
pub(super) fn rdma_line(device: &str, handles: Option<u32>, objects: Option<u32>) -> String {
    let mut line = device.to_owned();
    for (key, value) in [("hca_handle", handles), ("hca_object", objects)] {
        if let Some(value) = value {
            line.push_str(&format!(" {key}={value}"));
        }
    }
    line
}

/// Real-time settings of a new group. They must be there before a real-time process joins, and cost nothing otherwise.
pub(super) fn realtime(paths: &CgroupPaths, cpu: &Cpu) -> Result<()> {
    let mut files = Files {
        paths,
        batch: Batch::default(),
    };
    if let Some(period) = cpu.realtime_period.filter(|&period| period != 0) {
        files.put("cpu", "cpu.rt_period_us", &period.to_string())?;
    }
    if let Some(runtime) = set(cpu.realtime_runtime) {
        files.put("cpu", "cpu.rt_runtime_us", &runtime.to_string())?;
    }
    Ok(())
}

fn memory(files: &mut Files<'_>, memory: &Memory) -> Result<()> {
    let limit = set(memory.limit);
    let mut swap = set(memory.swap);
    if limit == Some(-1) && swap.is_none() {
        // No limit on memory is none on memory and swap together either, where the kernel counts swap at all.
        let both = files.put("memory", "memory.memsw.limit_in_bytes", "-1");
        if_there(both)?;
    }
    // The kernel wants memory <= memory + swap at each step. Which of the two must go first depends on what is there:
    // try, instead of looking.
    if let Some(limit) = limit {
        let refused = !accepted(memory_limit(files, limit), swap.is_some())?;
        if refused {
            if let Some(swap) = swap.take() {
                files.put("memory", "memory.memsw.limit_in_bytes", &swap.to_string())?;
            }
            memory_limit(files, limit)?;
        }
    }
    if let Some(swap) = swap {
        files.put("memory", "memory.memsw.limit_in_bytes", &swap.to_string())?;
    }
    // `kernel` and `kernelTCP` are obsolete: the kernel ignores the one and dropped the other; `spec` warns, as runc.
    if let Some(reservation) = set(memory.reservation) {
        files.put(
            "memory",
            "memory.soft_limit_in_bytes",
            &reservation.to_string(),
        )?;
    }
    if memory.disable_oom_killer == Some(true) {
        files.put("memory", "memory.oom_control", "1")?;
    }
    if let Some(swappiness) = memory.swappiness {
        files.put("memory", "memory.swappiness", &swappiness.to_string())?;
    }
    Ok(())
}

/// The limit itself; if it is below what is in use, the error says what is.
fn memory_limit(files: &mut Files<'_>, limit: i64) -> Result<()> {
    match files.put("memory", "memory.limit_in_bytes", &limit.to_string()) {
        Err(Error::Write { source, .. }) if source.errno == Errno::EBUSY => {
            Err(Error::MemoryInUse {
                limit,
                usage: files.number("memory", "memory.usage_in_bytes")?,
                peak: files.number("memory", "memory.max_usage_in_bytes")?,
                source,
            })
        }
        done => done,
    }
}

fn cpu(files: &mut Files<'_>, cpu: &Cpu) -> Result<()> {
    if let Some(shares) = cpu.shares.filter(|&shares| shares != 0) {
        files.put("cpu", "cpu.shares", &shares.to_string())?;
    }
    let burst = cpu.burst.map(|burst| burst.to_string());
    let mut period = cpu
        .period
        .filter(|&period| period != 0)
        .map(|period| period.to_string());
    if let Some(value) = &period {
        // Against the quota that is there it may be too small; then it goes after the new quota.
        if accepted(
            files.put("cpu", "cpu.cfs_period_us", value),
            set(cpu.quota).is_some(),
        )? {
            period = None;
        }
    }
    if let Some(quota) = set(cpu.quota) {
        let quota = quota.to_string();
        if !accepted(
            files.put("cpu", "cpu.cfs_quota_us", &quota),
            burst.is_some(),
        )? {
            // The burst that is there may be larger than the new quota.
            if let Some(burst) = &burst {
                files.put("cpu", "cpu.cfs_burst_us", burst)?;
            }
            files.put("cpu", "cpu.cfs_quota_us", &quota)?;
        }
    }
    if let Some(period) = &period {
        files.put("cpu", "cpu.cfs_period_us", period)?;
    }
    if let Some(burst) = &burst {
        files.put("cpu", "cpu.cfs_burst_us", burst)?;
    }
    if let Some(idle) = cpu.idle {
        files.put("cpu", "cpu.idle", &idle.to_string())?;
    }
    Ok(())
}

fn block_io(files: &mut Files<'_>, io: &BlockIo) -> Result<()> {
    if let Some(weight) = io.weight.filter(|&weight| weight != 0) {
        files.put_either(
            "blkio",
            ["blkio.weight", "blkio.bfq.weight"],
            &weight.to_string(),
        )?;
    }
    if let Some(weight) = io.leaf_weight.filter(|&weight| weight != 0) {
        files.put("blkio", "blkio.leaf_weight", &weight.to_string())?;
    }
    for (major, minor, weight, leaf_weight) in &io.weight_devices {
        if let Some(weight) = weight.filter(|&weight| weight != 0) {
            let names = ["blkio.weight_device", "blkio.bfq.weight_device"];
            files.put_either("blkio", names, &format!("{major}:{minor} {weight}"))?;
        }
        if let Some(weight) = leaf_weight.filter(|&weight| weight != 0) {
            files.put(
                "blkio",
                "blkio.leaf_weight_device",
                &format!("{major}:{minor} {weight}"),
            )?;
        }
    }
    for (name, throttles) in [
        ("blkio.throttle.read_bps_device", &io.read_bps),
        ("blkio.throttle.write_bps_device", &io.write_bps),
        ("blkio.throttle.read_iops_device", &io.read_iops),
        ("blkio.throttle.write_iops_device", &io.write_iops),
    ] {
        for (major, minor, rate) in throttles {
            files.put("blkio", name, &format!("{major}:{minor} {rate}"))?;
        }
    }
    Ok(())
}

/// Did the kernel take it? "Invalid argument" is no error yet if there is something to try before trying again.
fn accepted(result: Result<()>, again: bool) -> Result<bool> {
    match result {
        Err(Error::Write { source, .. }) if again && source.errno == Errno::EINVAL => Ok(false),
        done => done.map(|()| true),
    }
}

/// A file that this kernel does not have is no error.
pub(super) fn if_there(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Write { source, .. }) if source.errno == Errno::ENOENT => Ok(()),
        done => done,
    }
}

/// The files of one container's groups. Closes what it opened all at once, when dropped.
struct Files<'a> {
    paths: &'a CgroupPaths,
    batch: Batch,
}

impl Files<'_> {
    fn path(&self, controller: &'static str, name: &str) -> Result<String> {
        let directory = self
            .paths
            .get(controller)
            .ok_or(Error::NoController { controller })?;
        Ok(format!("{directory}/{name}"))
    }

    fn put(&mut self, controller: &'static str, name: &str, value: &str) -> Result<()> {
        let path = self.path(controller, name)?;
        let fd = file::open_file(&path, OFlag::O_WRONLY).map_err(|source| Error::Write {
            value: value.to_owned(),
            source,
        })?;
        let done = file::write_to(&fd, &path, value);
        self.batch.push(fd);
        done
    }

    /// The first of two names that exists: schedulers name their files differently.
    fn put_either(
        &mut self,
        controller: &'static str,
        names: [&str; 2],
        value: &str,
    ) -> Result<()> {
        match self.put(controller, names[0], value) {
            Err(Error::Write { source, .. }) if source.errno == Errno::ENOENT => {
                self.put(controller, names[1], value)
            }
            done => done,
        }
    }

    fn number(&self, controller: &'static str, name: &str) -> Result<u64> {
        let path = self.path(controller, name)?;
        let text = file::read_line(&path)?;
        text.trim_end()
            .parse()
            .map_err(|_| sys::Error::new("read", path, Errno::EINVAL).into())
    }
}
