//! What systemd gives to the service that it starts, passed on to the container: sockets (sd_listen_fds(3)), and whom to tell that it is
//! ready (sd_notify(3)).

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use super::{CreateArgs, Error};
use crate::notify::{self, Ear, Manager, Proxy, set_env};
use crate::plan::{InitPlan, Namespaces};
use crate::process::peer::Peer;
use crate::state::Dir;
use crate::sys;

/// The container finds both in its environment.
pub fn add_to(plan: &mut InitPlan, args: &CreateArgs) {
    if args.notify.is_some() {
        notify::add_to(plan);
    }
    if args.listen_fds > 0 {
        let env = &mut plan.process.env;
        set_env(env, "LISTEN_FDS", &args.listen_fds.to_string());
        set_env(env, "LISTEN_PID", "1");
    }
}

/// Without a pid namespace of its own the program is not number 1, and would take the sockets for somebody else's.
pub fn name_pid(plan: &mut InitPlan, listen_fds: u32, pid: i32) {
    if listen_fds == 0 || plan.namespaces.has(Namespaces::PID) {
        return;
    }
    // Its number in each of its namespaces, its own last: proc_pid_status(5).
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find(|line| line.starts_with("NSpid:"));
    if let Some(own) = numbers.and_then(|line| line.split_whitespace().last()) {
        set_env(&mut plan.process.env, "LISTEN_PID", own);
    }
}

/// For a container that is about to run. As in runc it runs too where nobody is at `address`: who has started it may be gone.
pub fn proxy(ear: Ear, address: Option<&OsStr>, main_pid: i32) -> Proxy {
    let manager = address.and_then(|address| match Manager::connect(address) {
        Ok(manager) => Some(manager),
        Err(error) => {
            tracing::warn!("$NOTIFY_SOCKET: nobody will hear that the container is ready: {error}");
            None
        }
    });
    Proxy::new(ear, manager, main_pid)
}

/// `run --detach`, whose program was executed.
pub fn wait_ready(ear: Ear, address: Option<&OsStr>, init: &Peer) {
    wait(proxy(ear, address, init.pid()), init.pidfd());
}

fn wait(mut proxy: Proxy, init: impl AsFd) {
    match proxy.wait(Some(init.as_fd())) {
        Ok(true) => {}
        // Its status is for who waits for it.
        Ok(false) => tracing::warn!("the container's program has ended without being ready"),
        // It runs.
        Err(error) => tracing::warn!("{error}"),
    }
}

/// What `start` waits for when the program is executed.
#[derive(Debug)]
pub struct Ready {
    proxy: Proxy,
    init: OwnedFd,
}

impl Ready {
    /// Before the program can say anything. `None`: another `start` of the same container listens.
    ///
    /// # Errors
    /// Nobody is at `address`; the container has no place to speak to.
    pub fn listen(dir: &Dir, address: &OsStr, init: &Peer) -> Result<Option<Self>, Error> {
        let manager = Manager::connect(address)?;
        let Some(ear) = notify::listen(dir.as_fd(), &dir.path())? else {
            return Ok(None);
        };
        let own = init.pidfd().try_clone_to_owned().map_err(|error| {
            Error::sys("cannot wait for init")(sys::Error::io("fcntl", "", &error))
        })?;
        Ok(Some(Self {
            proxy: Proxy::new(ear, Some(manager), init.pid()),
            init: own,
        }))
    }

    /// Until the manager knows that the program is ready, or the program has ended.
    pub fn wait(self) {
        wait(self.proxy, self.init);
    }
}
