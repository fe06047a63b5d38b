//! The caller's terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::Error;
use crate::sys;

/// The terminal that `run` was called from.
#[derive(Debug)]
pub struct HostConsole {
    /// `None`: the standard stream `stream`.
    own: Option<OwnedFd>,
    stream: BorrowedFd<'static>,
}

impl AsFd for HostConsole {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.own.as_ref().map_or(self.stream, AsFd::as_fd)
    }
}

impl HostConsole {
    /// Standard streams may be redirected: the first of stderr, stdout and stdin that is a terminal, else the controlling one.
    ///
    /// # Errors
    /// "open /dev/tty: no such device or address", as runc: a terminal is asked for where there is none to show it on.
    pub fn find() -> Result<Self, Error> {
        let streams = sys::tty::standard_streams();
        for stream in [streams[2], streams[1], streams[0]] {
            if sys::tty::size(stream).is_ok() {
                return Ok(Self { own: None, stream });
            }
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let own = open("/dev/tty", flags, Mode::empty())
            .map_err(|errno| sys::Error::new("open", "/dev/tty", errno))?;
        Ok(Self {
            own: Some(own),
            stream: streams[0],
        })
    }

    /// Its size as (rows, columns).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn size(&self) -> Result<(u16, u16), Error> {
        Ok(sys::tty::size(self)?)
    }

    /// Turns it raw, so that every key goes to the container; as it was again when the guard is dropped.
    ///
    /// Output is still post-processed, as by runc: the container's own terminal does not add the carriage returns then
    /// ([`pass_newlines`]), and a redirected output has none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn raw(&self) -> Result<RawMode<'_>, Error> {
        let saved = tcgetattr(self).map_err(|errno| sys::Error::new("tcgetattr", "", errno))?;
        let mode = RawMode {
            console: self,
            saved,
        };
        mode.enter()?;
        Ok(mode)
    }
}

/// The caller's terminal while it is raw.
#[derive(Debug)]
pub struct RawMode<'a> {
    console: &'a HostConsole,
    saved: Termios,
}

impl RawMode<'_> {
    /// Raw once more: a shell sets its own mode while it has the terminal.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(&self) -> Result<(), Error> {
        let mut raw = self.saved.clone();
        cfmakeraw(&mut raw);
        raw.output_flags |= self.saved.output_flags & OutputFlags::OPOST;
        set(self.console, &raw)
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = set(self.console, &self.saved);
    }
}

/// Keeps a container's terminal from turning each newline into two characters: the caller's does that.
///
/// # Errors
/// What the kernel says.
pub fn pass_newlines(master: impl AsFd) -> Result<(), Error> {
    let mut mode = tcgetattr(&master).map_err(|errno| sys::Error::new("tcgetattr", "", errno))?;
    mode.output_flags.remove(OutputFlags::ONLCR);
    set(master, &mode)
}

fn set(terminal: impl AsFd, mode: &Termios) -> Result<(), Error> {
    tcsetattr(&terminal, SetArg::TCSANOW, mode)
        .map_err(|errno| sys::Error::new("tcsetattr", "", errno).into())
}
