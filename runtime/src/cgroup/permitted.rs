//! What a caller without privilege may make: asked before anything exists, so that the record names nobody else's groups.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::error::denies;
use crate::sys;

/// May the caller make this group, and put a process of its own into it? Only a refusal for want of privilege is an error, and a hierarchy
/// that is out of reach: whatever else is wrong, the making says.
///
/// # Errors
/// The refusal, as the call that would meet with it.
pub(super) fn may_make(mount_point: &str, directory: &str, v2: bool) -> sys::Result<()> {
    let (found, there) = nearest(mount_point, directory)?;
    // A v2 group with processes of the caller takes them from one whose `cgroup.procs` the caller may write, too: that of the
    // closest group above both (cgroups(7), "Delegation containment"). Without a path this is the new group's parent.
    let files: &[(&str, &str)] = match (v2, there) {
        (false, false) => &[],
        (false, true) => &[(found, "tasks")],
        (true, false) => &[(found, "cgroup.procs")],
        (true, true) => &[(found, "cgroup.procs"), (parent(found), "cgroup.procs")],
    };
    files.iter().try_for_each(|(group, name)| {
        let path = format!("{group}/{name}");
        match can(&path, AccessFlags::W_OK) {
            Err(errno) if denies(errno) => Err(sys::Error::new("open", path, errno)),
            _ => Ok(()),
        }
    })
}

/// The group itself, or the nearest above it that exists, in which the caller may make groups; and whether it is the group itself.
fn nearest<'p>(mount_point: &str, directory: &'p str) -> sys::Result<(&'p str, bool)> {
    let mut at = directory;
    loop {
        match can(at, AccessFlags::W_OK | AccessFlags::X_OK) {
            Err(Errno::ENOENT) if at.len() > mount_point.len() => at = parent(at),
            // Something else is mounted over the hierarchy.
            Err(Errno::ENOENT) => return Err(sys::Error::new("stat", mount_point, Errno::ENOENT)),
            Err(errno) if denies(errno) => {
                let call = if at == directory { "open" } else { "mkdir" };
                return Err(sys::Error::new(call, directory, errno));
            }
            _ => return Ok((at, at == directory)),
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn can(path: &str, how: AccessFlags) -> nix::Result<()> {
    faccessat(AT_FDCWD, path, how, AtFlags::AT_EACCESS)
}
