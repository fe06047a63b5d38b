//! `create` and `run`.
//!
//! Record before effect: the state directory, with the cgroups' paths in it, is durable before a cgroup or a process
//! exists; the process is in it before it gets its orders. Whoever dies at whatever point: what there is can be found.

mod handshake;
mod record;

use std::os::fd::{AsFd, OwnedFd};

use sync_model::Level;

use super::delete::PATIENCE;
use super::terminal::Terminal;
use super::{CreateArgs, Error, Globals, Rootless, activation, evidence, hooks, place, sysctls};
use crate::cgroup::{self, CgroupPaths, Layout};
use crate::explain::Explain;
use crate::foreground;
use crate::hooks::About;
use crate::notify::{self, Ear};
use crate::plan::{Hooks, Namespaces, Plan};
use crate::process::attrs::labels;
use crate::process::creator::Creator;
use crate::process::gate;
use crate::process::peer::Peer;
use crate::process::spawn::{self, Init};
use crate::process::wire::Wire;
use crate::rootfs::Sources;
use crate::seccomp::listener::Agent;
use crate::seccomp::{self, Profile};
use crate::spec::{self, ConfigFile, LoadOptions};
use crate::state::{self, Dir, Record};
use crate::sys::{self, clone, pidfd, signal, time};

/// `create`
///
/// # Errors
/// Everything that can be wrong with a config or a kernel; nothing is left behind.
pub fn create(globals: &Globals, args: &CreateArgs) -> Result<(), Error> {
    let (plan, config) = load(globals, args, true)?;
    let console = connect_console(args)?;
    keep_the_dead()?;
    let mut making = Making::begin(globals, args, plan, config)?;
    making.console = console;
    let made = making.build(false);
    making.finish(made)?;
    Ok(())
}

/// `run`. Returns the program's exit status, 0 when detached.
///
/// # Errors
/// As [`create`], and those of the start.
pub fn run(globals: &Globals, args: &CreateArgs) -> Result<i32, Error> {
    let (mut plan, config) = load(globals, args, args.detach)?;
    if args.detach {
        let console = connect_console(args)?;
        keep_the_dead()?;
        let mut making = Making::begin(globals, args, plan, config)?;
        making.console = console;
        let made = making.build(true);
        let init = making.finish(made)?;
        if let Some(ear) = making.ear.take() {
            // With the creator's lock: nothing is being made any more.
            drop(making);
            activation::wait_ready(ear, args.notify.as_deref(), &init);
        }
        return Ok(0);
    }
    // Before anything exists: a terminal that is not there is an error of the caller's.
    let terminal = Terminal::find(&mut plan.init.process)?;
    // With a pid namespace of its own, the container's orphans are its init's.
    let orphans = !plan.init.namespaces.has(Namespaces::PID);
    foreground::prepare(orphans && !args.no_subreaper)?;
    let mut making = Making::begin(globals, args, plan, config)?;
    making.terminal = terminal;
    making.console = (making.terminal.as_mut()).and_then(|terminal| terminal.for_init.take());
    let made = making.build(true);
    let init = making.finish(made)?;
    // This is what its manager has started, and is to watch.
    let own_pid = || std::process::id().cast_signed();
    let mut proxy =
        (making.ear.take()).map(|ear| activation::proxy(ear, args.notify.as_deref(), own_pid()));
    let ended = match making.terminal.take() {
        Some(terminal) => terminal.wait(init.pid(), proxy.as_mut()),
        None => foreground::wait(init.pid(), proxy.as_mut()).map_err(Error::from),
    };
    if ended.is_err() {
        // It can no longer be attended to, and would run on without its terminal.
        making.kill(&init);
    }
    // As runc: what cannot be removed is logged, and stays for `delete`; the program's end is the command's.
    if !args.keep
        && let Err(error) = making.destroy()
    {
        tracing::error!("{error}");
    }
    if let Some(proxy) = &mut proxy {
        // With `--keep` it is anybody's by now.
        making.dir = None;
        let _ = proxy
            .wait(None)
            .inspect_err(|error| tracing::warn!("{error}"));
    }
    // The process ends here; the kernel closes what is open in one go.
    std::mem::forget((making, init));
    ended
}

