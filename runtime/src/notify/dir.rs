//! The directory `notify` of a state directory, and the socket in it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::Error;
use crate::sys::{self, mount};

/// The directory's name.
pub const DIR: &str = "notify";
/// The socket's name in it.
pub const SOCKET: &str = "notify.sock";

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Makes the directory in the state directory `state`, for everybody in the container to enter. Returns it as a detached mount: the
/// container's root may be nobody who could come here by a path.
///
/// # Errors
/// That of the call that failed.
pub fn make_dir(state: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let mode = Mode::from_bits_truncate(0o755);
    mkdirat(state, DIR, mode).map_err(|errno| sys::Error::new("mkdir", DIR, errno))?;
    let dir = openat(state, DIR, DIRECTORY, Mode::empty())
        .map_err(|errno| sys::Error::new("open", DIR, errno))?;
    // Whatever the caller's umask.
    fchmod(&dir, mode).map_err(|errno| sys::Error::new("fchmod", DIR, errno))?;
    Ok(mount::clone_tree(dir.as_fd(), "", false, DIR)?)
}

/// Where the container speaks to, as long as it lives.
#[derive(Debug)]
pub struct Ear {
    pub(super) socket: OwnedFd,
    /// Of the directory: one command at a time listens.
    _alone: Flock<OwnedFd>,
}

/// Listens in the state directory `state`, whose path is `path`. `None`: another command does.
///
/// # Errors
/// [`Error::NoDirectory`]; that of the call that failed.
pub fn listen(state: BorrowedFd<'_>, path: &Path) -> Result<Option<Ear>, Error> {
    let dir = match openat(state, DIR, DIRECTORY, Mode::empty()) {
        Ok(dir) => dir,
        Err(Errno::ENOENT) => {
            let path = path.join(DIR).join(SOCKET).display().to_string();
            return Err(Error::NoDirectory { path });
        }
        Err(errno) => return Err(sys::Error::new("open", DIR, errno).into()),
    };
    let alone = match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
        Ok(alone) => alone,
        Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
        Err((_, errno)) => return Err(sys::Error::new("flock", DIR, errno).into()),
    };
    // Of a command that has not lived to see the program.
    match unlinkat(&*alone, SOCKET, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(sys::Error::new("unlink", SOCKET, errno).into()),
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)
        .map_err(|errno| sys::Error::new("socket", "AF_UNIX", errno))?;
    // By the directory's descriptor: its path may be longer than the 108 bytes of an address.
    let address = format!("/proc/self/fd/{}/{SOCKET}", alone.as_raw_fd());
    UnixAddr::new(address.as_str())
        .and_then(|address| bind(socket.as_raw_fd(), &address))
        .map_err(|errno| sys::Error::new("bind", SOCKET, errno))?;
    // For any user of the container.
    let all = Mode::from_bits_truncate(0o777);
    fchmodat(&*alone, SOCKET, all, FchmodatFlags::FollowSymlink)
        .map_err(|errno| sys::Error::new("chmod", SOCKET, errno))?;
    Ok(Some(Ear {
        socket,
        _alone: alone,
    }))
}

/// Removes the directory and the socket from the state directory `state`; what is not there is removed.
///
/// # Errors
/// The call that failed, and on what.
pub fn remove_dir(state: BorrowedFd<'_>) -> sys::Result<()> {
    let path = format!("{DIR}/{SOCKET}");
    match unlinkat(state, path.as_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
        Err(errno) => return Err(sys::Error::new("unlink", path, errno)),
    }
    match unlinkat(state, DIR, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        Err(errno) => Err(sys::Error::new("rmdir", DIR, errno)),
    }
}
