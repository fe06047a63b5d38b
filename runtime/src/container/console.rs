//! `--console-socket`: the caller's peer, to whom init sends the master of the container's terminal. And `--pidfd-socket`, whose peer
//! gets a descriptor of the process.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{UnixAddr, connect as connect_to};
use nix::sys::stat::Mode;

use super::Error;
use crate::process::peer::Peer;
use crate::sys;

/// How long the peer may be without room for one more connection, or for the one message, in seconds.
const PATIENCE_S: u16 = 5;

/// Connects to the socket `path`. Neither this nor what init sends on it waits longer than [`PATIENCE_S`].
///
/// # Errors
/// [`Error::Console`]: there is no socket, or nobody who listens or accepts.
pub fn connect(path: &Path) -> Result<OwnedFd, Error> {
    let failed = |source: sys::Error| Error::Console {
        path: path.display().to_string(),
        hint: match source.errno {
            Errno::EAGAIN => ": nobody accepts the connection",
            Errno::EPROTOTYPE => ": not a stream socket",
            _ => "",
        },
        source,
    };
    let socket = sys::socket::stream(PATIENCE_S).map_err(failed)?;
    let done = match UnixAddr::new(path) {
        // Longer than the 108 bytes of an address: by its directory's descriptor.
        Err(Errno::ENAMETOOLONG) => connect_below(&socket, path),
        address => address.and_then(|address| connect_to(socket.as_raw_fd(), &address)),
    };
    done.map_err(|errno| failed(sys::Error::new("connect", "", errno)))?;
    Ok(socket)
}

fn connect_below(socket: &OwnedFd, path: &Path) -> Result<(), Errno> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::ENAMETOOLONG);
    };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = open(dir, flags, Mode::empty())?;
    let short = Path::new("/proc/self/fd")
        .join(dir.as_raw_fd().to_string())
        .join(name);
    connect_to(socket.as_raw_fd(), &UnixAddr::new(&short)?)
}

/// Sends a descriptor of the process, with runc's word for what it is. (runc has the process itself do so, in the container.)
///
/// # Errors
/// [`Error::Sys`]: the peer is gone, or has no room.
pub fn send_pidfd(socket: &OwnedFd, kind: &str, process: &Peer) -> Result<(), Error> {
    sys::tty::send_fd(socket, kind.as_bytes(), process.pidfd())
        .map_err(Error::sys("cannot send the pidfd to --pidfd-socket"))
}
