//! Paths inside the container's root, resolved so that they cannot leave it.
//!
//! Every descriptor here comes from one openat2(2) below the root's descriptor that crosses no link at all. When a path does have links,
//! [`Root`] expands them itself, as the container would see them (an absolute target starts at the root, `..` stops there), and opens the
//! result, which has none. So a wrong or outraced expansion can give an error, never a place outside: the kernel checks the last step.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::SFlag;

use crate::sys::close::Batch;
use crate::sys::{self, path as fs};

/// As many links in one path as the kernel follows (`MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;

/// Below the root, no link of any kind.
const PLAIN: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;

/// How many descriptors are kept open for being closed together: far below the usual soft limit of 1,024.
const KEPT: u32 = 128;

/// The root of the container, open.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// Handles that are done with. They are all closed before the container's working directory is looked up: a handle on what a mount covers
    /// would be a way around that mount (CVE-2024-21626).
    done: RefCell<(u32, Batch)>,
}

/// Something below the root: open with `O_PATH`, and where it really is.
#[derive(Debug)]
pub struct Located {
    /// The handle.
    pub fd: OwnedFd,
    /// Its path in the container, absolute and free of links.
    pub path: String,
    /// It did not exist and was made.
    pub made: bool,
}

/// What a missing target is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// A directory, mode 0755.
    Dir,
    /// An empty file, mode 0755 as runc makes it, in directories of mode 0755.
    File,
}

