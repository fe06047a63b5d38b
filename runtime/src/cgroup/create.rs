//! Making the directories.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{AccessFlags, access, mkdir};

use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::{controllers, destroy, file, freezer, kill, v1};
use crate::plan::Resources;
use crate::sys::{self, close::Batch};

/// What [`create`] made. It removes nothing by being dropped: after [`join`](super::join()) the groups belong to the
/// container, and the state record knows them.
#[derive(Debug, Default)]
#[must_use]
pub struct Created {
    /// In the order in which they were made: parents first.
    made: Vec<String>,
    /// The files that were written, still open: closed together, when this is dropped.
    files: Batch,
}

impl Created {
    /// Gives the open files to another batch.
    pub fn close_with(&mut self, batch: &mut Batch) {
        batch.take(&mut self.files);
    }

    /// Undoes it: removes what was made, also the parents of the container's own groups, which
    /// [`destroy`](super::destroy()) leaves as runc does. For a failure before anything was started in them.
    ///
    /// # Errors
    /// The first directory that could not be removed; the rest is tried all the same.
    pub fn rollback(self) -> Result<()> {
        let mut first = Ok(());
        for directory in self.made.iter().rev() {
            first = first.and(destroy::remove_directory(directory));
        }
        first
    }
}

/// Makes the directories, with the settings that the kernel wants before the first process: `cpuset.cpus` and
/// `cpuset.mems`, and `cpu`'s real-time budget. On an error, what was made is removed again.
///
/// # Errors
/// A directory that cannot be made; one that exists with processes in it ([`Error::NotEmpty`]) or is frozen
/// ([`Error::Frozen`]), as runc.
pub fn create(paths: &CgroupPaths, resources: &Resources) -> Result<Created> {
    let mut created = Created::default();
    match fill(paths, resources, &mut created) {
        Ok(()) => Ok(created),
        Err(error) => {
            // The cause is what the user needs; what cannot be removed now, `delete --force` removes.
            let _ = created.rollback();
            Err(error)
        }
    }
}

/// Is somebody in the groups that are yet to be made? Two calls if they are not there.
pub(super) fn refuse_occupied(paths: &CgroupPaths) -> Result<()> {
    let mut looked_at = paths.get("").into_iter().chain(paths.lead());
    if looked_at.any(|directory| access(directory, AccessFlags::F_OK).is_ok()) {
        return match kill::processes(paths)?.len() {
            0 => Ok(()),
            count => Err(Error::NotEmpty(count)),
        };
    }
    Ok(())
}

fn fill(paths: &CgroupPaths, resources: &Resources, created: &mut Created) -> Result<()> {
    // Only a group that was there before can have somebody in it, or be frozen by itself. A new one costs no look.
    let mut found = false;
    for directory in paths.directories() {
        found |= make(directory, &mut created.made)? == Made::Found;
    }
    if found {
        let count = kill::processes(paths)?.len();
        if count > 0 {
            return Err(Error::NotEmpty(count));
        }
    }
    if (found || below_foreign_group(paths)) && freezer::is_frozen_at_all(paths)? {
        return Err(Error::Frozen);
    }
    if let Some(directory) = paths.get("").filter(|_| paths.is_v2()) {
        return controllers::pass_on(directory, resources, found);
    }
    if let Some(directory) = paths.get("cpuset") {
        cpuset(directory, resources, &created.made, &mut created.files)?;
    }
    v1::realtime(paths, &resources.cpu)
}

/// A new group inherits its parent's freezing. Our own group is not frozen, or we would not be here; the root of a
/// hierarchy cannot be.
fn below_foreign_group(paths: &CgroupPaths) -> bool {
    let Some(directory) = paths.get("freezer").or_else(|| paths.get("")) else {
        return false;
    };
    // /sys/fs/cgroup/freezer/NAME
    directory.matches('/').count() > if paths.is_v2() { 4 } else { 5 }
}

#[derive(PartialEq, Eq)]
enum Made {
    New,
    Found,
}

/// mkdir -p, starting with the last: its parent is nearly always there.
fn make(directory: &str, made: &mut Vec<String>) -> Result<Made> {
    let error = |errno| Error::Sys(sys::Error::new("mkdir", directory, errno));
    // The second round is for a parent that somebody removed in between.
    for _ in 0..3 {
        match mkdir(directory, file::DIR_MODE) {
            Ok(()) => {
                made.push(directory.to_owned());
                return Ok(Made::New);
            }
            Err(Errno::EEXIST) => return Ok(Made::Found),
            Err(Errno::ENOENT) => match directory.rsplit_once('/') {
                Some((parent, _)) if !parent.is_empty() => make(parent, made)?,
                _ => return Err(error(Errno::ENOENT)),
            },
            Err(errno) => return Err(error(errno)),
        };
    }
    Err(error(Errno::ENOENT))
}

const CPUSET_FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// A v1 cpuset takes no process before it has CPUs and memory nodes: those of the config, or its parent's.
fn cpuset(
    directory: &str,
    resources: &Resources,
    made: &[String],
    batch: &mut Batch,
) -> Result<()> {
    // Parents that were just made are as empty as the group itself.
    let fresh_parents = made
        .iter()
        .filter(|one| directory.starts_with(&format!("{one}/")));
    for parent in fresh_parents {
        for name in CPUSET_FILES {
            inherit(parent, name, batch)?;
        }
    }
    let wanted = [&resources.cpu.cpus, &resources.cpu.mems];
    for (name, value) in CPUSET_FILES.into_iter().zip(wanted) {
        match value.as_deref().filter(|value| !value.is_empty()) {
            Some(value) => set(directory, name, value, batch)?,
            None => {
                inherit(directory, name, batch)?;
            }
        }
    }
    Ok(())
}

/// Copies a setting from the parent, and to the parent first, if it has none: as runc. Returns the value.
fn inherit(directory: &str, name: &str, batch: &mut Batch) -> Result<String> {
    let parent = directory.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut value = get(parent, name, batch)?;
    if value.trim().is_empty() && parent.matches('/').count() > 4 {
        value = inherit(parent, name, batch)?;
    }
    set(directory, name, value.trim(), batch)?;
    Ok(value)
}

fn get(directory: &str, name: &str, batch: &mut Batch) -> Result<String> {
    let path = format!("{directory}/{name}");
    let fd = file::open_file(&path, OFlag::O_RDONLY)?;
    let value = file::read_one(&fd, &path)?;
    batch.push(fd);
    Ok(value)
}

fn set(directory: &str, name: &str, value: &str, batch: &mut Batch) -> Result<()> {
    let path = format!("{directory}/{name}");
    let fd = file::open_file(&path, OFlag::O_WRONLY)?;
    file::write_to(&fd, &path, value)?;
    batch.push(fd);
    Ok(())
}
