//! The last touches, inside the container: what must not be written and what must not be seen.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::error::Error;
use super::mounts::is_late_readonly;
use super::path::Root;
use crate::plan::RootfsPlan;
use crate::sys::mount::{SetAttr, attach, attach_at, attr, clone_tree, new_tmpfs, set_attr};
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

/// A mount that is attached in many places: one is made, the others are copies.
#[derive(Default)]
struct Stamp {
    /// In use somewhere: what copies are taken of (older kernels copy no detached mount).
    attached: Option<OwnedFd>,
    /// Detached, for the next use.
    next: Option<OwnedFd>,
}

impl Stamp {
    /// Puts one on `path`.
    fn press(
        &mut self,
        root: &Root,
        path: &str,
        make: impl FnOnce() -> sys::Result<OwnedFd>,
    ) -> sys::Result<()> {
        let tree = match (self.next.take(), &self.attached) {
            (Some(next), _) => next,
            (None, Some(attached)) => clone_tree(attached.as_fd(), "", false, path)?,
            (None, None) => make()?,
        };
        // One step finds and covers the path, so nothing can be exchanged in between; and what is missing costs one call.
        match attach_at(tree.as_fd(), fs::HERE, path, path) {
            Ok(()) if self.attached.is_none() => self.attached = Some(tree),
            Ok(()) => root.done(tree),
            Err(error) => {
                self.next = Some(tree);
                return Err(error);
            }
        }
        Ok(())
    }

    fn done(self, root: &Root) {
        self.attached
            .into_iter()
            .chain(self.next)
            .for_each(|fd| root.done(fd));
    }
}

/// `linux.maskedPaths`: a file becomes /dev/null, a directory an empty one. What does not exist needs no mask.
///
/// Paths are absolute in the calling process's root, which is the container's by now; a trailing link is followed, as runc does.
pub fn mask_paths(root: &Root, paths: &[String]) -> Result<(), Error> {
    let Some(first) = paths.first() else {
        return Ok(());
    };
    let mut null = Stamp {
        next: Some(null_device(first)?),
        ..Stamp::default()
    };
    let mut empty = Stamp::default();
    for path in paths {
        let fail = |cause| Error::Mask {
            path: path.clone(),
            cause,
        };
        let masked = null.press(root, path, || {
            Err(sys::Error::new("open_tree", "/dev/null", Errno::ENOENT))
        });
        match masked {
            Ok(()) => {}
            Err(error) if error.errno == Errno::ENOENT => {}
            // Not a file, then: a directory.
            Err(error) if matches!(error.errno, Errno::EINVAL | Errno::ENOTDIR) => {
                empty
                    .press(root, path, || new_tmpfs(attr::RDONLY, path))
                    .map_err(fail)?;
            }
            Err(error) => return Err(fail(error)),
        }
    }
    null.done(root);
    empty.done(root);
    Ok(())
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
