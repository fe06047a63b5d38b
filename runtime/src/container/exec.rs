//! `exec`: one more process in a container.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, stat};
use sync_model::exec::ExecCreatorState;
use sync_model::lifecycle::{self, Status};
use sync_model::{Death, Features};

use super::create::{early, keep_the_dead, log_level, require_selinux};
use super::delete::PATIENCE;
use super::evidence::{self, Seen, paths};
use super::terminal::Terminal;
use super::{Error, ExecArgs, Globals, console};
use crate::cgroup::{self, CgroupPaths, Entrance};
use crate::foreground;
use crate::plan::{Namespaces, Plan};
use crate::process::birth::{Certificate, Stage};
use crate::process::creator::{self, Creator, EXEC_INIT};
use crate::process::exec::{self as process, ExecConfig, Gifts};
use crate::process::peer::Peer;
use crate::process::wire::Wire;
use crate::process::{idmap, pid_file};
use crate::seccomp::listener::{self, Agent, ContainerProcessState};
use crate::spec::{self, ExecLine, ExecProcess, LoadOptions};
use crate::state::{Dir, Id, Record};
use crate::sys::{self, clone, pidfd};

/// A conversation with exec's process.
type Outside = Creator<(), ExecCreatorState>;

/// `exec`. Returns the program's exit status, 0 when detached.
///
/// # Errors
/// A container that is not there to be entered; what kept the program from being executed. No process is left then.
pub fn exec(globals: &Globals, id: &Id, args: &ExecArgs) -> Result<i32, Error> {
    let dir = Dir::open(&globals.root, id)?;
    let seen = Seen::look(&dir)?;
    let status = lifecycle::status(&seen.evidence);
    refuse(status, args)?;
    let record = seen.record.ok_or(crate::state::Error::NotFound)?;
    let plan = plan(&dir, &record, args)?;
    let groups = paths(&record)
        .below(&args.cgroups)
        .map_err(|error| Error::Refused(error.to_string()))?;
    let bundle = PathBuf::from(record.bundle());
    let connect = |path: &Option<PathBuf>| {
        let path = path.as_ref().map(|path| bundle.join(path));
        path.as_deref().map(console::connect).transpose()
    };
    let mut entering = Entering {
        args,
        init: evidence::init(&record)?.ok_or_else(stopped)?,
        filter: early(plan.seccomp.as_ref())?,
        agent: plan
            .seccomp
            .as_ref()
            .and_then(|profile| profile.listener.as_ref())
            .map(Agent::connect)
            .transpose()?,
        pidfd_socket: connect(&args.pidfd_socket)?,
        console: connect(&args.console_socket)?,
        terminal: None,
        kills: cgroup::oom_kills(&groups),
        record,
        plan,
        groups,
    };
    if args.detach {
        keep_the_dead()?;
        let peer = entering.enter()?;
        // The process ends here; the kernel closes what is open in one go.
        std::mem::forget((entering, peer));
        return Ok(0);
    }
    let mut terminal = Terminal::find(&mut entering.plan.init.process)?;
    foreground::prepare(false)?;
    if let Some(terminal) = &mut terminal {
        entering.console = terminal.for_init.take();
    }
    entering.terminal = terminal;
    let peer = entering.enter()?;
    let ended = match entering.terminal.take() {
        Some(terminal) => terminal.wait(peer.pid(), None),
        None => foreground::wait(peer.pid(), None).map_err(Error::from),
    };
    if ended.is_err() {
        // It can no longer be attended to, and would run on without its terminal.
        kill(&peer);
    }
    std::mem::forget((entering, peer));
    ended
}

/// runc's words.
fn refuse(status: Status, args: &ExecArgs) -> Result<(), Error> {
    let text = match status {
        Status::Stopped => return Err(stopped()),
        Status::Paused if !args.ignore_paused => {
            "cannot exec in a paused container (use --ignore-paused to override)"
        }
        Status::Creating => "cannot exec in a container that is still being created",
        _ if args.process.is_none() && args.args.is_empty() => "process args cannot be empty",
        _ => return Ok(()),
    };
    Err(Error::Refused(text.to_owned()))
}

fn stopped() -> Error {
    Error::Refused("cannot exec in a stopped container".to_owned())
}

