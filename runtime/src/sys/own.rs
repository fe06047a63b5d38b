//! The calling process itself.

use nix::errno::Errno;

use super::{Error, Result};

/// Sets the process's name (prctl(2), `PR_SET_NAME`; at most 15 bytes are kept).
///
/// # Errors
/// None that the manual knows.
pub fn set_name(name: &str) -> Result<()> {
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(name.as_bytes().iter().take(15)) {
        *to = *from;
    }
    // SAFETY: 16 readable bytes, NUL-terminated.
    let done = unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new("prctl", "PR_SET_NAME", errno))
}

/// Nobody may look into this process any more, but who has CAP_SYS_PTRACE over its executable's owner: not at its memory, nor at
/// what it has open (prctl(2), `PR_SET_DUMPABLE`). Until its next execve.
///
/// # Errors
/// None that the manual knows.
pub fn hide() -> Result<()> {
    // SAFETY: takes numbers.
    let done = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new("prctl", "PR_SET_DUMPABLE", errno))
}

/// Leaves the namespaces `kinds` (`CLONE_NEW*`) for new ones.
///
/// # Errors
/// That of unshare(2).
pub fn unshare(kinds: u64) -> Result<()> {
    // SAFETY: a flag word; the calling process is single-threaded and shares nothing that this would change for others.
    let done = unsafe { libc::unshare(kinds as libc::c_int) };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new("unshare", format!("{kinds:#x}"), errno))
}

/// Makes the process the leader of a new session.
///
/// # Errors
/// `EPERM`: it leads a process group already.
pub fn setsid() -> Result<()> {
    nix::unistd::setsid()
        .map(drop)
        .map_err(|errno| Error::new("setsid", "", errno))
}

/// Opens /dev/null in place of each standard stream that is closed: else the next file to be opened would become one.
/// (Rust's own start-up code would do it, but this program has its own `main`.)
///
/// # Errors
/// That of open(2).
pub fn open_standard_streams() -> Result<()> {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: three valid pollfds; with a timeout of 0 it only reports.
    if unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) } <= 0 {
        return Ok(());
    }
    for fd in fds {
        if fd.revents & libc::POLLNVAL != 0 {
            // SAFETY: a NUL-terminated path. The lowest free number is this one; it is to stay open.
            let opened = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
            Errno::result(opened).map_err(|errno| Error::new("open", "/dev/null", errno))?;
        }
    }
    Ok(())
}

/// The effective user id that the process was started with (getauxval(3), `AT_EUID`): no call is needed for it.
pub fn euid() -> u32 {
    // SAFETY: reads the process's own auxiliary vector.
    unsafe { libc::getauxval(libc::AT_EUID) as u32 }
}
