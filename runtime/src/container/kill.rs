//! `kill`: a signal to init, or to everything in the container's cgroup.

use std::os::fd::AsFd;

use nix::errno::Errno;
use sync_model::lifecycle;

use super::evidence::{self, Seen, paths};
use super::{Error, Globals};
use crate::cgroup::{self, CgroupPaths};
use crate::cli::Signal;
use crate::state::{Dir, Id};
use crate::sys::pidfd;

/// `kill`. With `all`, every process of the container gets the signal, also when init is dead.
///
/// # Errors
/// No such container, or none that runs; with `all`, one without a cgroup, whose processes nobody can tell from others.
pub fn kill(globals: &Globals, id: &Id, signal: Signal, all: bool) -> Result<(), Error> {
    let dir = Dir::open(&globals.root, id)?;
    let seen = Seen::look(&dir)?;
    let number = signal.number();
    let what = "cannot signal the container";
    if all && let Some(record) = &seen.record {
        let paths = paths(record);
        if !paths.as_map().is_empty() {
            return signal_all(&paths, number);
        }
        // Nobody knows who else is in it; but of a pid namespace of its own, nobody survives the first.
        if number != libc::SIGKILL || !record.has_own_pids() {
            return Err(Error::NoGroup(
                "cannot signal all of the container's processes",
            ));
        }
    }
    let plan = lifecycle::kill(&seen.evidence, number)
        .map_err(|refusal| Error::Refused(refusal.text(id.as_str())))?;
    let not_running = || Error::Refused(lifecycle::Refusal::NotRunning.text(id.as_str()));
    let record = seen.record.as_ref().ok_or_else(not_running)?;
    let init = evidence::init(record)?.ok_or_else(not_running)?;
    match pidfd::send_signal(init.pidfd(), number) {
        Err(error) if error.errno == Errno::ESRCH => return Err(not_running()),
        done => done.map_err(Error::sys(what))?,
    }
    if plan.thaw {
        cgroup::thaw(&paths(record))?;
    }
    Ok(())
}

fn signal_all(paths: &CgroupPaths, number: i32) -> Result<(), Error> {
    if number == libc::SIGKILL {
        return Ok(cgroup::kill_all(paths)?);
    }
    let what = "cannot signal the container's processes";
    let opened: Vec<_> = cgroup::processes(paths)?
        .into_iter()
        .filter_map(|pid| Some((pid, pidfd::open(pid).ok()?)))
        .collect();
    // A number may have changed hands before it was opened; who is in the cgroup now is the container's.
    let members = cgroup::processes(paths)?;
    for (pid, pidfd) in opened {
        if !members.contains(&pid) {
            continue;
        }
        match pidfd::send_signal(pidfd.as_fd(), number) {
            Err(error) if error.errno != Errno::ESRCH => return Err(Error::sys(what)(error)),
            _ => {}
        }
    }
    Ok(())
}
