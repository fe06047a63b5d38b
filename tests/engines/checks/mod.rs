//! The checks: what each engine must be able to do with a runtime. Their words are runc's behaviour as the engine shows it.

mod build;
mod buildah;
mod cgroups;
mod create;
mod exec;
mod isolation;
mod life;
mod limits;
mod network;
mod podman;
mod terminal;

use integration::Output;

use crate::engine::{Engine, Kind};
use crate::sandbox::WORK;
use crate::{cri, ctr};

/// A check, and the engines that it is for.
pub struct Check {
    pub name: &'static str,
    pub on: On,
    pub run: fn(&Engine),
}

/// Engines on any machine, and more of them where the cgroups are version 2's.
#[derive(Clone, Copy)]
pub struct On {
    pub any: &'static [Kind],
    pub v2: &'static [Kind],
}

impl On {
    const fn any(any: &'static [Kind]) -> Self {
        Self { any, v2: &[] }
    }

    /// Here?
    pub fn has(self, kind: Kind) -> bool {
        if integration::is_v2() {
            return self.any.iter().chain(self.v2).any(|k| *k == kind);
        }
        self.any.contains(&kind)
    }
}

/// Those with Docker's command line.
const CLI: On = On::any(&[Kind::Podman, Kind::PodmanUser, Kind::Docker]);
/// Those with cgroups: an ordinary user has none where the controllers are version 1's.
const CGROUPS: On = On {
    v2: &[Kind::PodmanUser],
    ..ROOT
};
const ROOT: On = On::any(&[Kind::Podman, Kind::Docker]);
const PODMAN: On = On::any(&[Kind::Podman, Kind::PodmanUser]);
const PODMAN_V2: On = On {
    v2: &[Kind::Podman, Kind::PodmanUser],
    ..On::any(&[])
};
/// On v2 nothing starts below the group of a pod of root's: see [`podman::pod`].
const PODS_V2: On = On {
    v2: &[Kind::PodmanUser],
    ..On::any(&[])
};
const PODMAN_ROOT: On = On::any(&[Kind::Podman]);
/// buildah has Podman's configuration.
const BUILDAH: On = PODMAN;
const ROOTLESS: On = On::any(&[Kind::PodmanUser]);
const DOCKER: On = On::any(&[Kind::Docker]);
const CTR: On = On::any(&[Kind::Containerd]);
const CRI: On = On::any(&[Kind::Cri]);

macro_rules! checks {
    ($($on:ident $name:literal $run:path;)*) => {
        &[$(Check { name: $name, on: $on, run: $run }),*]
    };
}