/// Before anything exists: a peer that is not there is a mistake of the caller's.
fn connect_console(args: &CreateArgs) -> Result<Option<OwnedFd>, Error> {
    args.console_socket
        .as_deref()
        .map(super::console::connect)
        .transpose()
}

/// Where the caller ignores SIGCHLD, so would we: the kernel would reap init, and what it died of be lost.
pub(super) fn keep_the_dead() -> Result<(), Error> {
    signal::set_default(libc::SIGCHLD).map_err(Error::sys("cannot wait for init"))
}

fn load(globals: &Globals, args: &CreateArgs, detach: bool) -> Result<(Plan, ConfigFile), Error> {
    let options = LoadOptions {
        no_pivot: args.no_pivot,
        // As in runc, `--rootless` is about cgroups alone: a root stays one.
        rootless: sys::euid() != 0,
        systemd_cgroup: globals.systemd_cgroup,
        detach,
        console_socket: args.console_socket.is_some(),
    };
    let (mut plan, config) = spec::load_keeping(&args.bundle, &options)?;
    activation::add_to(&mut plan.init, args);
    require_selinux(&plan)?;
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
    }
    Ok((plan, config))
}

/// A label where there is no SELinux: runc's words.
pub(super) fn require_selinux(plan: &Plan) -> Result<(), Error> {
    if plan.init.execution.selinux_label.is_empty() || labels::selinux_enabled() {
        return Ok(());
    }
    Err(Error::Refused(
        "selinux label is specified in config, but selinux is disabled or not supported".to_owned(),
    ))
}

/// A container that is being made.
struct Making<'a> {
    args: &'a CreateArgs,
    rootless: Rootless,
    plan: Plan,
    layout: Layout,
    cgroups: CgroupPaths,
    dir: Option<Dir>,
    record: Record,
    /// Where the container says that it is ready, once somebody listens there.
    ear: Option<Ear>,
    /// Init, once it is started: whatever fails from then on, it is killed.
    init: Option<Peer>,
    /// The socket on which init sends its terminal: to this command, or to the peer of `--console-socket`.
    console: Option<OwnedFd>,
    /// `--pidfd-socket`: who gets init's.
    pidfd_socket: Option<OwnedFd>,
    /// The caller's terminal, of a foreground `run`.
    terminal: Option<Terminal>,
    /// `--explain`, `--trace`.
    explain: Option<Explain>,
    /// The profile's filter as it goes to init, if it is compiled already.
    filter: Option<Vec<u8>>,
    /// Who gets the notify descriptor of a filter with a listener.
    agent: Option<Agent>,
    /// Sources of mounts, for init.
    sources: Sources,
    /// The container's namespaces.
    spaces: spawn::Spaces,
    /// Cgroups may exist from here on.
    has_cgroups: bool,
    /// What hooks are told.
    about: About,
}

