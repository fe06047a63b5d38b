//! Who is in the container, and the end of them all.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::walk::{Visit, walk};
use super::{file, freezer, parse};
use crate::sys::{self, pidfd};

/// How long v1 may take to catch processes that fork faster than they are killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one try to freeze them may take before they are killed as they run.
const FREEZE_PATIENCE: Duration = Duration::from_millis(200);

/// All processes of the container, also those in groups below its own; sorted. Zombies are among them. Groups that are
/// gone have none.
///
/// # Errors
/// A group that cannot be read.
pub fn processes(paths: &CgroupPaths) -> Result<Vec<i32>> {
    let mut all = BTreeSet::new();
    // A creator that died between two joins left init in the first of them only.
    for directory in paths.get("").into_iter().chain(paths.lead()) {
        all.extend(members(directory)?);
        if paths.is_v2() {
            break;
        }
    }
    Ok(all.into_iter().collect())
}

/// Sends SIGKILL to every process of the container, frozen or not, such that none escapes by forking, and none
/// that is not the container's is hit. It does not wait for their death: [`destroy`](super::destroy()) does.
///
/// With a v2 hierarchy, also in hybrid mode, that is one write to `cgroup.kill`. For processes that this does not
/// reach (v1 only, old kernels, moved by root) they are frozen, killed, thawed.
///
/// # Errors
/// [`Error::StillAlive`]; a file that cannot be read or written. Groups that are gone are no error.
pub fn kill_all(paths: &CgroupPaths) -> Result<()> {
    let killed = paths.get("").is_some_and(kill_v2);
    if paths.is_v2() {
        return if killed {
            Ok(())
        } else {
            kill_one_by_one(paths, false)
        };
    }
    // A process frozen by v1 dies only when it thaws; the container may have frozen groups of its own making.
    freezer::thaw_all(paths)?;
    kill_one_by_one(paths, killed)
}

/// True if the kernel did it.
fn kill_v2(directory: &str) -> bool {
    file::write_file(&format!("{directory}/cgroup.kill"), "1").is_ok()
}

/// Kills those of the lead group that `cgroup.kill` has not reached.
fn kill_one_by_one(paths: &CgroupPaths, killed_v2: bool) -> Result<()> {
    let Some(lead) = paths.lead() else {
        return Ok(());
    };
    let deadline = Instant::now() + PATIENCE;
    let left = || -> Result<BTreeSet<i32>> {
        let mut pids = members(lead)?;
        if killed_v2 && !pids.is_empty() {
            for pid in members(paths.get("").unwrap_or(lead))? {
                pids.remove(&pid);
            }
        }
        Ok(pids)
    };
    loop {
        if left()?.is_empty() {
            return Ok(());
        }
        let frozen = freezer::freeze_within(paths, FREEZE_PATIENCE).is_ok();
        let pids = left()?;
        let done = kill_verified(lead, &pids);
        freezer::thaw_all(paths)?;
        done?;
        if frozen {
            // Nothing could fork between the look and the signal, and nothing runs again but to die.
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::StillAlive {
                path: lead.to_owned(),
                count: pids.len(),
            });
        }
    }
}

/// SIGKILL to `pids`, through descriptors: a number that is still listed *after* its descriptor was opened belongs to
/// the process behind the descriptor, or to one of the container that took its place.
fn kill_verified(directory: &str, pids: &BTreeSet<i32>) -> Result<()> {
    let mut waiting: Vec<i32> = pids.iter().copied().collect();
    while !waiting.is_empty() {
        // A few at a time: a container may have more processes than we may have descriptors.
        let some = waiting.split_off(waiting.len().saturating_sub(256));
        let mut opened = Vec::with_capacity(some.len());
        for pid in some {
            match pidfd::open(pid) {
                Ok(fd) => opened.push((pid, fd)),
                // ESRCH: gone. EINVAL: a thread's number, or 0, a process of another pid namespace.
                Err(error) if matches!(error.errno, Errno::ESRCH | Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let listed = members(directory)?;
        for (pid, fd) in opened {
            if !listed.contains(&pid) {
                continue;
            }
            match pidfd::send_signal(fd.as_fd(), libc::SIGKILL) {
                Ok(()) => {}
                Err(error) if error.errno == Errno::ESRCH => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Processes of one group and those below it.
pub(super) fn members(directory: &str) -> Result<BTreeSet<i32>> {
    let mut list = List {
        directory,
        pids: BTreeSet::new(),
        malformed: None,
    };
    walk(directory, &mut list)?;
    match list.malformed {
        Some(error) => Err(error),
        None => Ok(list.pids),
    }
}

struct List<'a> {
    directory: &'a str,
    pids: BTreeSet<i32>,
    malformed: Option<Error>,
}

impl Visit for List<'_> {
    fn enter(&mut self, group: BorrowedFd<'_>) -> sys::Result<()> {
        let pids = match self.read(group, c"cgroup.procs") {
            // A threaded v2 group.
            Err(error) if error.errno == Errno::EOPNOTSUPP => {
                let threads = self.read(group, c"cgroup.threads")?;
                threads.into_iter().filter_map(process_of).collect()
            }
            done => done?,
        };
        self.pids.extend(pids);
        Ok(())
    }

    fn leave(&mut self, _parent: BorrowedFd<'_>, _name: &CString) -> sys::Result<()> {
        Ok(())
    }
}

impl List<'_> {
    /// What one file lists. None is listed in a group that is gone.
    fn read(&mut self, group: BorrowedFd<'_>, name: &CStr) -> sys::Result<Vec<i32>> {
        let path = format!("{}/.../{}", self.directory, name.to_string_lossy());
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let bytes = match openat(group, name, flags, Mode::empty()) {
            Ok(fd) => file::read_all(&fd, &path),
            Err(errno) => Err(sys::Error::new("open", path.as_str(), errno)),
        };
        match bytes {
            Ok(bytes) => Ok(parse::pids(&bytes).unwrap_or_else(|why| {
                self.malformed = Some(super::layout::malformed(&path, why));
                Vec::new()
            })),
            Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENODEV) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The process that a thread is of; `None` if it is gone.
fn process_of(thread: i32) -> Option<i32> {
    let status = file::read_line(&format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// How many processes of the container the kernel's OOM killer has killed; `None` if nobody counts (no memory
/// controller, or the group is gone). Tells "the memory limit is too low" from any other SIGKILL.
pub fn oom_kills(paths: &CgroupPaths) -> Option<u64> {
    let path = match paths.get("memory") {
        Some(directory) => format!("{directory}/memory.oom_control"),
        None => format!("{}/memory.events", paths.get("")?),
    };
    let text = file::read_line(&path).ok()?;
    parse::flat_keyed(text.as_bytes(), "oom_kill")
}
