//! Control groups, by the file system: where a container's groups are, their making, limits, killing and removal.
//!
//! The creator uses it in this order, so that no step depends on one that may not have happened:
//!
//! 1. [`Layout::detect`]: which hierarchies this host has (v1, hybrid, v2).
//! 2. [`CgroupPaths::plan`]: where this container's groups will be. Makes nothing; the result goes into the
//!    state record *before* anything is made, so that `delete --force` can clean up after a death at any point.
//! 3. [`create`], [`apply`]: directories, then limits and device rules, all before a process is in them.
//! 4. [`Entrance`]: init is born in them. ([`join`] is for a process that is there already.) The first group is the one
//!    by which [`kill_all`] finds it.
//! 5. [`kill_all`], [`destroy`]: from the record alone.
//!
//! Every function takes paths, never an object with a memory of what it did: after a crash there is none.

mod controllers;
mod create;
mod destroy;
mod devices;
mod ebpf;
mod error;
mod file;
mod freezer;
mod join;
mod kill;
mod layout;
mod mounts;
mod oom;
pub mod parse;
mod path;
mod permitted;
mod stats;
mod sub;
mod update;
mod v1;
mod v2;
mod view;
mod walk;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;

pub use create::{Created, create};
pub use destroy::destroy;
pub use error::{Error, Result};
pub use freezer::{freeze, is_frozen, is_frozen_at_all, thaw};
pub use join::{Entrance, join};
pub use kill::{kill_all, oom_kills, processes};
pub use layout::{Hierarchy, Layout, Mode};
pub use oom::{Oom, OomWatch};
pub use path::CgroupPaths;
pub use stats::{Stats, stats};
pub use update::{Updated, update, weight, with_weight};
pub use view::view;

use crate::plan::Resources;
use crate::sys::close::Batch;

/// Sets the limits and device rules, but for those of `cpuset` and the real-time ones of `cpu`, which [`create`] has
/// set because the kernel wants them before the first process. Costs nothing for what `resources` does not name,
/// but for the device rules, which every container gets.
///
/// Returns the files that were written, still open: to be closed together with others.
///
/// # Errors
/// The value that the kernel refused, with its file; a limit whose controller this host does not have; `unified` on v1.
pub fn apply(paths: &CgroupPaths, resources: &Resources) -> Result<Batch> {
    apply_tolerating(paths, resources, || false)
}

/// [`apply`]. `tolerates`: the caller does without device rules that it may not set, as runc's rootless containers do. In a user namespace nobody
/// makes devices, and those that are there are opened with the rights of an ordinary user.
///
/// # Errors
/// Those of [`apply`].
pub fn apply_tolerating(
    paths: &CgroupPaths,
    resources: &Resources,
    tolerates: impl Fn() -> bool,
) -> Result<Batch> {
    let devices = |done: Result<()>| match done {
        Err(error) if error.is_permission() && tolerates() => Ok(()),
        done => done,
    };
    if paths.is_v2() {
        v2::apply(paths, resources, devices).map(|()| Batch::default())
    } else {
        v1::apply(paths, resources, devices)
    }
}
