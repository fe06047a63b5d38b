//! Signals: masks, dispositions, waiting. signal(7).

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::status::Status;
use super::{Error, Result};

/// The kernel's number of signals, real-time ones included.
const NSIG: i32 = 64;

/// Blocks every signal that can be blocked, for the calling thread.
///
/// The creator does it before the clone: a signal that comes before it is ready to forward it stays pending, neither lost nor deadly.
/// Children inherit the mask; [`reset_for_exec`] opens it again.
pub fn block_all() -> Result<()> {
    set_mask(SigmaskHow::SIG_SETMASK, &SigSet::all())
}

/// Blocks nothing any more.
pub fn unblock_all() -> Result<()> {
    set_mask(SigmaskHow::SIG_SETMASK, &SigSet::empty())
}

fn set_mask(how: SigmaskHow, set: &SigSet) -> Result<()> {
    nix::sys::signal::sigprocmask(how, Some(set), None)
        .map_err(|errno| Error::new("sigprocmask", "", errno))
}

/// Gives `signal` its default disposition.
///
/// By the system call: the C library refuses to touch 32 and 33, which it uses itself, but a caller can have them ignored.
pub fn set_default(signal: i32) -> Result<()> {
    // The kernel's sigaction: handler (SIG_DFL), flags, restorer, mask; where it has no restorer, it is shorter.
    let action = [0u64; 4];
    // SAFETY: all zeroes is a valid action that installs no handler, so nothing can run asynchronously; the kernel only reads it.
    // 8 is the size of the kernel's mask. The old action is not asked for.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            action.as_ptr(),
            std::ptr::null_mut::<u64>(),
            8usize,
        )
    };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("sigaction", signal.to_string(), errno))
}

/// The signal state in which the user's program starts: nothing blocked, nothing ignored, as from runc.
///
/// execve(2) resets handlers, but keeps what is ignored: SIGPIPE by Rust's std, SIGINT and SIGQUIT by a shell's `&`, SIGHUP by nohup.
/// `status` says what is. To be called last before the execve: what was held back is delivered here.
pub fn reset_for_exec(status: &Status) -> Result<()> {
    let mut left = status.ignored_signals;
    while left != 0 {
        let signal = i32::try_from(left.trailing_zeros()).unwrap_or(0) + 1;
        left &= left - 1;
        set_default(signal)?;
    }
    set_mask(SigmaskHow::SIG_SETMASK, &SigSet::empty())
}

/// Waits for any signal of those blocked by [`block_all`] and takes it. Returns its number.
pub fn wait_any() -> Result<i32> {
    let all = SigSet::all();
    loop {
        // SAFETY: the set is live and only read; no siginfo is asked for.
        let rc = unsafe { libc::sigwaitinfo(all.as_ref(), std::ptr::null_mut()) };
        match Errno::result(rc) {
            // A stop and a continue also interrupt the wait.
            Err(Errno::EINTR) => (),
            Err(errno) => return Err(Error::new("sigwaitinfo", "", errno)),
            Ok(signal) => return Ok(signal),
        }
    }
}

/// A descriptor that is readable while a signal blocked by [`block_all`] is pending; non-blocking, close-on-exec.
pub fn signal_fd() -> Result<SignalFd> {
    SignalFd::with_flags(
        &SigSet::all(),
        SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC,
    )
    .map_err(|errno| Error::new("signalfd", "", errno))
}

/// kill(2) for any signal number, real-time ones included (which nix's type cannot say).
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // 0 and negative ones name groups, or everybody.
    if pid <= 0 || !(1..=NSIG).contains(&signal) {
        return Err(Error::new("kill", pid.to_string(), Errno::EINVAL));
    }
    // SAFETY: takes plain numbers.
    Errno::result(unsafe { libc::kill(pid, signal) })
        .map(drop)
        .map_err(|errno| Error::new("kill", pid.to_string(), errno))
}

/// A child of ours that has ended, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its pid; free for reuse by now.
    pub pid: i32,
    /// Its exit status, or 128 + the signal that killed it, as a shell and runc have it.
    pub code: i32,
}

/// Reaps one child that has ended; `None`: none has, or there is no child.
pub fn reap_any() -> Result<Option<Exit>> {
    let mut status = 0;
    loop {
        // SAFETY: the status is a live, writable int; no usage is asked for.
        let rc = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        return match Errno::result(rc) {
            Err(Errno::EINTR) => continue,
            Err(Errno::ECHILD) | Ok(0) => Ok(None),
            Err(errno) => Err(Error::new("wait4", "", errno)),
            Ok(pid) => Ok(Some(Exit {
                pid,
                code: if libc::WIFEXITED(status) {
                    libc::WEXITSTATUS(status)
                } else {
                    128 + libc::WTERMSIG(status)
                },
            })),
        };
    }
}

/// Orphans below the calling process become its children (`PR_SET_CHILD_SUBREAPER`), so that it can reap them.
pub fn become_subreaper() -> Result<()> {
    // SAFETY: takes plain numbers.
    let rc = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1u64, 0u64, 0u64, 0u64) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("prctl(PR_SET_CHILD_SUBREAPER)", "", errno))
}
