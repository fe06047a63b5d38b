//! `update`: other limits for a container that is there.

use std::time::{Duration, Instant};

use sync_model::lifecycle::{self, Refusal};

use super::evidence::{Seen, paths};
use super::{Error, Globals};
use crate::cgroup;
use crate::plan::Resources;
use crate::state::{self, Dir, Id};
use crate::sys::time;

/// How long another `update`, or a `delete`, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// `update`: sets what `resources` names, of what [`crate::spec::limits`] reads, and records it.
///
/// # Errors
/// A container that has stopped; a limit that the kernel refuses. The limits are then as they were, or the error says
/// which are not.
pub fn update(globals: &Globals, id: &Id, resources: &Resources) -> Result<(), Error> {
    let refused = |refusal: Refusal| Error::Refused(refusal.text(id.as_str()));
    let dir = Dir::open(&globals.root, id)?;
    let deadline = Instant::now() + PATIENCE;
    // Of two updates the second begins with what the first has left; and nothing is written into the cgroups of another
    // container that has got the name meanwhile.
    let _alone = loop {
        match dir.try_lock_for_removal()? {
            Some(guard) => break guard,
            // A lock has no event that could be awaited together with a deadline.
            None if Instant::now() < deadline => time::nap(Duration::from_millis(5)),
            None => return Err(Error::Busy),
        }
    };
    if dir.is_removed()? {
        return Err(state::Error::NotFound.into());
    }
    let seen = Seen::look(&dir)?;
    lifecycle::update(&seen.evidence).map_err(refused)?;
    let mut record = (seen.record).ok_or_else(|| refused(Refusal::DoesNotExist))?;
    let before = record.config.cgroups.clone();
    let groups = paths(&record);
    // An idle group has no weight, and one that is no longer idle the default one.
    let named = resources.cpu.shares.is_some();
    let (idle, had) = (resources.cpu.idle, record.runtime.weight);
    if idle == Some(1) && !named && had == 0 {
        record.runtime.weight = cgroup::weight(&groups);
    }
    if idle == Some(0) {
        record.runtime.weight = 0;
    }
    let given_back;
    let all = if idle == Some(0) && !named && had != 0 {
        given_back = cgroup::with_weight(&groups, resources.clone(), had);
        &given_back
    } else {
        resources
    };
    let updated = match cgroup::update(&groups, all) {
        Ok(updated) => updated,
        Err(error) => {
            // If it has ended meanwhile, that is why.
            lifecycle::update(&Seen::look(&dir)?.evidence).map_err(refused)?;
            return Err(Error::Group(error));
        }
    };
    record.config.cgroups.take(resources);
    if record.config.cgroups == before && record.runtime.weight == had {
        return Ok(());
    }
    dir.write(&record)
        .map_err(|error| match updated.set_back() {
            None => error.into(),
            Some(left) => {
                Error::Refused(format!("{error}; the limits could not be set back: {left}"))
            }
        })
}
