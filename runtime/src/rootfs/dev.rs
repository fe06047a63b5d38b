//! /dev: the device nodes, the default links, the console.
//!
//! Everything is made below one handle on /dev, so a /dev that is a link in the image decides nothing (CVE-2026-41579).

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, makedev};

use super::bind::bind_object;
use super::error::Error;
use super::path::{Make, Root, split};
use crate::plan::{DeviceKind, DeviceNode};
use crate::sys::path as fs;
use crate::sys::{self, mount};

/// The spec's default links, as runc makes them.
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
];

/// Makes the nodes, with exactly the permission bits that the plan gives.
pub fn nodes(root: &Root, dev: BorrowedFd<'_>, devices: &[DeviceNode]) -> Result<(), Error> {
    if devices.is_empty() {
        return Ok(());
    }
    // Not set back: the program's own is set later, and everything in between is made with its full mode.
    nix::sys::stat::umask(Mode::empty());
    devices.iter().try_for_each(|device| {
        node(root, dev, device).map_err(|cause| Error::Device {
            path: device.path.clone(),
            cause,
        })
    })
}

fn node(root: &Root, dev: BorrowedFd<'_>, device: &DeviceNode) -> sys::Result<()> {
    if device.path == "/dev/ptmx" {
        // Always a link into the container's own devpts.
        return Ok(());
    }
    match device.path.strip_prefix("/dev/") {
        Some(name) if !name.contains('/') => make(root, dev, name, device),
        _ => {
            let (parent, name) = split(&device.path);
            let dir = root.ensure(parent, Make::Dir)?;
            make(root, dir.fd.as_fd(), name, device)?;
            root.done(dir.fd);
            Ok(())
        }
    }
}

