//! User namespaces: whether the caller is in one; and one as a pair of id mappings, with nobody in it: what mount_setattr(2) takes for an
//! id-mapped mount.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::{Error, Result};

/// Is the calling process in another user namespace than the machine's first one? As runc: told by its map of users.
pub fn is_inside() -> bool {
    const FIRST: [&str; 3] = ["0", "0", "4294967295"];
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.is_empty() && !map.split_whitespace().eq(FIRST)
}

/// A new user namespace with these mappings, each in the form of /proc/PID/uid_map (user_namespaces(7)).
///
/// A child is born in it, for as long as it takes to write the maps and to open the namespace. The caller has one thread.
///
/// # Errors
/// Of the call or the file that refused: `EINVAL` for mappings that overlap, `EPERM` without CAP_SETUID and CAP_SETGID.
pub fn with_maps(uid_map: &str, gid_map: &str) -> Result<OwnedFd> {
    let child = Child::start()?;
    let file = |name: &str| format!("/proc/{}/{name}", child.0);
    for (name, map) in [("uid_map", uid_map), ("gid_map", gid_map)] {
        let path = file(name);
        File::options()
            .write(true)
            .open(&path)
            // One write: the kernel takes no second one.
            .and_then(|mut file| file.write_all(map.as_bytes()))
            .map_err(|error| Error::io("write", format!("{name} of an id-mapped mount"), &error))?;
    }
    File::open(file("ns/user"))
        .map(OwnedFd::from)
        .map_err(|error| {
            Error::io(
                "open",
                "the user namespace of an id-mapped mount".to_owned(),
                &error,
            )
        })
}

/// A process that only waits for its end. Not collected before it is dropped: until then its number is its own.
struct Child(i32);

impl Child {
    fn start() -> Result<Self> {
        let parent = nix::unistd::getpid().as_raw();
        // No signal at its end: SIGCHLD is for init's.
        // SAFETY: as fork(2), without a new stack: the child goes on in a copy of this memory. It makes only the calls below, which need
        // neither locks nor memory, and ends there.
        let pid =
            unsafe { libc::syscall(libc::SYS_clone, i64::from(libc::CLONE_NEWUSER), 0, 0, 0, 0) };
        match i32::try_from(pid).unwrap_or(-1) {
            0 => loop {
                // SAFETY: no memory is passed. A parent that dies takes the child along, also if it has died already.
                unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    if libc::getppid() != parent {
                        libc::_exit(0);
                    }
                    libc::pause();
                }
            },
            -1 => Err(Error::last("clone", "a new user namespace".to_owned())),
            pid => Ok(Self(pid)),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0);
        // Ours, and not collected: it can be neither gone nor another.
        if nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).is_ok() {
            let how = WaitPidFlag::WEXITED | WaitPidFlag::__WALL;
            while waitid(Id::Pid(pid), how) == Err(Errno::EINTR) {}
        }
        // Otherwise it lives as long as this process: to wait for it would be for ever.
    }
}
