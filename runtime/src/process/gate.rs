//! The start gate, as files of the state directory.
//!
//! Init holds the lock of `gate` by a close-on-exec descriptor: the execve of the user's program lets go of it,
//! atomically, and so does init's death. "Held" is `created`; "not held, and init lives" is `running`. Nothing that a
//! starter does or fails to do can make this lie.
//!
//! With `create`, init also listens on `gate.sock` for the one `Start` (or `Abort`) that it accepts; with `run`, the
//! creator asks on the wire that it has anyway.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};

use crate::sys::{self, Error, Result, lock, time};

/// The lock's file.
pub const LOCK: &str = "gate";
/// The listening socket.
pub const SOCKET: &str = "gate.sock";

/// The one byte that is locked.
const BYTE: i64 = 0;

/// What init gets of the gate.
#[derive(Debug)]
pub struct Gate {
    /// Holds the lock. The creator must close it as soon as init has it.
    pub lock: OwnedFd,
    /// With `create`: where starters connect.
    pub listener: Option<OwnedFd>,
}

/// Makes the gate in the state directory `dir`, held.
///
/// # Errors
/// That of the call that failed; `EAGAIN`: somebody holds this gate already.
pub fn make(dir: BorrowedFd<'_>, with_listener: bool) -> Result<Gate> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(dir, LOCK, flags, Mode::from_bits_truncate(0o600))
        .map_err(|errno| Error::new("openat", LOCK, errno))?;
    if !lock::try_lock(file.as_fd(), BYTE)? {
        return Err(Error::new(
            "fcntl",
            "the lock of the start gate",
            Errno::EAGAIN,
        ));
    }
    let listener = if with_listener {
        Some(listen_in(dir)?)
    } else {
        None
    };
    Ok(Gate {
        lock: file,
        listener,
    })
}

/// Waits until nobody holds the gate of a program that has just been executed.
///
/// execve lets go of init's descriptors one by one, the last first: who sees the end of its connection may be a moment
/// ahead of the gate, and a `state` right after `start` must not say `created`. The kernel does it before the program's
/// first instruction, and there is no event to wait for. If it does not come to an end the container runs all the same.
///
/// # Errors
/// The errno of opening or asking.
pub fn wait_open(dir: BorrowedFd<'_>) -> Result<()> {
    const STEP: Duration = Duration::from_micros(50);
    for _ in 0..20_000 {
        if !is_held(dir)? {
            break;
        }
        time::nap(STEP);
    }
    Ok(())
}

/// Is the gate held: does init still wait at it, or is it on its way there?
///
/// # Errors
/// That of the call that failed; a gate that was never made is not held.
pub fn is_held(dir: BorrowedFd<'_>) -> Result<bool> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(dir, LOCK, flags, Mode::empty()) {
        Ok(file) => lock::is_held(file.as_fd(), BYTE),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(Error::new("openat", LOCK, errno)),
    }
}

/// How long init may take to answer at its gate, in seconds: all that it does there is a matter of microseconds.
pub const ANSWER_S: u16 = 5;

/// Connects to a waiting init. `None`: nobody listens (any more).
///
/// # Errors
/// That of the call that failed; `EAGAIN`: too many wait for an init that does not accept anybody.
pub fn knock(dir: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    let fd = sys::socket::stream(ANSWER_S).map_err(|error| Error {
        object: SOCKET.to_owned(),
        ..error
    })?;
    match connect(fd.as_raw_fd(), &address(dir)?) {
        Ok(()) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ECONNREFUSED) => Ok(None),
        Err(errno) => Err(Error::new("connect", SOCKET, errno)),
    }
}

fn listen_in(dir: BorrowedFd<'_>) -> Result<OwnedFd> {
    let fd = stream()?;
    // Whatever the caller's umask is: who may connect may start the container, or end it. A socket's file has the mode that it has before
    // it is bound.
    fchmod(&fd, Mode::from_bits_truncate(0o600))
        .map_err(|errno| Error::new("fchmod", SOCKET, errno))?;
    bind(fd.as_raw_fd(), &address(dir)?).map_err(|errno| Error::new("bind", SOCKET, errno))?;
    let backlog = Backlog::new(64).unwrap_or(Backlog::MAXCONN);
    listen(&fd, backlog).map_err(|errno| Error::new("listen", SOCKET, errno))?;
    Ok(fd)
}

fn stream() -> Result<OwnedFd> {
    socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(|errno| Error::new("socket", "AF_UNIX", errno))
}

/// By the directory's descriptor: a state directory's path may be longer than the 108 bytes of a socket's address.
fn address(dir: BorrowedFd<'_>) -> Result<UnixAddr> {
    let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
    UnixAddr::new(path.as_str()).map_err(|errno| Error::new("bind", path, errno))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::File;

    struct Dir(std::path::PathBuf, File);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("gate-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            let file = File::open(&path).unwrap();
            Self(path, file)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn held_until_the_last_descriptor_of_it_is_closed() {
        let dir = Dir::new("held");
        assert!(!is_held(dir.1.as_fd()).unwrap(), "never made");
        let gate = make(dir.1.as_fd(), false).unwrap();
        assert!(is_held(dir.1.as_fd()).unwrap());
        assert!(is_held(dir.1.as_fd()).unwrap(), "asking changes nothing");
        assert_eq!(make(dir.1.as_fd(), false).unwrap_err().errno, Errno::EAGAIN);
        drop(gate);
        assert!(!is_held(dir.1.as_fd()).unwrap());
    }

    #[test]
    fn a_starter_finds_a_listener_or_nobody() {
        let dir = Dir::new(&"long-name-".repeat(12));
        assert!(knock(dir.1.as_fd()).unwrap().is_none(), "no socket");
        let gate = make(dir.1.as_fd(), true).unwrap();
        assert!(knock(dir.1.as_fd()).unwrap().is_some());
        drop(gate);
        assert!(
            knock(dir.1.as_fd()).unwrap().is_none(),
            "a socket without its init"
        );
    }
}
