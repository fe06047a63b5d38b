//! Pause, resume, and the question whether a container is paused.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::walk::{Visit, walk};
use super::{file, parse};
use crate::sys;

/// How long freezing may take. A v1 freezer has nothing to wait on, and with processes forking as fast as they can it
/// may need many tries.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a v2 group is waited for before it is looked at whether it is still to freeze.
const GLANCE: Duration = Duration::from_millis(100);

/// Is the container paused: frozen by its own group, not by one above? From the kernel; nothing is remembered.
/// A group that is gone is not frozen. While a v1 group is still freezing, the answer is already yes.
///
/// # Errors
/// The freezer's file cannot be read.
pub fn is_frozen(paths: &CgroupPaths) -> Result<bool> {
    if let Some(directory) = paths.get("freezer") {
        return Ok(state_v1(directory)?.is_some_and(|state| state != "THAWED")
            && look(&format!("{directory}/freezer.self_freezing"))?
                .is_some_and(|text| text == "1"));
    }
    let Some(directory) = paths.get("") else {
        return Ok(false);
    };
    Ok(look(&format!("{directory}/cgroup.freeze"))?.is_some_and(|text| text == "1"))
}

/// Would a process in this group not run? So it is if the group or one above it is frozen.
///
/// # Errors
/// The freezer's file cannot be read.
pub fn is_frozen_at_all(paths: &CgroupPaths) -> Result<bool> {
    if let Some(directory) = paths.get("freezer") {
        return Ok(state_v1(directory)?.is_some_and(|state| state != "THAWED"));
    }
    let Some(directory) = paths.get("") else {
        return Ok(false);
    };
    let events = look(&format!("{directory}/cgroup.events"))?.unwrap_or_default();
    Ok(parse::flat_keyed(events.as_bytes(), "frozen") == Some(1))
}

/// Stops every process of the container, and returns when they have stopped. If that does not happen in 5 seconds,
/// they run again and it is an error.
///
/// # Errors
/// [`Error::Freeze`]; no freezer on this host; the group is gone.
pub fn freeze(paths: &CgroupPaths) -> Result<()> {
    let result = freeze_within(paths, PATIENCE);
    if result.is_err() {
        // Half frozen is worse than running: the error says what happened.
        let _ = thaw(paths);
    }
    result
}

/// As [`freeze`] but leaves the group as it is on failure.
pub(super) fn freeze_within(paths: &CgroupPaths, patience: Duration) -> Result<()> {
    if let Some(directory) = paths.get("freezer") {
        return freeze_v1(directory, patience);
    }
    let directory = paths.get("").ok_or(Error::NoController {
        controller: "freezer",
    })?;
    file::write_file(&format!("{directory}/cgroup.freeze"), "1")?;
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Whoever thaws a group that is not frozen yet causes no event.
        if wait_event(directory, "frozen", 1, left.min(GLANCE))? {
            return Ok(());
        }
        if look(&format!("{directory}/cgroup.freeze"))?.is_none_or(|text| text == "0") {
            // Somebody let them run again meanwhile, or the group is gone: it was paused, and is no longer.
            return Ok(());
        }
        if left.is_zero() {
            return Err(Error::Freeze {
                path: directory.to_owned(),
                state: "freezing".to_owned(),
                millis: millis(patience),
            });
        }
    }
}

/// Lets the processes run again.
///
/// # Errors
/// No freezer on this host; the group is gone.
pub fn thaw(paths: &CgroupPaths) -> Result<()> {
    if let Some(directory) = paths.get("freezer") {
        return file::write_file(&format!("{directory}/freezer.state"), "THAWED");
    }
    let directory = paths.get("").ok_or(Error::NoController {
        controller: "freezer",
    })?;
    file::write_file(&format!("{directory}/cgroup.freeze"), "0")
}

/// Thaws the container's group and every v1 group below it: what the kernel's SIGKILL needs to take effect. Groups that
/// are gone, and hosts without a v1 freezer, are no error: a v2 group's frozen processes die without thawing.
pub(super) fn thaw_all(paths: &CgroupPaths) -> Result<()> {
    match paths.get("freezer") {
        Some(directory) => Ok(walk(directory, &mut Thaw)?),
        None => Ok(()),
    }
}

struct Thaw;

impl Visit for Thaw {
    fn enter(&mut self, group: BorrowedFd<'_>) -> sys::Result<()> {
        let error = |call, errno| sys::Error::new(call, "freezer.state", errno);
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let done = openat(group, c"freezer.state", flags, Mode::empty())
            .map_err(|errno| error("open", errno))
            .and_then(|fd| {
                nix::unistd::write(&fd, b"THAWED").map_err(|errno| error("write", errno))
            });
        match done {
            Err(error) if !matches!(error.errno, Errno::ENOENT | Errno::ENODEV) => Err(error),
            _ => Ok(()),
        }
    }

    fn leave(&mut self, _parent: BorrowedFd<'_>, _name: &CString) -> sys::Result<()> {
        Ok(())
    }
}

fn freeze_v1(directory: &str, patience: Duration) -> Result<()> {
    let path = format!("{directory}/freezer.state");
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_micros(50);
    // Once: who is forked meanwhile is frozen by the kernel, and to write it again would undo a `resume` that has said 0.
    file::write_file(&path, "FROZEN")?;
    loop {
        let Some(state) = state_v1(directory)? else {
            // The group is gone: the kernel's own words.
            return file::write_file(&path, "FROZEN");
        };
        if state == "FROZEN" {
            return Ok(());
        }
        if look(&format!("{directory}/freezer.self_freezing"))?.is_some_and(|text| text == "0") {
            // Somebody let them run again meanwhile: it was paused, and is no longer.
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Freeze {
                path,
                state,
                millis: millis(patience),
            });
        }
        sys::time::nap(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// `None`: the group is gone.
fn state_v1(directory: &str) -> Result<Option<String>> {
    look(&format!("{directory}/freezer.state"))
}

/// A file's text without the newline; `None` if the group is not there (any more).
fn look(path: &str) -> Result<Option<String>> {
    match file::read_line(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(sys::Error {
            errno: Errno::ENOENT | Errno::ENODEV,
            ..
        }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until `key` of a v2 group's `cgroup.events` has `value`; the kernel wakes us. False: not in time. A group that
/// is gone has no processes: true.
pub(super) fn wait_event(
    directory: &str,
    key: &str,
    value: u64,
    patience: Duration,
) -> Result<bool> {
    let path = format!("{directory}/cgroup.events");
    let deadline = Instant::now() + patience;
    let fd = match file::open_file(&path, OFlag::O_RDONLY) {
        Err(error) if error.errno == Errno::ENOENT => return Ok(true),
        done => done?,
    };
    loop {
        nix::unistd::lseek(&fd, 0, nix::unistd::Whence::SeekSet)
            .map_err(|errno| sys::Error::new("lseek", path.as_str(), errno))?;
        let text = match file::read_one(&fd, &path) {
            Err(error) if error.errno == Errno::ENODEV => return Ok(true),
            done => done?,
        };
        if parse::flat_keyed(text.as_bytes(), key) == Some(value) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout =
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLPRI)];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(sys::Error::new("poll", path, errno).into()),
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
