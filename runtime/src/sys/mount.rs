//! Mounts: mount(2) and pivot_root(2), and the calls of the file-descriptor based API, of which libc has only the numbers.
//!
//! `object` in the errors names source and target as the caller knows them: a descriptor's number tells nobody anything.

use std::fmt::Write;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};

use super::{Error, Result};

/// `MOUNT_ATTR_*` of linux/mount.h, which libc has in part only.
pub mod attr {
    /// Read-only.
    pub const RDONLY: u64 = 0x01;
    /// Ignore set-user-ID bits.
    pub const NOSUID: u64 = 0x02;
    /// No device nodes.
    pub const NODEV: u64 = 0x04;
    /// No execution.
    pub const NOEXEC: u64 = 0x08;
    /// The bits that hold one of the access-time modes (relatime is 0).
    pub const ATIME: u64 = 0x70;
    /// Access times are not updated.
    pub const NOATIME: u64 = 0x10;
    /// Access times are always updated.
    pub const STRICTATIME: u64 = 0x20;
    /// Access times of directories are not updated.
    pub const NODIRATIME: u64 = 0x80;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// What mount_setattr(2) changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttr {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear; applied before `set`.
    pub clear: u64,
    /// 0, or one of `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`.
    pub propagation: u64,
}

impl SetAttr {
    /// Does it change nothing?
    pub const fn is_empty(&self) -> bool {
        self.set == 0 && self.clear == 0 && self.propagation == 0
    }
}

/// An empty string is mount(2)'s NULL.
fn null_if_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// mount(2). Empty strings are passed as NULL; `flags` are `MS_*`.
///
/// `shown` names the target in errors (the target itself is mostly `.`, a directory made current beforehand).
pub fn mount(
    source: &str,
    target: &str,
    fstype: &str,
    flags: u64,
    data: &str,
    shown: &str,
) -> Result<()> {
    nix::mount::mount(
        null_if_empty(source),
        target,
        null_if_empty(fstype),
        MsFlags::from_bits_retain(flags),
        null_if_empty(data),
    )
    .map_err(|errno| Error::new("mount", describe(source, shown, flags, data), errno))
}

/// A mount in runc's words: "SOURCE:TARGET, flags: 0x.., data: ..", without what is empty.
pub fn describe(source: &str, target: &str, flags: u64, data: &str) -> String {
    let mut text = if source.is_empty() {
        target.to_owned()
    } else {
        format!("{source}:{target}")
    };
    // Writing to a String cannot fail.
    if flags != 0 {
        let _ = write!(text, ", flags: {flags:#x}");
    }
    if !data.is_empty() {
        let _ = write!(text, ", data: {data}");
    }
    text
}

/// umount2(2) with `MNT_DETACH`.
pub fn detach(target: &str, shown: &str) -> Result<()> {
    nix::mount::umount2(target, MntFlags::MNT_DETACH)
        .map_err(|errno| Error::new("umount2", shown, errno))
}

/// `pivot_root(".", ".")`: the current directory becomes `/`, with the old root stacked on it.
pub fn pivot_root_here(shown: &str) -> Result<()> {
    nix::unistd::pivot_root(".", ".").map_err(|errno| Error::new("pivot_root", shown, errno))
}

/// The result of a system call that returns a descriptor or -1.
fn descriptor(ret: libc::c_long) -> std::result::Result<OwnedFd, Errno> {
    let fd = RawFd::try_from(Errno::result(ret)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A detached copy of the mount at `path` below `dir` (`path` empty: `dir` itself), with all mounts below it when `recursive`. Close-on-exec.
pub fn clone_tree(
    dir: BorrowedFd<'_>,
    path: &str,
    recursive: bool,
    shown: &str,
) -> Result<OwnedFd> {
    // The kernel's flags are an unsigned int; both constants are small positive numbers.
    const CLONE: libc::c_uint = 1;
    let mut flags = CLONE | libc::O_CLOEXEC.cast_unsigned();
    if recursive {
        flags |= libc::AT_RECURSIVE.cast_unsigned();
    }
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH.cast_unsigned();
    }
    path.with_nix_path(|path| {
        // SAFETY: `path` is a NUL-terminated string that lives through the call; the kernel writes nothing.
        descriptor(unsafe {
            libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags)
        })
    })
    .and_then(|result| result)
    .map_err(|errno| Error::new("open_tree", shown, errno))
}

/// Attaches the detached mount `tree` on what `target` is open on.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>, shown: &str) -> Result<()> {
    const F_EMPTY_PATH: libc::c_uint = 0x04;
    const T_EMPTY_PATH: libc::c_uint = 0x40;
    move_mount(tree, target, "", F_EMPTY_PATH | T_EMPTY_PATH, shown)
}

/// Attaches the detached mount `tree` on `path` below `dir`, found and covered in one step; a trailing link is followed.
pub fn attach_at(tree: BorrowedFd<'_>, dir: BorrowedFd<'_>, path: &str, shown: &str) -> Result<()> {
    const F_EMPTY_PATH: libc::c_uint = 0x04;
    const T_SYMLINKS: libc::c_uint = 0x10;
    move_mount(tree, dir, path, F_EMPTY_PATH | T_SYMLINKS, shown)
}

fn move_mount(
    tree: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    path: &str,
    flags: libc::c_uint,
    shown: &str,
) -> Result<()> {
    path.with_nix_path(|path| {
        // SAFETY: both strings are NUL-terminated and live through the call; the kernel writes nothing.
        let ret = unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                tree.as_raw_fd(),
                c"".as_ptr(),
                dir.as_raw_fd(),
                path.as_ptr(),
                flags,
            )
        };
        Errno::result(ret).map(drop)
    })
    .and_then(|result| result)
    .map_err(|errno| Error::new("move_mount", shown, errno))
}

/// mount_setattr(2) on the mount that `mount` is open on.
pub fn set_attr(
    mount: BorrowedFd<'_>,
    change: SetAttr,
    recursive: bool,
    shown: &str,
) -> Result<()> {
    let attr = libc::mount_attr {
        attr_set: change.set,
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: 0,
    };
    set_attr_raw(mount, &attr, recursive, shown)
}

/// mount_setattr(2) with `MOUNT_ATTR_IDMAP`: the owners of what is in the detached `mount` are seen through the mappings of `namespace`.
pub fn set_idmap(
    mount: BorrowedFd<'_>,
    namespace: BorrowedFd<'_>,
    recursive: bool,
    shown: &str,
) -> Result<()> {
    const IDMAP: u64 = 0x0010_0000;
    let attr = libc::mount_attr {
        attr_set: IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::from(namespace.as_raw_fd().cast_unsigned()),
    };
    set_attr_raw(mount, &attr, recursive, shown)
}

fn set_attr_raw(
    mount: BorrowedFd<'_>,
    attr: &libc::mount_attr,
    recursive: bool,
    shown: &str,
) -> Result<()> {
    let mut flags = libc::AT_EMPTY_PATH.cast_unsigned();
    if recursive {
        flags |= libc::AT_RECURSIVE.cast_unsigned();
    }
    // SAFETY: the path is a static string; `attr` lives through the call, the size given is its own, and the kernel only reads it.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(ret)
        .map(drop)
        .map_err(|errno| Error::new("mount_setattr", shown, errno))
}
