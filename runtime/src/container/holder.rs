//! Who holds the lock of a state directory: its creator, by number.
//!
//! The lock belongs to an open file, and the kernel tells nobody whose that is, but for /proc/PID/fdinfo (proc_pid_fdinfo(5)), which
//! shows the locks of each descriptor. All processes are looked at, for want of a better way; this is for a creator that is
//! stopped, whose container is deleted by force.

use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::{fstat, stat};

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
    let file = (stat.st_dev, stat.st_ino);
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if !holds(pid, file) {
            continue;
        }
        // What holds it now is what the descriptor names, or its number has changed hands in between: then it does not hold it.
        if let Ok(pidfd) = pidfd::open(pid)
            && holds(pid, file)
        {
            return Ok(Some(Peer::new(pid, pidfd)));
        }
    }
    Ok(None)
}

/// Has `pid` a descriptor with a lock of its open file on `file` (device and inode)? The lock's line is that of proc_locks(5):
/// `lock: 1: OFDLCK ADVISORY READ -1 00:2a:4711 0 0`. Its device is not always that of stat(2) (btrfs), and an inode's number alone is
/// also that of files elsewhere: so the descriptor itself is asked.
fn holds(pid: i32, file: (u64, u64)) -> bool {
    let inode = format!(":{} ", file.1);
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo"));
    entries.into_iter().flatten().flatten().any(|entry| {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let locked = text.lines().any(|line| {
            line.starts_with("lock:") && line.contains("OFDLCK") && line.contains(&inode)
        });
        let own = Path::new("/proc").join(pid.to_string()).join("fd");
        locked
            && stat(&own.join(entry.file_name()))
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == file)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::*;
    use crate::state::Id;
    use crate::sys::lock;
    use crate::testing::solo;

    solo! {
        /// Numbers of inodes are each file system's own: who has locked a file of the same number elsewhere is not to be killed.
        fn a_file_of_the_same_number_elsewhere() {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let (none, flags) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
            mount(none, "/", none, flags, none).unwrap();
            let dir = std::env::temp_dir().join(format!("holder-{}", std::process::id()));
            std::fs::create_dir(&dir).unwrap();
            mount(Some("tmpfs"), &dir, Some("tmpfs"), MsFlags::empty(), none).unwrap();
            let [here, there] = ["here", "there"].map(|name| {
                let root = dir.join(name);
                std::fs::create_dir(&root).unwrap();
                mount(Some("tmpfs"), &root, Some("tmpfs"), MsFlags::empty(), none).unwrap();
                std::fs::create_dir(root.join("x")).unwrap();
                Dir::open(&root, &Id::parse("x").unwrap()).unwrap()
            });
            let inode = |dir: &Dir| fstat(dir.as_fd()).unwrap().st_ino;
            assert_eq!(inode(&here), inode(&there));
            assert!(lock::hold(there.as_fd(), 0).unwrap());
            assert!(find(&here).unwrap().is_none());
            let own = std::process::id().cast_signed();
            assert_eq!(find(&there).unwrap().map(|holder| holder.pid()), Some(own));
            // The mounts end with this process.
            let _ = std::fs::remove_dir(&dir);
        }
    }
}
