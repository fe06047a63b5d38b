//! Being told when the container is out of memory.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::{file, parse};
use crate::sys;

/// What has happened since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oom {
    /// Nothing.
    No,
    /// The kernel has found the container out of memory.
    Yes,
    /// The group is gone.
    Gone,
}

/// A watch on a container's memory.
#[derive(Debug)]
pub struct OomWatch(Watch);

#[derive(Debug)]
enum Watch {
    V1 {
        event: OwnedFd,
        /// Goes with the group.
        control: String,
        /// The kernel wants it open as long as it tells.
        _watched: OwnedFd,
    },
    V2 {
        events: File,
        path: String,
        /// So many were killed when it was last read.
        killed: u64,
    },
}

impl OomWatch {
    /// Watches from now on. On v1 a container that is out of memory right now is told of at once.
    ///
    /// # Errors
    /// No memory controller; a group that is gone.
    pub fn new(paths: &CgroupPaths) -> Result<Self> {
        if let Some(directory) = paths.get("memory") {
            return v1(directory).map(Self);
        }
        match paths.get("") {
            Some(directory) if paths.is_v2() => v2(directory).map(Self),
            _ => Err(Error::NoMemory),
        }
    }

    /// Ready when [`OomWatch::look`] has something to see.
    pub fn poll_fd(&self) -> PollFd<'_> {
        let (fd, flags): (BorrowedFd<'_>, _) = match &self.0 {
            Watch::V1 { event, .. } => (event.as_fd(), PollFlags::POLLIN),
            Watch::V2 { events, .. } => (events.as_fd(), PollFlags::POLLPRI),
        };
        PollFd::new(fd, flags)
    }

    /// Looks; does not wait.
    ///
    /// # Errors
    /// The kernel's file cannot be read.
    pub fn look(&mut self) -> Result<Oom> {
        match &mut self.0 {
            Watch::V1 { event, control, .. } => {
                let mut count = [0; 8];
                match nix::unistd::read(event.as_fd(), &mut count) {
                    Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Oom::No),
                    Err(errno) => return Err(sys::Error::new("read", "eventfd", errno).into()),
                    Ok(_) => {}
                }
                // A group that is removed tells, too.
                match nix::unistd::access(control.as_str(), nix::unistd::AccessFlags::F_OK) {
                    Err(Errno::ENOENT | Errno::ENODEV) => Ok(Oom::Gone),
                    _ => Ok(Oom::Yes),
                }
            }
            Watch::V2 {
                events,
                path,
                killed,
            } => {
                let Some(now) = read_killed(events, path)? else {
                    return Ok(Oom::Gone);
                };
                let more = now > *killed;
                *killed = now;
                Ok(if more { Oom::Yes } else { Oom::No })
            }
        }
    }
}

/// cgroup-v1/memory.rst, section 10: the kernel adds to an eventfd.
fn v1(directory: &str) -> Result<Watch> {
    let control = format!("{directory}/cgroup.event_control");
    let watched = file::open_file(&format!("{directory}/memory.oom_control"), OFlag::O_RDONLY)?;
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map(OwnedFd::from)
        .map_err(|errno| sys::Error::new("eventfd", "", errno))?;
    let number = |fd: &OwnedFd| std::os::fd::AsRawFd::as_raw_fd(fd);
    file::write_file(
        &control,
        &format!("{} {}", number(&event), number(&watched)),
    )?;
    Ok(Watch::V1 {
        event,
        control,
        _watched: watched,
    })
}

/// The kernel wakes whoever polls a file of counters when one of them has changed.
fn v2(directory: &str) -> Result<Watch> {
    let path = format!("{directory}/memory.events");
    let fd = file::open_file(&path, OFlag::O_RDONLY).map_err(|error| match error.errno {
        Errno::ENOENT if std::path::Path::new(directory).exists() => Error::NoMemory,
        _ => error.into(),
    })?;
    let mut events = File::from(fd);
    let killed = read_killed(&mut events, &path)?.unwrap_or(0);
    Ok(Watch::V2 {
        events,
        path,
        killed,
    })
}

/// How many processes were killed; `None`: the group is gone.
fn read_killed(events: &mut File, path: &str) -> Result<Option<u64>> {
    let mut text = Vec::new();
    let read = events.rewind().and_then(|()| events.read_to_end(&mut text));
    match read {
        Ok(_) => Ok(parse::flat_keyed(&text, "oom_kill").or(Some(0))),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENODEV) => Ok(None),
            errno => Err(sys::Error::new("read", path, errno.unwrap_or(Errno::EIO)).into()),
        },
    }
}
