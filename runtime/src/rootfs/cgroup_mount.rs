//! `type: cgroup` mounts: the container's view of the cgroup hierarchies, in runc's shape.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::error::MountError;
use super::mounts::Builder;
use crate::plan::MountPlan;
use crate::sys::mount::{SetAttr, attach, attr, clone_tree, mount, set_attr};
use crate::sys::{self, path as fs};

/// What a `type: cgroup` mount is to show. Filled by whoever placed the container in its cgroups.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct CgroupView {
    /// The container has a cgroup namespace of its own: real cgroup mounts show its cgroup as their root.
    pub new_namespace: bool,
    /// How the host has its cgroups.
    pub layout: CgroupLayout,
}

/// The host's cgroup layout.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CgroupLayout {
    /// None mounted: a `type: cgroup` mount is an error.
    #[default]
    None,
    /// cgroup v1, hybrid included: a tmpfs with one directory for each v1 hierarchy.
    V1(Vec<Hierarchy>),
    /// cgroup2 at /sys/fs/cgroup.
    Unified {
        /// Host path of the container's cgroup directory.
        path: String,
    },
}

/// One v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hierarchy {
    /// Name of its directory, the last component of its mount point: "memory", "cpu,cpuacct", "systemd".
    /// With commas, each part becomes a link to it.
    pub name: String,
    /// mount(2)'s data for it: "memory", "cpu,cpuacct", "name=systemd".
    pub options: String,
    /// Host path of the container's cgroup in it.
    pub path: String,
}

/// runc's flags for the tmpfs and for cgroup mounts.
const FLAGS: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// Mounts the view at the plan's destination.
///
/// # Errors
/// [`MountError::NoCgroup`]; else that of the mount or link that failed.
pub fn mount_cgroup(
    builder: &mut Builder<'_>,
    plan: &MountPlan,
    view: &CgroupView,
) -> Result<(), MountError> {
    match &view.layout {
        CgroupLayout::None => Err(MountError::NoCgroup),
        CgroupLayout::V1(hierarchies) => v1(builder, plan, hierarchies, view.new_namespace),
        CgroupLayout::Unified { path } => unified(builder, plan, path, view.new_namespace),
    }
}

fn v1(
    builder: &mut Builder<'_>,
    plan: &MountPlan,
    hierarchies: &[Hierarchy],
    new_namespace: bool,
) -> Result<(), MountError> {
    let dest = &plan.destination;
    builder.filesystem(dest, "tmpfs", "tmpfs", FLAGS, "mode=755", &plan.propagation)?;
    let dir = builder.enter(dest)?;
    // The tmpfs is fresh and in no other process's reach: a name made in it is what was made.
    for hierarchy in hierarchies {
        let Hierarchy {
            name,
            options,
            path,
        } = hierarchy;
        let shown = || format!("{dest}/{name}");
        fs::mkdir_at(fs::HERE, name, 0o755, &shown())?;
        if new_namespace {
            let source = if name == "systemd" {
                "systemd"
            } else {
                "cgroup"
            };
            mount(
                source,
                name,
                "cgroup",
                FLAGS | (plan.flags & libc::MS_RDONLY),
                options,
                &shown(),
            )?;
        } else {
            mount(path, name, "", libc::MS_BIND | libc::MS_REC, "", &shown())?;
        }
    }
    if !new_namespace && !hierarchies.is_empty() && plan.flags != 0 {
        // One call for all of them; the tmpfs, which it also reaches, has its own flags back at once.
        set_flags(dir.as_fd(), plan.flags, true, dest)?;
        if plan.flags != FLAGS {
            let own = SetAttr {
                set: attr::NOSUID | attr::NODEV | attr::NOEXEC,
                clear: attr::RDONLY | attr::ATIME | attr::NODIRATIME | attr::NOSYMFOLLOW,
                ..SetAttr::default()
            };
            set_attr(dir.as_fd(), own, false, dest)?;
        }
    }
    for hierarchy in hierarchies {
        for part in hierarchy
            .name
            .split(',')
            .filter(|part| *part != hierarchy.name)
        {
            match fs::symlink_at(&hierarchy.name, fs::HERE, part, dest) {
                Err(error) if error.errno != Errno::EEXIST => return Err(error.into()),
                _ => {}
            }
        }
    }
    builder.root().done(dir);
    Ok(())
}

/// As a remount with these flags. In a user namespace the host's mounts keep those that they have: then they are added.
fn set_flags(tree: BorrowedFd<'_>, flags: u64, recursive: bool, shown: &str) -> sys::Result<()> {
    let change = super::attr::remount(flags);
    match set_attr(tree, change, recursive, shown) {
        Err(error) if error.errno == Errno::EPERM => {
            let clear = change.clear & (attr::ATIME | attr::NODIRATIME);
            let added = SetAttr { clear, ..change };
            set_attr(tree, added, recursive, shown).map_err(|_| error)
        }
        done => done,
    }
}

fn unified(
    builder: &mut Builder<'_>,
    plan: &MountPlan,
    path: &str,
    new_namespace: bool,
) -> Result<(), MountError> {
    let dest = &plan.destination;
    match builder.filesystem(
        dest,
        "cgroup2",
        "cgroup",
        plan.flags,
        &plan.data,
        &plan.propagation,
    ) {
        // A user namespace without a cgroup namespace may not mount it.
        Err(MountError::Sys(error)) if matches!(error.errno, Errno::EPERM | Errno::EBUSY) => {}
        done => return done,
    }
    let source = if new_namespace && path.is_empty() {
        // It has no group of its own, and is not to see those of others. As runc.
        let flags = FLAGS | libc::MS_RDONLY;
        return builder.filesystem(dest, "tmpfs", "tmpfs", flags, "mode=755", &plan.propagation);
    } else if new_namespace {
        path
    } else {
        "/sys/fs/cgroup"
    };
    let tree = clone_tree(fs::HERE, source, false, source)?;
    if plan.flags != 0 {
        set_flags(tree.as_fd(), plan.flags, false, source)?;
    }
    super::propagate(tree.as_fd(), &plan.propagation, source)?;
    let target = builder.root().ensure(dest, super::path::Make::Dir)?;
    attach(tree.as_fd(), target.fd.as_fd(), dest)?;
    builder.root().done(target.fd);
    builder.root().done(tree);
    Ok(())
}
