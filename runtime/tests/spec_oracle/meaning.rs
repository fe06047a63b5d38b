//! What a config means, in one shape, from either side's types.

use oci_spec::runtime::Spec;
use runc_rs::plan::{DeviceKind, MountKind, Plan};
use serde_json::{Map, Value, json};

/// What the plan does.
pub fn ours(plan: &Plan) -> Value {
    let process = &plan.init.process;
    let rootfs = &plan.init.rootfs;
    let resources = &plan.cgroup.resources;
    let kind = |kind: &DeviceKind| match kind {
        DeviceKind::Char => "c",
        DeviceKind::Block => "b",
        DeviceKind::Fifo => "p",
    };
    json!({
        "version": plan.oci_version,
        "args": process.args, "env": process.env, "cwd": process.cwd, "terminal": process.terminal,
        "console": process.console_size,
        "ids": [process.uid, process.gid], "gids": process.additional_gids, "umask": process.umask,
        "caps": process.capabilities.map(|sets| [sets.bounding, sets.effective, sets.inheritable, sets.permitted, sets.ambient]),
        "rlimits": process.rlimits.iter().map(|limit| json!([limit.resource, limit.soft, limit.hard])).collect::<Vec<_>>(),
        "nnp": process.no_new_privileges, "oom": process.oom_score_adj,
        "root": [json!(rootfs.path), json!(rootfs.readonly)],
        "hostname": plan.init.hostname, "domainname": plan.init.domainname,
        "mounts": rootfs.mounts.iter().map(|mount| json!([mount.destination, match &mount.kind {
            MountKind::Bind { source, .. } => format!("bind {source}"),
            MountKind::Filesystem { fstype, source } => format!("{fstype} {source}"),
            MountKind::Cgroup => "cgroup".to_owned(),
        }])).collect::<Vec<_>>(),
        "annotations": plan.annotations,
        "sysctl": plan.init.sysctl.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>(),
        "cgroup": plan.cgroup.path,
        "namespaces": plan.init.namespaces.0 | plan.init.joined.0,
        "devices": rootfs.devices.iter().filter(|node| !is_default(&node.path, node.major, node.minor)).map(|node|
            json!([node.path, kind(&node.kind), node.major, node.minor, node.mode, node.uid, node.gid])).collect::<Vec<_>>(),
        "propagation": rootfs.propagation,
        "masked": rootfs.masked_paths, "readonly": rootfs.readonly_paths,
        "rules": resources.devices.iter().map(|rule| json!([
            rule.allow, rule.kind.as_ref().map_or("a", kind), rule.major, rule.minor, rule.read, rule.write, rule.mknod
        ])).collect::<Vec<_>>(),
        "memory": [json!(resources.memory.limit), json!(resources.memory.reservation), json!(resources.memory.swap),
            json!(resources.memory.kernel), json!(resources.memory.kernel_tcp), json!(resources.memory.swappiness),
            json!(resources.memory.disable_oom_killer), json!(resources.memory.use_hierarchy),
            json!(resources.memory.check_before_update)],
        "cpu": [json!(resources.cpu.shares), json!(resources.cpu.quota), json!(resources.cpu.burst), json!(resources.cpu.period),
            json!(resources.cpu.realtime_runtime), json!(resources.cpu.realtime_period), json!(resources.cpu.cpus),
            json!(resources.cpu.mems), json!(resources.cpu.idle)],
        "pids": resources.pids_limit.unwrap_or(0),
        "weights": [json!(resources.block_io.weight), json!(resources.block_io.leaf_weight), json!(resources.block_io.weight_devices)],
        "throttle": [&resources.block_io.read_bps, &resources.block_io.write_bps, &resources.block_io.read_iops,
            &resources.block_io.write_iops],
        "hugepages": resources.hugepages, "class": resources.net_class_id, "priorities": resources.net_priorities,
        "rdma": resources.rdma, "unified": resources.unified,
        "seccomp": plan.seccomp.as_ref().map(crate::seccomp::ours),
    })
}

/// A node that every container has: path and numbers are the same.
fn is_default(path: &str, major: u32, minor: u32) -> bool {
    [
        "/dev/null 1 3",
        "/dev/random 1 8",
        "/dev/full 1 7",
        "/dev/tty 5 0",
        "/dev/zero 1 5",
        "/dev/urandom 1 9",
    ]
    .contains(&format!("{path} {major} {minor}").as_str())
}

