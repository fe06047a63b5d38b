//! A process goes into its groups.

use nix::fcntl::OFlag;

use super::error::Result;
use super::file;
use super::path::CgroupPaths;
use crate::sys::close::Batch;

/// Puts process `pid` into every group. The first group is the one by which `kill_all` finds it, so a creator that
/// dies half-way leaves nothing that cannot be found.
///
/// On v1 the first write after a quiet time waits for an RCU grace period (some milliseconds, whatever is written):
/// call it while init has other work to do. The others follow in microseconds.
///
/// # Errors
/// The group that refused, with the kernel's reason: `ESRCH` if the process is gone.
pub fn join(paths: &CgroupPaths, pid: i32) -> Result<()> {
    let directories = paths.directories();
    let mut batch = Batch::with_capacity(directories.len());
    let pid = pid.to_string();
    let mut path = String::with_capacity(160);
    for directory in directories {
        path.clear();
        path.push_str(directory);
        path.push_str("/cgroup.procs");
        let fd = file::open_file(&path, OFlag::O_WRONLY)?;
        file::write_to(&fd, &path, &pid)?;
        batch.push(fd);
    }
    Ok(())
}
