//! `tmpcopyup`: a tmpfs starts with the contents of the directory that it covers.
//!
//! The covered directory is opened before the mount and read through that handle, so no scratch directory is needed, and nothing in it is
//! resolved by a path of more than one component.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag};
use nix::unistd::{Gid, Uid};

use super::path::Root;
use crate::sys::{self, path as fs};

/// Opens the directory that is going to be covered; `None` when there is none yet.
pub fn open(root: &Root, dest: &str) -> sys::Result<Option<Dir>> {
    let covered = match root.find(dest) {
        Err(error) if error.errno == Errno::ENOENT => return Ok(None),
        found => found?,
    };
    let readable = fs::open_at(
        covered.fd.as_fd(),
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY,
    )?;
    dir(readable, dest).map(Some)
}

fn dir(fd: OwnedFd, shown: &str) -> sys::Result<Dir> {
    Dir::from_fd(fd).map_err(|errno| sys::Error::new("fdopendir", shown, errno))
}

/// Copies what is in `from` into `to`: directories, files, links, nodes, with owners and modes.
pub fn copy(mut from: Dir, to: BorrowedFd<'_>, shown: &str) -> sys::Result<()> {
    let fail = |errno| sys::Error::new("tmpcopyup", shown, errno);
    let mut names = Vec::new();
    for entry in from.iter() {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push((name, entry.file_type()));
        }
    }
    let source = from.as_fd();
    for (name, kind) in names {
        let name = name.as_c_str();
        let stat =
            nix::sys::stat::fstatat(source, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(fail)?;
        let mode = Mode::from_bits_truncate(stat.st_mode);
        let format = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        match format {
            SFlag::S_IFDIR => {
                nix::sys::stat::mkdirat(to, name, Mode::S_IRWXU).map_err(fail)?;
                let below =
                    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let inner = nix::fcntl::openat(source, name, below, Mode::empty()).map_err(fail)?;
                let target = nix::fcntl::openat(to, name, below, Mode::empty()).map_err(fail)?;
                copy(dir(inner, shown)?, target.as_fd(), shown)?;
            }
            SFlag::S_IFREG => copy_file(source, to, name).map_err(fail)?,
            SFlag::S_IFLNK => {
                let target = nix::fcntl::readlinkat(source, name).map_err(fail)?;
                nix::unistd::symlinkat(target.as_os_str(), to, name).map_err(fail)?;
            }
            _ => nix::sys::stat::mknodat(to, name, format, Mode::S_IRWXU, stat.st_rdev)
                .map_err(fail)?,
        }
        // The owner first: chown clears set-user-ID bits.
        own(to, name, &stat).map_err(fail)?;
        if kind != Some(Type::Symlink) && format != SFlag::S_IFLNK {
            nix::sys::stat::fchmodat(to, name, mode, nix::sys::stat::FchmodatFlags::FollowSymlink)
                .map_err(fail)?;
        }
    }
    Ok(())
}

fn own(to: BorrowedFd<'_>, name: &std::ffi::CStr, stat: &FileStat) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    nix::unistd::fchownat(to, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn copy_file(source: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &std::ffi::CStr) -> nix::Result<()> {
    let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let write =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut from = File::from(nix::fcntl::openat(source, name, read, Mode::empty())?);
    let mut into = File::from(nix::fcntl::openat(
        to,
        name,
        write,
        Mode::S_IRUSR | Mode::S_IWUSR,
    )?);
    io::copy(&mut from, &mut into)
        .map(drop)
        .map_err(|error| sys::errno_of(&error))
}
