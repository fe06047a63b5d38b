//! What will be done, decided before anything is created.
//!
//! `spec` reads config.json and returns a [`Plan`]; nothing past `spec` sees JSON. [`InitPlan`] is the part that
//! init needs: it crosses the wire (postcard) inside the handshake's `Config` message. The rest stays with the
//! creator. Every string here is free of NUL bytes, every path that says "in the container" is absolute and
//! lexically clean (no `.`, `..`, `//`, no trailing `/` but for `/` itself).

mod execution;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use execution::{ExecAffinity, Execution, MemoryPolicy, NetDevice, Scheduler};

/// A whole container, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `ociVersion` of the config, as written.
    pub oci_version: String,
    /// What init does.
    pub init: InitPlan,
    /// Namespaces to join, in the order in which it is tried; the creator opens them before anything is created.
    pub join: Vec<JoinPlan>,
    /// Of the user namespace: what to write for a new one, what a joined one must have (empty: whatever it has).
    pub id_maps: IdMaps,
    /// `linux.netDevices`, in the order of their names.
    pub net_devices: Vec<NetDevice>,
    /// What the creator does in the cgroup hierarchies.
    pub cgroup: CgroupPlan,
    /// `process.execCPUAffinity`
    pub exec_affinity: ExecAffinity,
    /// `linux.seccomp`: the creator compiles it. `None`: no filter.
    pub seccomp: Option<crate::seccomp::Profile>,
    /// `hooks` that the creator, `start` and `delete` run; init's are in [`InitPlan::hooks`].
    pub hooks: Hooks,
    /// `annotations`, in key order.
    pub annotations: BTreeMap<String, String>,
    /// What runc would warn of and we warn of too; logged once, at level `warning`.
    pub warnings: Vec<String>,
}

/// The part of the plan that init carries out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitPlan {
    /// Namespaces to create.
    pub namespaces: Namespaces,
    /// Namespaces that are joined: the kinds of [`Plan::join`].
    pub joined: Namespaces,
    /// `linux.timeOffsets` of a new time namespace.
    pub time_offsets: Vec<TimeOffset>,
    /// Root filesystem, mounts, devices, masks. `None` never: a container has a root.
    pub rootfs: RootfsPlan,
    /// The user's process.
    pub process: ProcessPlan,
    /// How the kernel runs it.
    pub execution: Execution,
    /// `hostname` (needs [`Namespaces::UTS`]).
    pub hostname: Option<String>,
    /// `domainname` (needs [`Namespaces::UTS`]).
    pub domainname: Option<String>,
    /// `linux.sysctl` as (path below /proc/sys with `/` separators, value).
    pub sysctl: Vec<(String, String)>,
    /// `hooks` that init runs.
    pub hooks: InitHooks,
}

/// One hook: a program of the host (createContainer, startContainer: as init sees the file system then).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Absolute.
    pub path: String,
    /// With `argv[0]`; empty: the path alone.
    pub args: Vec<String>,
    /// `None`: that of who runs it, as in runc; init's are given the container's process's.
    pub env: Option<Vec<String>>,
    /// Seconds, more than 0. `None`: as long as it takes.
    pub timeout: Option<u64>,
}

/// The hooks of the runtime's own namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// `prestart`, deprecated and still used.
    pub prestart: Vec<Hook>,
    /// `createRuntime`
    pub create_runtime: Vec<Hook>,
    /// For later commands: these are recorded.
    pub late: LateHooks,
}

/// The hooks that commands after `create` run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LateHooks {
    /// `poststart`
    pub poststart: Vec<Hook>,
    /// `poststop`
    pub poststop: Vec<Hook>,
}

impl LateHooks {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.poststart.is_empty() && self.poststop.is_empty()
    }
}

/// The hooks of the container's namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InitHooks {
    /// `createContainer`: before pivot_root.
    pub create_container: Vec<Hook>,
    /// `startContainer`: before the execve of the program, as its user.
    pub start_container: Vec<Hook>,
}

