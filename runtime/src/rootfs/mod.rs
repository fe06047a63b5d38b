//! The root filesystem: carries out [`RootfsPlan`] inside init.
//!
//! Init is single-threaded and in its new namespaces. [`prepare`] makes everything while the host's tree is still there;
//! hooks may run then; [`Prepared::pivot`] enters the root; [`finish`] takes away what the container may not write or see. Sysctls are
//! to be written between the last two: /proc/sys is mostly among the read-only paths. Nothing is cleaned up on failure: the mounts end with
//! the namespace.
//!
//! A mount that isolates gets its flags before anybody can reach it, or the container does not start.

mod attr;
mod bind;
pub mod cgroup_mount;
mod copyup;
mod dev;
mod error;
mod mounts;
mod path;
mod pivot;
mod proc;
mod protect;
mod sources;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;

pub use cgroup_mount::{CgroupLayout, CgroupView, Hierarchy};
pub use error::{Error, MountError, Result};
pub use sources::Sources;

use crate::plan::{MountKind, MountPlan, RootfsPlan};
use crate::sys::mount::{SetAttr, attach_at, clone_tree, mount, set_attr};
use crate::sys::{self, path as fs};
use path::Root;

/// A root filesystem that is ready to be entered; it is the current directory.
#[derive(Debug)]
pub struct Prepared {
    root: Root,
    path: String,
    no_pivot: bool,
    propagation: u64,
    /// Nothing in the old root is shared with other namespaces.
    quiet: bool,
    setup_dev: bool,
}

/// Mounts everything below `plan.path`, and makes devices and links. The caller is alone in a new mount namespace.
///
/// # Errors
/// Those of [`prepare_with`].
pub fn prepare(plan: &RootfsPlan, cgroups: &CgroupView) -> Result<Prepared> {
    prepare_with(plan, cgroups, Sources::default())
}

/// As [`prepare`], with the `sources` that the creator has opened.
///
/// # Errors
/// [`Error::Root`]; [`Error::Mount`] or [`Error::Device`] of the first entry that cannot be made; [`Error::Links`].
pub fn prepare_with(
    plan: &RootfsPlan,
    cgroups: &CgroupView,
    mut sources: Sources,
) -> Result<Prepared> {
    let quiet = is_quiet(plan.propagation);
    let mut root = open_root(plan, quiet).map_err(Error::Root)?;
    let mut entries = plan.mounts.iter().enumerate();
    loop {
        let mut builder = mounts::Builder::new(&root).labelled(&plan.mount_label);
        let mut covering = None;
        while covering.is_none()
            && let Some((place, entry)) = entries.next()
        {
            builder.mount(entry, cgroups, sources.take(place))?;
            covering = (entry.destination == "/").then_some(entry);
        }
        let Some(entry) = covering else {
            if plan.setup_dev {
                let dev = builder.dev().map_err(Error::Links)?;
                dev::nodes(&root, dev.as_fd(), &plan.devices)?;
                dev::links(dev.as_fd()).map_err(Error::Links)?;
                root.done(dev);
            }
            builder.finish();
            break;
        };
        builder.finish();
        root = top_of(plan, entry).map_err(Error::Root)?;
    }
    fs::chdir_fd(root.as_fd(), &plan.path).map_err(Error::Root)?;
    Ok(Prepared {
        root,
        path: plan.path.clone(),
        no_pivot: plan.no_pivot,
        propagation: plan.propagation,
        quiet,
        setup_dev: plan.setup_dev,
    })
}

impl Prepared {
    /// Enters the root: from here on, the container's is the only tree.
    ///
    /// # Errors
    /// [`Error::Pivot`], [`Error::DevNull`].
    pub fn pivot(self) -> Result<()> {
        if self.no_pivot {
            pivot::move_root(&self.path)
        } else {
            pivot::pivot(&self.path, self.quiet)
        }
        .and_then(|()| root_propagation(self.propagation))
        .map_err(Error::Pivot)?;
        self.root.close();
        if self.setup_dev {
            dev::reopen_null().map_err(Error::DevNull)
        } else {
            Ok(())
        }
    }
}

