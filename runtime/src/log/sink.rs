//! Where log lines go, and the promise that writing them ends.
//!
//! A reader that stopped reading (a full pipe behind stderr) must not hold the runtime. Each piece of a line is at most
//! [`PIECE`] bytes, for which poll(2)'s `POLLOUT` on a pipe means that the write will not block, and is written only
//! after poll said so. The first poll that gets no such answer for [`PATIENCE`] drops the line, and from then on no
//! line of this process waits at all. What is dropped is a log line; the exit code still tells the failure.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys;

/// `PIPE_BUF`: a pipe that polls writable takes that much without blocking.
const PIECE: usize = 4096;
/// How long a stopped reader may hold the first line, in milliseconds.
const PATIENCE: u16 = 1000;

/// A destination of log lines.
#[derive(Debug)]
pub struct Sink {
    /// `None`: stderr.
    file: Option<File>,
    stalled: AtomicBool,
}

impl Sink {
    /// The process's stderr.
    pub const fn stderr() -> Self {
        Self {
            file: None,
            stalled: AtomicBool::new(false),
        }
    }

    /// Opens `path` for appending. Without waiting: a FIFO that nobody reads is an error. Without `O_SYNC`: a line is
    /// in the page cache when write(2) returns, and survives this process; surviving the machine is not worth a flush
    /// of the disk for every line.
    ///
    /// # Errors
    /// That of opening it; `ENXIO`: a FIFO that nobody reads.
    pub fn file(path: &Path) -> sys::Result<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o644)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| sys::Error::io("open", path.display().to_string(), &e))?;
        Ok(Self {
            file: Some(file),
            stalled: AtomicBool::new(false),
        })
    }

    /// Is it stderr?
    pub fn is_stderr(&self) -> bool {
        self.file.is_none()
    }

    /// Writes `line`; drops what cannot be written. One write for a line of up to [`PIECE`] bytes.
    pub fn write(&self, line: &[u8]) {
        match &self.file {
            Some(file) => self.pieces(file.as_fd(), file, line),
            None => {
                let stderr = std::io::stderr();
                self.pieces(stderr.as_fd(), &stderr, line);
            }
        }
    }

    fn pieces(&self, fd: BorrowedFd<'_>, mut to: impl Write, line: &[u8]) {
        let mut rest = line;
        while !rest.is_empty() {
            if !self.wait(fd) {
                return;
            }
            match to.write(&rest[..rest.len().min(PIECE)]) {
                Ok(0) => return,
                Ok(n) => rest = &rest[n..],
                // Another writer took the room: poll again, with the same patience.
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(_) => return,
            }
        }
    }

    /// Waits until `fd` takes a piece; false: give up.
    fn wait(&self, fd: BorrowedFd<'_>) -> bool {
        let patience = if self.stalled.load(Ordering::Relaxed) {
            0
        } else {
            PATIENCE
        };
        let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
        loop {
            match poll(&mut fds, PollTimeout::from(patience)) {
                Ok(0) => {
                    self.stalled.store(true, Ordering::Relaxed);
                    return false;
                }
                // POLLERR: nobody will ever read it, and a write would only raise SIGPIPE.
                Ok(_) => {
                    return fds[0]
                        .revents()
                        .is_some_and(|r| !r.contains(PollFlags::POLLERR));
                }
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
    }
}

impl From<File> for Sink {
    /// A file that is open already.
    fn from(file: File) -> Self {
        Self {
            file: Some(file),
            stalled: AtomicBool::new(false),
        }
    }
}
