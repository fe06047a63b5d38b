//! `events`: what a container uses, from time to time, and when it is out of memory.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use sync_model::lifecycle::{self, Refusal};

use super::evidence::{self, Seen, paths};
use super::outlet::{Outlet, Printed, timeout};
use super::{Error, Globals};
use crate::cgroup::{self, CgroupPaths, Oom, OomWatch, Stats};
use crate::process::peer::Peer;
use crate::state::{Dir, Id};
use crate::sys;

/// How long a reader may take for the last lines when the container has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is told of.
#[derive(Debug)]
pub enum Event {
    /// A look at the statistics.
    Stats(Box<Stats>),
    /// The kernel has found the container out of memory.
    Oom,
}

/// `events --stats`
///
/// # Errors
/// A container without a process; counters that cannot be read.
pub fn stats(globals: &Globals, id: &Id) -> Result<Stats, Error> {
    cgroup::stats(&open(globals, id)?.0).map_err(Error::Group)
}

/// `events`: prints the `line` of each event on standard output until the container ends.
///
/// A reader that is slower than the container delays the next look at it, but not the end. One that is gone ends it.
///
/// # Errors
/// A container without a process; nobody who counts its memory; nobody who reads.
pub fn events(
    globals: &Globals,
    id: &Id,
    interval: Duration,
    line: impl Fn(&Event) -> String,
) -> Result<(), Error> {
    let (paths, init) = open(globals, id)?;
    let mut watch = OomWatch::new(&paths).map_err(Error::Group)?;
    let out = Outlet::new();
    let print = |event: &Event| -> Result<Printed, Error> {
        let text = line(event);
        let mut rest = text.as_bytes();
        let printed = out.print(&mut rest, Some(init.pidfd()), None);
        match printed.map_err(Error::Reader)? {
            Printed::Whole => Ok(Printed::Whole),
            // No half lines.
            Printed::Interrupted => out
                .print(&mut rest, None, Some(Instant::now() + PATIENCE))
                .map_err(Error::Reader),
        }
    };
    let mut next = Instant::now().checked_add(interval);
    loop {
        let wake = wait(&init, &watch, &out, next)?;
        if wake.oom {
            match watch.look().map_err(Error::Group)? {
                Oom::Yes if print(&Event::Oom)? == Printed::Interrupted => return Ok(()),
                Oom::Gone => return Ok(()),
                _ => {}
            }
        }
        if wake.dead {
            // It may be what it died of: told a moment before, seen only now.
            return match watch.look() {
                Ok(Oom::Yes) => print(&Event::Oom).map(drop),
                _ => Ok(()),
            };
        }
        if next.is_some_and(|next| Instant::now() >= next) {
            match cgroup::stats(&paths) {
                Ok(stats) => {
                    if print(&Event::Stats(Box::new(stats)))? == Printed::Interrupted {
                        return Ok(());
                    }
                }
                Err(error) => tracing::error!("{error}"),
            }
            // What was missed meanwhile is not made up for.
            let now = Instant::now();
            next = next.and_then(|next| next.checked_add(interval));
            if next.is_some_and(|next| next < now) {
                next = now.checked_add(interval);
            }
        }
    }
}

fn open(globals: &Globals, id: &Id) -> Result<(CgroupPaths, Peer), Error> {
    let refused = |refusal: Refusal| Error::Refused(refusal.text(id.as_str()));
    let seen = Seen::look(&Dir::open(&globals.root, id)?)?;
    lifecycle::events(&seen.evidence).map_err(refused)?;
    let record = (seen.record).ok_or_else(|| refused(Refusal::DoesNotExist))?;
    let init = evidence::init(&record)?.ok_or_else(|| refused(Refusal::NoEvents))?;
    Ok((paths(&record), init))
}

/// What has happened.
struct Wake {
    oom: bool,
    dead: bool,
}

fn wait(init: &Peer, watch: &OomWatch, out: &Outlet, next: Option<Instant>) -> Result<Wake, Error> {
    let mut fds = [
        PollFd::new(init.pidfd(), PollFlags::POLLIN),
        watch.poll_fd(),
        out.gone(),
    ];
    match poll(&mut fds, timeout(next)) {
        Ok(_) => {}
        Err(Errno::EINTR) => {
            return Ok(Wake {
                oom: false,
                dead: false,
            });
        }
        Err(errno) => {
            let failed = sys::Error::new("poll", "the container", errno);
            return Err(Error::sys("cannot wait for events")(failed));
        }
    }
    Outlet::check(fds[2].revents()).map_err(Error::Reader)?;
    let ready = |fd: &PollFd<'_>| fd.any() == Some(true);
    Ok(Wake {
        oom: ready(&fds[1]),
        dead: ready(&fds[0]),
    })
}
