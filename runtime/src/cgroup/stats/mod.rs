//! What a container has used, as the kernel counts it: the `data` of runc's `events`.
//!
//! The names are runc's, and so is what is left out when it is zero. What only one kind of hierarchy counts stays zero on the
//! other.

mod group;
mod table;
mod v1;
mod v2;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::error::Result;
use super::path::CgroupPaths;

/// All of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Stats {
    /// Time.
    pub cpu: Cpu,
    /// Placement (v1).
    pub cpuset: Cpuset,
    /// Bytes.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// By page size ("2MB").
    pub hugetlb: BTreeMap<String, Hugetlb>,
    /// Always empty: there is no group of it.
    pub intel_rdt: IntelRdt,
    /// Always `null`: runc counts those of its own making, which a config.json cannot ask for.
    pub network_interfaces: Option<()>,
}

/// `cpu`
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Cpu {
    /// Nanoseconds.
    pub usage: CpuUsage,
    /// By the quota.
    pub throttling: Throttling,
    /// v2
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// `cpu.usage`, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CpuUsage {
    /// All of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
    /// By CPU (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// By CPU, in the kernel (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// By CPU, in programs (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
}

/// `cpu.throttling`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods that have passed.
    #[serde(skip_serializing_if = "is_zero")]
    pub periods: u64,
    /// Of these, with throttling.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_periods: u64,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_time: u64,
}

/// `cpuset`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cpuset {
    /// `cpuset.cpus`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    /// `cpuset.cpu_exclusive`; the others likewise.
    pub cpu_exclusive: u64,
    /// .
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    /// .
    pub mem_hardwall: u64,
    /// .
    pub mem_exclusive: u64,
    /// .
    pub memory_migrate: u64,
    /// .
    pub memory_spread_page: u64,
    /// .
    pub memory_spread_slab: u64,
    /// .
    pub memory_pressure: u64,
    /// .
    pub sched_load_balance: u64,
    /// -1: the system's default.
    pub sched_relax_domain_level: i64,
}

/// `memory`
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Memory {
    /// Page cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache: u64,
    /// Memory.
    pub usage: MemoryEntry,
    /// Memory and swap together, on v2 too.
    pub swap: MemoryEntry,
    /// Of the kernel (v1).
    pub kernel: MemoryEntry,
    /// TCP buffers (v1).
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    /// `memory.stat`
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// v2
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// One thing that is counted in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MemoryEntry {
    /// `u64::MAX`: none (v2).
    pub limit: u64,
    /// Now.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// Ever.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was hit (v1).
    pub failcnt: u64,
}

/// `pids`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Pids {
    /// Processes and threads.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// 0: none.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

/// `blkio`
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blkio {
    /// Bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    /// Requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    /// Requests that wait.
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "Vec::is_empty")]
    pub io_queued_recursive: Vec<BlkioEntry>,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    /// Requests that became part of another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    /// Of 512 bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    /// v2
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Psi>,
}

/// One number of one device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BlkioEntry {
    /// Of the device.
    #[serde(skip_serializing_if = "is_zero")]
    pub major: u64,
    /// Of the device.
    #[serde(skip_serializing_if = "is_zero")]
    pub minor: u64,
    /// "Read", "Write", "Sync", "Async", "Discard", "Total".
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The number.
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u64,
}

/// `hugetlb`, of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Hugetlb {
    /// Bytes now.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// Ever (v1).
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// `intel_rdt`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct IntelRdt {}

/// Pressure stall information: the kernel's Documentation/accounting/psi.rst.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Psi {
    /// At least one process waited.
    pub some: PsiData,
    /// All did.
    pub full: PsiData,
}

/// One line of a pressure file.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct PsiData {
    /// Percent of the last 10 seconds.
    #[serde(serialize_with = "as_go")]
    pub avg10: f64,
    /// Of the last minute.
    #[serde(serialize_with = "as_go")]
    pub avg60: f64,
    /// Of the last five.
    #[serde(serialize_with = "as_go")]
    pub avg300: f64,
    /// Microseconds.
    pub total: u64,
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Go prints whole numbers without a fraction. The kernel's have two decimals, and go to 100.
// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::cast_possible_truncation)]
fn as_go<S: Serializer>(number: &f64, to: S) -> std::result::Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        to.serialize_i64(*number as i64)
    } else {
        to.serialize_f64(*number)
    }
}

/// Reads all that this host counts. A group that is gone has used nothing.
///
/// # Errors
/// A file that cannot be read, or is not as documented.
pub fn stats(paths: &CgroupPaths) -> Result<Stats> {
    match paths.get("") {
        Some(group) if paths.is_v2() => v2::stats(group),
        _ => v1::stats(paths),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_told_as_runc_tells_nothing() {
        let entry = r#"{"limit":0,"failcnt":0}"#;
        let cpuset = r#"{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0}"#;
        assert_eq!(
            serde_json::to_string(&Stats::default()).unwrap(),
            format!(
                r#"{{"cpu":{{"usage":{{"kernel":0,"user":0}},"throttling":{{}}}},"cpuset":{cpuset},"memory":{{"usage":{entry},"swap":{entry},"kernel":{entry},"kernelTCP":{entry}}},"pids":{{}},"blkio":{{}},"hugetlb":{{}},"intel_rdt":{{}},"network_interfaces":null}}"#
            )
        );
    }

    #[test]
    fn percentages_are_gos() {
        let psi = PsiData {
            avg10: 0.0,
            avg60: 0.12,
            avg300: 100.0,
            total: 7,
        };
        assert_eq!(
            serde_json::to_string(&psi).unwrap(),
            r#"{"avg10":0,"avg60":0.12,"avg300":100,"total":7}"#
        );
    }
}
