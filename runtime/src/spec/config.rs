//! config.json as the runtime-spec has it (config.md, config-linux.md): the part that the plan needs, and the part that is
//! refused by name. Platforms other than Linux (`solaris`, `windows`, `vm`, `zos`, `freebsd`) are unknown members here, as
//! the spec wants.

use super::json::{Map, Present, Str, object};
use super::seccomp::Seccomp;

object! {
    /// The whole file.
    Config<'de> {
        oci_version: Str<'de> = "ociVersion",
        process: Process<'de> = "process",
        root: Root<'de> = "root",
        hostname: Str<'de> = "hostname",
        domainname: Str<'de> = "domainname",
        mounts: Vec<Mount<'de>> = "mounts",
        hooks: Hooks<'de> = "hooks",
        annotations: Map<'de, Str<'de>> = "annotations",
        linux: Linux<'de> = "linux",
    }
}

object! {
    Hooks<'de> {
        prestart: Vec<Hook<'de>> = "prestart",
        create_runtime: Vec<Hook<'de>> = "createRuntime",
        create_container: Vec<Hook<'de>> = "createContainer",
        start_container: Vec<Hook<'de>> = "startContainer",
        poststart: Vec<Hook<'de>> = "poststart",
        poststop: Vec<Hook<'de>> = "poststop",
    }
}

object! {
    Hook<'de> {
        path: Str<'de> = "path",
        args: Vec<Str<'de>> = "args",
        env: Vec<Str<'de>> = "env",
        timeout: i64 = "timeout",
    }
}

object! {
    Process<'de> {
        terminal: bool = "terminal",
        console_size: ConsoleSize = "consoleSize",
        user: User = "user",
        args: Vec<Str<'de>> = "args",
        env: Vec<Str<'de>> = "env",
        cwd: Str<'de> = "cwd",
        capabilities: Capabilities<'de> = "capabilities",
        rlimits: Vec<Rlimit<'de>> = "rlimits",
        no_new_privileges: bool = "noNewPrivileges",
        apparmor_profile: Str<'de> = "apparmorProfile",
        oom_score_adj: i32 = "oomScoreAdj",
        selinux_label: Str<'de> = "selinuxLabel",
        scheduler: Scheduler<'de> = "scheduler",
        io_priority: IoPriority<'de> = "ioPriority",
        exec_cpu_affinity: CpuAffinity<'de> = "execCPUAffinity",
    }
}

object! {
    ConsoleSize {
        height: u16 = "height",
        width: u16 = "width",
    }
}

object! {
    /// `username` is for Windows: runc does not know it either.
    User {
        uid: u32 = "uid",
        gid: u32 = "gid",
        umask: u32 = "umask",
        additional_gids: Vec<u32> = "additionalGids",
    }
}

object! {
    Capabilities<'de> {
        bounding: Vec<Str<'de>> = "bounding",
        effective: Vec<Str<'de>> = "effective",
        inheritable: Vec<Str<'de>> = "inheritable",
        permitted: Vec<Str<'de>> = "permitted",
        ambient: Vec<Str<'de>> = "ambient",
    }
}

object! {
    Rlimit<'de> {
        kind: Str<'de> = "type",
        soft: u64 = "soft",
        hard: u64 = "hard",
    }
}

object! {
    Scheduler<'de> {
        policy: Str<'de> = "policy",
        nice: i32 = "nice",
        priority: i32 = "priority",
        flags: Vec<Str<'de>> = "flags",
        runtime: u64 = "runtime",
        deadline: u64 = "deadline",
        period: u64 = "period",
    }
}

object! {
    IoPriority<'de> {
        class: Str<'de> = "class",
        priority: i64 = "priority",
    }
}

object! {
    CpuAffinity<'de> {
        initial: Str<'de> = "initial",
        last: Str<'de> = "final",
    }
}

object! {
    Personality<'de> {
        domain: Str<'de> = "domain",
        flags: Vec<Str<'de>> = "flags",
    }
}

object! {
    MemoryPolicy<'de> {
        mode: Str<'de> = "mode",
        nodes: Str<'de> = "nodes",
        flags: Vec<Str<'de>> = "flags",
    }
}

object! {
    Root<'de> {
        path: Str<'de> = "path",
        readonly: bool = "readonly",
    }
}

object! {
    Mount<'de> {
        destination: Str<'de> = "destination",
        kind: Str<'de> = "type",
        source: Str<'de> = "source",
        options: Vec<Str<'de>> = "options",
        uid_mappings: Vec<IdMapping> = "uidMappings",
        gid_mappings: Vec<IdMapping> = "gidMappings",
    }
}

object! {
    IdMapping {
        container_id: u32 = "containerID",
        host_id: u32 = "hostID",
        size: u32 = "size",
    }
}

