//! Bind mounts: cloned, given their flags while nobody can see them, and only then attached.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use nix::sys::statvfs::FsFlags;

use super::attr;
use super::error::MountError;
use super::path::{Located, Make, Root};
use super::proc;
use crate::plan::MountPlan;
use crate::sys::mount::{SetAttr, attach, clone_tree, describe, set_attr};
use crate::sys::{self, path as fs};

/// A missing source is what people get wrong; runc finds out by stat, and says so.
pub(super) fn missing(error: sys::Error) -> sys::Error {
    match error.errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES => sys::Error {
            call: "stat",
            ..error
        },
        _ => error,
    }
}

/// Bind-mounts `source` as `mount` wants it; `opened`: the creator has cloned it.
pub fn bind(
    root: &Root,
    mount: &MountPlan,
    source: &str,
    recursive: bool,
    opened: Option<OwnedFd>,
) -> Result<(), MountError> {
    let tree = match opened {
        Some(tree) => tree,
        // Never unmapped where a mapping was asked for.
        None if mount.idmap.is_some() => {
            return Err(sys::Error::new("open_tree", source, Errno::EBADF).into());
        }
        None => clone_tree(fs::HERE, source, recursive, source).map_err(missing)?,
    };
    configure(tree.as_fd(), mount, source)?;
    // As it is spelt, before anything is made; and where it really is.
    proc::check_bind(&mount.destination, tree.as_fd())?;
    let target = target(root, mount, tree.as_fd(), source)?;
    if target.path != mount.destination {
        proc::check_bind(&target.path, tree.as_fd())?;
    }
    attach(tree.as_fd(), target.fd.as_fd(), "").map_err(|error| {
        let flags = libc::MS_BIND | if recursive { libc::MS_REC } else { 0 };
        let object = describe(source, &mount.destination, flags, "");
        let errno = mismatch(error.errno, tree.as_fd(), target.fd.as_fd());
        sys::Error {
            call: "mount",
            object,
            errno,
        }
    })?;
    // Now that it is there: what is attached below a shared mount becomes shared with it, and what is unbindable cannot be.
    super::propagate(tree.as_fd(), &mount.propagation, source)?;
    root.done(target.fd);
    root.done(tree);
    Ok(())
}

/// The mount point, made if it is missing: a directory for a directory, else a file.
fn target(
    root: &Root,
    mount: &MountPlan,
    tree: BorrowedFd<'_>,
    source: &str,
) -> sys::Result<Located> {
    root.ensure_with(&mount.destination, || {
        Ok(if is_dir(tree, source)? {
            Make::Dir
        } else {
            Make::File
        })
    })
}

fn is_dir(fd: BorrowedFd<'_>, shown: &str) -> sys::Result<bool> {
    Ok(
        SFlag::from_bits_truncate(fs::stat_fd(fd, shown)?.st_mode) & SFlag::S_IFMT
            == SFlag::S_IFDIR,
    )
}

/// move_mount says EINVAL where mount(2) says ENOTDIR; people know the latter.
fn mismatch(errno: Errno, tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Errno {
    if errno == Errno::EINVAL && is_dir(tree, "").ok() != is_dir(target, "").ok() {
        Errno::ENOTDIR
    } else {
        errno
    }
}

/// Flags and recursive attributes, in runc's order.
fn configure(tree: BorrowedFd<'_>, mount: &MountPlan, source: &str) -> sys::Result<()> {
    // No option at all, not even a clearing one: the source's flags stay.
    let change = if mount.flags != 0 || mount.cleared != 0 {
        attr::remount(mount.flags)
    } else {
        SetAttr::default()
    };
    if !change.is_empty() {
        match set_attr(tree, change, false, source) {
            Err(error) if error.errno == Errno::EPERM => keep_locked(tree, mount, source, error)?,
            done => done?,
        }
    }
    super::recursive_attrs(tree, mount, source)
}

/// runc's second try, with the flags that the source's mount has locked. The first error stands where it cannot help.
fn keep_locked(
    tree: BorrowedFd<'_>,
    mount: &MountPlan,
    source: &str,
    error: sys::Error,
) -> sys::Result<()> {
    let flags = nix::sys::statvfs::fstatvfs(tree).map_or(FsFlags::empty(), |stat| stat.flags());
    // The ST_* of statvfs are the MS_* of the same names, for the ones that can be locked.
    let Some(flags) = attr::keep_locked(mount.flags, mount.cleared, st_to_ms(flags.bits())) else {
        return Err(error);
    };
    set_attr(tree, attr::remount(flags), false, source)
}

/// statfs(2)'s `ST_*` are `MS_*` but for relatime.
fn st_to_ms(flags: u64) -> u64 {
    const ST_RELATIME: u64 = 4096;
    let same = flags
        & (libc::MS_RDONLY
            | libc::MS_NOSUID
            | libc::MS_NODEV
            | libc::MS_NOEXEC
            | libc::MS_NOATIME
            | libc::MS_NODIRATIME);
    if flags & ST_RELATIME == 0 {
        same
    } else {
        same | libc::MS_RELATIME
    }
}

/// Binds the single object at `source`, a host path, on `target`: the stand-in for a device node.
pub fn bind_object(source: &str, target: BorrowedFd<'_>, shown: &str) -> sys::Result<OwnedFd> {
    let tree = clone_tree(fs::HERE, source, false, shown)?;
    attach(tree.as_fd(), target, shown)?;
    Ok(tree)
}
