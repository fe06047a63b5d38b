//! Who holds the lock of a state directory: its creator, by number.
//!
//! The lock belongs to an open file, and the kernel tells nobody whose that is, but for /proc/PID/fdinfo (proc_pid_fdinfo(5)), which
//! shows the locks of each descriptor. All processes are looked at, for want of a better way; this is for a creator that is
//! stopped, whose container is deleted by force.

use std::os::fd::AsFd;

use nix::sys::stat::fstat;

use super::Error;
use crate::process::peer::Peer;
use crate::state::Dir;
use crate::sys::{self, pidfd};

/// The process that holds the creator's lock of `dir`; `None`: it is not to be seen from here.
///
/// # Errors
/// That of fstat(2).
pub fn find(dir: &Dir) -> Result<Option<Peer>, Error> {
    let stat = fstat(dir.as_fd())
        .map_err(|errno| sys::Error::new("fstat", "the state directory", errno))
        .map_err(Error::sys("cannot look for the container's creator"))?;
    let inode = format!(":{} ", stat.st_ino);
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if !holds(pid, &inode) {
            continue;
        }
        // What holds it now is what the descriptor names, or its number has changed hands in between: then it does not hold it.
        if let Ok(pidfd) = pidfd::open(pid)
            && holds(pid, &inode)
        {
            return Ok(Some(Peer::new(pid, pidfd)));
        }
    }
    Ok(None)
}

/// Has `pid` a descriptor with a lock of its open file on the inode? The lock's line is that of proc_locks(5):
/// `lock: 1: OFDLCK ADVISORY READ -1 00:2a:4711 0 0`
fn holds(pid: i32, inode: &str) -> bool {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo"));
    entries.into_iter().flatten().flatten().any(|entry| {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        text.lines().any(|line| {
            line.starts_with("lock:") && line.contains("OFDLCK") && line.contains(inode)
        })
    })
}
