//! The creator's half of the handshake: `sync_model::Creator` on the wire, and what it does between the messages.

mod error;

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use sync_model::creator::CreatorState;
use sync_model::machine::Machine;
use sync_model::table::{Role, States};
use sync_model::{
    Bootstrap, Death, Driver, Features, Level, LogLine, Message, Observer, Outcome, Received,
    driver,
};

use self::error::AT_EXEC;
pub(super) use self::error::silent;
pub use self::error::{EXEC_INIT, Error, INIT};
use super::peer::Peer;
use super::wire::Wire;
use crate::seccomp::listener::{Agent, AgentError, PATIENCE_S};
use crate::sys;

/// The creator's machine on its wire, seen by `O`.
pub struct Creator<O, S = CreatorState> {
    pub(super) driver: Driver<Wire, S, O>,
    /// What init is at, in the table's words.
    pub(super) doing: &'static str,
    pub(super) sent_run: bool,
    /// A filter went with `Run`.
    pub(super) filtered: bool,
    /// Asked whenever nothing has come for the wire's patience: is that because the container is paused?
    pub(super) paused: Option<Paused>,
}

/// Is the container paused?
pub type Paused = Box<dyn Fn() -> bool>;

/// Takes the notify descriptor of a filter to its listener.
pub type HandOver<'a> = &'a dyn Fn(OwnedFd) -> Result<(), AgentError>;

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
    /// When init has made the mounts: `run`, which gets init's pidfd and must end when init does.
    ///
    /// # Errors
    /// What ended init, or the hook that failed.
    pub fn hooks(
        &mut self,
        run: impl FnOnce(BorrowedFd<'_>) -> Result<(), crate::hooks::Error>,
    ) -> Result<(), Error> {
        self.expect(|message| matches!(message, Message::Hooks))?;
        self.doing = "waiting for the prestart and createRuntime hooks";
        let Some(peer) = self.driver.transport().peer() else {
            return Err(Error::Ended(Outcome::NotAccepted));
        };
        match run(peer.pidfd()) {
            Err(crate::hooks::Error::PeerGone { .. }) => {
                let outcome = self.driver.last_words(|line| log(&line))?;
                Err(self.failed(outcome))
            }
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.driver.send(&Message::Resume)?;
                self.doing = "entering the root file system";
                Ok(())
            }
        }
    }

    /// `Run` with the seccomp filter (empty: none), and `Start` right behind it if the creator is the starter; until init is
    /// at its gate. `notify` gets init's notify descriptor, if the filter has a listener.
    ///
    /// # Errors
    /// What ended init, or `notify`.
    pub fn run(
        &mut self,
        filter: Vec<u8>,
        notify: Option<(&Agent, HandOver<'_>)>,
        and_start: bool,
    ) -> Result<(), Error> {
        self.filtered = !filter.is_empty();
        self.driver.send(&Message::Run(filter))?;
        self.sent_run = true;
        self.doing = "capabilities and user";
        if let Some((agent, hand_over)) = notify {
            self.doing = "the seccomp filter and its notify descriptor";
            // The listener may be asked about init's next call, and not answer.
            self.driver.transport().set_patience(PATIENCE_S.into());
            self.pass_notify(hand_over)
                .map_err(|error| silent(agent, error))?;
            self.driver.send(&Message::SeccompFdTaken)?;
        }
        if and_start {
            self.driver.send(&Message::Start)?;
        }
        self.driver.flush()?;
        let ended = self.expect(|message| matches!(message, Message::AtGate));
        match notify {
            Some((agent, _)) => ended.map_err(|error| silent(agent, error)),
            None => ended,
        }
    }
}

impl<O: Watch, S: States> Creator<O, S> {
    /// A creator whose init has just been started.
    pub fn new(wire: Wire, observer: O) -> Self {
        Self {
            driver: Driver::new(wire, Machine::new(), observer),
            doing: "starting",
            // runc has its words before the cause for `create` alone.
            sent_run: S::ROLE == Role::ExecCreator,
            filtered: false,
            paused: None,
        }
    }

    fn who() -> &'static str {
        match S::ROLE {
            Role::ExecCreator => EXEC_INIT,
            _ => INIT,
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
        self.doing = match S::ROLE {
            Role::ExecCreator => "terminal, labels, limits",
            _ => "mounts and devices",
        };
        Ok(())
    }

    /// Whenever nothing comes for a second, `paused` is asked whether that is because the container is paused: then no more is
    /// waited for.
    pub fn unless(&mut self, paused: Paused) {
        self.driver.transport().set_patience(1);
        self.paused = Some(paused);
    }

    /// Until init has built the container. Its log lines are logged on the way.
    ///
    /// # Errors
    /// What ended init.
    pub fn wait_ready(&mut self) -> Result<(), Error> {
        self.expect(|message| matches!(message, Message::Ready))
    }

    pub(super) fn pass_notify(&mut self, hand_over: HandOver<'_>) -> Result<(), Error> {
        let mut number = None;
        self.expect(|message| match message {
            Message::SeccompFd(found) => {
                number = Some(*found);
                true
            }
            _ => false,
        })?;
        let (Some(number), Some(peer)) = (number, self.driver.transport().peer()) else {
            return Err(Error::Ended(Outcome::NotAccepted));
        };
        match sys::seccomp::fetch(peer.pidfd(), number) {
            Ok(notify) => Ok(hand_over(notify)?),
            // The filter may have been its end.
            Err(_) if peer.is_dead(250).unwrap_or(false) => {
                let death = peer.death();
                Err(self.died(death))
            }
            Err(error) => Err(AgentError::from(error).into()),
        }
    }