impl InitHooks {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.create_container.is_empty() && self.start_container.is_empty()
    }
}

impl InitPlan {
    /// The namespaces that the config gave the container, new or joined.
    pub const fn given(&self) -> Namespaces {
        Namespaces(self.namespaces.0 | self.joined.0)
    }

    /// Does the container run in another user namespace than the creator's, a new or a joined one?
    pub const fn in_user_namespace(&self) -> bool {
        self.given().has(Namespaces::USER)
    }
}

/// A namespace to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinPlan {
    /// One of the bits of [`Namespaces`].
    pub kind: u64,
    /// Absolute host path of the namespace's file.
    pub path: String,
}

/// user_namespaces(7), "User and group ID mappings".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdMaps {
    /// `linux.uidMappings`
    pub uids: Vec<IdMapping>,
    /// `linux.gidMappings`
    pub gids: Vec<IdMapping>,
}

/// The offset of one clock; time_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// "monotonic" or "boottime".
    pub clock: String,
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds, below 10^9.
    pub nanosecs: u32,
}

/// A set of namespaces; the bits are the kernel's `CLONE_NEW*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Namespaces(pub u64);

impl Namespaces {
    /// `CLONE_NEWTIME`
    pub const TIME: u64 = 0x80;
    /// `CLONE_NEWNS`
    pub const MOUNT: u64 = 0x0002_0000;
    /// `CLONE_NEWCGROUP`
    pub const CGROUP: u64 = 0x0200_0000;
    /// `CLONE_NEWUTS`
    pub const UTS: u64 = 0x0400_0000;
    /// `CLONE_NEWIPC`
    pub const IPC: u64 = 0x0800_0000;
    /// `CLONE_NEWUSER`
    pub const USER: u64 = 0x1000_0000;
    /// `CLONE_NEWPID`
    pub const PID: u64 = 0x2000_0000;
    /// `CLONE_NEWNET`
    pub const NETWORK: u64 = 0x4000_0000;

    /// Is this one among them?
    pub const fn has(self, bit: u64) -> bool {
        self.0 & bit != 0
    }
}

/// The root filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootfsPlan {
    /// Absolute host path of the root, symlinks resolved.
    pub path: String,
    /// `root.readonly`
    pub readonly: bool,
    /// `linux.rootfsPropagation` as `MS_*` bits; runc's default is `MS_SLAVE|MS_REC`.
    pub propagation: u64,
    /// `--no-pivot`: `MS_MOVE` and chroot instead of `pivot_root`.
    pub no_pivot: bool,
    /// In order.
    pub mounts: Vec<MountPlan>,
    /// Device nodes: the spec's default devices first, then `linux.devices`. Empty when /dev is bind-mounted from the host.
    pub devices: Vec<DeviceNode>,
    /// Make the spec's default links (/dev/fd, stdin, stdout, stderr, /dev/ptmx) and set up /dev; false when /dev is bind-mounted.
    pub setup_dev: bool,
    /// `linux.maskedPaths`, in the container.
    pub masked_paths: Vec<String>,
    /// `linux.readonlyPaths`, in the container.
    pub readonly_paths: Vec<String>,
    /// `linux.mountLabel` (empty: none).
    pub mount_label: String,
}