fn make(root: &Root, dir: BorrowedFd<'_>, name: &str, device: &DeviceNode) -> sys::Result<()> {
    let kind = match device.kind {
        DeviceKind::Char => SFlag::S_IFCHR,
        DeviceKind::Block => SFlag::S_IFBLK,
        DeviceKind::Fifo => SFlag::S_IFIFO,
    };
    let number = makedev(u64::from(device.major), u64::from(device.minor));
    match fs::mknod_at(dir, name, kind, device.mode & 0o7777, number, &device.path) {
        Ok(()) => {}
        // Without a tmpfs on /dev the image may bring its own.
        Err(error) if error.errno == Errno::EEXIST => {
            return there_already(dir, name, kind, number, device);
        }
        // In a user namespace nobody may make devices: the host's stands in.
        Err(error) if error.errno == Errno::EPERM && device.kind != DeviceKind::Fifo => {
            return host_node(root, dir, name, device);
        }
        Err(error) => return Err(error),
    }
    if device.uid != 0 || device.gid != 0 {
        nix::unistd::fchownat(
            dir,
            name,
            Some(device.uid.into()),
            Some(device.gid.into()),
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .map_err(|errno| sys::Error::new("fchownat", &device.path, errno))?;
    }
    Ok(())
}

/// What is there must be what was asked for (runtime-spec, "Devices"), not a file that fills up with what is written to /dev/null.
/// Its owner and mode are the image's.
fn there_already(
    dir: BorrowedFd<'_>,
    name: &str,
    kind: SFlag,
    number: u64,
    device: &DeviceNode,
) -> sys::Result<()> {
    let stat = fs::stat_at(dir, name, &device.path)?;
    let same_kind = stat.st_mode & SFlag::S_IFMT.bits() == kind.bits();
    if same_kind && (device.kind == DeviceKind::Fifo || stat.st_rdev == number) {
        return Ok(());
    }
    let shown = format!(
        "{}: the image has something else there; remove it, or mount a tmpfs on {}",
        device.path,
        split(&device.path).0
    );
    Err(sys::Error::new("mknod", shown, Errno::EEXIST))
}

fn host_node(root: &Root, dir: BorrowedFd<'_>, name: &str, device: &DeviceNode) -> sys::Result<()> {
    let target = file_in(dir, name, &device.path)?;
    let shown = format!(
        "{} of the host, which stands in where no device can be made",
        device.path
    );
    root.done(bind_object(&device.path, target.as_fd(), &shown)?);
    root.done(target);
    Ok(())
}

/// An existing or new file, never a link: what a single object is bound on.
fn file_in(dir: BorrowedFd<'_>, name: &str, shown: &str) -> sys::Result<std::os::fd::OwnedFd> {
    match fs::mknod_at(dir, name, SFlag::S_IFREG, 0o666, 0, shown) {
        Err(error) if error.errno != Errno::EEXIST => return Err(error),
        _ => {}
    }
    let plain = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
    fs::open_how(dir, name, libc::O_PATH, 0, plain).map_err(|error| sys::Error {
        object: shown.to_owned(),
        ..error
    })
}

/// /dev/ptmx and the default links; an existing link is left as it is.
pub fn links(dev: BorrowedFd<'_>) -> sys::Result<()> {
    match fs::symlink_at("pts/ptmx", dev, "ptmx", "/dev/ptmx") {
        // ptmx alone is replaced: the image's would be that of another devpts.
        Err(error) if error.errno == Errno::EEXIST => {
            nix::unistd::unlinkat(dev, "ptmx", nix::unistd::UnlinkatFlags::NoRemoveDir)
                .map_err(|errno| sys::Error::new("unlinkat", "/dev/ptmx", errno))?;
            fs::symlink_at("pts/ptmx", dev, "ptmx", "/dev/ptmx")?;
        }
        done => done?,
    }
    for (target, name) in LINKS {
        link(target, dev, name)?;
    }
    // Kernels without /proc/kcore get no link to it. In init, /proc is still the host's.
    if nix::unistd::access("/proc/kcore", nix::unistd::AccessFlags::F_OK).is_ok() {
        link("/proc/kcore", dev, "core")?;
    }
    Ok(())
}

fn link(target: &str, dev: BorrowedFd<'_>, name: &str) -> sys::Result<()> {
    match fs::symlink_at(target, dev, name, name) {
        Err(error) if error.errno != Errno::EEXIST => Err(error),
        _ => Ok(()),
    }
}

/// Puts the terminal `slave` on /dev/console. Called inside the container, with a slave of its own devpts, by descriptor: no path of a
/// pty is trusted (CVE-2025-52565).
pub fn bind_console(slave: BorrowedFd<'_>) -> sys::Result<()> {
    const CONSOLE: &str = "/dev/console";
    let root = Root::own()?;
    let dev = root.find("/dev")?;
    let target = file_in(dev.fd.as_fd(), "console", CONSOLE)?;
    let tree = mount::clone_tree(slave, "", false, CONSOLE)?;
    mount::attach(tree.as_fd(), target.as_fd(), CONSOLE)?;
    [tree, target, dev.fd]
        .into_iter()
        .for_each(|fd| root.done(fd));
    root.close();
    Ok(())
}

/// Standard streams that are the host's /dev/null become the container's, as runc does: the host's inode would carry the host's labels.
pub fn reopen_null() -> sys::Result<()> {
    let mut null = None;
    for (number, stream) in fs::STDIO.into_iter().enumerate() {
        if !fs::is_null(stream, "standard stream")? {
            continue;
        }
        if null.is_none() {
            let opened = fs::open_at(fs::HERE, "/dev/null", OFlag::O_RDWR | OFlag::O_NONBLOCK)?;
            if !fs::is_null(opened.as_fd(), "/dev/null")? {
                // The image's own idea of it: not worth having.
                return Ok(());
            }
            null = Some(opened);
        }
        if let Some(null) = &null {
            fs::replace_stdio(null.as_fd(), number)?;
        }
    }
    Ok(())
}
