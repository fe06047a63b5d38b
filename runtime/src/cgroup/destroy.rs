//! Removing the groups.

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::walk::{Visit, walk};
use super::{freezer, kill};
use crate::sys;

/// How long processes that were killed may take to leave: freeing much memory takes long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes the container's groups and whatever the container made below them; not their parents, as runc. One call a
/// hierarchy if the processes are gone; else it waits for the kernel to say that they are.
///
/// Groups that are gone, or were never made, are no error: this also cleans up after a creator that died half-way.
///
/// # Errors
/// The first group that could not be removed ([`Error::Remove`] names who is in it); the others are tried all the same.
pub fn destroy(paths: &CgroupPaths) -> Result<()> {
    let mut deadline = None;
    let mut first = Ok(());
    for directory in paths.directories() {
        let done = match remove(directory) {
            Err(error) if is_busy(&error) => {
                // Who has left already costs no look at the clock.
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                drain(paths, directory, deadline)
            }
            done => done.map_err(Error::from),
        };
        first = first.and(done);
    }
    first
}

/// Removes one directory that nobody has been in.
pub(super) fn remove_directory(directory: &str) -> Result<()> {
    Ok(remove(directory)?)
}

fn remove(directory: &str) -> sys::Result<()> {
    match unlinkat(nix::fcntl::AT_FDCWD, directory, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(sys::Error::new("rmdir", directory, errno)),
    }
}

fn is_busy(error: &sys::Error) -> bool {
    matches!(error.errno, Errno::EBUSY | Errno::ENOTEMPTY)
}

/// There are groups below, or processes that have not left yet.
fn drain(paths: &CgroupPaths, directory: &str, deadline: Instant) -> Result<()> {
    let mut pause = Duration::from_millis(1);
    let mut awaited = false;
    loop {
        match walk(directory, &mut Prune) {
            // Somebody else removes it too: look again.
            Err(error) if error.errno == Errno::ENOENT => {}
            done => done?,
        }
        let source = match remove(directory) {
            Err(error) if is_busy(&error) => error,
            done => return done.map_err(Error::from),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let pids = kill::members(directory).unwrap_or_default();
            return Err(Error::Remove {
                source,
                millis: freezer::millis(PATIENCE),
                pids: pids.into_iter().take(8).collect(),
            });
        }
        // A process leaves all its groups at once, so the v2 one, which can be waited for, speaks for all of them.
        // If it is empty already, the rest is a matter of moments, and v1 has no event for it.
        if let Some(unified) = paths.get("").filter(|_| !awaited) {
            freezer::wait_event(unified, "populated", 0, left)?;
            awaited = true;
            continue;
        }
        sys::time::nap(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Removes every group below the first, from the leaves up.
struct Prune;

impl Visit for Prune {
    fn enter(&mut self, _group: BorrowedFd<'_>) -> sys::Result<()> {
        Ok(())
    }

    fn leave(&mut self, parent: BorrowedFd<'_>, name: &CString) -> sys::Result<()> {
        match unlinkat(parent, name.as_c_str(), UnlinkatFlags::RemoveDir) {
            // Somebody still in it: the next round removes it.
            Ok(()) | Err(Errno::ENOENT | Errno::EBUSY | Errno::ENOTEMPTY) => Ok(()),
            Err(errno) => Err(sys::Error::new("rmdir", name.to_string_lossy(), errno)),
        }
    }
}
