//! `run` without `--detach`: wait for the container's process, pass signals on to it, show its terminal.
//!
//! Without a terminal the process has the caller's own standard streams, and all there is to do is to wait: one call for
//! each signal, one to reap. With one, `relay` carries bytes between its pty and the caller's streams.

mod buffer;
mod relay;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use relay::wait_with_console;

use crate::notify::Proxy;
use crate::sys::{self, signal};
use crate::tty;

/// The container's process can no longer be attended to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Waiting failed.
    #[error("{0}")]
    Call(#[from] sys::Error),
    /// The caller's terminal or the container's failed.
    #[error("{0}")]
    Terminal(#[from] tty::Error),
}

/// How long output that nobody takes is kept after the container's end (no byte taken in that time): a pager that is looked at
/// keeps what it is shown first, and a reader that is stopped for ever does not keep `run` for ever.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Before the clone: signals stay pending until they can be passed on, and the end of a child is always told.
///
/// `subreaper`: the container's orphans come to us to be reaped, unless its pid namespace has an init of its own for that.
///
/// # Errors
/// What the kernel says.
pub fn prepare(subreaper: bool) -> Result<(), Error> {
    signal::block_all()?;
    // Where the caller ignores SIGCHLD, so would we: the kernel would reap our children, and their status be lost.
    signal::set_default(libc::SIGCHLD)?;
    if subreaper {
        signal::become_subreaper()?;
    }
    Ok(())
}

/// Waits for `pid`, a child of ours, and reaps it. Passes on signals meanwhile, and what the container says to `proxy`, and reaps
/// other children. Needs [`prepare`].
///
/// Returns its exit status, or 128 + the signal that ended it.
///
/// # Errors
/// What the kernel says.
pub fn wait(pid: i32, proxy: Option<&mut Proxy>) -> Result<i32, Error> {
    if let Some(proxy) = proxy {
        return relay::wait_with_proxy(pid, proxy);
    }
    loop {
        let signal = signal::wait_any()?;
        if let Some(code) = attend(pid, signal)? {
            return Ok(code);
        }
    }
}

/// Does what `signal` asks for; `Some`: `pid` has ended so.
fn attend(pid: i32, signal: i32) -> Result<Option<i32>, Error> {
    match signal {
        libc::SIGCHLD => {
            while let Some(exit) = signal::reap_any()? {
                if exit.pid == pid {
                    return Ok(Some(exit.code));
                }
            }
        }
        // Not passed on by runc either: the first is for whoever has the terminal, the second is Go's own.
        libc::SIGWINCH | libc::SIGURG => (),
        _ => {
            // `pid` is ours to reap and not yet reaped, so the number is still its own.
            if let Err(error) = signal::kill(pid, signal) {
                tracing::error!("{error}");
            }
        }
    }
    Ok(None)
}
