//! The terminal of a foreground `run`.

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::Error;
use crate::foreground::{self, DRAIN, wait_with_console};
use crate::notify::Proxy;
use crate::plan::ProcessPlan;
use crate::sys;
use crate::tty::HostConsole;

/// The caller's terminal, and the socket on which init sends the master of the container's.
#[derive(Debug)]
pub struct Terminal {
    host: HostConsole,
    ours: OwnedFd,
    /// Init's end, until it is handed over: nobody else may hold it.
    pub for_init: Option<OwnedFd>,
}

impl Terminal {
    /// `None`: the config asks for no terminal.
    ///
    /// # Errors
    /// The caller has none to show it on.
    pub fn find(plan: &ProcessPlan) -> Result<Option<Self>, Error> {
        if !plan.terminal {
            return Ok(None);
        }
        let host = HostConsole::find().map_err(foreground::Error::from)?;
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|errno| sys::Error::new("socketpair", "for the terminal", errno))
        .map_err(Error::sys("cannot make the terminal"))?;
        Ok(Some(Self {
            host,
            ours,
            for_init: Some(theirs),
        }))
    }

    /// Shows the container's terminal on the caller's until the process `pid` ends. Returns its exit status.
    ///
    /// # Errors
    /// A terminal that was not sent, or failed.
    pub fn wait(self, pid: i32, proxy: Option<&mut Proxy>) -> Result<i32, Error> {
        let master =
            sys::fd::receive(&self.ours).map_err(Error::sys("cannot receive the terminal"))?;
        Ok(wait_with_console(pid, master, &self.host, proxy, DRAIN)?)
    }
}
