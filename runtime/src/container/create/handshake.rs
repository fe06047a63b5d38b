//! The creator's side of the handshake, and what is to be done between its messages.

use std::os::fd::{AsFd, OwnedFd};

use sync_model::{Features, Level};

use super::{Making, log_level, record};
use crate::cgroup;
use crate::container::{Error, activation, console, hooks};
use crate::explain::Explain;
use crate::net;
use crate::plan::{MountKind, Namespaces};
use crate::process::config::InitConfigRef;
use crate::process::creator::{self, Creator};
use crate::process::{gate, idmap, pid_file};
use crate::rootfs::CgroupView;
use crate::seccomp;
use crate::seccomp::listener::{self, ContainerProcessState};
use crate::spec;

impl Making<'_> {
    /// The handshake, and what is to be done between its messages.
    pub(super) fn converse(
        &mut self,
        creator: &mut Creator<Option<Explain>>,
        born: (i32, u64),
        listener: bool,
        console: bool,
        and_start: bool,
    ) -> Result<(), Error> {
        // From here on `delete` finds it.
        let pid = born.0;
        record::name_init(&mut self.record, &self.plan, born);
        self.write_record()?;
        // Init waits for its first word, and takes it for the news that the maps are written.
        let in_user_namespace = self.plan.init.in_user_namespace();
        if self.plan.init.namespaces.has(Namespaces::USER) {
            idmap::write_maps(pid, &self.plan.id_maps)
                .map_err(Error::sys("cannot map the container's ids"))?;
        } else if in_user_namespace
            && !self.plan.id_maps.uids.is_empty()
            && !idmap::has_maps(pid, &self.plan.id_maps)
                .map_err(Error::sys("cannot read the user namespace's id maps"))?
        {
            return Err(Error::Refused(
                "user namespaces enabled, but both namespace path and non-matching mapping specified -- you may only provide one".to_owned(),
            ));
        }
        net::relocate(&self.plan.net_devices, pid)?;
        activation::name_pid(&mut self.plan.init, self.args.listen_fds, pid);
        let config = self.init_config(listener, console)?;
        let features = Features::NONE
            .with_if(Features::START_ON_WIRE, and_start)
            .with_if(Features::HOOKS, self.has_hooks())
            .with_if(Features::SECCOMP_FD, self.agent.is_some());
        let level = match creator.watch() {
            Some(_) => Level::Debug,
            None => log_level(),
        };
        creator.begin(features, level, config)?;
        // While init boots and mounts.
        let filter = match (self.filter.take(), &self.plan.seccomp) {
            (Some(filter), _) => filter,
            (None, Some(profile)) => seccomp::compile(profile)?.encode(),
            (None, None) => Vec::new(),
        };
        if self.has_hooks() {
            creator.hooks(|init| hooks::before(&self.plan.hooks, &self.about, pid, init))?;
        }
        creator.wait_ready()?;
        if let Some(terminal) = &mut self.terminal {
            terminal.receive()?;
        }
        if in_user_namespace {
            idmap::grant(pid, &self.plan.init.process).map_err(|error| {
                Error::Refused(format!("unable to start container process: {error}"))
            })?;
        }
        // Before `Run`: after it another command may start the container, and a failure would take it away from that.
        if let Some(path) = &self.args.pid_file {
            pid_file::write(path, pid).map_err(Error::sys("cannot write the pid file"))?;
        }
        if let (Some(socket), Some(init)) = (self.pidfd_socket.take(), creator.peer()) {
            console::send_pidfd(&socket, "standard", init)?;
        }
        let agent = self.agent.take();
        let hand_over = |notify: OwnedFd| match &agent {
            Some(agent) => agent.hand_over(&self.process_state(pid), notify.as_fd()),
            None => Ok(()),
        };
        let notify = agent.as_ref().map(|agent| (agent, &hand_over as _));
        creator.run(filter, notify, and_start)?;
        if and_start {
            creator.wait_executed(agent.as_ref(), self.record.runtime.start_hooks)?;
        }
        if and_start && self.args.detach {
            let _ = gate::wait_open(self.dir()?.as_fd());
        }
        if and_start {
            hooks::poststart(&self.plan.hooks.late, &self.about, pid)?;
        }
        Ok(())
    }

    /// Are there any that run before the container is built?
    fn has_hooks(&self) -> bool {
        !self.plan.hooks.prestart.is_empty() || !self.plan.hooks.create_runtime.is_empty()
    }

    /// For the seccomp agent.
    fn process_state(&self, pid: i32) -> ContainerProcessState<'_> {
        let state = listener::State {
            oci_version: spec::VERSION,
            id: self.args.id.as_str(),
            status: "creating",
            pid,
            bundle: self.args.bundle.to_str().unwrap_or_default(),
            annotations: &self.plan.annotations,
        };
        ContainerProcessState::new(self.plan.seccomp.as_ref(), pid, state)
    }

    /// A death without a word may be the OOM killer's work; the cgroup knows.
    pub(super) fn real_cause(&self, error: Error) -> Error {
        match error {
            Error::Process(creator::Error::Died { .. })
                if cgroup::oom_kills(&self.cgroups).is_some_and(|kills| kills > 0) =>
            {
                creator::Error::OutOfMemory(creator::INIT).into()
            }
            other => other,
        }
    }

    fn init_config(&self, listener: bool, console: bool) -> Result<Vec<u8>, Error> {
        let plan = &self.plan.init;
        let wants_view = plan
            .rootfs
            .mounts
            .iter()
            .any(|mount| mount.kind == MountKind::Cgroup);
        let view = if wants_view {
            cgroup::view(
                &self.cgroups,
                &self.layout,
                plan.namespaces.has(Namespaces::CGROUP),
            )
        } else {
            CgroupView::default()
        };
        let config = InitConfigRef {
            plan,
            cgroups: &view,
            keyring: (!self.args.no_new_keyring).then_some(self.args.id.as_str()),
            listener,
            console,
            about: (!plan.hooks.is_empty()).then_some(&self.about),
            trees: &self.sources.places,
            time: self.spaces.joins_time(),
        };
        config
            .encode()
            .map_err(|error| Error::Refused(format!("cannot encode the plan: {error}")))
    }
}