/// One entry of `mounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPlan {
    /// In the container: absolute, clean.
    pub destination: String,
    /// What to mount.
    pub kind: MountKind,
    /// Per-mount flags (`MS_RDONLY`, `MS_NOSUID`, ... as for mount(2); no `MS_BIND`, `MS_REC`, no propagation).
    pub flags: u64,
    /// Flags that an option explicitly cleared ("rw", "suid", ...): a bind mount keeps its source's locked flags otherwise, as runc does.
    pub cleared: u64,
    /// Propagation changes to apply after mounting, in order, each one `MS_SHARED`/`MS_SLAVE`/`MS_PRIVATE`/`MS_UNBINDABLE`, perhaps with `MS_REC`.
    pub propagation: Vec<u64>,
    /// Recursive attributes ("rro", ...): `MOUNT_ATTR_*` to set, for mount_setattr(2) with `AT_RECURSIVE`.
    pub rec_attr_set: u64,
    /// Recursive attributes to clear ("rrw", ...).
    pub rec_attr_clear: u64,
    /// Filesystem-specific options, comma-joined, as mount(2) takes them.
    pub data: String,
    /// `tmpcopyup`: a tmpfs gets the contents of the directory that it covers.
    pub tmpcopyup: bool,
    /// An id-mapped mount: only of [`MountKind::Bind`].
    pub idmap: Option<MountIdMap>,
}

/// How the owners in a mount are mapped: what is `container` on the disk is seen as `host`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountIdMap {
    /// `ridmap`: also in the mounts below.
    pub recursive: bool,
    /// `uidMappings`, at least one.
    pub uid: Vec<IdMapping>,
    /// `gidMappings`, at least one.
    pub gid: Vec<IdMapping>,
}

/// `size` ids, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    /// `containerID`
    pub container: u32,
    /// `hostID`
    pub host: u32,
    /// `size`
    pub size: u32,
}

impl IdMapping {
    /// Is `id` of the container's among them?
    pub const fn has(self, id: u32) -> bool {
        id >= self.container && id - self.container < self.size
    }
}

/// The kinds of mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// `bind`/`rbind`.
    Bind {
        /// Absolute host path.
        source: String,
        /// `rbind`
        recursive: bool,
    },
    /// A filesystem by type, with its source as given (the type's name when missing).
    Filesystem {
        /// "proc", "tmpfs", "devpts", "sysfs", "mqueue", ...
        fstype: String,
        /// As given.
        source: String,
    },
    /// `type: cgroup`: the container's own view of the hierarchies.
    Cgroup,
}

/// A device node to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// In the container.
    pub path: String,
    /// Char, block or fifo.
    pub kind: DeviceKind,
    /// Major number (0 for a fifo).
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits, `0o666` style.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The type of a device node; also of a device rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    /// "c", "u"
    Char,
    /// "b"
    Block,
    /// "p"
    Fifo,
}

/// `process`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// At least one, the first not empty.
    pub args: Vec<String>,
    /// `KEY=value`, duplicates removed: the last of a key wins, as runc.
    pub env: Vec<String>,
    /// Absolute.
    pub cwd: String,
    /// `user.uid`
    pub uid: u32,
    /// `user.gid`
    pub gid: u32,
    /// `user.additionalGids`
    pub additional_gids: Vec<u32>,
    /// `user.umask`; runc's default is 0o022.
    pub umask: u32,
    /// `capabilities`; `None`: the section is missing, and the process keeps none but what the kernel gives (runc: all sets empty).
    pub capabilities: Option<Capabilities>,
    /// `rlimits`, in order.
    pub rlimits: Vec<Rlimit>,
    /// `noNewPrivileges`
    pub no_new_privileges: bool,
    /// `oomScoreAdj`
    pub oom_score_adj: Option<i32>,
    /// `terminal`
    pub terminal: bool,
    /// `consoleSize` as (height, width) in characters.
    pub console_size: Option<(u16, u16)>,
}

/// Capability sets as bit masks (bit n = capability n of linux/capability.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// `bounding`
    pub bounding: u64,
    /// `effective`
    pub effective: u64,
    /// `inheritable`
    pub inheritable: u64,
    /// `permitted`
    pub permitted: u64,
    /// `ambient`
    pub ambient: u64,
}

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// The kernel's `RLIMIT_*` number.
    pub resource: u32,
    /// Soft limit; `u64::MAX` is infinity.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// `linux.cgroupsPath` and `linux.resources`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CgroupPlan {
    /// `cgroupsPath` as written; `None`: runc's default (`/<id>` below the creator's own cgroup on v1, see cgroup::path).
    pub path: Option<String>,
    /// Limits.
    pub resources: Resources,
}

