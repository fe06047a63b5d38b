//! The files of v1 for an update: the same as [`super::super::v1`] writes for a new container.

use std::path::Path;

use super::super::error::{Error, Result};
use super::super::path::CgroupPaths;
use super::super::{v1, v2};
use super::{Change, Needs, given, number, set};
use crate::plan::{Cpu, Memory, Resources};

struct Files<'a> {
    paths: &'a CgroupPaths,
    changes: Vec<Change>,
}

impl Files<'_> {
    fn path(&self, controller: &'static str, name: &str) -> Result<String> {
        let directory = self.paths.get(controller);
        let directory = directory.ok_or(Error::NoController { controller })?;
        Ok(format!("{directory}/{name}"))
    }

    fn put<T: ToString>(
        &mut self,
        controller: &'static str,
        name: &str,
        value: Option<T>,
    ) -> Result<()> {
        if let Some(value) = value {
            self.changes.push(Change {
                path: self.path(controller, name)?,
                value: value.to_string(),
                needs: Needs::Controller(controller),
            });
        }
        Ok(())
    }
}

pub(super) fn changes(paths: &CgroupPaths, resources: &Resources) -> Result<Vec<Change>> {
    v1::check(paths, resources)?;
    let mut files = Files {
        paths,
        changes: Vec::new(),
    };
    memory(&mut files, &resources.memory)?;
    cpu(&mut files, &resources.cpu)?;
    files.put("pids", "pids.max", resources.pids_limit.map(v2::number))?;
    if let Some(weight) = set(resources.block_io.weight) {
        // Schedulers name their files differently.
        let plain = files.path("blkio", "blkio.weight")?;
        let name = match Path::new(&plain).exists() {
            true => "blkio.weight",
            false => "blkio.bfq.weight",
        };
        files.put("blkio", name, Some(weight))?;
    }
    Ok(files.changes)
}

fn memory(files: &mut Files<'_>, memory: &Memory) -> Result<()> {
    const BOTH: &str = "memory.memsw.limit_in_bytes";
    let limit = set(memory.limit);
    let mut swap = set(memory.swap);
    if let (Some(limit), None) = (limit, swap)
        && let Some(both) = number(&files.path("memory", BOTH)?)
    {
        if limit == -1 {
            // No limit on memory is none on memory and swap together either, where the kernel counts swap at all.
            swap = Some(-1);
        } else if limit.cast_unsigned() > both {
            return Err(Error::AboveSwap { limit, both });
        }
    }
    files.put("memory", "memory.limit_in_bytes", limit)?;
    files.put("memory", BOTH, swap)?;
    let soft = set(memory.reservation);
    files.put("memory", "memory.soft_limit_in_bytes", soft)
}

fn cpu(files: &mut Files<'_>, cpu: &Cpu) -> Result<()> {
    files.put("cpu", "cpu.idle", cpu.idle)?;
    files.put("cpu", "cpu.shares", set(cpu.shares))?;
    files.put("cpu", "cpu.cfs_period_us", set(cpu.period))?;
    files.put("cpu", "cpu.cfs_quota_us", set(cpu.quota))?;
    files.put("cpu", "cpu.cfs_burst_us", cpu.burst)?;
    files.put("cpu", "cpu.rt_period_us", set(cpu.realtime_period))?;
    files.put("cpu", "cpu.rt_runtime_us", set(cpu.realtime_runtime))?;
    files.put("cpuset", "cpuset.cpus", given(cpu.cpus.as_ref()))?;
    files.put("cpuset", "cpuset.mems", given(cpu.mems.as_ref()))
}
