//! What may be mounted on /proc and inside it: a fake procfs would swallow what the runtime writes there (LSM labels, sysctls).

use std::os::fd::BorrowedFd;

use nix::sys::statfs::{FsType, fstatfs};

use super::error::MountError;
use crate::sys;

/// Files that programs like lxcfs emulate.
const ALLOWED: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// `path`, in the container and free of links, relative to /proc.
fn inside(path: &str) -> Option<&str> {
    match path.strip_prefix("/proc")? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// May a filesystem of this type be mounted at `path`?
pub fn check_filesystem(path: &str, fstype: &str) -> Result<(), MountError> {
    match inside(path) {
        None => Ok(()),
        Some("") if fstype == "proc" => Ok(()),
        Some("") => Err(MountError::NotProc(path.to_owned())),
        Some(rest) => check_inside(path, rest),
    }
}

/// May `tree` be bound at `path`?
pub fn check_bind(path: &str, tree: BorrowedFd<'_>) -> Result<(), MountError> {
    const PROC_SUPER_MAGIC: FsType = FsType(0x9fa0);
    match inside(path) {
        None => Ok(()),
        Some("") => {
            let stat = fstatfs(tree).map_err(|errno| sys::Error::new("fstatfs", path, errno))?;
            if stat.filesystem_type() == PROC_SUPER_MAGIC {
                return Ok(());
            }
            Err(MountError::NotProc(path.to_owned()))
        }
        Some(rest) => check_inside(path, rest),
    }
}

fn check_inside(path: &str, rest: &str) -> Result<(), MountError> {
    if ALLOWED.contains(&rest) {
        Ok(())
    } else {
        Err(MountError::InsideProc(path.to_owned()))
    }
}
