//! What the fuzz targets call, and what ordinary tests replay their corpora through. Each body asserts.

use std::collections::BTreeSet;

use crate::plan::{InitPlan, MountKind, Namespaces, Plan, ProcessPlan, Resources, RootfsPlan};
use crate::spec::{self, LoadOptions};

/// A config.json from anywhere: no panic, a short error, and what is accepted keeps every promise of [`Plan`].
pub fn config_parse(data: &[u8]) {
    // Whatever the caller's options are, the same file means the same; they only refuse more.
    let plan = match spec::parse(data, "/bundle", &LoadOptions::default()) {
        Ok(plan) => plan,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 1500, "{text}");
            return;
        }
    };
    check_json(data);
    check_plan(&plan);
    let again = spec::parse(data, "/bundle", &LoadOptions::default());
    assert_eq!(again.ok().as_ref(), Some(&plan), "parsed twice");
    let strict = LoadOptions {
        no_pivot: true,
        systemd_cgroup: true,
        detach: true,
        ..LoadOptions::default()
    };
    if let Ok(mut other) = spec::parse(data, "/bundle", &strict) {
        assert!(!other.init.process.terminal);
        other.init.rootfs.no_pivot = false;
        assert_eq!(other, plan, "the options only refuse");
    }

    let bytes = postcard::to_stdvec(&plan.init).expect("a plan goes over the wire");
    let over: InitPlan = postcard::from_bytes(&bytes).expect("and comes back");
    assert_eq!(over, plan.init, "after the wire");
}

/// What we accept is JSON: serde_json's own tree agrees, but for what it cannot hold and we skip unread.
fn check_json(data: &[u8]) {
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(data) {
        let text = error.to_string();
        assert!(
            // Of an unknown member: runc skips these, too.
            [
                "number out of range",
                "recursion limit",
                "surrogate",
                "unexpected end of hex escape"
            ]
            .iter()
            .any(|known| text.contains(known)),
            "accepted, but {text}"
        );
    }
}

fn check_plan(plan: &Plan) {
    let init = &plan.init;
    for text in texts(plan) {
        assert!(!text.contains('\0'), "NUL in {text:?}");
    }
    check_rootfs(&init.rootfs);
    check_namespaces(init);
    check_process(&init.process);
    check_resources(&plan.cgroup.resources);
}

fn check_rootfs(rootfs: &RootfsPlan) {
    check_path(&rootfs.path);
    let paths = rootfs
        .mounts
        .iter()
        .map(|mount| &mount.destination)
        .chain(rootfs.devices.iter().map(|node| &node.path))
        .chain(&rootfs.masked_paths)
        .chain(&rootfs.readonly_paths);
    paths.for_each(|path| check_path(path));
    for mount in &rootfs.mounts {
        let propagation = libc::MS_SHARED | libc::MS_SLAVE | libc::MS_PRIVATE | libc::MS_UNBINDABLE;
        assert_eq!(
            mount.flags & (libc::MS_BIND | libc::MS_REC | propagation),
            0
        );
        assert_eq!(mount.flags & mount.cleared, 0, "{mount:?}");
        for change in &mount.propagation {
            let kind = change & !libc::MS_REC;
            assert!(kind.is_power_of_two() && kind & propagation == kind);
        }
        match &mount.kind {
            MountKind::Bind { source, .. } => {
                assert!(
                    source.starts_with('/') && mount.data.is_empty(),
                    "{mount:?}"
                );
            }
            MountKind::Filesystem { fstype, source } => {
                assert!(!fstype.is_empty() && !source.is_empty());
            }
            MountKind::Cgroup => {}
        }
    }
    assert!(rootfs.setup_dev || rootfs.devices.is_empty());
    let nodes: BTreeSet<_> = rootfs.devices.iter().map(|node| &node.path).collect();
    assert_eq!(nodes.len(), rootfs.devices.len(), "one node for each path");
    assert!(rootfs.devices.iter().all(|node| node.mode <= 0o7777));
}

fn check_namespaces(init: &InitPlan) {
    let own = init.given();
    assert!(own.has(Namespaces::MOUNT));
    assert!(init.namespaces.0 & init.joined.0 == 0);
    let uts = own.has(Namespaces::UTS);
    assert!(uts || (init.hostname.is_none() && init.domainname.is_none()));
    assert!(
        init.hostname
            .iter()
            .chain(&init.domainname)
            .all(|name| (1..=64).contains(&name.len()))
    );
    for (key, _) in &init.sysctl {
        check_path(&format!("/{key}"));
    }
}