impl<'a> Making<'a> {
    /// Everything that can be refused without a trace, then the state directory with its record.
    fn begin(
        globals: &Globals,
        args: &'a CreateArgs,
        plan: Plan,
        config: ConfigFile,
    ) -> Result<Self, Error> {
        let (layout, cgroups) =
            place::find(globals.rootless, &plan, &args.id).map_err(|error| {
                // An id in use has its cgroup in use too: the first cause is the id.
                match Dir::open(&globals.root, &args.id) {
                    Ok(_) => Error::State(state::Error::Exists),
                    Err(_) => error.into(),
                }
            })?;
        let record = record::record(args, &plan, &cgroups);
        let about = match plan.hooks == Hooks::default() && plan.init.hooks.is_empty() {
            true => About::default(),
            false => hooks::about(&record),
        };
        let explain = Explain::new(args.explain, args.trace.as_deref())
            .map_err(Error::sys("cannot open the trace file"))?;
        let filter = early(plan.seccomp.as_ref())?;
        let agent = match plan.seccomp.as_ref().and_then(|it| it.listener.as_ref()) {
            Some(listener) => Some(Agent::connect(listener)?),
            None => None,
        };
        let sources = Sources::open(&plan.init.rootfs)?;
        let spaces = spawn::Spaces::open(plan.init.namespaces, &plan.join)
            .map_err(Error::sys("cannot join a namespace"))?;
        sysctls::check(&plan, &spaces)?;
        if !plan.net_devices.is_empty()
            && spaces
                .joins_own(Namespaces::NETWORK)
                .map_err(Error::sys("cannot look at a namespace"))?
        {
            return Err(Error::Refused(
                "unable to move network devices without a private NET namespace".to_owned(),
            ));
        }
        let pidfd_socket = (args.pidfd_socket.as_deref())
            .map(super::console::connect)
            .transpose()?;
        let dir = Dir::create_exclusive(&globals.root, &args.id)?;
        let mut making = Self {
            args,
            rootless: globals.rootless,
            plan,
            layout,
            cgroups,
            dir: Some(dir),
            record,
            ear: None,
            init: None,
            console: None,
            pidfd_socket,
            terminal: None,
            explain,
            filter,
            agent,
            sources,
            spaces,
            has_cgroups: false,
            about,
        };
        let kept = making.dir().and_then(|dir| Ok(dir.keep_config(config)?));
        let recorded = kept.and_then(|()| making.write_record());
        match recorded.and_then(|()| making.make_notify_dir()) {
            Ok(()) => Ok(making),
            Err(error) => {
                making.clean_up();
                Err(error)
            }
        }
    }

    fn dir(&self) -> Result<&Dir, Error> {
        self.dir
            .as_ref()
            .ok_or(Error::State(state::Error::NotFound))
    }

    fn write_record(&mut self) -> Result<(), Error> {
        Ok(self.dir()?.write(&self.record)?)
    }

    /// The source of the mount that [`notify::add_to`] has put last.
    fn make_notify_dir(&mut self) -> Result<(), Error> {
        if self.args.notify.is_some() {
            let tree = notify::make_dir(self.dir()?.as_fd())?;
            let last = self.plan.init.rootfs.mounts.len().saturating_sub(1);
            self.sources.add(last, tree);
        }
        Ok(())
    }

    /// From the record to the start gate, or with `and_start` to the user's program.
    fn build(&mut self, and_start: bool) -> Result<(), Error> {
        if and_start && self.args.notify.is_some() {
            let dir = self.dir()?;
            self.ear = notify::listen(dir.as_fd(), &dir.path())?;
        }
        let gate = gate::make(self.dir()?.as_fd(), !and_start)
            .map_err(Error::sys("cannot make the start gate"))?;
        let listener = gate.listener.is_some();
        // If this fails, it has taken back what it made; what it found is not ours to remove.
        let (rootless, layout, plan) = (self.rootless, &self.layout, &self.plan);
        let mut made = place::make(
            rootless,
            layout,
            plan,
            &self.args.id,
            &mut self.cgroups,
            |paths| {
                self.record.cgroup_paths = paths.as_map().clone();
                let dir = self.dir.as_ref().ok_or(state::Error::NotFound)?;
                Ok::<_, Error>(dir.write(&self.record)?)
            },
        )?;
        self.has_cgroups = true;
        // Before init: it opens devices, and between the rule that denies all and those that allow some it must not try.
        let tolerates = || place::without_devices(rootless);
        let mut used =
            cgroup::apply_tolerating(&self.cgroups, &self.plan.cgroup.resources, tolerates)?;
        made.close_with(&mut used);
        // Init's copies are enough: whoever waits for the end of one must not wait for this command.
        used.take(&mut sys::fd::preserved(self.args.preserve_fds));
        let mut entrance = cgroup::Entrance::open(&self.cgroups)?;
        let console = self.console.take();
        let has_console = console.is_some();
        let begun = time::boot_ticks();
        let Init { child, wire } = spawn::init(
            &self.spaces,
            &mut entrance,
            gate,
            console,
            std::mem::take(&mut self.sources.trees),
            self.args.preserve_fds,
            used,
        )
        .map_err(Error::sys("unable to start init"))?;
        let clone::Child {
            pid,
            pidfd,
            mut shared,
        } = child;
        let wire = Wire::to_init(wire, Peer::new(pid, pidfd));
        let mut creator = Creator::new(wire, self.explain.take());
        let done = evidence::born(pid, begun)
            .and_then(|born| self.converse(&mut creator, born, listener, has_console, and_start));
        let done = match done {
            // What follows from it must not be told instead of it.
            Err(error) if !matches!(error, Error::Process(_)) => {
                Err(creator.earlier_cause().map_or(error, Error::from))
            }
            done => done,
        };
        if let Some(explain) = creator.watch() {
            let outcome = match &done {
                Ok(()) if and_start => "the program is executed".to_owned(),
                Ok(()) => "the container is created".to_owned(),
                Err(error) => error.to_string(),
            };
            // The container is there by now; it is not the trace's to take away.
            if let Err(error) = explain.end(&outcome) {
                tracing::warn!("cannot write the trace: {error}");
            }
        }
        self.init = creator.into_peer();
        done.map_err(|error| match shared.refused_at() {
            Some((clone::Refused::Cgroup(place), errno)) => entrance.refusal(place, errno).into(),
            Some((clone::Refused::Join(place), errno)) => {
                Error::sys("unable to start init")(self.spaces.refusal(place, errno))
            }
            Some((clone::Refused::Birth, errno)) => Error::sys("unable to start init")(
                sys::Error::new("clone3", "in the joined namespaces", errno),
            ),
            Some((clone::Refused::Root(call), errno)) => {
                let object = "as root of the container's user namespace";
                Error::sys("unable to start init")(sys::Error::new(call, object, errno))
            }
            Some((clone::Refused::Exec(call), errno)) => {
                Error::sys("unable to start init")(clone::exec_error(call, errno))
            }
            None => self.real_cause(error),
        })?;
        // It has answered, so it has executed: its memory is its own.
        shared.has_executed();
        Ok(())
    }

