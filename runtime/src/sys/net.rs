//! Network devices: netdevice(7).

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Error, Result};

/// Brings the device `name` of the calling thread's network namespace up.
///
/// The flags are not read first: `SIOCSIFFLAGS` changes only the flags that may be changed, and a new loopback has none of those set.
pub fn device_up(name: &str) -> Result<()> {
    let failed = |call, errno| Error::new(call, name, errno);
    // SAFETY: ifreq is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays NUL.
    if name.len() >= request.ifr_name.len() {
        return Err(failed("ioctl(SIOCSIFFLAGS)", Errno::ENAMETOOLONG));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    #[allow(clippy::cast_possible_truncation)] // IFF_UP is 1
    {
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    }
    // Any socket of this namespace will do; a Unix one needs no protocol to be there.
    let fd = socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(|errno| failed("socket", errno))?;
    // SAFETY: the descriptor is open, and SIOCSIFFLAGS reads a live ifreq.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| failed("ioctl(SIOCSIFFLAGS)", errno))
}

/// setdomainname(2) of the calling thread's uts namespace.
pub fn set_domainname(name: &str) -> Result<()> {
    // SAFETY: the pointer and the length are those of one live string; the kernel copies it.
    let rc = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("setdomainname", "", errno))
}
