//! Where the container's cgroups will be, for a caller who may make them, and for one who may not.
//!
//! runc's rule (`--rootless`): an ordinary user, and root of a user namespace, does without the groups that it may not make, as long as
//! the config asks nothing of them. Who that is costs a real root nothing: the user namespace is looked at when something was refused.

use crate::cgroup::{self, CgroupPaths, Created, Layout, Mode};
use crate::plan::{Namespaces, Plan};
use crate::state::Id;
use crate::sys;

use super::Rootless;

/// The hierarchies, and the groups of container `id` in them.
///
/// # Errors
/// Those of [`Layout::detect`] and [`CgroupPaths::plan`].
pub fn find(
    rootless: Rootless,
    plan: &Plan,
    id: &Id,
) -> Result<(Layout, CgroupPaths), cgroup::Error> {
    if rootless.known() != Some(true) {
        let layout = Layout::detect();
        let found = layout.and_then(|layout| {
            let paths = CgroupPaths::plan(&layout, &plan.cgroup, id.as_str())?;
            Ok((layout, paths))
        });
        match found {
            Err(_) if rootless.tolerates() => {}
            done => return done,
        }
    }
    let layout = match Layout::detect() {
        // In a container without them, perhaps.
        Err(_) if plan.cgroup.path.as_deref().is_none_or(str::is_empty) => Layout::none(),
        done => done?,
    };
    let paths = CgroupPaths::plan_permitted(&layout, &plan.cgroup, id.as_str())?;
    if layout.mode != Mode::V2 && paths.get("devices").is_none() && !without_devices(rootless) {
        return Err(cgroup::Error::NoDevices);
    }
    if paths.as_map().is_empty() && !plan.init.namespaces.has(Namespaces::PID) {
        tracing::warn!(
            "the container has no cgroup and no pid namespace of its own: when its first process has ended, nothing finds the others"
        );
    }
    Ok((layout, paths))
}

/// Does the container do without device rules, where they may not be set? Never that of a real root, whatever it says: it makes and opens
/// every device. (runc passes over those that fail to be set.)
pub fn without_devices(rootless: Rootless) -> bool {
    rootless.tolerates() && (sys::euid() != 0 || sys::userns::is_inside())
}

/// Makes the groups in `paths`. Where one is refused to a caller who may do without it, `paths` loses it, and `record` writes that down before
/// anything is made.
///
/// # Errors
/// Those of [`cgroup::create`], and of `record`.
pub fn make<E: From<cgroup::Error>>(
    rootless: Rootless,
    layout: &Layout,
    plan: &Plan,
    id: &Id,
    paths: &mut CgroupPaths,
    record: impl FnOnce(&CgroupPaths) -> Result<(), E>,
) -> Result<Created, E> {
    let resources = &plan.cgroup.resources;
    match cgroup::create(paths, resources) {
        Err(error)
            if error.is_out_of_reach() && rootless.known().is_none() && rootless.tolerates() =>
        {
            *paths = CgroupPaths::plan_permitted(layout, &plan.cgroup, id.as_str())?;
            record(paths)?;
            Ok(cgroup::create(paths, resources)?)
        }
        done => Ok(done?),
    }
}
