//! `pause` and `resume`: the container's freezer.

use sync_model::lifecycle::{self, Evidence, Refusal};

use super::evidence::{Seen, paths};
use super::{Error, Globals};
use crate::cgroup::{self, CgroupPaths};
use crate::state::{Dir, Id};

/// `pause`. Returns when every process of the container has stopped.
///
/// # Errors
/// A container that neither is created nor runs; processes that do not come to rest.
pub fn pause(globals: &Globals, id: &Id) -> Result<(), Error> {
    toggle(globals, id, lifecycle::pause, cgroup::freeze)
}

/// `resume`
///
/// # Errors
/// A container that is not paused.
pub fn resume(globals: &Globals, id: &Id) -> Result<(), Error> {
    toggle(globals, id, lifecycle::resume, cgroup::thaw)
}

fn toggle(
    globals: &Globals,
    id: &Id,
    decide: fn(&Evidence) -> Result<(), Refusal>,
    act: fn(&CgroupPaths) -> cgroup::Result<()>,
) -> Result<(), Error> {
    let refused = |refusal: Refusal| Error::Refused(refusal.text(id.as_str()));
    let dir = Dir::open(&globals.root, id)?;
    let seen = Seen::look(&dir)?;
    decide(&seen.evidence).map_err(refused)?;
    let record = (seen.record).ok_or_else(|| refused(Refusal::DoesNotExist))?;
    act(&paths(&record)).or_else(|error| {
        // It may have ended meanwhile, and its groups be gone: then that is what is said.
        decide(&Seen::look(&dir)?.evidence).map_err(refused)?;
        Err(Error::Group(error))
    })
}
