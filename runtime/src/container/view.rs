//! `state` and `list`.

use sync_model::lifecycle;

use super::evidence::Seen;
use super::{Error, Globals, StateView, Status};
use crate::state::{self, Dir, Id, Record};

/// What `list` found.
#[derive(Debug)]
pub struct Listed<T> {
    /// By name.
    pub found: Vec<T>,
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
pub fn list(globals: &Globals) -> Result<Listed<StateView>, Error> {
    each(globals, |dir| {
        let seen = Seen::look(dir)?;
        let status = lifecycle::status(&seen.evidence);
        let owner = dir.owner()?;
        Ok(seen.record.map(|record| view(record, status, owner)))
    })
}

/// `list --quiet`: the containers' names, by name. No process and no cgroup is looked at.
///
/// # Errors
/// A root that cannot be read.
pub fn names(globals: &Globals) -> Result<Listed<String>, Error> {
    each(globals, |dir| match dir.read() {
        Ok(record) => Ok(Some(record.id)),
        Err(state::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    })
}

/// What of each container, and of which it cannot be had. `None`: begun, or removed meanwhile.
fn each<T>(
    globals: &Globals,
    one: impl Fn(&Dir) -> Result<Option<T>, Error>,
) -> Result<Listed<T>, Error> {
    let (mut found, mut broken) = (Vec::new(), Vec::new());
    for id in state::list(&globals.root)? {
        let dir = match Dir::open(&globals.root, &id) {
            Ok(dir) => dir,
            Err(state::Error::NotFound) => continue,
            Err(error) => {
                broken.push((id, error.into()));
                continue;
            }
        };
        match one(&dir) {
            Ok(Some(of)) => found.push(of),
            Ok(None) => {}
            Err(error) => broken.push((id, error)),
        }
    }
    Ok(Listed { found, broken })
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
