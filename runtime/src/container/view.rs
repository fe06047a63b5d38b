//! `state` and `list`.

use sync_model::lifecycle;

use super::evidence::Seen;
use super::{Error, Globals, StateView, Status};
use crate::state::{self, Dir, Id, Record};

/// What `list` found.
#[derive(Debug, Default)]
pub struct Listed {
    /// By name.
    pub views: Vec<StateView>,
    /// Containers that cannot be read, and why.
    pub broken: Vec<(Id, Error)>,
}

/// `state`
///
/// # Errors
/// No such container; a record that is none.
pub fn state(globals: &Globals, id: &Id) -> Result<StateView, Error> {
    let dir = Dir::open(&globals.root, id)?;
    let seen = Seen::look(&dir)?;
    let status = lifecycle::status(&seen.evidence);
    let Some(record) = seen.record else {
        return Err(state::Error::NotFound.into());
    };
    Ok(view(record, status, 0))
}

/// `list`
///
/// # Errors
/// A root that cannot be read.
pub fn list(globals: &Globals) -> Result<Listed, Error> {
    let mut listed = Listed::default();
    for id in state::list(&globals.root)? {
        match one(globals, &id) {
            Ok(Some(view)) => listed.views.push(view),
            // Begun, or removed meanwhile.
            Ok(None) => {}
            Err(error) => listed.broken.push((id, error)),
        }
    }
    Ok(listed)
}

fn one(globals: &Globals, id: &Id) -> Result<Option<StateView>, Error> {
    let dir = match Dir::open(&globals.root, id) {
        Ok(dir) => dir,
        Err(state::Error::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let seen = Seen::look(&dir)?;
    let status = lifecycle::status(&seen.evidence);
    let owner = dir.owner()?;
    Ok(seen.record.map(|record| view(record, status, owner)))
}

fn view(record: Record, status: Status, owner: u32) -> StateView {
    StateView {
        pid: if status == Status::Stopped {
            0
        } else {
            record.init_process_pid
        },
        status,
        bundle: record.bundle().to_owned(),
        annotations: record.annotations(),
        oci_version: crate::spec::VERSION.to_owned(),
        rootfs: record.config.rootfs,
        created: record.created,
        id: record.id,
        owner,
    }
}