/// All of them, in the order in which they run.
pub const ALL: &[Check] = checks! {
    CLI "run" create::run;
    CLI "run: the program's exit code" create::exit_code;
    CLI "run: not found is 127" create::not_found;
    CLI "run: not executable is 126" create::not_executable;
    CLI "run: a working directory that is none" create::bad_cwd;
    CLI "run: a user that is none" create::bad_user;
    CLI "run: user, groups, cwd, env, host name" create::identity;
    CLI "run -i" create::stdin;
    CLI "run -t" terminal::run;
    CLI "run -it: typed and resized" terminal::typed;
    CLI "run -d, logs, wait" create::detached;
    CLI "run --init" create::init;
    CLI "create, start -a, start again" life::again;
    CLI "create, rm" life::never_started;
    CLI "exec" exec::exec;
    CLI "exec: exit code" exec::exit_code;
    CLI "exec -i" exec::stdin;
    CLI "exec: not found, not executable" exec::errors;
    CLI "exec: user, cwd, env, privileged" exec::identity;
    CLI "exec -t" terminal::exec;
    CLI "exec -it: typed and resized" terminal::exec_typed;
    CLI "exec -d" exec::detached;
    CLI "exec: the container's namespaces and cgroup" exec::inside;
    CLI "exec: ten at once" exec::many;
    CLI "stop" life::stop;
    CLI "stop: after the grace, kill" life::stop_kills;
    CLI "kill" life::kill;
    CGROUPS "pause, unpause" life::pause;
    CGROUPS "rm -f of a paused container" life::remove_paused;
    CLI "restart" life::restart;
    CLI "restart policy" life::restart_policy;
    CLI "rm -f" life::remove;
    CLI "inspect: the state" life::state;
    CLI "events" life::events;
    CLI "top" life::top;
    CGROUPS "stats" life::stats;
    CLI "health check" life::health;
    CLI "ten containers at once" life::many;
    CGROUPS "limits: memory" limits::memory;
    CGROUPS "limits: out of memory" limits::oom;
    CGROUPS "limits: pids" limits::pids;
    CGROUPS "limits: cpu" limits::cpu;
    CGROUPS "limits: devices" limits::devices;
    CLI "limits: ulimit, OOM score" limits::ulimit;
    CGROUPS "update" limits::update;
    PODMAN_V2 "cgroups: split" cgroups::split;
    PODMAN_V2 "cgroups: no-conmon" cgroups::no_conmon;
    PODMAN_V2 "cgroups: disabled" cgroups::disabled;
    PODS_V2 "cgroups: a pod's" cgroups::pod;
    CLI "read-only root" isolation::read_only;
    CLI "masked and read-only paths" isolation::masked;
    CLI "capabilities" isolation::capabilities;
    CLI "privileged" isolation::privileged;
    CLI "no new privileges" isolation::no_new_privileges;
    CLI "seccomp: the engine's own profile" isolation::seccomp;
    CLI "seccomp: a given profile, none" isolation::seccomp_given;
    CLI "volumes" isolation::volumes;
    ROOT "volumes: propagation" isolation::propagation;
    CLI "tmpfs, /dev/shm" isolation::tmpfs;
    CLI "sysctl" isolation::sysctl;
    CLI "namespaces of another container" isolation::joined;
    CLI "namespaces of the host" isolation::hosts;
    PODMAN "user namespace: auto" podman::auto;
    ROOTLESS "user namespace: keep-id" podman::keep_id;
    PODMAN "user namespace: own maps" podman::maps_given;
    PODMAN "pod" podman::pod;
    PODMAN "--runtime FILE" podman::by_file;
    PODMAN "--rootfs" podman::rootfs;
    PODMAN "--preserve-fds" podman::preserve_fds;
    PODMAN "--sdnotify" podman::sdnotify;
    CLI "network: none" network::none;
    ROOT "network: a bridge, a published port" network::bridge;
    ROOTLESS "network: slirp4netns" network::slirp;
    CLI "build" build::build;
    CLI "build: FROM scratch" build::scratch;
    BUILDAH "buildah run" buildah::run;
    BUILDAH "buildah build" buildah::build;
    PODMAN_ROOT "buildah: its runtime" buildah::which;
    DOCKER "build: BuildKit" build::buildkit;
    DOCKER "the runtime by its name" build::by_name;
    DOCKER "user namespace: userns-remap" build::remap;
    CTR "run" ctr::run;
    CTR "run: not found, not executable" ctr::errors;
    CTR "run -t" ctr::terminal;
    CTR "run -d, tasks, delete" ctr::detached;
    CTR "run: --pid-file, --read-only, --env, --mount" ctr::options;
    CTR "tasks exec" ctr::tasks_exec;
    CTR "tasks exec -t" ctr::exec_terminal;
    CTR "tasks pause, resume" ctr::pause;
    CTR "tasks kill, kill --all" ctr::kill;
    CTR "tasks metrics" ctr::metrics;
    CTR "tasks ps" ctr::ps;
    CTR "limits" ctr::limits;
    CTR "seccomp, capabilities" ctr::isolation;
    CTR "ten tasks at once" ctr::many;
    CRI "status" cri::status;
    CRI "pod sandbox" cri::sandbox;
    CRI "RuntimeClass" cri::runtime_class;
    CRI "container, log, exit code" cri::container;
    CRI "start: not found" cri::not_found;
    CRI "ExecSync" cri::exec;
    CRI "stop: grace, then kill" cri::stop;
    CRI "update, stats" cri::update;
    CRI "out of memory" cri::oom;
    CRI "security context" cri::security;
    CRI "the pod's pid namespace" cri::pid_namespace;
    CRI "remove a running pod" cri::remove;
};

/// Those of this engine whose line has all the words; `a|b` is either.
pub fn chosen(kind: Kind, runtime: &str, words: &[String]) -> Vec<&'static Check> {
    ALL.iter()
        .filter(|c| c.on.has(kind))
        .filter(|c| {
            let line = format!("{kind} {runtime} {}", c.name);
            words
                .iter()
                .all(|w| w.split('|').any(|one| line.contains(one)))
        })
        .collect()
}

/// Removes every container there is.
pub fn remove_all(e: &Engine) {
    match e.kind {
        Kind::Podman | Kind::PodmanUser => {
            if !e.run(&["pod", "ps", "-q"]).text().is_empty() {
                e.run(&["pod", "rm", "-f", "-a", "-t", "0"]).ok();
            }
            if !e.run(&["ps", "-aq", "--external"]).text().is_empty() {
                e.run(&["rm", "-f", "-t", "0", "-a", "-v"]).ok();
            }
        }
        Kind::Docker => {
            let all = e.run(&["ps", "-aq"]).stdout;
            if !all.trim().is_empty() {
                let mut args = vec!["rm", "-f", "-v"];
                args.extend(all.split_whitespace());
                e.run(&args).ok();
            }
        }
        Kind::Containerd => ctr::remove_all(e),
        Kind::Cri => cri::remove_all(e),
    }
}

