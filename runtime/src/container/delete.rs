//! `delete`: removes what is left of a container; with `--force`, after killing it.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sync_model::lifecycle::{self, DeletePlan, Evidence, Record as Recorded};
use sync_model::{Deleter, Driver, Message, Outcome};

use super::evidence::{self, Seen, paths};
use super::{Error, Globals, hooks};
use crate::cgroup;
use crate::process::creator;
use crate::process::gate;
use crate::process::peer::Peer;
use crate::process::wire::Wire;
use crate::state::{self, Dir, Id, Record};
use crate::sys::pidfd;

/// How long a killed process may take to die, and a creator to notice: as runc.
pub(super) const PATIENCE: Duration = Duration::from_millis(PATIENCE_MS as u64);
const PATIENCE_MS: u16 = 10_000;

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
            DeletePlan::Remove => return remove(&dir, false),
            DeletePlan::KillThenRemove { .. } => {
                if let Some(record) = &seen.record {
                    kill(record)?;
                }
                return remove(&dir, true);
            }
            DeletePlan::AskToLeave => {
                let Some(record) = &seen.record else { continue };
                let Some(init) = evidence::init(record)? else {
                    continue;
                };
                if ask_to_leave(&dir, init)? {
                    return remove(&dir, false);
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
    let mut driver = Driver::new(
        Wire::to_init(connection, init).with_patience(PATIENCE_MS),
        Deleter::new(),
        (),
    );
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

/// Kills init, and waits for its death.
pub(super) fn kill(record: &Record) -> Result<(), Error> {
    let Some(init) = evidence::init(record)? else {
        return Ok(());
    };
    match pidfd::send_signal(init.pidfd(), libc::SIGKILL) {
        Err(error) if error.errno != Errno::ESRCH => {
            return Err(Error::sys("cannot kill init")(error));
        }
        _ => {}
    }
    // Whether it was seen frozen or not: somebody may have frozen it since, and it would not die. If this fails and was
    // needed, the wait says so.
    let _ = cgroup::thaw(&paths(record));
    match init
        .dies_within(PATIENCE)
        .map_err(Error::sys("cannot wait for init"))?
    {
        true => Ok(()),
        false => Err(Error::StillRunning),
    }
}

/// Removes everything that the record names, the record last: a `delete` that dies half-way can be repeated.
///
/// Alone with the container: another deleter may have removed it meanwhile, and its name and cgroups be a new
/// container's; its creator may be at the same work, or with `force`, be recording an init only now.
fn remove(dir: &Dir, force: bool) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    // A lock has no event that could be awaited together with a deadline.
    let wait = || {
        std::thread::sleep(Duration::from_millis(5));
        Instant::now() <= deadline
    };
    let _alone = loop {
        match dir.try_lock_for_removal()? {
            Some(guard) => break guard,
            None if wait() => {}
            None => return Err(Error::StillDeleting),
        }
    };
    let record = loop {
        if dir.is_removed()? {
            return Ok(());
        }
        let seen = Seen::look(dir)?;
        match &seen.record {
            Some(record) if force && seen.evidence.init_alive => kill(record)?,
            _ if !seen.evidence.creator_alive => break seen.record,
            _ if wait() => {}
            _ => return Err(Error::StillCreating),
        }
    };
    if let Some(record) = &record {
        let paths = paths(record);
        cgroup::kill_all(&paths)?;
        cgroup::destroy(&paths)?;
    }
    dir.remove()?;
    // Last: a `delete` that dies before it can be repeated, and no hook runs twice.
    if let Some(record) = &record
        && !record.runtime.hooks.is_empty()
    {
        hooks::poststop(&record.runtime.hooks, &hooks::about(record));
    }
    Ok(())
}