/// `linux.resources`. `None` means: leave what the kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// `devices`, in order, and nothing else. The cgroup starts denied; runc applies its default allows (null, zero, pts, ...)
    /// *after* these, so that an engine's usual first rule, deny all, does not take /dev/null away.
    pub devices: Vec<DeviceRule>,
    /// `memory`
    pub memory: Memory,
    /// `cpu`
    pub cpu: Cpu,
    /// `pids.limit`; -1 is unlimited, 0 is a real limit of the spec.
    pub pids_limit: Option<i64>,
    /// `blockIO`
    pub block_io: BlockIo,
    /// `hugepageLimits` as (page size as the kernel names it, "2MB"; bytes).
    pub hugepages: Vec<(String, u64)>,
    /// `network.classID` (v1 net_cls)
    pub net_class_id: Option<u32>,
    /// `network.priorities` (v1 net_prio) as (interface, priority)
    pub net_priorities: Vec<(String, u32)>,
    /// `rdma` as (device, hca_handles, hca_objects)
    pub rdma: Vec<(String, Option<u32>, Option<u32>)>,
    /// `unified`: cgroup v2 file to value
    pub unified: Vec<(String, String)>,
}

/// `resources.devices[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRule {
    /// Allow or deny.
    pub allow: bool,
    /// `None`: both char and block ("a").
    pub kind: Option<DeviceKind>,
    /// `None`: any.
    pub major: Option<u32>,
    /// `None`: any.
    pub minor: Option<u32>,
    /// read
    pub read: bool,
    /// write
    pub write: bool,
    /// mknod
    pub mknod: bool,
}

/// `resources.memory`; bytes, -1 is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// `limit`
    pub limit: Option<i64>,
    /// `reservation`
    pub reservation: Option<i64>,
    /// `swap`: memory plus swap
    pub swap: Option<i64>,
    /// `kernel` (ignored by kernels since 5.4; warned)
    pub kernel: Option<i64>,
    /// `kernelTCP`
    pub kernel_tcp: Option<i64>,
    /// `swappiness`, 0..=100
    pub swappiness: Option<u64>,
    /// `disableOOMKiller`
    pub disable_oom_killer: Option<bool>,
    /// `useHierarchy`
    pub use_hierarchy: Option<bool>,
    /// `checkBeforeUpdate`
    pub check_before_update: Option<bool>,
}

/// `resources.cpu`; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpu {
    /// `shares`
    pub shares: Option<u64>,
    /// `quota`
    pub quota: Option<i64>,
    /// `burst`
    pub burst: Option<u64>,
    /// `period`
    pub period: Option<u64>,
    /// `realtimeRuntime`
    pub realtime_runtime: Option<i64>,
    /// `realtimePeriod`
    pub realtime_period: Option<u64>,
    /// `cpus` ("0-3,5")
    pub cpus: Option<String>,
    /// `mems`
    pub mems: Option<String>,
    /// `idle`
    pub idle: Option<i64>,
}

/// `resources.blockIO`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockIo {
    /// `weight`, 10..=1000
    pub weight: Option<u16>,
    /// `leafWeight`
    pub leaf_weight: Option<u16>,
    /// `weightDevice` as (major, minor, weight, leafWeight)
    pub weight_devices: Vec<(u32, u32, Option<u16>, Option<u16>)>,
    /// `throttleReadBpsDevice` as (major, minor, rate)
    pub read_bps: Vec<(u32, u32, u64)>,
    /// `throttleWriteBpsDevice`
    pub write_bps: Vec<(u32, u32, u64)>,
    /// `throttleReadIOPSDevice`
    pub read_iops: Vec<(u32, u32, u64)>,
    /// `throttleWriteIOPSDevice`
    pub write_iops: Vec<(u32, u32, u64)>,
}
