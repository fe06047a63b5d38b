//! `start`: opens the gate, and waits until the program is executed.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use sync_model::lifecycle::{self, Refusal};
use sync_model::{Message, Outcome, Starter};

use super::evidence::{self, Seen};
use super::request::Request;
use super::{Error, Globals, activation, hooks};
use crate::process::creator;
use crate::process::gate;
use crate::seccomp::listener::PATIENCE_S;
use crate::state::{Dir, Id, Record};

/// `start`. Returns when the user's program is executed; with `notify` (`$NOTIFY_SOCKET`), when it is ready and who listens there
/// knows, or when it has ended.
///
/// # Errors
/// A container that is not created; what ended init; before anything is started, nobody who listens.
pub fn start(globals: &Globals, id: &Id, notify: Option<&OsStr>) -> Result<(), Error> {
    let dir = Dir::open(&globals.root, id)?;
    let mut ready = None;
    // Whoever comes second sees its connection end, looks again, and then says what it sees.
    for wait_ms in [1, 4, 16, 64, 250_u8] {
        let seen = Seen::look(&dir)?;
        lifecycle::start(&seen.evidence).map_err(|refusal| refused(refusal, id, &seen))?;
        let Some(record) = &seen.record else { break };
        let Some(init) = evidence::init(record)? else {
            continue;
        };
        if let (Some(address), None) = (notify, &ready) {
            // Whoever else listens there has asked already, or is about to.
            let Some(listening) = activation::Ready::listen(&dir, address, &init)? else {
                init.is_dead(wait_ms)
                    .map_err(Error::sys("cannot look at init"))?;
                continue;
            };
            ready = Some(listening);
        }
        let sent = Request::send(&dir, record, init, Starter::new(), &Message::Start)?;
        let mut request = match sent {
            Ok(request) => request,
            // Its init still holds the gate, but listens to nobody: it belongs to a `run`, or it is within its execve, where the
            // kernel lets go of the one a moment after the other.
            Err(init) => {
                init.is_dead(wait_ms)
                    .map_err(Error::sys("cannot look at init"))?;
                continue;
            }
        };
        let outcome = request.outcome(limit(record)).inspect_err(|_| {
            // What was told to have failed must not happen later.
            if request.is_accepted()
                && let Err(error) = request.kill()
            {
                tracing::warn!("{error}");
            }
        })?;
        match outcome {
            Outcome::Executed => {
                // The container runs, whatever can be learned of its gate.
                let _ = gate::wait_open(dir.as_fd());
                poststart(record)?;
                if let Some(ready) = ready {
                    ready.wait();
                }
                return Ok(());
            }
            Outcome::Failed(error) => return Err(Error::Start(error)),
            // It was not on its way to the program: it was deleted, or killed at its gate.
            Outcome::PeerDied { .. } if !request.is_accepted() => {}
            Outcome::PeerDied { death, .. } => {
                return Err(creator::Error::died_at_exec(death).into());
            }
            Outcome::NotAccepted => {}
            other => return Err(creator::Error::Ended(other).into()),
        }
    }
    Err(Error::Refused(
        "cannot start the container: another command is starting or deleting it".to_owned(),
    ))
}

/// The poststart hooks. As the specification has it: if one fails, generate an error, stop the container.
fn poststart(record: &Record) -> Result<(), Error> {
    let late = &record.runtime.hooks;
    if late.is_empty() {
        return Ok(());
    }
    hooks::poststart(late, &hooks::about(record), record.init_process_pid).map_err(|error| {
        if let Err(error) = super::delete::kill(record, false) {
            tracing::warn!("{error}");
        }
        error.into()
    })
}

/// runc's words; and why init is dead that should wait at its gate, as long as that can be known.
fn refused(refusal: Refusal, id: &Id, seen: &Seen) -> Error {
    let text = refusal.text(id.as_str());
    let death = match (refusal, &seen.record) {
        (Refusal::StartStopped, Some(record)) => evidence::death(record),
        _ => None,
    };
    Error::Refused(match death {
        Some(death) => format!("{text}: {}", creator::Error::died_at_gate(death)),
        None => text,
    })
}

/// How many seconds init may take to its program. Only an agent may keep it from there by being silent; how long its hooks
/// take is their affair.
fn limit(record: &Record) -> Option<u64> {
    let runtime = &record.runtime;
    let hooks = runtime.start_hooks;
    (runtime.agent.is_some()).then(|| hooks.saturating_add(PATIENCE_S.into()))
}
