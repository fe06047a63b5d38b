//! A request at the start gate: `start`'s and `delete`'s, and how long its answer is waited for.

use std::os::fd::AsFd;

use nix::errno::Errno;
use sync_model::machine::Machine;
use sync_model::table::States;
use sync_model::{Driver, Message, Outcome, Received, driver};

use super::Error;
use super::evidence::paths;
use crate::cgroup;
use crate::process::peer::Peer;
use crate::process::wire::Wire;
use crate::process::{creator, gate};
use crate::seccomp::listener::AgentError;
use crate::state::{Dir, Record};

/// A request that was sent.
#[derive(Debug)]
pub struct Request<'a, S: States> {
    driver: Driver<Wire, S>,
    record: &'a Record,
    /// Init has said that it is the one.
    accepted: bool,
}

impl<'a, S: States> Request<'a, S> {
    /// Connects to `init` of `dir`, and asks. `None`: nobody listens.
    ///
    /// # Errors
    /// An init that does not answer; a call that failed.
    pub fn send(
        dir: &Dir,
        record: &'a Record,
        init: Peer,
        machine: Machine<S>,
        message: &Message,
    ) -> Result<Result<Self, Peer>, Error> {
        let connection = match gate::knock(dir.as_fd()) {
            Ok(Some(connection)) => connection,
            Ok(None) => return Ok(Err(init)),
            Err(error) if error.errno == Errno::EAGAIN => return Err(silent(record, Some(&init))),
            Err(error) => return Err(Error::sys("cannot reach the start gate")(error)),
        };
        let wire = Wire::to_init(connection, init).with_patience(gate::ANSWER_S.into());
        let mut driver = Driver::new(wire, machine, ());
        driver.send(message).map_err(creator::Error::from)?;
        Ok(Ok(Self {
            driver,
            record,
            accepted: false,
        }))
    }

    /// Until its end. `accepted` is how long the rest may take, in seconds, once init has accepted it; `None`: for ever, as long as
    /// init is not paused.
    ///
    /// # Errors
    /// An init that does not answer. If it had not accepted, it never will.
    pub fn outcome(&mut self, accepted: Option<u64>) -> Result<Outcome, Error> {
        let mut given_up = false;
        loop {
            match self.driver.receive() {
                Ok(Received::Message(Message::Log(line))) => creator::log(&line),
                Ok(Received::Message(_)) => {
                    self.accepted = true;
                    if given_up {
                        return Err(self.silent());
                    }
                    let patience = accepted.unwrap_or(gate::ANSWER_S.into());
                    self.driver.transport().set_patience(patience);
                }
                // What it is asked for must not happen after this has failed, but its answer may have crossed with that.
                Ok(Received::Ended(_)) | Err(_) if given_up => return Err(self.silent()),
                Ok(Received::Ended(outcome)) => return Ok(outcome),
                Err(driver::Error::Transport(error)) if error.errno == Errno::ETIMEDOUT => {
                    if self.accepted {
                        if accepted.is_none() && !is_paused(self.record) {
                            continue;
                        }
                        return Err(self.silent());
                    }
                    given_up = true;
                    self.driver.transport().hang_up();
                }
                Err(error) => return Err(creator::Error::from(error).into()),
            }
        }
    }

    /// Kills init.
    ///
    /// # Errors
    /// It does not die.
    pub fn kill(&mut self) -> Result<(), Error> {
        match self.driver.transport().peer() {
            Some(init) => super::delete::end(init, self.record, false),
            None => super::delete::kill(self.record, false),
        }
    }

    fn silent(&mut self) -> Error {
        let peer = self.driver.transport().peer();
        silent(self.record, peer.map(|peer| &*peer))
    }

    /// Has init accepted it?
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }
}

/// Who waits for the thaw keeps others waiting, who may be those that would thaw it: an engine does one thing after the other.
fn is_paused(record: &Record) -> bool {
    cgroup::is_frozen(&paths(record)).is_ok_and(|frozen| frozen)
}

/// Why init does not answer.
fn silent(record: &Record, init: Option<&Peer>) -> Error {
    if init.is_some_and(Peer::is_stopped) {
        return Error::Silent("it is stopped (SIGSTOP, or a debugger)");
    }
    if is_paused(record) {
        return Error::Silent("it is paused");
    }
    match &record.runtime.agent {
        Some(path) => AgentError::Silent { path: path.clone() }.into(),
        None => Error::Silent("is a cgroup above it frozen?"),
    }
}