/// What removed containers have left: records of the runtime, cgroups, mounts.
pub fn leftovers(e: &Engine) -> Vec<String> {
    let entries = |dir: &str| -> Vec<String> {
        std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().display().to_string())
            .collect()
    };
    let mut left = Vec::new();
    for root in [
        "/run/runc",
        &format!("{WORK}/home/run/runc"),
        "/run/docker/runtime-runc/moby",
        &format!("{WORK}/run/docker/runtime-runc/moby"),
        &format!("{WORK}/run/docker/runtime-{}/moby", e.runtime),
        &format!("{WORK}/run/docker/runtime-under-test/moby"),
        "/run/containerd/runc/default",
        "/run/containerd/runc/k8s.io",
    ] {
        left.extend(entries(root));
    }
    for cgroup in integration::cgroups_named("") {
        let name = |p: &std::path::Path| {
            p.file_name()
                .map_or(String::new(), |n| n.to_string_lossy().into_owned())
        };
        let parent = cgroup.parent().map_or(String::new(), name);
        let of_a_container = is_id(&name(&cgroup), &parent) || parent == "default";
        if of_a_container {
            left.push(cgroup.display().to_string());
        }
    }
    for dir in [&format!("{WORK}/data"), "/run"] {
        let mounts = integration::mounts_below(std::path::Path::new(dir));
        left.extend(
            mounts
                .iter()
                .filter(|m| m.ends_with("merged") || m.ends_with("rootfs") || m.ends_with("shm"))
                .map(|m| m.display().to_string()),
        );
    }
    left
}

/// Is it a container's cgroup? (Podman's pods leave some of their own, whatever the runtime.)
fn is_id(name: &str, parent: &str) -> bool {
    let id = name.strip_prefix("libpod-");
    let id = if parent == "libpod_parent" {
        id
    } else {
        id.or(Some(name))
    };
    id.is_some_and(|id| id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()))
}

/// A file of a controller as it is seen from inside: version 1's, by its controller, or version 2's.
fn cgroup_file(v1: &str, v2: &str) -> String {
    let name = if integration::is_v2() { v2 } else { v1 };
    format!("/sys/fs/cgroup/{name}")
}

/// A detached container that sleeps.
fn sleeping(e: &Engine, name: &str) {
    background(e, name, &[], "exec sleep 1000");
}

/// A detached container of a shell script.
fn background(e: &Engine, name: &str, options: &[&str], script: &str) {
    let mut args = vec!["run", "-d", "--name", name];
    args.extend(options);
    args.extend(["busybox:1", "sh", "-c", script]);
    e.run(&args).ok();
}

/// A shell script in a container of its own, to its end.
fn sh(e: &Engine, options: &[&str], script: &str) -> Output {
    let mut args = vec!["run", "--rm"];
    args.extend(options);
    args.extend(["busybox:1", "sh", "-c", script]);
    e.run(&args)
}

/// Removes it whatever it does; Podman would ask it to end first, and wait.
fn remove(e: &Engine, name: &str) {
    if e.kind == Kind::Docker {
        e.run(&["rm", "-f", name]).ok();
    } else {
        e.run(&["rm", "-f", "-t", "0", name]).ok();
    }
}

/// Has this machine every capability to give?
fn all_capabilities() -> bool {
    let bounding = integration::proc_status(std::process::id(), "CapBnd").unwrap();
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    let last: u32 = last.trim().parse().unwrap();
    u64::from_str_radix(&bounding, 16).unwrap() == (1 << (last + 1)) - 1
}

/// What `inspect` says.
#[track_caller]
fn inspect(e: &Engine, name: &str, what: &str) -> String {
    let format = format!("{{{{{what}}}}}");
    e.run(&["inspect", name, "--format", &format])
        .ok()
        .text()
        .to_owned()
}

/// Waits until `inspect` says this.
#[track_caller]
fn await_state(e: &Engine, name: &str, what: &str, wanted: &str) {
    let mut seen = String::new();
    let there = crate::engine::until(|| {
        seen = inspect(e, name, what);
        seen == wanted
    });
    assert!(there, "{what} of {name} is {seen:?}, not {wanted:?}");
}
