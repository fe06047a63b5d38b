//! Walking a group and the groups below it.
//!
//! A container with a writable cgroup mount makes what it likes below its group: names of 255 bytes, any depth. So
//! the walk keeps two descriptors whatever the depth, never builds a path that the kernel would have to accept, and
//! does not recurse.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use crate::sys;

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NOFOLLOW);

/// What a walk does at each group.
pub(super) trait Visit {
    /// On the way down, also for the first group.
    fn enter(&mut self, group: BorrowedFd<'_>) -> sys::Result<()>;
    /// On the way up, not for the first group: `name` in `parent` has been walked.
    fn leave(&mut self, parent: BorrowedFd<'_>, name: &CString) -> sys::Result<()>;
}

/// Walks `root`. Groups that vanish meanwhile are no error, nor is a `root` that is not there.
pub(super) fn walk(root: &str, visit: &mut impl Visit) -> sys::Result<()> {
    let error = |errno| sys::Error::new("open", root, errno);
    let mut group = match open(root, DIRECTORY, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        done => done.map_err(error)?,
    };
    visit.enter(group.as_fd())?;
    // For each level, what is still to be walked; and the names that led to the deeper ones.
    let mut waiting = vec![children(&group).map_err(error)?];
    let mut names: Vec<CString> = Vec::new();
    while let Some(level) = waiting.last_mut() {
        if let Some(name) = level.pop() {
            let child = match openat(&group, name.as_c_str(), DIRECTORY, Mode::empty()) {
                Err(Errno::ENOENT) => continue,
                done => done.map_err(error)?,
            };
            visit.enter(child.as_fd())?;
            match children(&child) {
                Err(Errno::ENOENT | Errno::ENODEV) => continue,
                done => waiting.push(done.map_err(error)?),
            }
            names.push(name);
            group = child;
            continue;
        }
        waiting.pop();
        if let Some(name) = names.pop() {
            group = openat(&group, c"..", DIRECTORY, Mode::empty()).map_err(error)?;
            visit.leave(group.as_fd(), &name)?;
        }
    }
    Ok(())
}

/// Names of the groups directly below.
fn children(group: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut directory = Dir::openat(group, c".", DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name();
        // cgroupfs fills in the type.
        if entry.file_type() == Some(Type::Directory) && name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
