//! `$NOTIFY_SOCKET` (sd_notify(3)): the program of the container says that it is ready, and who has started the runtime hears of it.
//!
//! The container gets a socket of its own, in a directory of the state directory that is mounted on /run/notify: the caller's is
//! the manager's, and does not know the container's pids. Of what the program says there, its `READY=` goes on to the manager, then
//! the pid that the manager is to watch, then a barrier, whose end says that the manager has read all that.
//!
//! Neither side keeps the other waiting: what the program says is always read, and what the manager does not take is given up
//! after [`PATIENCE`].

mod dir;
mod proxy;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

pub use dir::{DIR, Ear, SOCKET, listen, make_dir, remove_dir};
pub use proxy::Proxy;

use crate::plan::{InitPlan, MountKind, MountPlan};
use crate::sys;

/// How long the manager may take to hear that the program is ready. The barrier's, in sd_notify's own client and in runc.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the container finds its socket.
const MOUNT_POINT: &str = "/run/notify";

/// Nobody will hear of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's `$NOTIFY_SOCKET`. The words are Go's, as runc has them.
    #[error("dial unixgram {path}: {}: {}", .source.call, sys::words(.source.errno))]
    Manager {
        /// As given.
        path: String,
        /// The call.
        source: sys::Error,
    },
    /// The container was created by somebody who had no `$NOTIFY_SOCKET`: it has no place to speak to. runc's words, and the reason.
    #[error(
        "listen unixgram {path}: bind: no such file or directory: the container was created without $NOTIFY_SOCKET"
    )]
    NoDirectory {
        /// The socket's path.
        path: String,
    },
    /// The container's socket.
    #[error("cannot make the container's notify socket: {0}")]
    Socket(#[from] sys::Error),
}

/// A connection to the manager.
#[derive(Debug)]
pub struct Manager(OwnedFd);

impl Manager {
    /// Connects to the socket that `address` names: a path, or with `@` first, an abstract name. Says nothing yet.
    ///
    /// # Errors
    /// [`Error::Manager`]: nobody is there.
    pub fn connect(address: &OsStr) -> Result<Self, Error> {
        let failed = |call| {
            move |errno| Error::Manager {
                path: address.to_string_lossy().into_owned(),
                source: sys::Error::new(call, "", errno),
            }
        };
        let to = match address.as_bytes() {
            [b'@', name @ ..] => UnixAddr::new_abstract(name),
            _ => UnixAddr::new(address),
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)
            .map_err(failed("socket"))?;
        to.and_then(|to| connect(socket.as_raw_fd(), &to))
            .map_err(failed("connect"))?;
        Ok(Self(socket))
    }
}

/// The container of `plan` finds its socket at the place that its environment names. The last mount: no other hides it.
pub fn add_to(plan: &mut InitPlan) {
    plan.rootfs.mounts.push(MountPlan {
        destination: MOUNT_POINT.to_owned(),
        kind: MountKind::Bind {
            // Opened by who makes it: see `make_dir`.
            source: DIR.to_owned(),
            recursive: false,
        },
        flags: libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
        cleared: 0,
        propagation: Vec::new(),
        rec_attr_set: 0,
        rec_attr_clear: 0,
        data: String::new(),
        tmpcopyup: false,
        idmap: None,
    });
    let value = format!("{MOUNT_POINT}/{SOCKET}");
    set_env(&mut plan.process.env, "NOTIFY_SOCKET", &value);
}

/// `name=value` at the end, in place of what had the name, as runc.
pub fn set_env(env: &mut Vec<String>, name: &str, value: &str) {
    env.retain(|entry| entry.split('=').next() != Some(name));
    env.push(format!("{name}={value}"));
}
