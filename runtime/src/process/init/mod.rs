//! Init: `runc-rs init`, started in the container's new namespaces with the wire on descriptor 3, or behind those of
//! `--preserve-fds`.
//!
//! It is single-threaded, and follows its machine of the handshake (`sync_model::Init`): what it does between two
//! messages is in [`build`] and [`privileges`]; where it waits for `start`, in [`gate`].

mod build;
mod exec;
mod failure;
mod gate;
mod log;
mod privileges;

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use sync_model::table::States;
use sync_model::{Driver, Features, Message, Received, Step, driver};

use self::failure::{At, Failure};
use super::config::InitConfig;
use super::peer::INIT_NAME;
use super::spawn::{self, InitFds};
use super::wire::Wire;
use crate::hooks;
use crate::plan::Namespaces;
use crate::rootfs::Sources;
use crate::seccomp::Filter;
use crate::sys;
use crate::sys::status::Status;

/// Init's machine on its wire.
type Creator = Driver<Wire, sync_model::init::InitState>;

/// Why init ends before it becomes the user's program.
#[derive(Debug)]
enum End {
    /// Something failed: whoever listens is told.
    Failed(Failure),
    /// Something failed, and a filter kept init from telling: the errno.
    Unsaid(i32),
    /// The creator is gone, or a deleter asked to leave: there is nobody to tell.
    Left,
    /// A signal asked to leave.
    Signal(i32),
    /// There is no creator: a person has called `runc-rs init`.
    NoWire,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failed(failure)
    }
}

/// Init's exit status when it could not tell its errno: this much more than that. Below it are the ends that were told, and no
/// errno comes near the statuses of signals' ends that are awaited by nobody.
pub const UNSAID: i32 = 64;

/// `argv[1]` is "init". Returns only when the container does not come to be.
pub fn main() -> i32 {
    // Everything that init was given for itself goes with the execve of the user's program.
    let fds = InitFds::own();
    if let Some(kinds) = spawn::to_join() {
        return exec::main(fds, kinds);
    }
    if sys::fd::close_on_exec(fds.wire()).is_err() {
        return no_wire();
    }
    let wire = Wire::from_init(sys::fd::inherited(fds.wire()));
    let gate = sys::fd::inherited(fds.gate());
    let mut driver = Driver::new(wire, sync_model::Init::new(), ());
    let end = match converse(&mut driver, fds) {
        Ok(ready) => become_the_program(driver, ready),
        Err(End::Failed(failure)) => end_of(tell(&mut driver, &failure), failure),
        // Ends here: what was taken for descriptors are none, or somebody else's.
        Err(End::NoWire) => std::process::exit(no_wire()),
        Err(end) => end,
    };
    // The kernel closes it, when this process is marked as dying: until then nobody may take init for a running program.
    std::mem::forget(gate);
    exit_code(&end)
}

fn exit_code(end: &End) -> i32 {
    match end {
        End::Failed(_) => 1,
        End::Unsaid(errno) => UNSAID + errno,
        End::Left | End::NoWire => 0,
        End::Signal(signal) => 128 + signal,
    }
}

/// Tells the creator the cause. False: it is gone, or must not be told.
fn tell<S: States>(driver: &mut Driver<Wire, S>, failure: &Failure) -> bool {
    driver.send(&Message::Error(failure.to_wire())).is_ok()
        && driver.flush().is_ok()
        && !driver.peer_is_gone()
}

/// The end by a failure that was told or not.
fn end_of(told: bool, failure: Failure) -> End {
    match told || failure.errno() == 0 {
        true => End::Failed(failure),
        false => End::Unsaid(failure.errno()),
    }
}

/// All that is needed for the execve.
struct Ready {
    exec: privileges::Exec,
    /// With `create`.
    gate: Option<gate::Prepared>,
}

