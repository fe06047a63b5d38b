//! A process goes into its groups.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::error::{Error, Result};
use super::file;
use super::path::CgroupPaths;
use crate::sys::{self, close::Batch};

/// The doors of a container's groups, opened: for a child that is *born* in them.
///
/// The v2 group takes it with `CLONE_INTO_CGROUP`; into the v1 groups it walks by itself, before its first instruction
/// of another program, by writing "0" to each `tasks` file ([`crate::sys::clone::spawn_in`] does both). For this the
/// kernel needs no lock over all processes; for a write of somebody else's number ([`join`]) it does, and waits for an
/// RCU grace period whenever nobody has done so just before: 14 to 27 ms, measured on an idle 2-CPU machine, where a
/// whole container start takes 3.
#[derive(Debug)]
pub struct Entrance {
    v2: Option<OwnedFd>,
    names: Vec<String>,
    tasks: Vec<OwnedFd>,
}

impl Entrance {
    /// Opens them: one call a hierarchy.
    ///
    /// # Errors
    /// The group that is not there.
    pub fn open(paths: &CgroupPaths) -> Result<Self> {
        let mut entrance = Self {
            v2: None,
            names: Vec::new(),
            tasks: Vec::new(),
        };
        let v2 = paths.get("");
        for directory in paths.directories() {
            if v2 == Some(directory) {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
                entrance.v2 = Some(file::open_file(directory, flags)?);
            } else {
                let path = format!("{directory}/tasks");
                entrance
                    .tasks
                    .push(file::open_file(&path, OFlag::O_WRONLY)?);
                entrance.names.push(path);
            }
        }
        Ok(entrance)
    }

    /// The directory for `CLONE_INTO_CGROUP`.
    pub fn v2(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(AsFd::as_fd)
    }

    /// The v1 `tasks` files, in the order in which they are to be entered.
    pub fn tasks(&self) -> Vec<BorrowedFd<'_>> {
        self.tasks.iter().map(AsFd::as_fd).collect()
    }

    /// Closes the doors together with what else is in the batch.
    pub fn close_with(&mut self, batch: &mut Batch) {
        let doors = self.tasks.drain(..).chain(self.v2.take());
        doors.for_each(|fd| batch.push(fd));
    }

    /// The error of a child that was refused at a place in [`tasks`](Self::tasks).
    pub fn refusal(&self, place: usize, errno: Errno) -> Error {
        let path = self.names.get(place).map_or("tasks", String::as_str);
        Error::Write {
            value: "0".to_owned(),
            source: sys::Error::new("write", path, errno),
        }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        // Together, in one call.
        let mut batch = Batch::with_capacity(self.tasks.len() + 1);
        self.close_with(&mut batch);
    }
}

/// Puts process `pid` into every group. The first group is the one by which `kill_all` finds it, so a creator that
/// dies half-way leaves nothing that cannot be found.
///
/// For a process that is there already; one that is yet to be made is better born there: [`Entrance`] says why.
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
