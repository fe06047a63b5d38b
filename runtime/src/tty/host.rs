//! The caller's terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

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

    /// Turns it raw, so that every key goes to the container; as it was again when the guard is dropped. Of a job in the background it
    /// is another's, and stays as it is, until [`RawMode::enter`].
    ///
    /// Output is still post-processed, as by runc: the container's own terminal does not add the carriage returns then
    /// ([`pass_newlines`]), and a redirected output has none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn raw(&self) -> Result<RawMode<'_>, Error> {
        let mut mode = RawMode {
            console: self,
            saved: None,
            is_held: false,
        };
        mode.enter()?;
        Ok(mode)
    }

    /// Is the terminal for this process's group? One that is not its session's knows no jobs, and is for anybody. (With SIGTTOU blocked
    /// the kernel would let us change it all the same, under the hands of the shell or whoever has it.)
    fn is_ours(&self) -> bool {
        tcgetpgrp(self).map_or(true, |group| group == getpgrp())
    }
}

/// The caller's terminal while it is raw.
#[derive(Debug)]
pub struct RawMode<'a> {
    console: &'a HostConsole,
    /// Before it was first ours.
    saved: Option<Termios>,
    is_held: bool,
}

impl RawMode<'_> {
    /// Raw, if the terminal is ours by now; once more, if it was: a shell sets its own mode while it has it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(&mut self) -> Result<(), Error> {
        self.is_held = self.console.is_ours();
        if !self.is_held {
            return Ok(());
        }
        let saved = match self.saved.take() {
            Some(saved) => saved,
            None => {
                tcgetattr(self.console).map_err(|errno| sys::Error::new("tcgetattr", "", errno))?
            }
        };
        let mut raw = saved.clone();
        cfmakeraw(&mut raw);
        raw.output_flags |= saved.output_flags & OutputFlags::OPOST;
        self.saved = Some(saved);
        set(self.console, &raw)
    }

    /// Was it ours when that was last asked?
    pub fn is_held(&self) -> bool {
        self.is_held
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved
            && self.console.is_ours()
        {
            // Nothing can be done about a terminal that is gone.
            let _ = set(self.console, saved);
        }
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
