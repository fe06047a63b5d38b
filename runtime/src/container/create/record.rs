//! The record of a container that is about to be made.

use crate::cgroup::CgroupPaths;
use crate::container::CreateArgs;
use crate::plan::{Namespaces, Plan};
use crate::state::{Config, Namespace, Record, Runtime};

/// What is written before anything of the container is made: it has no process yet.
pub(super) fn record(args: &CreateArgs, plan: &Plan, cgroups: &CgroupPaths) -> Record {
    Record {
        id: args.id.as_str().to_owned(),
        init_process_pid: 0,
        init_process_start: 0,
        created: crate::log::now_rfc3339_nano(),
        config: Config {
            rootfs: plan.init.rootfs.path.clone(),
            hostname: plan.init.hostname.clone().unwrap_or_default(),
            namespaces: namespaces(plan),
            labels: Record::labels(&args.bundle.to_string_lossy(), &plan.annotations),
            cgroups: Default::default(),
        },
        cgroup_paths: cgroups.as_map().clone(),
        namespace_paths: Default::default(),
        runtime: Runtime {
            version: Record::VERSION,
            oci_version: plan.oci_version.clone(),
            hooks: plan.hooks.late.clone(),
            agent: listener_path(plan).map(str::to_owned),
            start_hooks: start_hooks(plan),
            weight: 0,
            no_new_keyring: args.no_new_keyring,
        },
    }
}

/// Their names in runc's record, and in /proc/PID/ns.
const NAMESPACES: [(u64, &str, &str); 8] = [
    (Namespaces::CGROUP, "NEWCGROUP", "cgroup"),
    (Namespaces::IPC, "NEWIPC", "ipc"),
    (Namespaces::NETWORK, "NEWNET", "net"),
    (Namespaces::MOUNT, "NEWNS", "mnt"),
    (Namespaces::PID, "NEWPID", "pid"),
    (Namespaces::USER, "NEWUSER", "user"),
    (Namespaces::UTS, "NEWUTS", "uts"),
    (Namespaces::TIME, "NEWTIME", "time"),
];

/// Those that the config gave the container; with the path of each that is joined.
fn namespaces(plan: &Plan) -> Vec<Namespace> {
    let given = plan.init.given();
    let named = NAMESPACES.iter().filter(|(bit, ..)| given.has(*bit));
    let path = |bit| plan.join.iter().find(|join| join.kind == bit);
    named
        .map(|&(bit, kind, _)| Namespace {
            kind: kind.to_owned(),
            path: path(bit).map(|join| join.path.clone()).unwrap_or_default(),
        })
        .collect()
}

/// Writes down who is init. The namespaces that it is in, the host's too, are told as runc does, for tools that enter them (`nsenter`,
/// `ip netns attach`); only a kernel without time namespaces would have none of that kind.
pub(super) fn name_init(record: &mut Record, plan: &Plan, (pid, start_time): (i32, u64)) {
    record.init_process_pid = pid;
    record.init_process_start = start_time;
    let given = plan.init.given();
    let there = NAMESPACES
        .iter()
        .filter(|(bit, ..)| *bit != Namespaces::TIME || given.has(*bit));
    record.namespace_paths = there
        .map(|(_, kind, file)| ((*kind).to_owned(), format!("/proc/{pid}/ns/{file}")))
        .collect();
}

fn listener_path(plan: &Plan) -> Option<&str> {
    let listener = plan.seccomp.as_ref()?.listener.as_ref()?;
    Some(&listener.path)
}

/// How many seconds the startContainer hooks may take.
fn start_hooks(plan: &Plan) -> u64 {
    let hooks = &plan.init.hooks.start_container;
    hooks.iter().fold(0, |seconds, hook| {
        seconds.saturating_add(hook.timeout.unwrap_or(Runtime::FOR_EVER))
    })
}
