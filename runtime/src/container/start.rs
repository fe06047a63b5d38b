//! `start`: opens the gate, and waits until the program is executed.

use std::os::fd::AsFd;

use sync_model::lifecycle;
use sync_model::{Driver, Message, Outcome, Received, Starter};

use super::evidence::{self, Seen};
use super::{Error, Globals, hooks};
use crate::process::creator;
use crate::process::gate;
use crate::process::wire::Wire;
use crate::state::{Dir, Id};

/// `start`. Returns when the user's program is executed.
///
/// # Errors
/// A container that is not created; what ended init.
pub fn start(globals: &Globals, id: &Id) -> Result<(), Error> {
    let dir = Dir::open(&globals.root, id)?;
    // Whoever comes second sees its connection end, looks again, and then says what it sees.
    for wait_ms in [1, 4, 16, 64, 250_u8] {
        let seen = Seen::look(&dir)?;
        lifecycle::start(&seen.evidence)
            .map_err(|refusal| Error::Refused(refusal.text(id.as_str())))?;
        let Some(record) = &seen.record else { break };
        let Some(init) = evidence::init(record)? else {
            continue;
        };
        let connection =
            gate::knock(dir.as_fd()).map_err(Error::sys("cannot reach the start gate"))?;
        let Some(connection) = connection else {
            // Its init still holds the gate, but listens to nobody: it belongs to a `run`, or it is within its execve, where the
            // kernel lets go of the one a moment after the other.
            init.is_dead(wait_ms)
                .map_err(Error::sys("cannot look at init"))?;
            continue;
        };
        let mut driver = Driver::new(Wire::to_init(connection, init), Starter::new(), ());
        driver.send(&Message::Start).map_err(creator::Error::from)?;
        match outcome(&mut driver)? {
            Outcome::Executed => {
                // The container runs, whatever can be learned of its gate.
                let _ = gate::wait_open(dir.as_fd());
                let late = &record.runtime.hooks;
                if late.is_empty() {
                    return Ok(());
                }
                return hooks::poststart(late, &hooks::about(record), record.init_process_pid)
                    .map_err(|error| {
                        // The specification: generate an error, stop the container.
                        if let Err(error) = super::delete::kill(record) {
                            tracing::warn!("{error}");
                        }
                        error.into()
                    });
            }
            Outcome::Failed(error) => return Err(Error::Start(error)),
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

fn outcome(driver: &mut Driver<Wire, sync_model::gate::StarterState>) -> Result<Outcome, Error> {
    loop {
        match driver.receive().map_err(creator::Error::from)? {
            Received::Ended(outcome) => return Ok(outcome),
            Received::Message(Message::Log(line)) => creator::log(&line),
            Received::Message(_) => {}
        }
    }
}