/// From `Bootstrap` to the start gate.
fn converse(driver: &mut Creator, fds: InitFds) -> Result<Ready, End> {
    // Before the host's /proc is out of reach.
    let status = Status::read().at(Step::Bootstrap)?;
    sys::set_name(INIT_NAME).at(Step::Bootstrap)?;
    let Message::Bootstrap(bootstrap) = next(driver)? else {
        return Err(End::Left);
    };
    log::init(bootstrap.log_level, fds);
    let payload = match next(driver)? {
        Message::Config(payload) => payload,
        _ => return Err(End::Left),
    };
    let config = InitConfig::decode(&payload).at(Step::Config)?;
    drop(payload);
    let mut optional = fds.optional()..;
    let mut take = |present: bool| {
        // Without a gap: the number of an absent one is the next one's.
        present
            .then(|| optional.next().map(sys::fd::inherited))
            .flatten()
    };
    let listener = take(config.listener);
    let console = take(config.console);

    let time = take(config.time);
    let sources = Sources {
        trees: (config.trees.iter()).filter_map(|_| take(true)).collect(),
        places: config.trees.clone(),
    };

    let user = build::user(&config, &status)?;
    build::time(&config, time)?;
    let hooked = !config.plan.hooks.create_container.is_empty();
    // The caller's, which its hooks are to have.
    let umask = hooked.then(|| sys::creds::umask(0));
    let mounted = build::mount(&config, sources)?;
    if bootstrap.features.has(Features::HOOKS) {
        send(driver, &Message::Hooks)?;
        next(driver)?; // Resume: the machine allows nothing else
    }
    if let Some(umask) = umask {
        let own = sys::creds::umask(umask);
        create_container(driver.transport(), &config)?;
        sys::creds::umask(own);
    }
    build::enter(&config, mounted, console.as_ref().map(AsFd::as_fd))?;
    drop(console);
    send(driver, &Message::Ready)?;
    let filter = match next(driver)? {
        Message::Run(payload) => filter(&payload)?,
        _ => return Err(End::Left),
    };

    if can_be_looked_into(&config) {
        sys::hide().at(Step::User)?;
    }
    let mut exec = privileges::drop(&config.plan.process, &status, filter, user.may_setgroups)?;
    exec.before(config.plan, config.about);
    let gate = listener.map(gate::prepare).transpose()?;
    if bootstrap.features.has(Features::SECCOMP_FD) {
        hand_over_notify(driver, &mut exec)?;
    }
    send(driver, &Message::AtGate)?;
    if gate.is_some() {
        flush(driver)?;
    }
    // With `run` it goes out with the answer to the start, which is there already, or before init waits for it.
    Ok(Ready { exec, gate })
}

/// Without the privileges that it still has, would others see in init what is the host's: its gate?
///
/// They are where a pid namespace is not the container's own; and `exec` brings processes into a container whose init waits for `start`. In
/// another user namespace they may not open the gate, and who looks at init's own namespaces (rootless Podman) need not have
/// CAP_SYS_PTRACE here. Who changes its user is hidden by that.
fn can_be_looked_into(config: &InitConfig) -> bool {
    let plan = &config.plan;
    let others = config.listener || !plan.namespaces.has(Namespaces::PID);
    others && !plan.in_user_namespace() && plan.process.uid == 0
}

/// The createContainer hooks, as long as the creator lives (L2).
fn create_container(wire: &Wire, config: &InitConfig) -> Result<(), End> {
    let about = config.about.clone().unwrap_or_default();
    let state = hooks::State {
        about: &about,
        status: "creating",
        pid: std::process::id().cast_signed(),
    };
    let mut around = hooks::Surroundings {
        env: Some(&config.plan.process.env),
        bound: true,
        watch: Some((wire.socket(), PollFlags::POLLHUP)),
        confine: None,
    };
    let list = &config.plan.hooks.create_container;
    match hooks::run(hooks::Kind::CreateContainer, list, &state, &mut around) {
        Err(hooks::Error::PeerGone { .. }) => Err(End::Left),
        done => Ok(done.at(Step::CreateContainerHooks)?),
    }
}

