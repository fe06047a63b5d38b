//! The terminal of a foreground `run`.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::Error;
use crate::foreground::{self, DRAIN, wait_with_console};
use crate::notify::Proxy;
use crate::plan::ProcessPlan;
use crate::sys;
use crate::tty::{self, HostConsole};

/// The caller's terminal, and the socket on which init sends the master of the container's.
#[derive(Debug)]
pub struct Terminal {
    host: HostConsole,
    ours: OwnedFd,
    /// The container's, once it was received.
    master: Option<OwnedFd>,
    /// Init's end, until it is handed over: nobody else may hold it.
    pub for_init: Option<OwnedFd>,
}

impl Terminal {
    /// `None`: the config asks for no terminal. The container's is as large as the caller's from its beginning: a program that asks
    /// before the two are tied together must not hear 0 by 0.
    ///
    /// # Errors
    /// The caller has none to show it on.
    pub fn find(plan: &mut ProcessPlan) -> Result<Option<Self>, Error> {
        if !plan.terminal {
            return Ok(None);
        }
        let host = HostConsole::find().map_err(foreground::Error::from)?;
        plan.console_size = host.size().ok().or(plan.console_size);
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
            master: None,
            for_init: Some(theirs),
        }))
    }

    /// Takes the container's terminal, which init has sent by now, and makes it like the caller's: the program, which does not run
    /// yet, finds it so.
    ///
    /// # Errors
    /// A terminal that was not sent, or failed.
    pub fn receive(&mut self) -> Result<(), Error> {
        let master =
            sys::fd::receive(&self.ours).map_err(Error::sys("cannot receive the terminal"))?;
        tty::pass_newlines(&master).map_err(foreground::Error::from)?;
        if let Ok((rows, columns)) = self.host.size() {
            let _ = sys::tty::set_size(&master, rows, columns);
        }
        self.master = Some(master);
        Ok(())
    }

    /// Shows the container's terminal on the caller's until the process `pid` ends. Returns its exit status.
    ///
    /// # Errors
    /// A terminal that was not sent, or failed.
    pub fn wait(self, pid: i32, proxy: Option<&mut Proxy>) -> Result<i32, Error> {
        let Some(master) = self.master else {
            let missing = sys::Error::new("recvmsg", "a descriptor", Errno::EAGAIN);
            return Err(Error::sys("cannot receive the terminal")(missing));
        };
        Ok(wait_with_console(pid, master, &self.host, proxy, DRAIN)?)
    }
}
