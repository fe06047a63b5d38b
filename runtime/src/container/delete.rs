//! `delete`: removes what is left of a container; with `--force`, after killing it.

use std::time::{Duration, Instant};

use sync_model::lifecycle::{self, DeletePlan, Evidence, Record as Recorded};
use sync_model::{Deleter, Message, Outcome};

use super::evidence::{self, Seen, paths};
use super::request::Request;
use super::{Error, Globals, holder, hooks};
use crate::cgroup;
use crate::process::creator;
use crate::process::gate::ANSWER_S;
use crate::process::peer::Peer;
use crate::state::{self, Dir, Id, Record};
use crate::sys::time;

/// How long a killed process may take to die, and a creator to notice: as runc.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a creator may take to die.
const HOLDER_PATIENCE: Duration = Duration::from_secs(5);

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
            DeletePlan::KillThenRemove { thaw } => {
                if let Some(record) = &seen.record {
                    kill(record, thaw)?;
                }
                return remove(&dir, true);
            }
            DeletePlan::AskToLeave => {
                let Some(record) = &seen.record else { continue };
                let Some(init) = evidence::init(record)? else {
                    continue;
                };
                if ask_to_leave(&dir, record, init)? {
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
fn ask_to_leave(dir: &Dir, record: &Record, init: Peer) -> Result<bool, Error> {
    let sent = Request::send(dir, record, init, Deleter::new(), &Message::Abort)?;
    let Ok(mut request) = sent else {
        return Ok(false);
    };
    let outcome = match request.outcome(Some(ANSWER_S.into())) {
        // It has agreed to leave, and starts nothing any more: what keeps it, such as a `pause`, must not make this fail, and the
        // container end later.
        Err(_) if request.is_accepted() => return kill(record, true).map(|()| true),
        done => done?,
    };
    match outcome {
        Outcome::Aborted | Outcome::PeerDied { .. } => Ok(true),
        Outcome::NotAccepted => Ok(false),
        other => Err(creator::Error::Ended(other).into()),
    }
}

/// Kills init, and waits for its death. `frozen`: it was seen so.
pub(super) fn kill(record: &Record, frozen: bool) -> Result<(), Error> {
    match evidence::init(record)? {
        Some(init) => end(&init, record, frozen),
        None => Ok(()),
    }
}

/// As [`kill`], of an `init` that is open: no descriptor is needed for that.
pub(super) fn end(init: &Peer, record: &Record, frozen: bool) -> Result<(), Error> {
    // Whether it was seen frozen or not: somebody may have frozen it since. If this fails and was needed, the wait says so.
    let release = || drop(cgroup::thaw(&paths(record)));
    let moment = if frozen { 0 } else { 200 };
    match init
        .kill(PATIENCE, moment, release)
        .map_err(Error::sys("cannot kill init"))?
    {
        true => Ok(()),
        false => Err(Error::StillRunning),
    }
}

/// Removes everything that the record names, the record last: a `delete` that dies half-way can be repeated.
///
/// Alone with the container: another deleter may have removed it meanwhile, and its name and cgroups be a new
/// container's; its creator may be at the same work, or with `force`, be recording an init only now. With `force` a creator
/// that is stopped, or does not come to an end, is killed: nothing else makes it let go.
fn remove(dir: &Dir, force: bool) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    // A lock has no event that could be awaited together with a deadline.
    let wait = || {
        time::nap(Duration::from_millis(5));
        Instant::now() <= deadline
    };
    let _alone = loop {
        match dir.try_lock_for_removal()? {
            Some(guard) => break guard,
            None if wait() => {}
            None => return Err(Error::StillDeleting),
        }
    };
    let mut creator: Option<Peer> = None;
    // All processes are looked at for it. An init that is just being born may hold the lock beside it.
    let mut searches = if force { 3 } else { 0 };
    let record = loop {
        if dir.is_removed()? {
            return Ok(());
        }
        let seen = Seen::look(dir)?;
        match &seen.record {
            Some(record) if force && seen.evidence.init_alive => {
                kill(record, seen.evidence.frozen)?;
                if !wait() {
                    return Err(Error::StillRunning);
                }
            }
            _ if !seen.evidence.creator_alive => break seen.record,
            _ => {
                if searches > 0 && creator.is_none() {
                    searches -= 1;
                    creator = holder::find(dir)?;
                }
                let patient = wait();
                match creator.take_if(|creator| !patient || creator.is_stopped()) {
                    Some(creator) => {
                        let dead = creator.kill(HOLDER_PATIENCE, 0, || ());
                        if !dead.map_err(Error::sys("cannot kill the container's creator"))? {
                            return Err(Error::StillCreating);
                        }
                    }
                    None if patient => {}
                    None => return Err(Error::StillCreating),
                }
            }
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
