//! The runtime's own executable, as a container may see it: never writable (CVE-2019-5736).

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;

use super::{Error, Result};

const SELF: &CStr = c"/proc/self/exe";

/// Our executable as a descriptor for execveat(2) with `AT_EMPTY_PATH`, through which nobody can write to the file:
/// a detached read-only mount of it, and where the kernel refuses that, a sealed copy in memory.
///
/// # Errors
/// That of the copy, if the mount was refused as well.
pub fn sealed_exe() -> Result<OwnedFd> {
    readonly_mount().or_else(|_| sealed_copy())
}

/// The mount lives as long as somebody executes from it: /proc/PID/exe of init leads to the read-only mount.
fn readonly_mount() -> Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: a NUL-terminated path; no memory is written.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, SELF.as_ptr(), flags) };
    if fd < 0 {
        return Err(Error::last("open_tree", "/proc/self/exe"));
    }
    // SAFETY: open_tree returned a new descriptor, which fits an int.
    let tree = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: an empty path with AT_EMPTY_PATH; `attr` is read only, with its true size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 {
        Err(Error::last(
            "mount_setattr",
            "a detached mount of /proc/self/exe",
        ))
    } else {
        Ok(tree)
    }
}

/// As [`sealed_exe`]; and who executes it in a user namespace that its owner is not mapped in cannot be looked into by root of that
/// namespace. It may execute the file and not read it: the kernel makes such a process undumpable, for whoever has not CAP_SYS_PTRACE over
/// the file's owner (`would_dump` in fs/exec.c).
///
/// # Errors
/// That of the copy.
pub fn unreadable_exe() -> Result<OwnedFd> {
    let copy = sealed_copy()?;
    nix::sys::stat::fchmod(&copy, Mode::from_bits_truncate(0o111))
        .map_err(|errno| Error::new("fchmod", "a sealed copy of /proc/self/exe", errno))?;
    Ok(copy)
}

/// One that may be executed, for which one has to ask where `vm.memfd_noexec` is 1. Kernels before 6.3 know neither that nor the word.
fn memory_file() -> nix::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let executable = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    match memfd_create(c"runc-rs", flags | executable) {
        Err(Errno::EINVAL) => memfd_create(c"runc-rs", flags),
        done => done,
    }
}

fn sealed_copy() -> Result<OwnedFd> {
    let object = "a sealed copy of /proc/self/exe";
    let error = |call, e: std::io::Error| Error::io(call, object, &e);
    let copy = memory_file().map_err(|errno| {
        let hint = match errno {
            Errno::EACCES => " (vm.memfd_noexec is 2)",
            _ => "",
        };
        Error::new("memfd_create", format!("{object}{hint}"), errno)
    })?;
    let mut source = File::open("/proc/self/exe").map_err(|e| error("open", e))?;
    let mut copy = File::from(copy);
    std::io::copy(&mut source, &mut copy).map_err(|e| error("copy", e))?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(copy.as_fd(), FcntlArg::F_ADD_SEALS(seals))
        .map_err(|errno| Error::new("fcntl", object, errno))?;
    Ok(copy.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    fn cannot_be_written(exe: &OwnedFd) {
        let path = format!("/proc/self/fd/{}", exe.as_raw_fd());
        let error = std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap_err();
        let errno = error.raw_os_error().unwrap();
        assert!(
            [libc::EROFS, libc::EPERM, libc::ETXTBSY].contains(&errno),
            "{error}"
        );
    }

    #[test]
    fn the_mount_is_read_only() {
        cannot_be_written(&readonly_mount().unwrap());
    }

    #[test]
    fn the_copy_is_sealed() {
        let copy = sealed_copy().unwrap();
        let error = nix::unistd::write(&copy, b"x").unwrap_err();
        assert_eq!(error, Errno::EPERM);
        assert_eq!(nix::unistd::ftruncate(&copy, 0).unwrap_err(), Errno::EPERM);
    }
}
