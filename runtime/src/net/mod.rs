//! `linux.netDevices`: devices of the caller's network namespace are moved into the container's.
//!
//! The creator does it, when init is there and before it gets its orders: it takes privileges over both namespaces. What
//! becomes of a device when the container's namespace ends is the kernel's rule: a physical one comes back to the first
//! network namespace, a virtual one is gone.

mod netlink;

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use self::netlink::Netlink;
use crate::plan::{Namespaces, NetDevice};
use crate::sys::{self, words};

/// What could not be done, in runc's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such device.
    #[error("link not found for interface {name} on runtime namespace: {}", words(*.errno))]
    NotFound {
        /// The device.
        name: String,
        /// Why.
        errno: Errno,
    },
    /// The rest.
    #[error("{what}: {}{}", words(*.errno), taken(*.errno))]
    Failed {
        /// What was tried, on which device.
        what: String,
        /// Why not.
        errno: Errno,
    },
    /// A call beside netlink.
    #[error("{0}")]
    Sys(#[from] sys::Error),
}

fn taken(errno: Errno) -> &'static str {
    match errno {
        Errno::EEXIST => " (a device there has this name)",
        Errno::EPERM => " (it needs CAP_NET_ADMIN over both namespaces)",
        _ => "",
    }
}

/// Moves `devices` into the network namespace of the process `pid`: down, moved and renamed in one step, with the permanent
/// addresses of global scope that it had, up.
///
/// # Errors
/// The first device that fails; those before it have been moved.
pub fn relocate(devices: &[NetDevice], pid: i32) -> Result<(), Error> {
    if devices.is_empty() {
        return Ok(());
    }
    let path = format!("/proc/{pid}/ns/net");
    let open = |path: &str| {
        sys::namespace::open(path).map_err(|errno| sys::Error::new("open", path, errno))
    };
    let target = open(&path)?;
    let here = Netlink::open().map_err(|errno| sys::Error::new("socket", "netlink", errno))?;
    let there = inside(&target, &open("/proc/self/ns/net")?, &path)?;
    for device in devices {
        let (name, to) = (&device.name, &device.to);
        let failed = |what: String| move |errno| Error::Failed { what, errno };
        let link = here.link(name).map_err(|errno| Error::NotFound {
            name: name.clone(),
            errno,
        })?;
        let not_moved = || {
            failed(format!(
                "fail to move network device {name} to network namespace {path}"
            ))
        };
        // The kernel moves first and renames then: it would say so of a device that is no longer the caller's.
        if there.link(to).is_ok() {
            return Err(not_moved()(Errno::EEXIST));
        }
        // Before it is down: that takes the addresses of IPv6 away.
        let addresses = (here.addresses(link))
            .map_err(failed(format!("fail to get ip addresses of {name}")))?;
        (here.set_up(link, false)).map_err(failed(format!("fail to set link {name} down")))?;
        here.relocate(link, &target, to).map_err(|errno| {
            // It stays the caller's, and as it was.
            let _ = link.up.then(|| here.set_up(link, true));
            not_moved()(errno)
        })?;
        let link = there.link(to).map_err(failed(format!(
            "link not found for interface {to} on namespace {path}"
        )))?;
        for address in &addresses {
            there.add_address(link, address).map_err(failed(format!(
                "fail to set up an address of {name} on namespace {path}"
            )))?;
        }
        (there.set_up(link, true)).map_err(failed(format!(
            "fail to set up interface {to} on namespace {path}"
        )))?;
    }
    Ok(())
}

/// A socket of the namespace `target`. This process, which has one thread, is in `own` again afterwards.
fn inside(target: &OwnedFd, own: &OwnedFd, path: &str) -> Result<Netlink, Error> {
    sys::namespace::enter(target.as_fd(), Namespaces::NETWORK, path)?;
    let socket = Netlink::open();
    sys::namespace::enter(own.as_fd(), Namespaces::NETWORK, "/proc/self/ns/net")?;
    Ok(socket.map_err(|errno| sys::Error::new("socket", "netlink", errno))?)
}
