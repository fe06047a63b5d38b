//! Init, as another process sees it: alive, dead, or become the user's program.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::WaitStatus;
use sync_model::{Death, Fate};

use crate::state::proc_stat;
use crate::sys::{Error, Result, pidfd};

/// Init's name (prctl(2), `PR_SET_NAME`). The kernel gives a process a new name when it executes a program, and keeps
/// the name of a dead one until it is reaped: so the name tells whether init ever became the user's program.
pub const INIT_NAME: &str = "runc-rs:[INIT]";

/// How long a process without a wire may keep init's name, and not be dying, before it is taken for a program of that name.
const SAME_NAME_MS: u32 = 250;

/// A process, by number and descriptor.
#[derive(Debug)]
pub struct Peer {
    pid: i32,
    pidfd: OwnedFd,
    /// /proc/PID/comm, once it was asked.
    comm: RefCell<Option<File>>,
}

impl Peer {
    /// The process `pid`, which `pidfd` is known to be.
    pub fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self {
            pid,
            pidfd,
            comm: RefCell::default(),
        }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its descriptor; readable when it is dead.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// How it died; it is dead. Does not reap.
    pub fn death(&self) -> Death {
        match pidfd::try_wait(self.pidfd(), true) {
            Ok(Some(status)) => death_of(status),
            // Another's child, as for `start`.
            _ => self.zombie().unwrap_or(Death::Unknown),
        }
    }

    /// What /proc says of a dead process that its parent has not reaped yet; proc_pid_stat(5), field 52.
    fn zombie(&self) -> Option<Death> {
        let stat = std::fs::read(format!("/proc/{}/stat", self.pid)).ok()?;
        // Not reaped up to here, so it is what was read.
        pidfd::send_signal(self.pidfd(), 0).ok()?;
        let last = stat.rsplit(|byte| *byte == b' ').next()?.trim_ascii_end();
        let status: i32 = std::str::from_utf8(last).ok()?.parse().ok()?;
        match (status & 0x7f, status >> 8) {
            // Also what is shown to those who may not know.
            (0, 0) => None,
            (0, code) => Some(Death::Exited(code)),
            (signal, _) => Some(Death::Killed(signal)),
        }
    }

    /// Its wire has ended: by execve, or by death?
    ///
    /// execve closes the wire a moment before it changes the name, and death a moment before the process is a zombie:
    /// both come by themselves, so this waits for whichever it is.
    ///
    /// # Errors
    /// That of /proc or poll: what became of it is not known then.
    pub fn fate(&self) -> Result<Fate> {
        let (mut wait_ms, mut waited_ms) = (0_u8, 0_u32);
        loop {
            match self.name()? {
                // Reaped by its parent, who is not us: what it died of is lost.
                None => return Ok(Fate::Gone),
                Some(name) if name != INIT_NAME => return Ok(Fate::Executed),
                // A program may have this very name, or give it to itself, and nobody may be kept waiting by that. An
                // init that has closed its wire has nothing left to do but to die.
                Some(_) if waited_ms >= SAME_NAME_MS && !self.is_dying()? => {
                    return Ok(Fate::Executed);
                }
                Some(_) => {}
            }
            if self.is_dead(wait_ms)? {
                // The name that a zombie has is its last.
                return Ok(match self.name()? {
                    Some(name) if name == INIT_NAME => Fate::Died(self.death()),
                    None => Fate::Gone,
                    Some(_) => Fate::Executed,
                });
            }
            waited_ms += u32::from(wait_ms);
            wait_ms = (wait_ms * 2).clamp(1, 100);
        }
    }

    /// Its name, dead or alive; `None` when it is gone.
    fn name(&self) -> Result<Option<String>> {
        let path = format!("/proc/{}/comm", self.pid);
        let mut name = [0_u8; 64];
        let mut comm = self.comm.borrow_mut();
        let read = match &*comm {
            Some(file) => file.read_at(&mut name, 0),
            None => File::open(&path).and_then(|file| {
                let count = file.read_at(&mut name, 0);
                *comm = Some(file);
                count
            }),
        };
        match read {
            Ok(length) => {
                let name = name[..length].trim_ascii_end();
                Ok(Some(String::from_utf8_lossy(name).into_owned()))
            }
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT | Errno::ESRCH) => Ok(None),
                errno => Err(Error::new("read", path, errno.unwrap_or(Errno::EIO))),
            },
        }
    }

    /// Is the kernel taking it apart, or done with that?
    fn is_dying(&self) -> Result<bool> {
        Ok(proc_stat(self.pid)?.is_none_or(|stat| stat.is_dead()))
    }

    /// Sends SIGKILL and waits for the death, at most for `patience`: false if it does not come. If it has not come after
    /// `moment_ms`, `release` is to remove what keeps it: a frozen process dies when it runs again. It is called until the death
    /// has come, because somebody may freeze it again.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn kill(
        &self,
        patience: Duration,
        moment_ms: u8,
        mut release: impl FnMut(),
    ) -> Result<bool> {
        match pidfd::send_signal(self.pidfd(), libc::SIGKILL) {
            Err(error) if error.errno != Errno::ESRCH => return Err(error),
            _ => {}
        }
        let deadline = Instant::now() + patience;
        let mut wait_ms = moment_ms;
        while !self.is_dead(wait_ms)? {
            if Instant::now() > deadline {
                return Ok(false);
            }
            release();
            wait_ms = 100;
        }
        Ok(true)
    }

    /// Is it stopped, by a signal or by a debugger? A frozen process is not.
    pub fn is_stopped(&self) -> bool {
        proc_stat(self.pid)
            .is_ok_and(|stat| stat.is_some_and(|stat| matches!(stat.state, b'T' | b't')))
    }

    /// Is it dead, at the latest after so long?
    ///
    /// # Errors
    /// The errno of poll.
    pub fn is_dead(&self, wait_ms: u8) -> Result<bool> {
        let mut fds = [PollFd::new(self.pidfd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(wait_ms)) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::new("poll", "init's pidfd", errno)),
        }
    }
}

/// As the model has it.
pub fn death_of(status: WaitStatus) -> Death {
    match status {
        WaitStatus::Exited(_, code) => Death::Exited(code),
        WaitStatus::Signaled(_, signal, _) => Death::Killed(signal as i32),
        _ => Death::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As when somebody freezes it again after each thaw but the last.
    #[test]
    fn what_keeps_it_is_removed_until_it_is_dead() {
        let group = format!("/sys/fs/cgroup/freezer/peer-{}", std::process::id());
        if std::fs::create_dir(&group).is_err() {
            eprintln!("not tested: no freezer of version 1, or not root");
            return;
        }
        let write = |name: &str, text: &str| {
            std::fs::write(format!("{group}/{name}"), text).expect("works")
        };
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("works");
        let pid = i32::try_from(child.id()).expect("works");
        write("cgroup.procs", &pid.to_string());
        write("freezer.state", "FROZEN");
        let peer = Peer::new(pid, pidfd::open(pid).expect("works"));
        let mut calls = 0;
        let dead = peer.kill(Duration::from_secs(5), 0, || {
            calls += 1;
            if calls == 3 {
                write("freezer.state", "THAWED");
            }
        });
        write("freezer.state", "THAWED");
        child.wait().expect("works");
        std::fs::remove_dir(&group).expect("works");
        assert_eq!(dead, Ok(true));
    }
}
