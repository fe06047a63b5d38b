//! A Unix socket to somebody outside, who may be busy.

use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::{Error, Result};

/// A stream socket that waits for room no longer than `patience_s` seconds (`EAGAIN`): in send(2), and in connect(2) as well, which waits
/// when too many are waiting to be accepted: unix(7), socket(7).
pub fn stream(patience_s: u16) -> Result<OwnedFd> {
    let failed = |call| move |errno| Error::new(call, "", errno);
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(failed("socket"))?;
    let patience = TimeVal::seconds(patience_s.into());
    setsockopt(&socket, sockopt::SendTimeout, &patience).map_err(failed("setsockopt"))?;
    Ok(socket)
}