/// Puts the container's terminal on /dev/console. After [`Prepared::pivot`], with a slave of the container's own devpts.
///
/// # Errors
/// [`Error::Console`]
pub fn bind_console(slave: BorrowedFd<'_>) -> Result<()> {
    dev::bind_console(slave).map_err(Error::Console)
}

/// Read-only mounts and root, read-only paths, masked paths. After [`Prepared::pivot`].
///
/// # Errors
/// [`Error::Readonly`], or that of the first path that cannot be closed: the container must not run then.
pub fn finish(plan: &RootfsPlan) -> Result<()> {
    let root = Root::own().map_err(Error::Root)?;
    protect::readonly_mounts(&root, plan)?;
    protect::readonly_paths(&root, &plan.readonly_paths)?;
    protect::mask_paths(&root, &plan.masked_paths, &plan.mount_label)?;
    root.close();
    Ok(())
}

/// Does this propagation, applied to `/`, leave no mount that is shared with another namespace?
fn is_quiet(propagation: u64) -> bool {
    propagation & libc::MS_REC != 0 && propagation & (libc::MS_SLAVE | libc::MS_PRIVATE) != 0
}

/// Gives the container's `/` the propagation asked for. Slave and private are what it has by now: it was bound below a private or slave mount.
fn root_propagation(propagation: u64) -> sys::Result<()> {
    if propagation & (libc::MS_SHARED | libc::MS_UNBINDABLE) == 0 {
        return Ok(());
    }
    mount("", "/", "", propagation, "", "/")
}

/// Cuts the namespace's tree off from the host's, binds the root onto itself, and opens it.
fn open_root(plan: &RootfsPlan, quiet: bool) -> sys::Result<Root> {
    // An unbindable tree could not be bound onto itself: that comes last, on the container's root alone.
    let unbindable = plan.propagation & libc::MS_UNBINDABLE != 0;
    let outer = if unbindable {
        libc::MS_SLAVE | libc::MS_REC
    } else {
        plan.propagation
    };
    mount("", "/", "", outer, "", "/")?;
    if !quiet {
        // The bind mount must not propagate, and pivot_root takes no shared parent.
        parent_private(&plan.path)?;
    }
    let tree = clone_tree(fs::HERE, &plan.path, true, &plan.path)?;
    attach_at(tree.as_fd(), fs::HERE, &plan.path, &plan.path)?;
    Ok(Root::new(tree))
}

/// What `entry` has mounted on the root is the root from here on, as in runc: a path leads to it, the old handle does not.
fn top_of(plan: &RootfsPlan, entry: &MountPlan) -> sys::Result<Root> {
    let top = fs::open_at(fs::HERE, &plan.path, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    if !matches!(entry.kind, MountKind::Bind { .. }) {
        propagate(top.as_fd(), &entry.propagation, "/")?;
        recursive_attrs(top.as_fd(), entry, "/")?;
    }
    Ok(Root::new(top))
}

/// Makes the mount that `path` is in private: the nearest mount point upwards is found by trying.
fn parent_private(path: &str) -> sys::Result<()> {
    let mut at = path;
    loop {
        match mount("", at, "", libc::MS_PRIVATE, "", at) {
            Err(error) if error.errno == Errno::EINVAL && at != "/" => at = path::split(at).0,
            done => return done,
        }
    }
}

/// Changes of propagation, in order, on a mount that is open.
fn propagate(mount: BorrowedFd<'_>, changes: &[u64], shown: &str) -> sys::Result<()> {
    changes.iter().try_for_each(|change| {
        let attr = SetAttr {
            propagation: change & !libc::MS_REC,
            ..SetAttr::default()
        };
        set_attr(mount, attr, change & libc::MS_REC != 0, shown)
    })
}

/// "rro" and its kin.
fn recursive_attrs(mount: BorrowedFd<'_>, plan: &MountPlan, shown: &str) -> sys::Result<()> {
    let attr = SetAttr {
        set: plan.rec_attr_set,
        clear: plan.rec_attr_clear,
        propagation: 0,
    };
    if attr.is_empty() {
        Ok(())
    } else {
        set_attr(mount, attr, true, shown)
    }
}