    /// After [`Making::build`]: init, or nothing at all and the cause.
    fn finish(&mut self, made: Result<(), Error>) -> Result<Peer, Error> {
        match (made, self.init.take()) {
            (Ok(()), Some(init)) => Ok(init),
            (Ok(()), None) => Err(Error::StillCreating),
            (Err(error), init) => {
                self.init = init;
                self.clean_up();
                Err(error)
            }
        }
    }

    /// Takes everything back. What cannot be removed stays in the record, for `delete --force`, and is logged: the cause
    /// of the failure is what the command reports.
    fn clean_up(&mut self) {
        if let Some(init) = self.init.take() {
            self.kill(&init);
        }
        if let Err(error) = self.destroy() {
            tracing::warn!("cannot remove everything, `delete --force` will: {error}");
        }
    }

    /// Kills and reaps init, also one that somebody has frozen meanwhile; not for ever.
    fn kill(&self, init: &Peer) {
        let release = || {
            if self.has_cgroups {
                let _ = cgroup::kill_all(&self.cgroups);
            }
        };
        if init.kill(PATIENCE, 200, release).unwrap_or(true) {
            let _ = pidfd::wait(init.pidfd(), false);
            return;
        }
        tracing::warn!("container init {} does not die", init.pid());
    }

    /// The cgroups, and with them gone the record.
    fn destroy(&mut self) -> Result<(), Error> {
        if self.has_cgroups {
            if !self.plan.init.namespaces.has(Namespaces::PID) {
                // With a pid namespace of its own, its init took everybody with it.
                cgroup::kill_all(&self.cgroups)?;
            }
            cgroup::destroy(&self.cgroups)?;
        }
        if let Some(dir) = &self.dir {
            dir.remove()?;
            hooks::poststop(&self.plan.hooks.late, &self.about);
        }
        Ok(())
    }
}

/// The filter of a profile that may be refused: before there is anything. Others are compiled
/// while init is at work.
pub(super) fn early(profile: Option<&Profile>) -> Result<Option<Vec<u8>>, Error> {
    match profile {
        Some(profile) if seccomp::may_be_refused(profile) => {
            Ok(Some(seccomp::compile(profile)?.encode()))
        }
        _ => Ok(None),
    }
}

pub(super) fn log_level() -> Level {
    if crate::log::debug_enabled() {
        Level::Debug
    } else {
        Level::Info
    }
}
