//! The operations' signatures, until they are there.

use super::{CreateArgs, Globals, StateView};
use crate::cli::Signal;
use crate::state::{self, Dir, Id};

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// Not written yet.
    #[error("{0}: not supported yet")]
    NotYet(&'static str),
}

type Result<T> = std::result::Result<T, Error>;

/// What `list` found.
#[derive(Debug, Default)]
pub struct Listed {
    /// By name.
    pub views: Vec<StateView>,
    /// Containers that cannot be read, and why.
    pub broken: Vec<(Id, Error)>,
}

fn known(globals: &Globals, id: &Id) -> Result<()> {
    Dir::open(&globals.root, id)?.read()?;
    Ok(())
}

/// `create`
pub fn create(_: &Globals, _: &CreateArgs) -> Result<()> {
    Err(Error::NotYet("create"))
}

/// `run`; returns the program's exit status.
pub fn run(_: &Globals, _: &CreateArgs) -> Result<i32> {
    Err(Error::NotYet("run"))
}

/// `start`
pub fn start(globals: &Globals, id: &Id) -> Result<()> {
    known(globals, id)?;
    Err(Error::NotYet("start"))
}

/// `state`
pub fn state(globals: &Globals, id: &Id) -> Result<StateView> {
    known(globals, id)?;
    Err(Error::NotYet("state"))
}

/// `list`
pub fn list(globals: &Globals) -> Result<Listed> {
    state::list(&globals.root)?;
    Ok(Listed::default())
}

/// `kill`
pub fn kill(globals: &Globals, id: &Id, _: Signal, _all: bool) -> Result<()> {
    known(globals, id)?;
    Err(Error::NotYet("kill"))
}

/// `delete`
pub fn delete(globals: &Globals, id: &Id, force: bool) -> Result<()> {
    match known(globals, id) {
        Err(Error::State(state::Error::NotFound)) if force => Ok(()),
        Err(e) => Err(e),
        Ok(()) => Err(Error::NotYet("delete")),
    }
}
