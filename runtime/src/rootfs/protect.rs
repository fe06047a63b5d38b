//! The last touches, inside the container: what must not be written and what must not be seen.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::error::Error;
use super::mounts::{context, is_late_readonly};
use super::path::Root;
use crate::plan::RootfsPlan;
use crate::sys::mount::{SetAttr, attach, attach_at, attr, clone_tree, mount, set_attr};
use crate::sys::{self, path as fs};

const READONLY: SetAttr = SetAttr {
    set: attr::RDONLY,
    clear: 0,
    propagation: 0,
};

/// Makes the mounts read-only that had to be writable until now, and the root if asked.
pub fn readonly_mounts(root: &Root, plan: &RootfsPlan) -> Result<(), Error> {
    let fail = |path: &str| {
        let path = path.to_owned();
        move |cause| Error::Readonly { path, cause }
    };
    for mount in plan.mounts.iter().filter(|mount| is_late_readonly(mount)) {
        let dest = &mount.destination;
        let top = root.find(dest).map_err(fail(dest))?;
        set_attr(top.fd.as_fd(), READONLY, false, dest).map_err(fail(dest))?;
        root.done(top.fd);
    }
    if plan.readonly {
        set_attr(root.as_fd(), READONLY, false, "/").map_err(fail("/"))?;
    }
    Ok(())
}

/// `linux.readonlyPaths`: each is bound onto itself, the copy being read-only before anybody sees it. What does not exist needs nothing.
pub fn readonly_paths(root: &Root, paths: &[String]) -> Result<(), Error> {
    paths.iter().try_for_each(|path| {
        readonly_path(root, path).map_err(|cause| Error::ReadonlyPath {
            path: path.clone(),
            cause,
        })
    })
}

fn readonly_path(root: &Root, path: &str) -> sys::Result<()> {
    let target = match root.find(path) {
        Err(error) if error.errno == Errno::ENOENT => return Ok(()),
        found => found?,
    };
    let tree = clone_tree(target.fd.as_fd(), "", true, path)?;
    set_attr(tree.as_fd(), READONLY, false, path)?;
    attach(tree.as_fd(), target.fd.as_fd(), path)?;
    root.done(tree);
    root.done(target.fd);
    Ok(())
}

/// `linux.maskedPaths`: a file becomes /dev/null, a directory an empty one. What does not exist needs no mask.
///
/// Paths are absolute in the calling process's root, which is the container's by now; a trailing link is followed, as runc does.
pub fn mask_paths(root: &Root, paths: &[String], label: &str) -> Result<(), Error> {
    let Some(first) = paths.first() else {
        return Ok(());
    };
    let mut masks = Masks {
        root,
        next_null: Some(null_device(first)?),
        null: None,
        empty: None,
        empty_at: None,
        data: if label.is_empty() {
            String::new()
        } else {
            context(label, "")
        },
    };
    for path in paths {
        masks.mask(path).map_err(|cause| Error::Mask {
            path: path.clone(),
            cause,
        })?;
    }
    masks
        .null
        .into_iter()
        .chain(masks.next_null)
        .chain(masks.empty)
        .for_each(|fd| root.done(fd));
    Ok(())
}

/// What masks: one of each kind, and copies of it.
struct Masks<'a> {
    root: &'a Root,
    /// A copy of /dev/null that masks nothing yet.
    next_null: Option<OwnedFd>,
    /// The first that masks something: what further copies are taken of (older kernels copy no detached mount).
    null: Option<OwnedFd>,
    /// The path of the first empty directory.
    empty_at: Option<&'a str>,
    /// How it is mounted: with `mountLabel`.
    data: String,
    /// A copy of it in use elsewhere.
    empty: Option<OwnedFd>,
}

impl<'a> Masks<'a> {
    fn mask(&mut self, path: &'a str) -> sys::Result<()> {
        // One call finds and covers the path, so nothing can be exchanged in between; and what is missing costs no more than that.
        match self.file(path) {
            Err(error) if error.errno == Errno::ENOENT => Ok(()),
            // Not a file, then.
            Err(error) if matches!(error.errno, Errno::EINVAL | Errno::ENOTDIR) => {
                self.directory(path)
            }
            done => done,
        }
    }

    fn file(&mut self, path: &str) -> sys::Result<()> {
        let tree = match (self.next_null.take(), &self.null) {
            (None, Some(null)) => clone_tree(null.as_fd(), "", false, path)?,
            (Some(next), _) => next,
            (None, None) => return Err(sys::Error::new("open_tree", "/dev/null", Errno::ENOENT)),
        };
        if let Err(error) = attach_at(tree.as_fd(), fs::HERE, path, path) {
            self.next_null = Some(tree);
            return Err(error);
        }
        keep_one(&mut self.null, tree, self.root);
        Ok(())
    }

    /// A tmpfs is dear (about 50 µs), a copy of one is not.
    fn directory(&mut self, path: &'a str) -> sys::Result<()> {
        let copy = match (&self.empty, self.empty_at) {
            (Some(empty), _) => Some(clone_tree(empty.as_fd(), "", false, path)?),
            (None, Some(first)) => Some(clone_tree(fs::HERE, first, false, path)?)
                .filter(|tree| is_readonly_tmpfs(tree.as_fd())),
            (None, None) => None,
        };
        let Some(tree) = copy else {
            mount("tmpfs", path, "tmpfs", libc::MS_RDONLY, &self.data, path)?;
            self.empty_at = Some(path);
            return Ok(());
        };
        attach_at(tree.as_fd(), fs::HERE, path, path)?;
        keep_one(&mut self.empty, tree, self.root);
        Ok(())
    }
}

fn keep_one(kept: &mut Option<OwnedFd>, tree: OwnedFd, root: &Root) {
    match kept {
        None => *kept = Some(tree),
        Some(_) => root.done(tree),
    }
}

/// The copy was taken by path: is it of what was mounted there?
fn is_readonly_tmpfs(tree: BorrowedFd<'_>) -> bool {
    nix::sys::statfs::fstatfs(tree).is_ok_and(|stat| {
        stat.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC
            && stat.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY)
    })
}

/// A copy of the container's /dev/null, verified on the copy itself: an image that has something else there would have it put over
/// every masked path (CVE-2025-31133).
fn null_device(first: &str) -> Result<OwnedFd, Error> {
    let fail = |cause| Error::Mask {
        path: first.to_owned(),
        cause,
    };
    let tree = clone_tree(fs::HERE, "/dev/null", false, "/dev/null").map_err(fail)?;
    if fs::is_null(tree.as_fd(), "/dev/null").map_err(fail)? {
        Ok(tree)
    } else {
        Err(Error::NotNull)
    }
}