/// As [`ours`], from oci-spec's types. What runc makes of a value (0 is "not given", paths are cleaned, ...) is applied here a
/// second time, in the plainest way.
pub fn theirs(spec: &Spec) -> Value {
    let process = spec.process().as_ref().unwrap();
    let linux = spec.linux().clone().unwrap_or_default();
    // The default of Linux is not "nothing": only what the document gives counts.
    assert!(spec.linux().is_some(), "a mount namespace is needed");
    let resources = linux.resources();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let nonzero = |value: Option<i64>| value.filter(|value| *value != 0);
    let unsigned = |value: Option<u64>| value.filter(|value| *value != 0);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut env: Vec<String> = Vec::new();
    for entry in process.env().iter().flatten() {
        let name = entry.split('=').next().unwrap();
        env.retain(|other| other.split('=').next().unwrap() != name);
        env.push(entry.clone());
    }
    let caps = |set: &Option<std::collections::HashSet<oci_spec::runtime::Capability>>| {
        set.iter().flatten().fold(0_u64, |mask, capability| {
            let name = capability.to_string();
            let number = runc_rs::spec::CAPABILITY_NAMES
                .split(' ')
                .position(|known| known == name.trim_start_matches("CAP_"));
            mask | 1 << number.unwrap()
        })
    };
    let throttle = |list: &Option<Vec<oci_spec::runtime::LinuxThrottleDevice>>| {
        list.iter()
            .flatten()
            .map(|entry| json!([entry.major(), entry.minor(), entry.rate()]))
            .collect::<Vec<_>>()
    };
    let memory = resources
        .as_ref()
        .and_then(|resources| resources.memory().as_ref());
    let cpu = resources
        .as_ref()
        .and_then(|resources| resources.cpu().as_ref());
    let block_io = resources
        .as_ref()
        .and_then(|resources| resources.block_io().as_ref());
    let network = resources
        .as_ref()
        .and_then(|resources| resources.network().as_ref());
    let weight = |weight: Option<u16>| weight.filter(|weight| *weight != 0);
    let sorted = |pairs: Vec<(String, Value)>| {
        let mut pairs = pairs;
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs
    };
    let mut nodes: Vec<Value> = Vec::new();
    let bound = spec
        .mounts()
        .iter()
        .flatten()
        .any(|mount| clean("", &text(mount.destination())) == "/dev" && bind(mount));
    for node in linux.devices().iter().flatten().filter(|_| !bound) {
        let path = clean("", &text(node.path()));
        nodes.retain(|other| other[0] != json!(path));
        let kind = node.typ().as_str().replace('u', "c");
        let number = |number: i64| {
            if kind == "p" {
                0
            } else {
                u32::try_from(number).unwrap()
            }
        };
        if !is_default(&path, number(node.major()), number(node.minor())) {
            nodes.push(json!([
                path,
                kind,
                number(node.major()),
                number(node.minor()),
                node.file_mode().unwrap_or(0o666) & 0o7777,
                node.uid().unwrap_or(0),
                node.gid().unwrap_or(0)
            ]));
        }
    }
    json!({
        "version": spec.version(),
        "args": process.args(), "env": env, "cwd": text(process.cwd()),
        "terminal": process.terminal().unwrap_or(false),
        "console": process.console_size().map(|size| [size.height(), size.width()]),
        "ids": [process.user().uid(), process.user().gid()],
        "gids": process.user().additional_gids().clone().unwrap_or_default(),
        "umask": process.user().umask().unwrap_or(0o022),
        "caps": process.capabilities().as_ref().map(|sets| [caps(sets.bounding()), caps(sets.effective()),
            caps(sets.inheritable()), caps(sets.permitted()), caps(sets.ambient())]),
        "rlimits": process.rlimits().iter().flatten().map(|limit|
            json!([limit.typ() as u32, limit.soft(), limit.hard()])).collect::<Vec<_>>(),
        "nnp": process.no_new_privileges().unwrap_or(false), "oom": process.oom_score_adj(),
        "root": spec.root().as_ref().map(|root| json!([clean("/bundle", &text(root.path())), root.readonly().unwrap_or(false)])),
        "hostname": given(spec.hostname()), "domainname": given(spec.domainname()),
        "mounts": spec.mounts().iter().flatten().map(|mount| {
            let source = mount.source().as_deref().map(text).unwrap_or_default();
            let kind = mount.typ().clone().unwrap_or_default();
            let kind = match kind.as_str() {
                _ if bind(mount) && source.starts_with('/') => format!("bind {source}"),
                _ if bind(mount) => format!("bind {}", clean("/bundle", &source)),
                "cgroup" => "cgroup".to_owned(),
                kind => format!("{kind} {}", if source.is_empty() { kind } else { &source }),
            };
            json!([clean("", &text(mount.destination())), kind])
        }).collect::<Vec<_>>(),
        "annotations": spec.annotations().clone().unwrap_or_default(),
        "sysctl": linux.sysctl().iter().flatten().map(|(key, value)| {
            let dots = !key.contains('/') || key.find('.').is_some_and(|dot| dot < key.find('/').unwrap());
            let path = if dots {
                key.split('.').map(|part| part.replace('/', ".")).collect::<Vec<_>>().join("/")
            } else {
                key.clone()
            };
            (path, json!(value))
        }).collect::<Map<_, _>>(),
        "cgroup": linux.cgroups_path().as_deref().map(text).filter(|path| !path.is_empty()),
        "namespaces": linux.namespaces().iter().flatten().fold(0, |bits, namespace| bits | namespace.typ() as u64),
        "devices": nodes,
        "propagation": match linux.rootfs_propagation().as_deref().unwrap_or("") {
            "" | "rslave" => libc::MS_SLAVE | libc::MS_REC,
            "private" => libc::MS_PRIVATE,
            "rprivate" => libc::MS_PRIVATE | libc::MS_REC,
            other => panic!("{other}: not among the values"),
        },
        "masked": linux.masked_paths().iter().flatten().map(|path| clean("", path)).collect::<Vec<_>>(),
        "readonly": linux.readonly_paths().iter().flatten().map(|path| clean("", path)).collect::<Vec<_>>(),
        "rules": resources.iter().flat_map(|resources| resources.devices()).flatten().map(|rule| {
            let access = rule.access().clone().unwrap();
            let number = |number: Option<i64>| number.filter(|number| *number != -1);
            json!([rule.allow(), rule.typ().map_or("a".to_owned(), |kind| kind.as_str().to_owned()), number(rule.major()), number(rule.minor()),
                access.contains('r'), access.contains('w'), access.contains('m')])
        }).collect::<Vec<_>>(),
        "memory": [
            json!(memory.and_then(|memory| nonzero(memory.limit()))), json!(memory.and_then(|memory| nonzero(memory.reservation()))),
            json!(memory.and_then(|memory| nonzero(memory.swap()))), json!(memory.and_then(|memory| nonzero(memory.kernel()))),
            json!(memory.and_then(|memory| nonzero(memory.kernel_tcp()))),
            json!(memory.and_then(|memory| memory.swappiness().filter(|value| *value != u64::MAX))),
            json!(memory.and_then(|memory| memory.disable_oom_killer())), json!(memory.and_then(|memory| memory.use_hierarchy())),
            json!(memory.and_then(|memory| memory.check_before_update()))],
        "cpu": [
            json!(cpu.and_then(|cpu| unsigned(cpu.shares()))), json!(cpu.and_then(|cpu| nonzero(cpu.quota()))),
            json!(cpu.and_then(|cpu| cpu.burst())), json!(cpu.and_then(|cpu| unsigned(cpu.period()))),
            json!(cpu.and_then(|cpu| nonzero(cpu.realtime_runtime()))), json!(cpu.and_then(|cpu| unsigned(cpu.realtime_period()))),
            json!(cpu.and_then(|cpu| given(cpu.cpus()))), json!(cpu.and_then(|cpu| given(cpu.mems()))),
            json!(cpu.and_then(|cpu| cpu.idle()))],
        // oci-spec has no "not given" here: its known defect.
        "pids": resources.iter().flat_map(|resources| resources.pids()).map(|pids| pids.limit()).next().unwrap_or(0),
        "weights": [
            json!(block_io.and_then(|io| weight(io.weight()))), json!(block_io.and_then(|io| weight(io.leaf_weight()))),
            json!(block_io.iter().flat_map(|io| io.weight_device()).flatten().map(|entry|
                json!([entry.major(), entry.minor(), weight(entry.weight()), weight(entry.leaf_weight())])).collect::<Vec<_>>())],
        "throttle": match block_io {
            None => [vec![], vec![], vec![], vec![]],
            Some(io) => [throttle(io.throttle_read_bps_device()), throttle(io.throttle_write_bps_device()),
                throttle(io.throttle_read_iops_device()), throttle(io.throttle_write_iops_device())],
        },
        "hugepages": resources.iter().flat_map(|resources| resources.hugepage_limits()).flatten().map(|entry|
            json!([entry.page_size(), entry.limit()])).collect::<Vec<_>>(),
        "class": network.and_then(|network| network.class_id().filter(|id| *id != 0)),
        "priorities": network.iter().flat_map(|network| network.priorities()).flatten().map(|entry|
            json!([entry.name(), entry.priority()])).collect::<Vec<_>>(),
        "rdma": sorted(resources.iter().flat_map(|resources| resources.rdma()).flatten().map(|(device, limits)|
            (device.clone(), json!([limits.hca_handles(), limits.hca_objects()]))).collect())
            .into_iter().map(|(device, limits)| json!([device, limits[0], limits[1]])).collect::<Vec<_>>(),
        "unified": sorted(resources.iter().flat_map(|resources| resources.unified()).flatten().map(|(key, value)|
            (key.clone(), json!(value))).collect()),
        "seccomp": linux.seccomp().as_ref().map(crate::seccomp::theirs),
    })
}

fn bind(mount: &oci_spec::runtime::Mount) -> bool {
    mount
        .options()
        .iter()
        .flatten()
        .any(|option| option == "bind" || option == "rbind")
}

/// Go's filepath.Join and Clean, in the plainest way.
fn clean(base: &str, path: &str) -> String {
    let full = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{base}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