fn check_process(process: &ProcessPlan) {
    assert!(process.args.first().is_some_and(|arg| !arg.is_empty()));
    assert!(process.cwd.starts_with('/'));
    let names: BTreeSet<_> = process
        .env
        .iter()
        .map(|entry| entry.split_once('=').expect("KEY=value").0)
        .collect();
    assert!(!names.contains(""));
    assert_eq!(names.len(), process.env.len(), "one value for each name");
    assert!(process.umask <= 0o777);
    assert!(
        process
            .oom_score_adj
            .is_none_or(|adj| (-1000..=1000).contains(&adj))
    );
    for (index, limit) in process.rlimits.iter().enumerate() {
        assert!(limit.soft <= limit.hard && limit.resource <= libc::RLIMIT_RTTIME);
        assert!(
            process.rlimits[..index]
                .iter()
                .all(|other| other.resource != limit.resource)
        );
    }
    let capabilities = process.capabilities.unwrap_or_default();
    for set in [
        capabilities.bounding,
        capabilities.effective,
        capabilities.inheritable,
        capabilities.permitted,
        capabilities.ambient,
    ] {
        assert_eq!(set >> 41, 0, "a capability that nobody knows");
    }
}

fn check_resources(resources: &Resources) {
    assert!(resources.memory.swappiness.is_none_or(|value| value <= 100));
    assert!(
        resources
            .hugepages
            .iter()
            .all(|(size, _)| !size.contains(['/', '.']))
    );
    assert!(
        resources
            .unified
            .iter()
            .all(|(file, _)| !file.contains('/') && file != "..")
    );
    let weights = [resources.block_io.weight, resources.block_io.leaf_weight];
    assert!(
        weights
            .iter()
            .flatten()
            .all(|weight| (10..=1000).contains(weight))
    );
}

/// Absolute and clean.
fn check_path(path: &str) {
    assert!(path.starts_with('/'), "{path:?}");
    if path != "/" {
        let mut parts = path[1..].split('/');
        assert!(
            parts.all(|part| !matches!(part, "" | "." | "..")),
            "{path:?}"
        );
    }
}

/// Every string of the plan that the kernel gets.
fn texts(plan: &Plan) -> impl Iterator<Item = &String> {
    let init = &plan.init;
    let pairs = init.sysctl.iter().chain(&plan.cgroup.resources.unified);
    let cpu = &plan.cgroup.resources.cpu;
    let process = &init.process;
    process
        .args
        .iter()
        .chain(&process.env)
        .chain([&process.cwd, &init.rootfs.path])
        .chain(init.hostname.iter().chain(&init.domainname))
        .chain(init.rootfs.mounts.iter().map(|mount| &mount.data))
        .chain(
            init.rootfs
                .mounts
                .iter()
                .flat_map(|mount| match &mount.kind {
                    MountKind::Bind { source, .. } => vec![source],
                    MountKind::Filesystem { fstype, source } => vec![fstype, source],
                    MountKind::Cgroup => vec![],
                }),
        )
        .chain(pairs.flat_map(|(key, value)| [key, value]))
        .chain(
            plan.annotations
                .iter()
                .flat_map(|(key, value)| [key, value]),
        )
        .chain(plan.cgroup.path.iter().chain(&cpu.cpus).chain(&cpu.mems))
}

/// Lines of /proc/self/mountinfo and /proc/self/cgroup from anywhere: no panic, and what is accepted means one thing.
pub fn mountinfo(data: &[u8]) {
    crate::cgroup::parse::fuzz_mountinfo(data);
}

/// A profile of `linux.seccomp` from anywhere: no panic, a filter that the kernel would take and no longer than promised,
/// and the answers of the rules to calls at their edges. (libseccomp is asked by the tests: it is too slow for this.)
pub fn seccomp_compile(data: &[u8]) {
    use crate::seccomp::interpret::Program;
    use crate::seccomp::{Error, Filter, at_most, compile, oracle};

    let (profile, seed) = oracle::from_bytes(data);
    let filter = match compile(&profile) {
        Ok(filter) => filter,
        Err(Error::TooLong(length)) => {
            assert!(length > Filter::MAX && at_most(&profile) >= length);
            return;
        }
        Err(error) => {
            let mut actions = profile.rules.iter().map(|rule| rule.action);
            let first = actions.next();
            assert!(actions.any(|other| Some(other) != first), "{error}");
            return;
        }
    };
    assert!(filter.program.len() <= at_most(&profile).min(Filter::MAX));
    assert_eq!(Filter::decode(&filter.encode()).as_ref(), Some(&filter));
    let program = Program::new(&filter.program).expect("the kernel would take it");
    oracle::inputs(&profile, seed, 16, |call| {
        let (answer, _) = program.run(call);
        let rules = oracle::answers(&profile, call);
        assert!(
            rules.contains(&answer),
            "{answer:x}, not {rules:x?}: {call:x?}, {profile:?}"
        );
    });
}
