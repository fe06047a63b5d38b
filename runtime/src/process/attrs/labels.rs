//! AppArmor profile and SELinux label of the process: both wait in the kernel for the execve.
//!
//! They are written through the host's /proc, before the root changes: the container's may be anything (CVE-2019-16884,
//! CVE-2025-52881). And after the createContainer hooks, which are not to be confined by them.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, fstatfs, statfs};
use nix::sys::statvfs::FsFlags;
use nix::unistd::write;

use super::Error;
use crate::plan::Execution;
use crate::sys;

/// linux/magic.h: `SELINUX_MAGIC`
const SELINUX_MAGIC: u32 = 0xf97c_ff8c;

/// Where the labels are written: the host's /proc.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a>(Option<BorrowedFd<'a>>);

/// The next execve changes to the plan's profile, to the plan's label.
///
/// # Errors
/// As [`Labels::on_exec`].
pub fn on_exec(plan: &Execution) -> Result<(), Error> {
    Labels::below(None).on_exec(plan)
}

/// The label of the keys that this process makes; an empty one: the kernel's choice.
///
/// # Errors
/// As [`Labels::of_keys`].
pub fn of_keys(label: &str) -> Result<(), Error> {
    Labels::below(None).of_keys(label)
}

impl<'a> Labels<'a> {
    /// By a descriptor of the host's /proc, for who has joined another mount namespace; `None`: /proc is the host's.
    pub fn below(proc: Option<BorrowedFd<'a>>) -> Self {
        Self(proc)
    }

    /// The next execve changes to the plan's profile, to the plan's label.
    ///
    /// # Errors
    /// "unable to apply apparmor profile: ...", "can't set process label: ...".
    pub fn on_exec(self, plan: &Execution) -> Result<(), Error> {
        if !plan.apparmor_profile.is_empty() {
            let text = format!("exec {}", plan.apparmor_profile);
            self.set("/proc/self/attr/apparmor/exec", &text)
                .map_err(|source| Error::AppArmor {
                    hint: match (source.call, source.errno) {
                        ("write", Errno::ENOENT) => " (no such profile is loaded)",
                        (_, Errno::ENOENT | Errno::EINVAL) => " (AppArmor is not enabled here)",
                        _ => "",
                    },
                    source,
                })?;
        }
        if !plan.selinux_label.is_empty() {
            self.set("/proc/self/attr/exec", &plan.selinux_label)
                .map_err(Error::ProcessLabel)?;
        }
        Ok(())
    }

    /// The label of the keys that this process makes; an empty one: the kernel's choice.
    ///
    /// # Errors
    /// The call's. A kernel without the file has no labels of keys.
    pub fn of_keys(self, label: &str) -> Result<(), Error> {
        match self.set("/proc/self/attr/keycreate", label) {
            Err(error) if error.call == "open" && error.errno == Errno::ENOENT => Ok(()),
            other => Ok(other?),
        }
    }

    fn set(self, path: &'static str, text: &str) -> sys::Result<()> {
        let error = |call, errno| sys::Error::new(call, path, errno);
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = match self.0 {
            None => open(path, flags, Mode::empty()),
            Some(proc) => {
                let below = path.trim_start_matches("/proc/");
                openat(proc, below, flags, Mode::empty())
            }
        }
        .map_err(|errno| error("open", errno))?;
        let fs = fstatfs(&file).map_err(|errno| error("fstatfs", errno))?;
        if fs.filesystem_type() != PROC_SUPER_MAGIC {
            return Err(error("open (not a procfs)", Errno::ENODEV));
        }
        write(&file, text.as_bytes())
            .map(drop)
            .map_err(|errno| error("write", errno))
    }
}

/// Is SELinux in force? As libselinux and runc ask: its file system is mounted, and can be written to.
pub fn selinux_enabled() -> bool {
    statfs("/sys/fs/selinux").is_ok_and(|fs| {
        // The type's sign is the architecture's choice.
        fs.filesystem_type() == FsType(i64::from(SELINUX_MAGIC))
            && !fs.flags().contains(FsFlags::ST_RDONLY)
    })
}
