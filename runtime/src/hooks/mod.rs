//! Hooks: programs that the config wants to be run at six points of a container's life (runtime-spec, config.md).
//!
//! One runner for the creator, init, `start` and `delete`. It waits for the hook's exit, not for the end of its output: who
//! inherits a hook's streams keeps nobody waiting. It ends the hook at its timeout, and when the peer is gone for whom the
//! hook is run.

mod child;
mod output;
mod state;
mod wait;

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;

pub use state::{About, State};

use crate::plan::Hook;
use crate::sys::signal;

/// When a hook runs, in the spec's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the runtime's namespaces, before [`Kind::CreateRuntime`].
    Prestart,
    /// In the runtime's namespaces, when the mounts are made.
    CreateRuntime,
    /// In the container's namespaces, before pivot_root.
    CreateContainer,
    /// In the container, before the program.
    StartContainer,
    /// In the runtime's namespaces, when the program is executed.
    Poststart,
    /// In the runtime's namespaces, when nothing is left of the container.
    Poststop,
}

impl Kind {
    /// All of them, in the order of a life.
    pub const ALL: [Kind; 6] = [
        Kind::Prestart,
        Kind::CreateRuntime,
        Kind::CreateContainer,
        Kind::StartContainer,
        Kind::Poststart,
        Kind::Poststop,
    ];

    /// As config.json has it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Prestart => "prestart",
            Kind::CreateRuntime => "createRuntime",
            Kind::CreateContainer => "createContainer",
            Kind::StartContainer => "startContainer",
            Kind::Poststart => "poststart",
            Kind::Poststop => "poststop",
        }
    }
}

/// A hook did not succeed. runc's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It failed.
    #[error("error running {} hook #{index}: {why}", .kind.name())]
    Failed {
        /// Of which list.
        kind: Kind,
        /// Its place there, from 0.
        index: usize,
        /// What it did, and the beginning and the end of what it wrote.
        why: String,
    },
    /// [`Surroundings::watch`] became ready: the hook was killed.
    #[error("{} hook #{index} was ended with the container", .kind.name())]
    PeerGone {
        /// Of which list.
        kind: Kind,
        /// Its place there, from 0.
        index: usize,
    },
}

/// Where a hook runs.
#[derive(Default)]
pub struct Surroundings<'a> {
    /// The environment of a hook that names none; `None`: this process's.
    pub env: Option<&'a [String]>,
    /// The hook is killed when this process dies.
    pub bound: bool,
    /// Who is no longer there when this descriptor has one of these events.
    pub watch: Option<(BorrowedFd<'a>, PollFlags)>,
    /// What the hook's process does last before it executes.
    pub confine: Option<&'a mut dyn FnMut() -> Result<(), String>>,
}

/// Runs `hooks` in order, up to the first that fails.
///
/// # Errors
/// [`Error`]
pub fn run(
    kind: Kind,
    hooks: &[Hook],
    state: &State<'_>,
    around: &mut Surroundings<'_>,
) -> Result<(), Error> {
    each(kind, hooks, state, around).try_for_each(|done| done)
}

/// Runs `hooks` in order, all of them; failures are logged (runtime-spec, Lifecycle: poststop).
pub fn run_all(kind: Kind, hooks: &[Hook], state: &State<'_>, around: &mut Surroundings<'_>) {
    for done in each(kind, hooks, state, around) {
        if let Err(error) = done {
            tracing::warn!("{error}");
        }
    }
}

fn each(
    kind: Kind,
    hooks: &[Hook],
    state: &State<'_>,
    around: &mut Surroundings<'_>,
) -> impl Iterator<Item = Result<(), Error>> {
    if !hooks.is_empty() {
        // Where it is ignored, the kernel reaps a hook, and what became of it is lost.
        let _ = signal::set_default(libc::SIGCHLD);
    }
    let text = state.json();
    hooks.iter().enumerate().map(move |(index, hook)| {
        tracing::debug!("running {} hook #{index}: {}", kind.name(), hook.path);
        let failed = |why| Error::Failed { kind, index, why };
        let child = child::start(hook, around).map_err(failed)?;
        match wait::until_end(child, text.as_bytes(), hook.timeout, around.watch) {
            wait::End::Success => Ok(()),
            wait::End::Failed(why) => Err(failed(why)),
            wait::End::PeerGone => Err(Error::PeerGone { kind, index }),
        }
    })
}

#[cfg(test)]
mod tests;
