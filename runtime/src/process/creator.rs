//! The creator's half of the handshake: `sync_model::Creator` on the wire, and what it does between the messages.

use std::os::fd::OwnedFd;

use sync_model::creator::CreatorState;
use sync_model::{
    Bootstrap, Death, Driver, Features, Level, LogLine, Message, Observer, Outcome, Received,
};

use super::peer::Peer;
use super::wire::Wire;
use crate::sys;

/// Why there is no container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Init says why. The text is the cause, with runc's words before it.
    #[error("{}{error}", if *.before_run { "error during container init: " } else { "" })]
    Init {
        /// The cause.
        error: sync_model::WireError,
        /// Before `Run`: runc words it so.
        before_run: bool,
    },
    /// Init died without a word.
    #[error("container init {death} while it was at: {doing}{hint}")]
    Died {
        /// How.
        death: Death,
        /// What it was doing.
        doing: &'static str,
        /// What that may mean.
        hint: &'static str,
    },
    /// Init was killed for want of memory.
    #[error("container init was OOM-killed (memory limit too low?)")]
    OutOfMemory,
    /// The handshake ended in another way.
    #[error("{0}")]
    Ended(Outcome),
    /// The wire, or a message that broke the rules.
    #[error("{0}")]
    Wire(#[from] sync_model::driver::Error<sys::Error>),
}

/// The creator's machine on its wire, seen by `O`.
#[derive(Debug)]
pub struct Creator<O> {
    driver: Driver<Wire, CreatorState, O>,
    /// What init is at, in the table's words.
    doing: &'static str,
    sent_run: bool,
}

/// What comes back when init is where it should be.
#[derive(Debug)]
pub struct Done {
    /// Init, or what it became.
    pub peer: Peer,
    /// Keeps the conversation's end open; nothing more is said on it.
    pub wire: OwnedFd,
}

/// Watches a conversation: its messages, and init's log lines.
pub trait Watch: Observer {
    /// A log line of init.
    fn line(&mut self, _: &LogLine) {}
}

impl Watch for () {}

impl<W: Watch> Watch for Option<W> {
    fn line(&mut self, line: &LogLine) {
        if let Some(watch) = self {
            watch.line(line);
        }
    }
}

impl<O: Watch> Creator<O> {
    /// A creator whose init has just been started.
    pub fn new(wire: Wire, observer: O) -> Self {
        Self {
            driver: Driver::new(wire, sync_model::Creator::new(), observer),
            doing: "starting",
            sent_run: false,
        }
    }

    /// `Bootstrap` and `Config`, in one write.
    ///
    /// # Errors
    /// [`Error::Wire`]
    pub fn begin(
        &mut self,
        features: Features,
        level: Level,
        config: Vec<u8>,
    ) -> Result<(), Error> {
        self.driver
            .send(&Message::Bootstrap(Bootstrap::new(features, level)))?;
        self.driver.send(&Message::Config(config))?;
        self.driver.flush()?;
        self.doing = "mounts and devices";
        Ok(())
    }

    /// Until init has built the container. Its log lines are logged on the way.
    ///
    /// # Errors
    /// What ended init.
    pub fn wait_ready(&mut self) -> Result<(), Error> {
        self.expect(|message| matches!(message, Message::Ready))
    }

    /// `Run`, and `Start` right behind it if the creator is the starter; until init is at its gate.
    ///
    /// # Errors
    /// What ended init.
    pub fn run(&mut self, and_start: bool) -> Result<(), Error> {
        self.driver.send(&Message::Run)?;
        if and_start {
            self.driver.send(&Message::Start)?;
        }
        self.driver.flush()?;
        self.sent_run = true;
        self.doing = "seccomp, capabilities and user";
        self.expect(|message| matches!(message, Message::AtGate))
    }

    /// After [`Creator::run`] with `and_start`: until the program is executed.
    ///
    /// # Errors
    /// What ended init.
    pub fn wait_executed(&mut self) -> Result<(), Error> {
        self.doing = "executing the program";
        self.expect(|message| matches!(message, Message::Starting))?;
        loop {
            match self.driver.receive()? {
                Received::Message(Message::Log(line)) => self.line(&line),
                Received::Message(_) => {}
                Received::Ended(Outcome::Executed) => return Ok(()),
                Received::Ended(other) => return Err(self.failed(other)),
            }
        }
    }

    /// Init, whatever became of it.
    pub fn peer(&mut self) -> Option<&mut Peer> {
        self.driver.transport().peer()
    }

    /// Sees the messages pass.
    pub fn watch(&mut self) -> &mut O {
        self.driver.observer()
    }

    /// Ends the conversation.
    pub fn into_peer(self) -> Option<Peer> {
        self.driver.into_transport().into_parts().1
    }

    fn expect(&mut self, wanted: impl Fn(&Message) -> bool) -> Result<(), Error> {
        loop {
            match self.driver.receive()? {
                Received::Message(Message::Log(line)) => self.line(&line),
                Received::Message(message) if wanted(&message) => return Ok(()),
                // The machine let it pass, so it is one that this creator does not provide for.
                Received::Message(message) => {
                    tracing::debug!("unexpected {} from init", message.kind());
                    return Err(Error::Ended(Outcome::NotAccepted));
                }
                Received::Ended(outcome) => return Err(self.failed(outcome)),
            }
        }
    }

    fn line(&mut self, line: &LogLine) {
        self.driver.observer().line(line);
        log(line);
    }

    fn failed(&mut self, outcome: Outcome) -> Error {
        match outcome {
            Outcome::Failed(error) => Error::Init {
                error,
                before_run: !self.sent_run,
            },
            Outcome::PeerDied { death, .. } => self.died(death),
            // Before it has its own name, a dead init looks like a program that was executed; it cannot be one.
            Outcome::PeerClosed { state } => match self.driver.transport().peer() {
                Some(peer) if peer.is_dead(250).unwrap_or(false) => {
                    let death = peer.death();
                    self.died(death)
                }
                _ => Error::Ended(Outcome::PeerClosed { state }),
            },
            other => Error::Ended(other),
        }
    }

    fn died(&self, death: Death) -> Error {
        Error::Died {
            death,
            doing: self.doing,
            hint: hint(death),
        }
    }
}

fn hint(death: Death) -> &'static str {
    match death {
        Death::Killed(libc::SIGSYS) => {
            ": its seccomp filter forbids a call that it needs to get there"
        }
        Death::Exited(sys::clone::EXEC_FAILED) => {
            ": the runtime's own executable could not be executed"
        }
        _ => "",
    }
}

/// A line of init, in our log.
pub fn log(line: &LogLine) {
    let level = match line.level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
        Level::Trace => tracing::Level::TRACE,
    };
    crate::log::line(level, &line.message);
}
