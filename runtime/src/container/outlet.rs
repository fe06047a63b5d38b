//! Standard output for a command that has more to do than to print: no reader can keep it from that.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys::{self, Result};

/// So much does a pipe with room take without waiting (PIPE_BUF; pipe(7)).
const PIECE: usize = 4096;
const NAME: &str = "/dev/stdout";

/// Standard output.
#[derive(Debug)]
pub struct Outlet(std::io::Stdout);

/// How a line was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    /// All of it.
    Whole,
    /// The descriptor that was watched became ready first; or the time was over.
    Interrupted,
}

impl Outlet {
    /// Ours.
    pub fn new() -> Self {
        Self(std::io::stdout())
    }

    /// For a poll, which tells with it when nobody can read any more.
    pub fn gone(&self) -> PollFd<'_> {
        PollFd::new(self.0.as_fd(), PollFlags::empty())
    }

    /// What a poll of [`Outlet::gone`] has told.
    ///
    /// # Errors
    /// `EPIPE`: nobody can read any more.
    pub fn check(told: Option<PollFlags>) -> Result<()> {
        let bad = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        match told {
            Some(told) if told.intersects(bad) => Err(sys::Error::new("write", NAME, Errno::EPIPE)),
            _ => Ok(()),
        }
    }

    /// Prints what is left of `line`, and takes it away, as long as `until` is not ready, and `deadline` not over.
    ///
    /// # Errors
    /// Nobody can read any more; the disk is full.
    pub fn print(
        &self,
        line: &mut &[u8],
        until: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Printed> {
        while !line.is_empty() {
            let out = self.0.as_fd();
            let mut fds = vec![PollFd::new(out, PollFlags::POLLOUT)];
            fds.extend(until.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            match poll(&mut fds, timeout(deadline)) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(sys::Error::new("poll", NAME, errno)),
                Ok(0) if deadline.is_some_and(|end| Instant::now() >= end) => {
                    return Ok(Printed::Interrupted);
                }
                Ok(_) => {}
            }
            Self::check(fds[0].revents())?;
            if fds[0].any() != Some(true) {
                match fds.get(1).and_then(PollFd::any) {
                    Some(true) => return Ok(Printed::Interrupted),
                    _ => continue,
                }
            }
            match nix::unistd::write(out, &line[..line.len().min(PIECE)]) {
                Ok(count) => *line = &line[count..],
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(sys::Error::new("write", NAME, errno)),
            }
        }
        Ok(Printed::Whole)
    }
}

/// The time until `deadline`, for a poll, which is asked again when it has passed.
pub fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up: never a poll that comes back too early, again and again.
    let millis = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