object! {
    Linux<'de> {
        uid_mappings: Vec<IdMapping> = "uidMappings",
        gid_mappings: Vec<IdMapping> = "gidMappings",
        time_offsets: Map<'de, TimeOffset> = "timeOffsets",
        sysctl: Map<'de, Str<'de>> = "sysctl",
        resources: Resources<'de> = "resources",
        cgroups_path: Str<'de> = "cgroupsPath",
        namespaces: Vec<Namespace<'de>> = "namespaces",
        devices: Vec<Device<'de>> = "devices",
        net_devices: Map<'de, NetDevice<'de>> = "netDevices",
        seccomp: Seccomp<'de> = "seccomp",
        rootfs_propagation: Str<'de> = "rootfsPropagation",
        masked_paths: Vec<Str<'de>> = "maskedPaths",
        readonly_paths: Vec<Str<'de>> = "readonlyPaths",
        mount_label: Str<'de> = "mountLabel",
        intel_rdt: Present = "intelRdt",
        memory_policy: MemoryPolicy<'de> = "memoryPolicy",
        personality: Personality<'de> = "personality",
    }
}

object! {
    NetDevice<'de> {
        name: Str<'de> = "name",
    }
}

object! {
    TimeOffset {
        secs: i64 = "secs",
        nanosecs: u32 = "nanosecs",
    }
}

object! {
    Namespace<'de> {
        kind: Str<'de> = "type",
        path: Str<'de> = "path",
    }
}

object! {
    Device<'de> {
        path: Str<'de> = "path",
        kind: Str<'de> = "type",
        major: i64 = "major",
        minor: i64 = "minor",
        file_mode: u32 = "fileMode",
        uid: u32 = "uid",
        gid: u32 = "gid",
    }
}

object! {
    Resources<'de> {
        devices: Vec<DeviceRule<'de>> = "devices",
        memory: Memory = "memory",
        cpu: Cpu<'de> = "cpu",
        pids: Pids = "pids",
        block_io: BlockIo = "blockIO",
        hugepage_limits: Vec<Hugepage<'de>> = "hugepageLimits",
        network: Network<'de> = "network",
        rdma: Map<'de, Rdma> = "rdma",
        unified: Map<'de, Str<'de>> = "unified",
    }
}

object! {
    DeviceRule<'de> {
        allow: bool = "allow",
        kind: Str<'de> = "type",
        major: i64 = "major",
        minor: i64 = "minor",
        access: Str<'de> = "access",
    }
}

object! {
    Memory {
        limit: i64 = "limit",
        reservation: i64 = "reservation",
        swap: i64 = "swap",
        kernel: i64 = "kernel",
        kernel_tcp: i64 = "kernelTCP",
        swappiness: u64 = "swappiness",
        disable_oom_killer: bool = "disableOOMKiller",
        use_hierarchy: bool = "useHierarchy",
        check_before_update: bool = "checkBeforeUpdate",
    }
}

object! {
    Cpu<'de> {
        shares: u64 = "shares",
        quota: i64 = "quota",
        burst: u64 = "burst",
        period: u64 = "period",
        realtime_runtime: i64 = "realtimeRuntime",
        realtime_period: u64 = "realtimePeriod",
        cpus: Str<'de> = "cpus",
        mems: Str<'de> = "mems",
        idle: i64 = "idle",
    }
}

object! {
    Pids {
        limit: i64 = "limit",
    }
}

object! {
    BlockIo {
        weight: u16 = "weight",
        leaf_weight: u16 = "leafWeight",
        weight_device: Vec<WeightDevice> = "weightDevice",
        read_bps: Vec<ThrottleDevice> = "throttleReadBpsDevice",
        write_bps: Vec<ThrottleDevice> = "throttleWriteBpsDevice",
        read_iops: Vec<ThrottleDevice> = "throttleReadIOPSDevice",
        write_iops: Vec<ThrottleDevice> = "throttleWriteIOPSDevice",
    }
}

object! {
    WeightDevice {
        major: i64 = "major",
        minor: i64 = "minor",
        weight: u16 = "weight",
        leaf_weight: u16 = "leafWeight",
    }
}

object! {
    ThrottleDevice {
        major: i64 = "major",
        minor: i64 = "minor",
        rate: u64 = "rate",
    }
}

object! {
    Hugepage<'de> {
        page_size: Str<'de> = "pageSize",
        limit: u64 = "limit",
    }
}

object! {
    Network<'de> {
        class_id: u32 = "classID",
        priorities: Vec<Priority<'de>> = "priorities",
    }
}

object! {
    Priority<'de> {
        name: Str<'de> = "name",
        priority: u32 = "priority",
    }
}

object! {
    Rdma {
        hca_handles: u32 = "hcaHandles",
        hca_objects: u32 = "hcaObjects",
    }
}
