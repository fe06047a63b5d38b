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

/// Loads it. The notify descriptor, if the filter has a listener.
///
/// # Errors
/// What seccomp(2) says.
pub fn load(filter: &Filter) -> Result<Option<OwnedFd>, LoadError> {
    Ok(sys::seccomp::load(filter)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seccomp::{Action, Flags, Instruction};
    use crate::sys::caps;
    use crate::testing::solo;

    /// The same answer to everything.
    fn always(action: Action, flags: u32) -> Filter {
        Filter {
            flags: Flags(flags),
            program: vec![Instruction {
                code: 6,
                jt: 0,
                jf: 0,
                k: action.ret(),
            }],
        }
    }

    fn filters() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp_filters:"));
        line.unwrap().trim().to_owned()
    }

    solo! {
    fn loaded_as_often_as_it_is_asked() {
        let before: u32 = filters().parse().unwrap();
        assert!(load(&always(Action::Allow, Flags::SPEC_ALLOW)).unwrap().is_none());
        assert!(load(&always(Action::Log, 0)).unwrap().is_none());
        assert_eq!(filters(), (before + 2).to_string());
        let notify = load(&always(Action::Allow, Flags::NEW_LISTENER)).unwrap().unwrap();
        let flags = nix::fcntl::fcntl(&notify, nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags, libc::FD_CLOEXEC);
        // One listener is all there can be.
        let error = load(&always(Action::Allow, Flags::NEW_LISTENER)).unwrap_err().to_string();
        assert!(error.ends_with("(the caller's own filter has a notify listener already)"), "{error}");
    }
    }

    solo! {
    fn refusals_say_what_to_do() {
        let error = load(&always(Action::Allow, 1 << 31)).unwrap_err().to_string();
        assert!(
            error.starts_with("unable to init seccomp: error loading seccomp filter into kernel: seccomp SECCOMP_SET_MODE_FILTER: invalid argument"),
            "{error}"
        );
        let mut endless = always(Action::Allow, 0);
        endless.program[0].code = 0;
        assert!(load(&endless).is_err());
        endless.program = vec![endless.program[0]; 70_000];
        assert!(load(&endless).is_err());
        caps::capset(caps::Sets::default()).unwrap();
        let error = load(&always(Action::Allow, 0)).unwrap_err().to_string();
        assert!(error.ends_with("permission denied (it needs CAP_SYS_ADMIN, or `noNewPrivileges`)"), "{error}");
        caps::no_new_privs().unwrap();
        load(&always(Action::Allow, 0)).unwrap();
    }
    }
}
