//! `--console-socket`: the caller's peer, to whom init sends the master of the container's terminal. And `--pidfd-socket`, whose peer
//! gets a descriptor of the process.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_to, setsockopt, socket, sockopt,
};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeVal, TimeValLike};

use super::Error;
use crate::process::peer::Peer;
use crate::sys;

/// How long the peer may be without room for one more connection, or for the one message, in seconds.
const PATIENCE_S: i64 = 5;

/// Connects to the socket `path`. Neither this nor what init sends on it waits longer than [`PATIENCE_S`].
///
/// # Errors
/// [`Error::Console`]: there is no socket, or nobody who listens or accepts.
pub fn connect(path: &Path) -> Result<OwnedFd, Error> {
    let failed = |call| {
        move |errno| Error::Console {
            path: path.display().to_string(),
            hint: match errno {
                Errno::EAGAIN => ": nobody accepts the connection",
                Errno::EPROTOTYPE => ": not a stream socket",
                _ => "",
            },
            source: sys::Error::new(call, "", errno),
        }
    };
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(failed("socket"))?;
    // For connect(2) as well, which waits when too many are waiting to be accepted: unix(7), socket(7).
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(PATIENCE_S))
        .map_err(failed("setsockopt"))?;
    let done = match UnixAddr::new(path) {
        // Longer than the 108 bytes of an address: by its directory's descriptor.
        Err(Errno::ENAMETOOLONG) => connect_below(&socket, path),
        address => address.and_then(|address| connect_to(socket.as_raw_fd(), &address)),
    };
    done.map_err(failed("connect"))?;
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
