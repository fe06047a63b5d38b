//! The hooks of the runtime's namespaces, each kind at its place.

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;

use crate::hooks::{About, Error, Kind, State, Surroundings, run, run_all};
use crate::plan::{Hooks, LateHooks};
use crate::state::Record;

/// What hooks are told of a recorded container.
pub fn about(record: &Record) -> About {
    About {
        id: record.id.clone(),
        bundle: record.bundle().to_owned(),
        annotations: record.annotations(),
    }
}

/// prestart and createRuntime, as long as `init` lives. They die with the creator: nobody would wait for them, and
/// what they do would come after what removes it.
///
/// # Errors
/// The first that fails.
pub fn before(hooks: &Hooks, about: &About, pid: i32, init: BorrowedFd<'_>) -> Result<(), Error> {
    let status = "creating";
    let state = State { about, status, pid };
    let mut around = Surroundings {
        bound: true,
        watch: Some((init, PollFlags::POLLIN)),
        ..Surroundings::default()
    };
    run(Kind::Prestart, &hooks.prestart, &state, &mut around)?;
    run(
        Kind::CreateRuntime,
        &hooks.create_runtime,
        &state,
        &mut around,
    )
}

/// poststart: the program is executed.
///
/// # Errors
/// The first that fails: the caller stops the container.
pub fn poststart(hooks: &LateHooks, about: &About, pid: i32) -> Result<(), Error> {
    if hooks.poststart.is_empty() {
        return Ok(());
    }
    let status = "running";
    let state = State { about, status, pid };
    run(
        Kind::Poststart,
        &hooks.poststart,
        &state,
        &mut Surroundings::default(),
    )
}

/// poststop: nothing is left of the container.
pub fn poststop(hooks: &LateHooks, about: &About) {
    if hooks.poststop.is_empty() {
        return;
    }
    let (status, pid) = ("stopped", 0);
    let state = State { about, status, pid };
    run_all(
        Kind::Poststop,
        &hooks.poststop,
        &state,
        &mut Surroundings::default(),
    );
}
