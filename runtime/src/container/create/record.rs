//! The record of a container that is about to be made.

use crate::cgroup::CgroupPaths;
use crate::container::CreateArgs;
use crate::plan::Plan;
use crate::state::{Config, Record, Runtime};

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
            namespaces: Vec::new(),
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
