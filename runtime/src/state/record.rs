//! `state.json`.
//!
//! The keys that third parties read in runc's file have runc's names and meaning; what only this runtime needs is
//! below `runtime`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{LateHooks, Resources};

/// A container's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The container's name.
    pub id: String,
    /// Init's pid in the creator's pid namespace; 0 while there is none.
    pub init_process_pid: i32,
    /// Init's start time: field 22 of `/proc/PID/stat`, in clock ticks after boot; with the pid it names one process for ever.
    pub init_process_start: u64,
    /// RFC 3339 with nanoseconds, UTC.
    pub created: String,
    /// What third parties read of libcontainer's config.
    pub config: Config,
    /// Controller ("memory", "name=systemd"; "" on cgroup v2) to the cgroup's absolute directory.
    pub cgroup_paths: BTreeMap<String, String>,
    /// "NEWPID" style names to `/proc/PID/ns/...`.
    pub namespace_paths: BTreeMap<String, String>,
    /// What only this runtime reads.
    pub runtime: Runtime,
}

/// The `config` of the record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// Absolute host path of the root filesystem.
    pub rootfs: String,
    /// `hostname`
    #[serde(default)]
    pub hostname: String,
    /// The container's namespaces.
    #[serde(default)]
    pub namespaces: Vec<Namespace>,
    /// `bundle=<path>`, then every annotation as `key=value`.
    pub labels: Vec<String>,
    /// The limits that `update` has set.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub cgroups: Limits,
}

/// Limits under the names that they have in runc's record. Only those that were changed since the container was made: they are
/// told here, and kept by the kernel, which is asked when one depends on another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_burst: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_rt_quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_rt_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_cpus: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_idle: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blkio_weight: Option<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unified: BTreeMap<String, String>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what `resources` names; of several updates the last counts.
    pub fn take(&mut self, resources: &Resources) {
        fn set<T: Clone>(to: &mut Option<T>, from: Option<&T>) {
            if from.is_some() {
                *to = from.cloned();
            }
        }
        let (memory, cpu) = (&resources.memory, &resources.cpu);
        set(&mut self.memory, memory.limit.as_ref());
        set(&mut self.memory_reservation, memory.reservation.as_ref());
        set(&mut self.memory_swap, memory.swap.as_ref());
        set(&mut self.cpu_shares, cpu.shares.as_ref());
        set(&mut self.cpu_quota, cpu.quota.as_ref());
        set(&mut self.cpu_period, cpu.period.as_ref());
        set(&mut self.cpu_burst, cpu.burst.as_ref());
        set(&mut self.cpu_rt_quota, cpu.realtime_runtime.as_ref());
        set(&mut self.cpu_rt_period, cpu.realtime_period.as_ref());
        set(&mut self.cpuset_cpus, cpu.cpus.as_ref());
        set(&mut self.cpuset_mems, cpu.mems.as_ref());
        set(&mut self.cpu_idle, cpu.idle.as_ref());
        set(&mut self.pids_limit, resources.pids_limit.as_ref());
        set(&mut self.blkio_weight, resources.block_io.weight.as_ref());
        self.unified.extend(resources.unified.iter().cloned());
    }
}

/// One namespace of the record's `config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// "NEWPID" style.
    #[serde(rename = "type")]
    pub kind: String,
    /// The joined namespace's path; empty: a new one.
    pub path: String,
}

/// What only this runtime reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// The record's format; a reader refuses what it does not know.
    pub version: u32,
    /// `ociVersion` of the config.
    pub oci_version: String,
    /// The hooks of `start` and `delete`, which do not read config.json.
    #[serde(default, skip_serializing_if = "LateHooks::is_empty")]
    pub hooks: LateHooks,
    /// `listenerPath` of the seccomp profile: who may be asked about what init calls at its gate, and be silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How many seconds init's hooks may take between the start and the program: without a limit, [`Runtime::FOR_EVER`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_hooks: u64,
    /// The CPU weight (v1: shares) that the container had when `update` made it idle: the kernel forgets it then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: u64,
    /// `--no-new-keyring`: `exec` stays in the caller's too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_new_keyring: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

impl Runtime {
    /// Of [`Runtime::start_hooks`]: one of them has no timeout.
    pub const FOR_EVER: u64 = u64::MAX;
}

impl Record {
    /// The format that this runtime writes.
    pub const VERSION: u32 = 1;

    /// The bundle, from the labels.
    pub fn bundle(&self) -> &str {
        self.label("bundle").unwrap_or_default()
    }

    /// Was it given a pid namespace of its own?
    pub fn has_own_pids(&self) -> bool {
        let namespaces = &self.config.namespaces;
        (namespaces.iter()).any(|own| own.kind == "NEWPID" && own.path.is_empty())
    }

    /// The annotations: every label but the bundle.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.config
            .labels
            .iter()
            .filter_map(|label| label.split_once('='))
            .filter(|(key, _)| *key != "bundle")
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// The labels of a container with this bundle and these annotations.
    pub fn labels(bundle: &str, annotations: &BTreeMap<String, String>) -> Vec<String> {
        std::iter::once(format!("bundle={bundle}"))
            .chain(
                annotations
                    .iter()
                    .map(|(key, value)| format!("{key}={value}")),
            )
            .collect()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.config
            .labels
            .iter()
            .filter_map(|label| label.split_once('='))
            .find(|(k, _)| *k == key)
            .map(|(_, value)| value)
    }
}
