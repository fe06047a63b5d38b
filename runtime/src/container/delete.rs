//! `delete`: removes what is left of a container; with `--force`, after killing it.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sync_model::lifecycle::{self, DeletePlan, Evidence, Record as Recorded};
use sync_model::{Deleter, Driver, Message, Outcome};

use super::evidence::{self, Seen, paths};
use super::{Error, Globals};
use crate::cgroup;
use crate::process::creator;
use crate::process::gate;
use crate::process::peer::Peer;
use crate::process::wire::Wire;
use crate::state::{self, Dir, Id, Record};
use crate::sys::pidfd;

/// How long a killed process may take to die, and a creator to notice: as runc.
const PATIENCE: Duration = Duration::from_secs(10);

/// `delete`
///
/// # Errors
/// Without `force`: a container that runs, or does not exist. What could not be removed.
pub fn delete(globals: &Globals, id: &Id, force: bool) -> Result<(), Error> {
    let refused = |refusal: lifecycle::Refusal| Error::Refused(refusal.text(id.as_str()));
    let dir = match Dir::open(&globals.root, id) {
        Ok(dir) => dir,
        Err(state::Error::NotFound) => {
            let missing = Evidence {
                record: Recorded::Missing,
                creator_alive: false,
                init_alive: false,
                gate_held: false,
                frozen: false,
            };
            return lifecycle::delete(&missing, force)
                .map(drop)
                .map_err(refused);
        }
        Err(error) => return Err(error.into()),
    };
    for _ in 0..3 {
        let seen = Seen::look(&dir)?;
        match lifecycle::delete(&seen.evidence, force).map_err(refused)? {
            DeletePlan::Nothing => return Ok(()),
            DeletePlan::Remove => return remove(dir, seen.record.as_ref()),
            DeletePlan::KillThenRemove { thaw } => {
                if let Some(record) = &seen.record {
                    kill(record, thaw)?;
                }
                wait_for_creator(&dir)?;
                // Its creator may have recorded an init meanwhile.
                let last = Seen::look(&dir)?.record;
                return remove(dir, last.as_ref());
            }
            DeletePlan::AskToLeave => {
                let Some(record) = &seen.record else { continue };
                let Some(init) = evidence::init(record)? else {
                    continue;
                };
                if ask_to_leave(&dir, init)? {
                    return remove(dir, Some(record));
                }
            }
        }
    }
    Err(Error::Refused(format!(
        "cannot delete container {id}: another command is starting it"
    )))
}

/// `false`: init has accepted another request.
fn ask_to_leave(dir: &Dir, init: Peer) -> Result<bool, Error> {
    let Some(connection) =
        gate::knock(dir.as_fd()).map_err(Error::sys("cannot reach the start gate"))?
    else {
        return Ok(false);
    };
    let mut driver = Driver::new(Wire::to_init(connection, init), Deleter::new(), ());
    driver.send(&Message::Abort).map_err(creator::Error::from)?;
    match driver
        .finish(|line| creator::log(&line))
        .map_err(creator::Error::from)?
    {
        Outcome::Aborted | Outcome::PeerDied { .. } => Ok(true),
        Outcome::NotAccepted => Ok(false),
        other => Err(creator::Error::Ended(other).into()),
    }
}

/// Kills init and everything else in the container's cgroups.
fn kill(record: &Record, thaw: bool) -> Result<(), Error> {
    let paths = paths(record);
    if record.init_process_pid != 0
        && let Some(init) = evidence::init(record)?
    {
        match pidfd::send_signal(init.pidfd(), libc::SIGKILL) {
            Err(error) if error.errno != Errno::ESRCH => {
                return Err(Error::sys("cannot kill init")(error));
            }
            _ => {}
        }
        if thaw {
            cgroup::thaw(&paths)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while !init
            .is_dead(100)
            .map_err(Error::sys("cannot wait for init"))?
        {
            if Instant::now() > deadline {
                return Err(Error::StillRunning);
            }
        }
    }
    Ok(cgroup::kill_all(&paths)?)
}

/// A creator whose init is dead cleans up and lets go of the lock. There is no event for a lock's end with a deadline.
fn wait_for_creator(dir: &Dir) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while dir.is_locked()? {
        if Instant::now() > deadline {
            return Err(Error::StillCreating);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Removes everything that the record names, the record last: a `delete` that dies half-way can be repeated.
fn remove(dir: Dir, record: Option<&Record>) -> Result<(), Error> {
    if let Some(record) = record {
        let paths = paths(record);
        cgroup::kill_all(&paths)?;
        cgroup::destroy(&paths)?;
    }
    Ok(dir.remove()?)
}
