//! What is known of a container, read from its record and the kernel.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sync_model::lifecycle::{Evidence, Record as Recorded};
use sync_model::{Death, Fate};

use super::Error;
use crate::cgroup::{self, CgroupPaths};
use crate::process::gate;
use crate::process::peer::Peer;
use crate::state::{self, Dir, Record, proc_stat};
use crate::sys::pidfd;

/// A container at one moment.
#[derive(Debug)]
pub struct Seen {
    /// Its record, if its creator came to write one.
    pub record: Option<Record>,
    /// For the decisions of the life-cycle.
    pub evidence: Evidence,
}

impl Seen {
    /// Looks at the container of `dir`. Changes nothing.
    ///
    /// # Errors
    /// A record that is none, or a kernel that refuses.
    pub fn look(dir: &Dir) -> Result<Self, Error> {
        // The creator first: if it ends now, its last word is in what is read next.
        let creator_alive = dir.is_locked()?;
        let record = match dir.read() {
            Ok(record) => Some(record),
            Err(state::Error::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let recorded = match &record {
            // The directory is there: it is begun.
            None => Recorded::WithoutInit,
            Some(record) if record.init_process_pid == 0 => Recorded::WithoutInit,
            Some(_) => Recorded::WithInit,
        };
        // Init after its gate: a gate that was free while init was still to be seen alive was let go by an execve. The
        // other way round, an init that is killed in between would pass for a running program.
        let gate_held = recorded == Recorded::WithInit
            && gate::is_held(dir.as_fd()).map_err(Error::sys("cannot ask the start gate"))?;
        let init_alive = match &record {
            Some(record) if recorded == Recorded::WithInit => is_alive(record)?,
            _ => false,
        };
        let frozen = match &record {
            Some(record) if init_alive => cgroup::is_frozen(&paths(record))?,
            _ => false,
        };
        Ok(Self {
            record,
            evidence: Evidence {
                record: recorded,
                creator_alive,
                init_alive,
                gate_held,
                frozen,
            },
        })
    }
}

/// The container's cgroups.
pub fn paths(record: &Record) -> CgroupPaths {
    CgroupPaths::from_map(record.cgroup_paths.clone())
}

/// Same number, same start time, not a zombie.
///
/// # Errors
/// Who is not in /proc may be hidden there: a process that takes signals from us, and cannot be told from init. To say that it is gone
/// would have `delete` leave it without a record.
fn is_alive(record: &Record) -> Result<bool, Error> {
    let pid = record.init_process_pid;
    let look = || proc_stat(pid).map_err(Error::sys("cannot look at init"));
    let mut stat = look()?;
    if stat.is_none() && pid > 0 && kill(Pid::from_raw(pid), None).is_ok() {
        // Another has got the number since, or it is hidden.
        stat = look()?;
        if stat.is_none() {
            return Err(Error::ForeignProc);
        }
    }
    Ok(stat.is_some_and(|stat| !stat.is_dead() && stat.start_time == record.init_process_start))
}

/// What the record is to name init by: its number, and its start time. `begun`: [`sys::time::boot_ticks`] before its birth.
///
/// All that is known of init from here on is read, and its maps and `oom_score_adj` are written, by its number in /proc. In a pid
/// namespace whose /proc was not mounted anew that number is another process's, which is older.
///
/// # Errors
/// A /proc that shows others, or nobody.
pub fn born(pid: i32, begun: u64) -> Result<(i32, u64), Error> {
    match proc_stat(pid).map_err(Error::sys("cannot look at init"))? {
        Some(stat) if stat.start_time >= begun => Ok((pid, stat.start_time)),
        _ => Err(Error::ForeignProc),
    }
}

/// How init died, if it never became the user's program and nobody has reaped it yet.
pub fn death(record: &Record) -> Option<Death> {
    let pid = record.init_process_pid;
    let init = Peer::new(pid, pidfd::open(pid).ok()?);
    let stat = proc_stat(pid).ok()??;
    if !stat.is_dead() || stat.start_time != record.init_process_start {
        return None;
    }
    match init.fate() {
        Ok(Fate::Died(death)) => Some(death),
        _ => None,
    }
}

/// A descriptor of the recorded init; `None`: it is dead. Opened first and checked then: the number cannot change hands
/// in between.
pub fn init(record: &Record) -> Result<Option<Peer>, Error> {
    let pid = record.init_process_pid;
    if pid <= 0 {
        // Not recorded yet.
        return Ok(None);
    }
    let pidfd: OwnedFd = match pidfd::open(pid) {
        Ok(pidfd) => pidfd,
        // Nobody has this number, and who is dead stays so.
        Err(error) if error.errno == Errno::ESRCH => {
            return match is_alive(record)? {
                true => Err(Error::ForeignProc),
                false => Ok(None),
            };
        }
        Err(error) => return Err(Error::sys("cannot reach init")(error)),
    };
    Ok(is_alive(record)?.then(|| Peer::new(pid, pidfd)))
}
