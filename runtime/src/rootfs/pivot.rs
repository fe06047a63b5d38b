//! Entering the root: pivot_root(2), or what `--no-pivot` does where that is impossible (a root on the initramfs).

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::mount::{detach, mount, pivot_root_here};
use crate::sys::{self, path as fs};

/// Makes `root`, which is the current directory, the process's root, and drops the old one.
///
/// `quiet`: no mount of the old root is shared, so that unmounting it cannot reach the host.
pub fn pivot(path: &str, quiet: bool) -> sys::Result<()> {
    let old = if quiet {
        None
    } else {
        Some(fs::open_at(
            fs::HERE,
            "/",
            OFlag::O_PATH | OFlag::O_DIRECTORY,
        )?)
    };
    pivot_root_here(path)?;
    // The old root is now stacked on the new one. The current directory is the new one's; umount2(2) takes it for what is stacked there,
    // but mount(2) does not, and the container's own mounts would be cut off from the host's.
    if let Some(old) = old {
        fs::chdir_fd(old.as_fd(), "the old root")?;
        let slave = libc::MS_SLAVE | libc::MS_REC;
        mount("", ".", "", slave, "", "the old root")?;
    }
    detach(".", "the old root")?;
    // Never leave the current directory outside (CVE-2024-21626).
    fs::chdir("/")
}

/// Moves the root, which is the current directory, onto `/` and changes root to it.
///
/// The host's tree stays in the namespace below, and with it every whole proc and sysfs: the kernel takes them as leave to mount new ones, and
/// so they go first, as in runc.
pub fn move_root(path: &str) -> sys::Result<()> {
    let mountinfo = std::fs::read("/proc/self/mountinfo")
        .map_err(|error| sys::Error::io("read", "/proc/self/mountinfo", &error))?;
    // Names are bytes. Those of others are not looked at, and what is to be covered must be found by its name.
    for point in String::from_utf8_lossy(&mountinfo)
        .lines()
        .filter_map(|line| whole_kernel_filesystem(line, path))
    {
        if point.contains(char::REPLACEMENT_CHARACTER) {
            let object = format!("{point} (a mount point whose name is not UTF-8)");
            return Err(sys::Error::new("umount2", object, Errno::EILSEQ));
        }
        cover(&point)?;
    }
    mount(path, "/", "", libc::MS_MOVE, "", "/")?;
    nix::unistd::chroot(".").map_err(|errno| sys::Error::new("chroot", path, errno))?;
    fs::chdir("/")
}

/// Unmounts what is at `point`, or covers it.
fn cover(point: &str) -> sys::Result<()> {
    match mount("", point, "", libc::MS_SLAVE | libc::MS_REC, "", point) {
        // Gone already, together with something above it.
        Err(error) if matches!(error.errno, Errno::ENOENT | Errno::EINVAL) => return Ok(()),
        done => done?,
    }
    match detach(point, point) {
        Err(error) if matches!(error.errno, Errno::EINVAL | Errno::EPERM) => {
            mount("tmpfs", point, "tmpfs", 0, "", point)
        }
        done => done,
    }
}

/// The mount point of a mountinfo line (proc(5)) that is a whole proc or sysfs outside of `rootfs`.
fn whole_kernel_filesystem(line: &str, rootfs: &str) -> Option<String> {
    let mut fields = line.split(' ');
    let whole = fields.nth(3)? == "/";
    let point = unescape(fields.next()?);
    let fstype = line.split_once(" - ")?.1.split(' ').next()?;
    let inside = point
        .strip_prefix(rootfs)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (whole && !inside && matches!(fstype, "proc" | "sysfs")).then_some(point)
}

/// Undoes the kernel's `\040` style of blanks in mountinfo.
fn unescape(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.as_bytes();
    while let Some((&first, rest)) = bytes.split_first() {
        let octal = rest
            .first_chunk::<3>()
            .filter(|_| first == b'\\')
            .and_then(|digits| {
                let text = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(text, 8).ok()
            });
        if let Some(byte) = octal {
            out.push(byte);
            bytes = rest.get(3..).unwrap_or_default();
        } else {
            out.push(first);
            bytes = rest;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines() {
        let line = "36 35 98:0 / /a\\040b\\134c rw,noatime master:1 - proc proc rw";
        assert_eq!(
            whole_kernel_filesystem(line, "/r").as_deref(),
            Some("/a b\\c")
        );
        assert_eq!(
            whole_kernel_filesystem("36 35 98:0 /sys /p rw - proc proc rw", "/r"),
            None
        );
        assert_eq!(
            whole_kernel_filesystem("36 35 98:0 / /r/proc rw - proc proc rw", "/r"),
            None
        );
        assert_eq!(
            whole_kernel_filesystem("36 35 98:0 / /rr rw - sysfs s rw", "/r").as_deref(),
            Some("/rr")
        );
        assert_eq!(
            whole_kernel_filesystem("36 35 98:0 / /t rw - tmpfs s rw", "/r"),
            None
        );
        assert_eq!(whole_kernel_filesystem("", "/r"), None);
    }
}
