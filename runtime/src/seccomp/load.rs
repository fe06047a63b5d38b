//! Init's part: the filter into the kernel.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::Filter;
use crate::sys;

/// Why there is no filter; the container does not run then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to init seccomp: error loading seccomp filter into kernel: {source}{}", hint(.source))]
pub struct LoadError {
    /// The kernel's answer.
    #[from]
    source: sys::Error,
}

/// What to do about it.
fn hint(error: &sys::Error) -> &'static str {
    match error.errno {
        Errno::EACCES => " (it needs CAP_SYS_ADMIN, or `noNewPrivileges`)",
        Errno::EINVAL => {
            " (this kernel does not know one of its flags, or was built without filters)"
        }
        Errno::ENOMEM => " (the memory limit is too low, or too many filters are nested)",
        Errno::EBUSY => " (the caller's own filter has a notify listener already)",
        _ => "",
    }
}

impl LoadError {
    /// What the kernel would say to a process without the privilege.
    pub fn unprivileged() -> Self {
        sys::Error::new("seccomp", "SECCOMP_SET_MODE_FILTER", Errno::EACCES).into()
    }
}

/// Loads it. The notify descriptor, if the filter has a listener.
///
/// # Errors
/// What seccomp(2) says.
pub fn load(filter: &Filter) -> Result<Option<OwnedFd>, LoadError> {
    Ok(sys::seccomp::load(filter)?)
}
