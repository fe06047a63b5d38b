//! A child that borrows this process's memory until it executes (vfork(2) by clone(2)): how hooks are born.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::{Error, Result, pidfd, signal};

/// Untouched pages of it cost nothing.
const STACK: usize = 256 << 10;

struct Job<'a> {
    body: &'a mut dyn FnMut() -> String,
    failed: Option<String>,
}

extern "C" fn child(job: *mut c_void) -> libc::c_int {
    // SAFETY: `vfork` passes a live Job, and is suspended while the child runs.
    let job = unsafe { &mut *job.cast::<Job<'_>>() };
    job.failed = Some((job.body)());
    // SAFETY: ends the child only, without any of its parent's exit handlers.
    unsafe { libc::_exit(127) }
}

/// Why there is no child.
#[derive(Debug)]
pub enum Failed {
    /// The kernel made none.
    Clone(Error),
    /// It came to its `body`'s end.
    Body(String),
}

/// Starts a child that runs `body`, which executes a program; it returns only with why it could not. The caller, which must
/// be single-threaded, is suspended meanwhile: `body` may use its memory, and must leave no lock taken.
///
/// All signals are blocked in `body`. Returns a descriptor of the child.
///
/// # Errors
/// [`Failed`]; nothing is left of the child then.
pub fn vfork(body: &mut dyn FnMut() -> String) -> std::result::Result<OwnedFd, Failed> {
    let mut job = Job { body, failed: None };
    let mut stack = vec![0_u128; STACK / 16];
    let mut old = SigSet::empty();
    let mask = |set: &SigSet, old: Option<&mut SigSet>| {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(set), old)
            .map_err(|errno| Failed::Clone(Error::new("sigprocmask", "", errno)))
    };
    // A handler must not run in the child: it has this process's memory.
    mask(&SigSet::all(), Some(&mut old))?;
    let mut fd: libc::c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack's end is aligned, and stack, job and fd outlive the child's use of this memory: with CLONE_VFORK
    // this returns when the child has executed or ended.
    let pid = unsafe {
        libc::clone(
            child,
            stack.as_mut_ptr().add(stack.len()).cast(),
            flags,
            (&raw mut job).cast(),
            &raw mut fd,
        )
    };
    let cloned = Errno::result(pid);
    let unmasked = mask(&old, None);
    cloned.map_err(|errno| Failed::Clone(Error::new("clone", "", errno)))?;
    // SAFETY: with CLONE_PIDFD the kernel has stored a new descriptor, which nobody else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if let Some(why) = job.failed.take() {
        let _ = pidfd::wait(fd.as_fd(), false);
        return Err(Failed::Body(why));
    }
    if let Err(error) = unmasked {
        let _ = pidfd::send_signal(fd.as_fd(), libc::SIGKILL);
        let _ = pidfd::wait(fd.as_fd(), false);
        return Err(error);
    }
    Ok(fd)
}

/// For the body of a [`vfork`]: `streams` become 0, 1 and 2, everything above goes with the execve, and signals are as a
/// program expects them: none blocked, none ignored.
///
/// # Errors
/// That of the call that failed.
pub fn as_a_program(streams: [BorrowedFd<'_>; 3]) -> Result<()> {
    for (target, stream) in (0..).zip(streams) {
        // SAFETY: takes numbers; the child has a descriptor table of its own.
        Errno::result(unsafe { libc::dup2(stream.as_raw_fd(), target) })
            .map_err(|errno| Error::new("dup2", target.to_string(), errno))?;
    }
    super::fd::close_on_exec(3)?;
    for number in 1..=64 {
        if number != libc::SIGKILL && number != libc::SIGSTOP {
            signal::set_default(number)?;
        }
    }
    signal::unblock_all()
}

/// The calling process dies with its parent, `parent`: at once if that is gone.
///
/// # Errors
/// `ESRCH`: it is gone.
pub fn die_with(parent: i32) -> Result<()> {
    let error = |errno| Error::new("prctl", "PR_SET_PDEATHSIG", errno);
    // SAFETY: takes plain numbers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map_err(error)?;
    match nix::unistd::getppid().as_raw() == parent {
        true => Ok(()),
        false => Err(error(Errno::ESRCH)),
    }
}
