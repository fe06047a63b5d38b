//! Terminals: the container's own pty, made inside it, and the caller's, which shows it.
//!
//! Inside (init): [`Pty::open`] after pivot_root, its slave bound on /dev/console by `rootfs`, its master given away
//! ([`Pty::master`] to the creator, or [`Pty::send_master`] to the peer of `--console-socket`), then [`Pty::become_console`].
//! Outside (`run` in the foreground): [`HostConsole::find`] before anything is created, and `foreground` from then on.

mod host;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use host::{HostConsole, RawMode, pass_newlines};

use crate::sys::{self, tty};

/// A terminal that cannot be had. The text is the call's: "open /dev/tty: no such device or address".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(#[from] sys::Error);

/// A new pseudo-terminal of the devpts at /dev/pts.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Pty {
    /// Makes one, of `size` (rows, columns; ignored if either is 0, as runc does).
    ///
    /// # Errors
    /// No devpts on /dev/pts, or too many ptys.
    pub fn open(size: Option<(u16, u16)>) -> Result<Self, Error> {
        let master = tty::open_ptmx()?;
        let slave = tty::open_peer(&master)?;
        if let Some((rows, columns)) = size.filter(|(rows, columns)| *rows != 0 && *columns != 0) {
            tty::set_size(&master, rows, columns)?;
        }
        Ok(Self { master, slave })
    }

    /// The end that the container's process uses: what is bound on /dev/console.
    pub fn slave(&self) -> BorrowedFd<'_> {
        self.slave.as_fd()
    }

    /// The end that shows it.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Sends the master over `socket` as runc does: one message, whose bytes are the name of what was opened.
    ///
    /// # Errors
    /// What sendmsg(2) says; the peer may be gone.
    pub fn send_master(&self, socket: impl AsFd) -> Result<(), Error> {
        Ok(
            tty::send_fd(socket, b"/dev/ptmx", &self.master).map_err(|error| sys::Error {
                object: "the terminal to its socket".to_owned(),
                ..error
            })?,
        )
    }

    /// Makes it stdin, stdout, stderr and controlling terminal of the calling process, a session leader (setsid(2)). Closes
    /// the master here: it must have been given away.
    ///
    /// # Errors
    /// `EPERM`: not a session leader, or one that has a terminal.
    pub fn become_console(self) -> Result<(), Error> {
        tty::dup_to_stdio(&self.slave)?;
        Ok(tty::set_controlling(&self.slave)?)
    }
}