impl Root {
    /// The root that `fd` is open on.
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            done: RefCell::default(),
        }
    }

    /// The calling process's own root: right only after it has moved into the container.
    pub fn own() -> sys::Result<Self> {
        fs::open_at(fs::HERE, "/", OFlag::O_PATH | OFlag::O_DIRECTORY).map(Self::new)
    }

    /// Takes a handle that is done with: it is closed with others in one call, at the latest with the root.
    pub fn done(&self, fd: OwnedFd) {
        let mut done = self.done.borrow_mut();
        done.0 += 1;
        done.1.push(fd);
        if done.0 == KEPT {
            *done = Default::default();
        }
    }

    /// Closes the root and all that was done with.
    pub fn close(self) {
        let (_, mut batch) = self.done.into_inner();
        batch.push(self.fd);
    }

    /// Opens what is at `path` when no component of it is a link (`ELOOP` otherwise). `flags` may ask for more than `O_PATH`.
    pub fn open_plain(&self, path: &str, flags: i32) -> sys::Result<OwnedFd> {
        fs::open_how(self.fd.as_fd(), below(path), libc::O_PATH | flags, 0, PLAIN)
            .map_err(|error| name_kernel(error, path))
    }

    /// What `path` is, links followed inside the root. `ENOENT` when it does not exist.
    pub fn find(&self, path: &str) -> sys::Result<Located> {
        match self.open_plain(path, 0) {
            Ok(fd) => {
                return Ok(Located {
                    fd,
                    path: path.to_owned(),
                    made: false,
                });
            }
            Err(error) if error.errno == Errno::ELOOP => {}
            Err(error) => return Err(error),
        }
        let path = self.expand(path)?;
        let fd = self.open_plain(&path, 0)?;
        Ok(Located {
            fd,
            path,
            made: false,
        })
    }

    /// Like [`Root::find`], and what is missing is made. An existing target is returned whatever it is.
    pub fn ensure(&self, path: &str, make: Make) -> sys::Result<Located> {
        self.ensure_with(path, || Ok(make))
    }

    /// Like [`Root::ensure`]; `make` is only asked when something is missing.
    pub fn ensure_with(
        &self,
        path: &str,
        make: impl FnOnce() -> sys::Result<Make>,
    ) -> sys::Result<Located> {
        match self.open_plain(path, 0) {
            Ok(fd) => {
                return Ok(Located {
                    fd,
                    path: path.to_owned(),
                    made: false,
                });
            }
            Err(error) if matches!(error.errno, Errno::ELOOP | Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        let make = make()?;
        // Mostly it is only the last component that is missing.
        let (parent, name) = split(path);
        match self
            .open_plain(parent, libc::O_DIRECTORY)
            .and_then(|dir| make_in(dir.as_fd(), name, make, path))
        {
            Ok(fd) => {
                return Ok(Located {
                    fd,
                    path: path.to_owned(),
                    made: true,
                });
            }
            // More is missing, or there is a link: on the way, or one that leads nowhere.
            Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ELOOP | Errno::EEXIST) => {}
            Err(error) => return Err(error),
        }
        let path = self.expand(path)?;
        let (fd, made) = self.ensure_plain(&path, make)?;
        Ok(Located { fd, path, made })
    }

    /// Like [`Root::ensure`] for a directory, but a link anywhere in `path` is `ELOOP`, and something else than a directory `ENOTDIR`.
    pub fn ensure_dir_plain(&self, path: &str) -> sys::Result<OwnedFd> {
        self.open_plain(path, libc::O_DIRECTORY)
            .or_else(|error| match error.errno {
                Errno::ENOENT => self.ensure_plain(path, Make::Dir).map(|(fd, _)| fd),
                _ => Err(error),
            })
    }

    /// Opens `path`, which has no links, making what is missing, each step below a handle. Says whether the last one was missing.
    fn ensure_plain(&self, path: &str, make: Make) -> sys::Result<(OwnedFd, bool)> {
        match self.open_plain(path, 0) {
            Err(error) if error.errno == Errno::ENOENT => {}
            found => return Ok((found?, false)),
        }
        let (parent, name) = split(path);
        let (dir, _) = self.ensure_plain(parent, Make::Dir)?;
        match make_in(dir.as_fd(), name, make, path) {
            // Somebody was faster: fine, if it is no link.
            Err(error) if error.errno == Errno::EEXIST => Ok((self.open_plain(path, 0)?, false)),
            made => Ok((made?, true)),
        }
    }

    /// Replaces the links of `path`. Components that do not exist are taken as they are.
    fn expand(&self, path: &str) -> sys::Result<String> {
        let mut todo: Vec<String> = components(path);
        todo.reverse();
        let mut real = String::new();
        let mut links = 0;
        let mut exists = true;
        while let Some(name) = todo.pop() {
            if name == ".." || name == "." {
                // As the kernel: only a directory has these.
                self.open_plain(&real, libc::O_DIRECTORY)?;
                if name == ".." {
                    real.truncate(split(&real).0.trim_end_matches('/').len());
                }
                continue;
            }
            let parent = real.len();
            real.push('/');
            real.push_str(&name);
            if !exists {
                continue;
            }
            let fd = match fs::open_how(
                self.fd.as_fd(),
                below(&real),
                libc::O_PATH | libc::O_NOFOLLOW,
                0,
                PLAIN,
            ) {
                Ok(fd) => fd,
                Err(error) if error.errno == Errno::ENOENT => {
                    exists = false;
                    continue;
                }
                Err(error) => return Err(name_kernel(error, path)),
            };
            // Only a link answers readlinkat on its own descriptor; the rest says ENOENT (or EINVAL).
            let target = match fs::readlink_fd(fd.as_fd(), path) {
                Ok(target) => target,
                Err(error) if matches!(error.errno, Errno::ENOENT | Errno::EINVAL) => continue,
                Err(error) => return Err(error),
            };
            // The links of procfs name things outside of every root: the kernel knows them from others, we cannot.
            let inside = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
            // When it starts a walk anew, because something on the machine was moved, the kernel goes on counting links:
            // one ELOOP may be a lie.
            let is_magic = || {
                (0..8).all(|_| {
                    fs::open_how(self.fd.as_fd(), below(&real), libc::O_PATH, 0, inside)
                        .is_err_and(|error| error.errno == Errno::ELOOP)
                })
            };
            links += 1;
            if links > MAX_LINKS || is_magic() {
                return Err(sys::Error::new("openat2", path, Errno::ELOOP));
            }
            real.truncate(if target.starts_with('/') { 0 } else { parent });
            todo.extend(components(&target).into_iter().rev());
        }
        if real.is_empty() {
            real.push('/');
        }
        Ok(real)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes `name` in `dir` and opens it; `EEXIST` when it is there. Not a link, whoever may have been here in between: then this is an error.
fn make_in(dir: BorrowedFd<'_>, name: &str, make: Make, shown: &str) -> sys::Result<OwnedFd> {
    match make {
        Make::Dir => fs::mkdir_at(dir, name, 0o755, shown)?,
        Make::File => fs::mknod_at(dir, name, SFlag::S_IFREG, 0o755, 0, shown)?,
    }
    fs::open_how(dir, name, libc::O_PATH, 0, PLAIN).map_err(|error| sys::Error {
        object: shown.to_owned(),
        ..error
    })
}

/// The path as openat2 wants it: relative.
fn below(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        rest => rest,
    }
}

/// Parent and name of an absolute, clean path; the parent of `/` is `/`.
pub fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        None => ("/", path),
        Some(("", name)) => ("/", name),
        Some((parent, name)) => (parent, name),
    }
}

/// The components of a path or a link's target. A slash at the end stands for `.`: it asks for a directory.
fn components(path: &str) -> Vec<String> {
    let path = path.trim_start_matches('/');
    let component = |name: &str| {
        if name.is_empty() {
            ".".to_owned()
        } else {
            name.to_owned()
        }
    };
    path.split('/').map(component).collect()
}

/// The container's path in place of the relative one; and a kernel without openat2 said so.
fn name_kernel(error: sys::Error, path: &str) -> sys::Error {
    let call = if error.errno == Errno::ENOSYS {
        "openat2 (Linux 5.6 or newer is needed)"
    } else {
        error.call
    };
    sys::Error {
        call,
        object: path.to_owned(),
        errno: error.errno,
    }
}