/// The filter that came with `Run`.
fn filter(payload: &[u8]) -> Result<Option<Filter>, Failure> {
    if payload.is_empty() {
        return Ok(None);
    }
    let filter = Filter::decode(payload)
        .ok_or_else(|| sys::Error::new("decode", "the seccomp filter", Errno::EBADMSG));
    filter.at(Step::Seccomp).map(Some)
}

/// A filter with a listener is loaded here: who listens must have the descriptor before the container is created.
///
/// The listener is asked about whatever init calls from now on, as far as the profile says so. Up to `SeccompFd` that is
/// write(2) alone, which no profile may name: with it the creator knows enough to fetch the descriptor by itself.
fn hand_over_notify<S: States>(
    driver: &mut Driver<Wire, S>,
    exec: &mut privileges::Exec,
) -> Result<(), End> {
    driver.transport().speak_plainly();
    let notify = exec.load()?;
    let number = notify.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let number = u32::try_from(number)
        .map_err(|_| sys::Error::new("seccomp", "no notify descriptor", Errno::EBADF))
        .at(Step::Seccomp)?;
    send(driver, &Message::SeccompFd(number))?;
    next(driver)?; // SeccompFdTaken
    // A listener that goes away must not leave init with the other end of its own questions.
    drop(notify);
    Ok(())
}

/// The gate, and what is behind it.
fn become_the_program(mut driver: Creator, ready: Ready) -> End {
    let Ready { mut exec, gate } = ready;
    match gate {
        // `create`: the creator has all it wants; starters come to the listener.
        Some(gate) => {
            log::hush();
            drop(driver);
            match gate::wait(gate) {
                Ok(gate::Opened::Start(mut starter)) => {
                    if let Some(connection) = starter.connection() {
                        log::speak_on(connection);
                    }
                    starter.speak_plainly();
                    let failure = exec.execute();
                    end_of(starter.tell(&failure), failure)
                }
                Ok(gate::Opened::Leave) => End::Left,
                Ok(gate::Opened::Signal(signal)) => End::Signal(signal),
                Err(failure) => End::Failed(failure),
            }
        }
        // `run`: the start comes on the wire.
        None => match start_on_wire(&mut driver) {
            Ok(()) => {
                driver.transport().speak_plainly();
                let failure = exec.execute();
                end_of(tell(&mut driver, &failure), failure)
            }
            Err(end) => end,
        },
    }
}

fn start_on_wire(driver: &mut Creator) -> Result<(), End> {
    match next(driver)? {
        Message::Abort => {
            send(driver, &Message::Aborting)?;
            flush(driver)?;
            Err(End::Left)
        }
        _ => {
            send(driver, &Message::Starting)?;
            Ok(flush(driver)?)
        }
    }
}

/// The next message. The end of the wire means that the creator is gone: then there is nothing to go on for (L2).
fn next<S: States>(driver: &mut Driver<Wire, S>) -> Result<Message, End> {
    match driver.receive() {
        Ok(Received::Message(message)) => Ok(message),
        Ok(Received::Ended(_)) => Err(End::Left),
        Err(driver::Error::Transport(error)) if is_no_wire(&error) => Err(End::NoWire),
        Err(error) => Err(Failure::new(Step::Handshake, &error).into()),
    }
}

fn is_no_wire(error: &sys::Error) -> bool {
    matches!(error.errno, Errno::EBADF | Errno::ENOTSOCK)
}

fn no_wire() -> i32 {
    eprintln!("runc-rs init: started by create and run only");
    1
}

fn send<S: States>(driver: &mut Driver<Wire, S>, message: &Message) -> Result<(), Failure> {
    driver.send(message).at(Step::Handshake)
}

fn flush<S: States>(driver: &mut Driver<Wire, S>) -> Result<(), Failure> {
    driver.flush().at(Step::Handshake).map(|_| ())
}
