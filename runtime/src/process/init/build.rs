//! Init between `Config` and `Ready`: the container around the process.

use std::os::fd::BorrowedFd;

use sync_model::Step;

use super::failure::{At, Failure};
use crate::plan::Namespaces;
use crate::process::attrs;
use crate::process::config::InitConfig;
use crate::rootfs::{self, Prepared, Sources};
use crate::{sys, tty};

/// Everything that is done while the host's tree is still there.
pub fn mount(config: &InitConfig, sources: Sources) -> Result<Prepared, Failure> {
    let plan = &config.plan;
    tracing::debug!("the plan is read");
    if plan.namespaces.has(Namespaces::CGROUP) {
        // Not by clone3: the namespace's root is the cgroup that init is in at this moment.
        sys::unshare(Namespaces::CGROUP).at(Step::Cgroup)?;
    }
    if let Some(id) = &config.keyring {
        attrs::session_keyring(id, plan.namespaces.has(Namespaces::USER)).at(Step::Keyring)?;
    }
    if plan.namespaces.has(Namespaces::NETWORK) {
        attrs::loopback_up().at(Step::Network)?;
    }
    if let Some(score) = plan.process.oom_score_adj {
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
    attrs::no_new_privileges(&plan.process).at(Step::NoNewPrivileges)
}
