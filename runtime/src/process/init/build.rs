//! Init between `Config` and `Ready`: the container around the process.

use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::write;
use sync_model::Step;

use super::failure::{At, Failure};
use crate::plan::Namespaces;
use crate::process::attrs;
use crate::process::config::InitConfig;
use crate::process::idmap;
use crate::rootfs::{self, Prepared, Sources};
use crate::sys::status::Status;
use crate::{sys, tty};

/// What init may do in its user namespace.
#[derive(Debug, Clone, Copy)]
pub struct User {
    /// setgroups(2) is not denied.
    pub may_setgroups: bool,
}

/// In another user namespace init must be its root by now. While the host's /proc is there.
pub fn user(config: &InitConfig, status: &Status) -> Result<User, Failure> {
    if !config.plan.in_user_namespace() {
        return Ok(User {
            may_setgroups: true,
        });
    }
    if status.uid != Some(0) || status.gid != Some(0) {
        let object = "root of the user namespace";
        return Err(sys::Error::new("setresuid", object, Errno::EPERM)).at(Step::User);
    }
    let denied = idmap::denies_setgroups("self").at(Step::User)?;
    Ok(User {
        may_setgroups: !denied,
    })
}

/// The new or joined time namespace. Not at birth: who shares its memory may join none, and a process that is born in one
/// finds its offsets fixed.
pub fn time(config: &InitConfig, joined: Option<OwnedFd>) -> Result<(), Failure> {
    const KIND: u64 = Namespaces::TIME;
    if let Some(file) = joined {
        return sys::namespace::enter(file.as_fd(), KIND, "the time namespace").at(Step::Bootstrap);
    }
    if !config.plan.namespaces.has(KIND) {
        return Ok(());
    }
    const OFFSETS: &str = "/proc/self/timens_offsets";
    const NEW: &str = "/proc/self/ns/time_for_children";
    sys::unshare(KIND).at(Step::Bootstrap)?;
    if !config.plan.time_offsets.is_empty() {
        let mut text = String::new();
        for offset in &config.plan.time_offsets {
            let _ = writeln!(text, "{} {} {}", offset.clock, offset.secs, offset.nanosecs);
        }
        let file = open(OFFSETS, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| sys::Error::new("open", OFFSETS, errno))
            .at(Step::Bootstrap)?;
        write(&file, text.as_bytes())
            .map_err(|errno| sys::Error::new("write", format!("{text:?} to {OFFSETS}"), errno))
            .at(Step::Bootstrap)?;
    }
    let file = sys::namespace::open(NEW)
        .map_err(|errno| sys::Error::new("open", NEW, errno))
        .at(Step::Bootstrap)?;
    sys::namespace::enter(file.as_fd(), KIND, NEW).at(Step::Bootstrap)
}

/// Everything that is done while the host's tree is still there.
pub fn mount(config: &InitConfig, sources: Sources) -> Result<Prepared, Failure> {
    let plan = &config.plan;
    tracing::debug!("the plan is read");
    if plan.namespaces.has(Namespaces::CGROUP) {
        // Not by clone3: the namespace's root is the cgroup that init is in at this moment.
        sys::unshare(Namespaces::CGROUP).at(Step::Cgroup)?;
    }
    if let Some(id) = &config.keyring {
        let label = &plan.execution.selinux_label;
        if !label.is_empty() {
            attrs::labels::of_keys(label).at(Step::Labels)?;
        }
        attrs::session_keyring(id, plan.in_user_namespace()).at(Step::Keyring)?;
        if !label.is_empty() {
            attrs::labels::of_keys("").at(Step::Labels)?;
        }
    }
    if plan.namespaces.has(Namespaces::NETWORK) {
        attrs::loopback_up().at(Step::Network)?;
    }
    // In another user namespace the creator does it: init may not lower it there.
    if let Some(score) = plan.process.oom_score_adj
        && !plan.in_user_namespace()
    {
        attrs::oom_score_adj(score).at(Step::OomScore)?;
    }
    let prepared = rootfs::prepare_with(&plan.rootfs, &config.cgroups, sources).at(Step::Mounts)?;
    tracing::debug!("mounts and devices are made");
    Ok(prepared)
}

/// From the host's tree into the container's.
pub fn enter(
    config: &InitConfig,
    prepared: Prepared,
    console: Option<BorrowedFd<'_>>,
) -> Result<(), Failure> {
    let plan = &config.plan;
    attrs::labels::on_exec(&plan.execution).at(Step::Labels)?;
    prepared.pivot().at(Step::PivotRoot)?;
    tracing::debug!("pivot_root is done");
    attrs::cwd::create(&plan.process.cwd).at(Step::Cwd)?;
    sys::setsid().at(Step::Terminal)?;
    if let Some(console) = console {
        let pty = tty::Pty::open(plan.process.console_size).at(Step::Terminal)?;
        rootfs::bind_console(pty.slave()).at(Step::Terminal)?;
        pty.send_master(console).at(Step::Terminal)?;
        pty.become_console().at(Step::Terminal)?;
    }
    attrs::names(plan).at(Step::Hostname)?;
    // Before finish: /proc/sys is usually among the read-only paths.
    if !plan.sysctl.is_empty() {
        attrs::sysctl(&plan.sysctl).at(Step::Sysctl)?;
    }
    rootfs::finish(&plan.rootfs).at(Step::MaskedPaths)?;
    tracing::debug!("read-only and masked paths are closed");
    attrs::no_new_privileges(&plan.process).at(Step::NoNewPrivileges)?;
    attrs::execution::apply(&plan.execution).at(Step::Scheduler)
}