/// The container with the asked process in place of its own.
fn plan(dir: &Dir, record: &Record, args: &ExecArgs) -> Result<Plan, Error> {
    let config = dir.config()?;
    let file = match &args.process {
        Some(path) => Some(spec::text_of(path).map_err(Error::sys("cannot read the process"))?),
        None => None,
    };
    let asked = match &file {
        Some(text) => ExecProcess::File(text),
        None => ExecProcess::Line(ExecLine {
            args: &args.args,
            env: &args.env,
            cwd: args.cwd.as_deref(),
            tty: args.tty,
            user: args.user.as_deref(),
            gids: &args.gids,
            caps: &args.caps,
            no_new_privs: args.no_new_privs,
            label: args.process_label.as_deref(),
            apparmor: args.apparmor.as_deref(),
        }),
    };
    let options = LoadOptions {
        detach: args.detach,
        console_socket: args.console_socket.is_some(),
        ..LoadOptions::default()
    };
    let plan = spec::exec(&config, record.bundle(), &asked, &options)?;
    require_selinux(&plan)?;
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
    }
    Ok(plan)
}

/// A process on its way into a container.
struct Entering<'a> {
    args: &'a ExecArgs,
    record: Record,
    plan: Plan,
    /// The container's.
    init: Peer,
    groups: CgroupPaths,
    /// The profile's filter, if it is compiled already.
    filter: Option<Vec<u8>>,
    agent: Option<Agent>,
    console: Option<OwnedFd>,
    /// The caller's, of an exec in the foreground.
    terminal: Option<Terminal>,
    pidfd_socket: Option<OwnedFd>,
    /// Of the cgroup, before it.
    kills: Option<u64>,
}