    /// After [`Creator::run`] with `and_start`: until the program is executed. `agent`: who may be asked about the execve;
    /// `hooks`: how many seconds the hooks before that may take.
    ///
    /// # Errors
    /// What ended init.
    pub fn wait_executed(&mut self, agent: Option<&Agent>, hooks: u64) -> Result<(), Error> {
        if agent.is_some() {
            let patience = hooks.saturating_add(PATIENCE_S.into());
            self.driver.transport().set_patience(patience);
        }
        self.until_executed().map_err(|error| match agent {
            Some(agent) => silent(agent, error),
            None => error,
        })
    }

    fn until_executed(&mut self) -> Result<(), Error> {
        self.doing = AT_EXEC;
        self.expect(|message| matches!(message, Message::Starting))?;
        loop {
            match self.receive()? {
                Received::Message(Message::Log(line)) => self.line(&line),
                Received::Message(_) => {}
                Received::Ended(Outcome::Executed) => return Ok(()),
                Received::Ended(other) => return Err(self.failed(other)),
            }
        }
    }

    /// A call of this side has failed. What init has said, or has died of, before that: then this is the real cause (S6).
    /// Waits for nothing.
    pub fn earlier_cause(&mut self) -> Option<Error> {
        self.driver.transport().set_patience(0);
        let outcome = match self.driver.last_words(|line| log(&line)) {
            Ok(outcome) => outcome,
            // It lives, but its words may be here.
            Err(_) => match self.driver.receive() {
                Ok(Received::Ended(outcome)) => outcome,
                _ => return None,
            },
        };
        match self.failed(outcome) {
            error @ (Error::Init { .. } | Error::Died { .. } | Error::Unsaid { .. }) => Some(error),
            _ => None,
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

    pub(super) fn expect(&mut self, mut wanted: impl FnMut(&Message) -> bool) -> Result<(), Error> {
        loop {
            match self.receive()? {
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

    fn receive(&mut self) -> Result<Received, Error> {
        loop {
            match (self.driver.receive(), &self.paused) {
                (Err(driver::Error::Transport(error)), Some(paused))
                    if error.errno == Errno::ETIMEDOUT =>
                {
                    if paused() {
                        return Err(Error::Paused);
                    }
                }
                (received, _) => return Ok(received?),
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
        Error::died(Self::who(), death, self.doing, self.filtered)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::process::{Child, Command, Stdio};

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use sync_model::frame::encode;
    use sync_model::{Step, WireError};

    use super::*;

    /// A creator whose init is `child`, and init's end of the wire.
    fn creator(child: &Child) -> (Creator<()>, OwnedFd) {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        let pid = child.id().cast_signed();
        let peer = Peer::new(pid, sys::pidfd::open(pid).unwrap());
        let mut creator = Creator::new(Wire::to_init(ours, peer), ());
        creator.begin(Features::NONE, Level::Info, vec![1]).unwrap();
        (creator, theirs)
    }

    fn child(program: &str) -> Child {
        let mut command = Command::new(program);
        command.arg("100").stdin(Stdio::null()).spawn().unwrap()
    }

    /// S6: of this side's failed call and init's end, the one that was first is the cause.
    #[test]
    fn what_init_died_of_before_is_the_cause() {
        let mut init = child("false");
        let (mut creator, theirs) = creator(&init);
        drop(theirs);
        assert!(creator.peer().unwrap().is_dead(250).unwrap());
        let cause = creator.earlier_cause().unwrap();
        assert!(
            matches!(
                cause,
                Error::Died {
                    death: Death::Exited(1),
                    ..
                }
            ),
            "{cause:?}"
        );
        init.wait().unwrap();
    }

    #[test]
    fn what_init_said_before_is_the_cause() {
        let mut init = child("sleep");
        let (mut creator, theirs) = creator(&init);
        let error = WireError {
            step: Step::Mounts,
            errno: libc::ENOENT,
            path: "/m".to_owned(),
            message: "no mount".to_owned(),
        };
        let mut frame = Vec::new();
        encode(&Message::Error(error), &mut frame).unwrap();
        nix::unistd::write(&theirs, &frame).unwrap();
        let cause = creator.earlier_cause().unwrap();
        assert_eq!(cause.to_string(), "error during container init: no mount");
        init.kill().unwrap();
        init.wait().unwrap();
    }

    /// runc puts its words before the cause only until it has let init go on.
    #[test]
    fn after_run_the_cause_stands_alone() {
        let mut init = child("sleep");
        let (mut creator, theirs) = creator(&init);
        let error = WireError {
            step: Step::User,
            errno: libc::EPERM,
            path: String::new(),
            message: "no user".to_owned(),
        };
        let mut frames = Vec::new();
        encode(&Message::Ready, &mut frames).unwrap();
        encode(&Message::Error(error), &mut frames).unwrap();
        nix::unistd::write(&theirs, &frames).unwrap();
        creator.wait_ready().unwrap();
        let cause = creator.run(Vec::new(), None, false).unwrap_err();
        assert_eq!(cause.to_string(), "no user");
        init.kill().unwrap();
        init.wait().unwrap();
    }

    #[test]
    fn an_init_that_lives_and_says_nothing_is_no_cause_and_is_not_waited_for() {
        let mut init = child("sleep");
        let (mut creator, theirs) = creator(&init);
        assert!(creator.earlier_cause().is_none());
        assert!(theirs.as_raw_fd() >= 0);
        init.kill().unwrap();
        init.wait().unwrap();
    }
}