impl Entering<'_> {
    /// Until the program is executed.
    fn enter(&mut self) -> Result<Peer, Error> {
        let kinds = self.kinds()?;
        let has_console = self.console.is_some();
        let execution = &self.plan.init.execution;
        let labelled =
            !execution.apparmor_profile.is_empty() || !execution.selinux_label.is_empty();
        let initial = &self.plan.exec_affinity.initial;
        if !initial.is_empty() {
            sys::execution::set_affinity(initial)
                .map_err(Error::sys("error setting exec CPU affinity"))?;
        }
        let (child, wire, entrance) = self.start(kinds, labelled)?;
        let clone::Child {
            pid,
            pidfd,
            mut shared,
        } = child;
        let started = Peer::new(pid, pidfd);
        let heard = Certificate::hear(&wire, &started, || self.is_paused());
        if !matches!(heard, Ok(None)) {
            // It speaks, so it has executed: its memory is its own.
            shared.has_executed();
        }
        let peer = match self.born(heard, started) {
            Ok(peer) => peer,
            Err(error) => {
                return Err(match shared.refused_at() {
                    Some((clone::Refused::Cgroup(place), errno)) => {
                        entrance.refusal(place, errno).into()
                    }
                    Some((clone::Refused::Exec(call), errno)) => {
                        Error::sys("unable to start exec's process")(clone::exec_error(call, errno))
                    }
                    _ => self.real_cause(error),
                });
            }
        };
        let wire = Wire::to_init(wire, peer);
        let mut outside = Outside::new(wire, ());
        if !self.args.ignore_paused {
            let groups = self.groups.clone();
            outside.unless(Box::new(move || is_frozen(&groups)));
        }
        let done = match self.converse(&mut outside, has_console, labelled) {
            // What follows from it must not be told instead of it.
            Err(error) if !matches!(error, Error::Process(_)) => {
                Err(outside.earlier_cause().map_or(error, Error::from))
            }
            done => done,
        };
        let peer = outside.into_peer().ok_or_else(stopped)?;
        match done {
            Ok(()) => Ok(peer),
            Err(Error::Process(creator::Error::Paused)) => {
                // Its death waits for the thaw, and so is not waited for.
                let _ = pidfd::send_signal(peer.pidfd(), libc::SIGKILL);
                Err(creator::Error::Paused.into())
            }
            Err(error) => {
                kill(&peer);
                Err(self.real_cause(error))
            }
        }
    }

    /// The namespaces to join: those that the config gave the container. They are init's, whatever has become of them.
    fn kinds(&self) -> Result<u64, Error> {
        let init = &self.plan.init;
        let kinds = init.given().0;
        if !init.joined.has(Namespaces::USER) {
            return Ok(kinds);
        }
        // The kernel lets nobody join the user namespace that it is in.
        let what = "cannot look at the container's user namespace";
        let inode = |path: String| {
            stat(path.as_str())
                .map(|stat| (stat.st_dev, stat.st_ino))
                .map_err(|errno| sys::Error::new("stat", path, errno))
                .map_err(Error::sys(what))
        };
        let theirs = inode(format!("/proc/{}/ns/user", self.init.pid()))?;
        match theirs == inode("/proc/self/ns/user".to_owned())? {
            true => Ok(kinds & !Namespaces::USER),
            false => Ok(kinds),
        }
    }

    /// Starts the process in the container's cgroups; on v2 in the one that init is in, if that is another by now.
    fn start(
        &mut self,
        kinds: u64,
        labelled: bool,
    ) -> Result<(clone::Child, OwnedFd, Entrance), Error> {
        let what = "unable to start exec's process";
        let mut gifts = Gifts {
            init: self.init.pidfd(),
            kinds,
            console: self.console.take(),
            proc: match labelled {
                true => Some(
                    open("/proc", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
                        .map_err(|errno| sys::Error::new("open", "/proc", errno))
                        .map_err(Error::sys(what))?,
                ),
                false => None,
            },
            preserved: self.args.preserve_fds,
        };
        let mut start_in = |groups: &CgroupPaths| {
            let mut entrance = Entrance::open(groups)?;
            let started = process::start(&mut gifts, &mut entrance).map_err(Error::sys(what))?;
            Ok::<_, Error>((started, entrance))
        };
        let ((child, wire), entrance) = match start_in(&self.groups) {
            Ok(started) => started,
            // A group of `--cgroup` is meant as it is.
            Err(error) if !self.args.cgroups.is_empty() => return Err(error),
            Err(error) => match self.groups.following(self.init.pid()) {
                Ok(groups) if groups != self.groups => {
                    tracing::debug!("adding the process to init's cgroup instead: {error}");
                    start_in(&groups).map_err(|error| self.real_cause(error))?
                }
                _ => return Err(self.real_cause(error)),
            },
        };
        // The process's copies are enough: whoever waits for the end of one must not wait for this command.
        drop(sys::fd::preserved(self.args.preserve_fds));
        Ok((child, wire, entrance))
    }

    /// Who the handshake is with.
    fn born(&self, heard: sys::Result<Option<Certificate>>, started: Peer) -> Result<Peer, Error> {
        let certificate = match heard {
            Ok(Some(certificate)) => certificate,
            Ok(None) => {
                let death = match pidfd::wait(started.pidfd(), false) {
                    Ok(status) => crate::process::peer::death_of(status),
                    Err(_) => Death::Unknown,
                };
                return Err(creator::Error::exec_died(death).into());
            }
            Err(error) if error.errno == Errno::ETIMEDOUT => {
                let _ = pidfd::send_signal(started.pidfd(), libc::SIGKILL);
                return Err(creator::Error::Paused.into());
            }
            Err(error) => {
                kill(&started);
                return Err(Error::sys("cannot talk to exec's process")(error));
            }
        };
        if certificate.stage == Stage::Born && certificate.pid == 0 {
            return Ok(started);
        }
        self.last_word(&started, certificate.pid)?;
        match certificate {
            Certificate {
                stage: Stage::Born,
                pid,
                ..
            } => {
                // Our child, and not collected: the number is its own.
                let pidfd = pidfd::open(pid).map_err(Error::sys("cannot reach exec's process"))?;
                Ok(Peer::new(pid, pidfd))
            }
            Certificate { stage, errno, .. } => Err(Error::sys("unable to start exec's process")(
                process::refused(stage, errno),
            )),
        }
    }

    /// Reaps `started`, which has said its last word, and started `next` (0: nobody). Paused before its end it would never come to it.
    fn last_word(&self, started: &Peer, next: i32) -> Result<(), Error> {
        let mut quarters = 0;
        while !started.is_dead(250).unwrap_or(true) {
            quarters += 1;
            if quarters >= 4 && self.is_paused() {
                // Their deaths wait for the thaw.
                let _ = pidfd::send_signal(started.pidfd(), libc::SIGKILL);
                if let Some(next) = (next > 0).then(|| pidfd::open(next)).and_then(Result::ok) {
                    let _ = pidfd::send_signal(next.as_fd(), libc::SIGKILL);
                }
                return Err(creator::Error::Paused.into());
            }
        }
        let _ = pidfd::wait(started.pidfd(), false);
        Ok(())
    }

    /// The handshake, and what is to be done between its messages.
    fn converse(&mut self, outside: &mut Outside, console: bool, proc: bool) -> Result<(), Error> {
        let pid = outside.peer().map_or(0, |peer| peer.pid());
        let user = self.plan.init.in_user_namespace();
        let config = ExecConfig {
            process: self.plan.init.process.clone(),
            execution: self.plan.init.execution.clone(),
            keyring: (!self.record.runtime.no_new_keyring).then(|| self.record.id.clone()),
            may_setgroups: !user
                || !idmap::denies_setgroups(self.init.pid())
                    .map_err(Error::sys("cannot look at the container's user namespace"))?,
            cpus: self.plan.exec_affinity.last.clone(),
            console,
            proc,
        }
        .encode()
        .map_err(|error| Error::Refused(format!("cannot encode the process: {error}")))?;
        let features = Features::NONE.with_if(Features::SECCOMP_FD, self.agent.is_some());
        outside.begin(features, log_level(), config)?;
        let filter = match (self.filter.take(), &self.plan.seccomp) {
            (Some(filter), _) => filter,
            (None, Some(profile)) => crate::seccomp::compile(profile)?.encode(),
            (None, None) => Vec::new(),
        };
        outside.wait_ready()?;
        if let Some(terminal) = &mut self.terminal {
            terminal.receive()?;
        }
        let process = &self.plan.init.process;
        match user {
            true => idmap::grant(pid, process),
            false => idmap::oom_score_adj(pid, process),
        }
        .map_err(|error| Error::Refused(format!("unable to start container process: {error}")))?;
        // Before `Run`: a failure after it would be told of a program that has begun.
        if let Some(path) = &self.args.pid_file {
            pid_file::write(path, pid).map_err(Error::sys("cannot write the pid file"))?;
        }
        if let (Some(socket), Some(peer)) = (&self.pidfd_socket, outside.peer()) {
            console::send_pidfd(socket, "setns", peer)?;
        }
        if self.is_over() {
            return Err(stopped());
        }
        let hand_over = |notify: OwnedFd| match &self.agent {
            Some(agent) => agent.hand_over(&self.process_state(pid), notify.as_fd()),
            None => Ok(()),
        };
        let notify = self.agent.as_ref().map(|agent| (agent, &hand_over as _));
        outside.execute(filter, notify)?;
        Ok(())
    }

    /// For the seccomp agent; the state is the container's.
    fn process_state(&self, pid: i32) -> ContainerProcessState<'_> {
        let state = listener::State {
            oci_version: spec::VERSION,
            id: &self.record.id,
            status: "running",
            pid: self.init.pid(),
            bundle: self.record.bundle(),
            annotations: &self.plan.annotations,
        };
        ContainerProcessState::new(self.plan.seccomp.as_ref(), pid, state)
    }

    /// Is what nothing comes of because the container is paused?
    fn is_paused(&self) -> bool {
        !self.args.ignore_paused && is_frozen(&self.groups)
    }

    /// Has the container ended?
    fn is_over(&self) -> bool {
        self.init.is_dead(0).unwrap_or(false)
    }

    /// A death without a word may be the OOM killer's work, or that of the container's end.
    fn real_cause(&self, error: Error) -> Error {
        match error {
            Error::Process(creator::Error::Died {
                death: Death::Killed(libc::SIGKILL),
                ..
            }) if cgroup::oom_kills(&self.groups) > self.kills => {
                creator::Error::OutOfMemory(EXEC_INIT).into()
            }
            // What has told its cause was not ended by that.
            Error::Process(creator::Error::Init { .. }) => error,
            // The end of a pid namespace is not at once that of its init's pidfd.
            error if self.init.is_dead(250).unwrap_or(false) => {
                tracing::debug!("{error}");
                Error::Refused(
                    "cannot exec in a stopped container: it has ended meanwhile".to_owned(),
                )
            }
            error => error,
        }
    }
}

fn is_frozen(groups: &CgroupPaths) -> bool {
    cgroup::is_frozen_at_all(groups).unwrap_or(false)
}

/// Kills and reaps exec's process; not for ever.
fn kill(peer: &Peer) {
    match peer.kill(PATIENCE, 200, || ()) {
        Ok(true) => drop(pidfd::wait(peer.pidfd(), false)),
        _ => tracing::warn!(
            "exec's process {} does not die: is the container paused?",
            peer.pid()
        ),
    }
}
