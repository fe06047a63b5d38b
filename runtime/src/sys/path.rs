//! Files and directories below an open directory.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, makedev};

use super::{Error, Result};

/// The current directory, where a call takes a directory's descriptor.
pub const HERE: BorrowedFd<'static> = nix::fcntl::AT_FDCWD;

/// openat2(2), close-on-exec. `resolve` are `RESOLVE_*`.
///
/// The kernel answers `EAGAIN` when a rename anywhere raced with a `..` it could not vouch for: that is tried again, a bounded number of times.
pub fn open_how(
    dir: BorrowedFd<'_>,
    path: &str,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> Result<OwnedFd> {
    // SAFETY: open_how is three integers; all zero is its documented default.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
    how.mode = u64::from(mode);
    how.resolve = resolve;
    let mut tries = 0;
    loop {
        let result = path
            .with_nix_path(|path| {
                // SAFETY: `path` is NUL-terminated and `how` of the size given; both live through the call, which only reads them.
                Errno::result(unsafe {
                    libc::syscall(
                        libc::SYS_openat2,
                        dir.as_raw_fd(),
                        path.as_ptr(),
                        &raw const how,
                        size_of::<libc::open_how>(),
                    )
                })
            })
            .and_then(|result| result)
            .and_then(|fd| RawFd::try_from(fd).map_err(|_| Errno::EBADF));
        match result {
            // SAFETY: the kernel has just returned this descriptor, and nobody else knows its number.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            Err(Errno::EAGAIN | Errno::EINTR) if tries < 128 => tries += 1,
            Err(errno) => return Err(Error::new("openat2", path, errno)),
        }
    }
}

/// openat(2), close-on-exec.
pub fn open_at(dir: BorrowedFd<'_>, name: &str, flags: OFlag) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, name, flags | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::new("openat", name, errno))
}

/// mkdirat(2); `shown` names the directory in errors.
pub fn mkdir_at(dir: BorrowedFd<'_>, name: &str, mode: u32, shown: &str) -> Result<()> {
    nix::sys::stat::mkdirat(dir, name, Mode::from_bits_retain(mode))
        .map_err(|errno| Error::new("mkdir", shown, errno))
}

/// mknodat(2); `kind` is `S_IFCHR`, `S_IFBLK`, `S_IFIFO` or `S_IFREG`.
pub fn mknod_at(
    dir: BorrowedFd<'_>,
    name: &str,
    kind: SFlag,
    mode: u32,
    device: u64,
    shown: &str,
) -> Result<()> {
    nix::sys::stat::mknodat(dir, name, kind, Mode::from_bits_retain(mode), device)
        .map_err(|errno| Error::new("mknod", shown, errno))
}

/// symlinkat(2).
pub fn symlink_at(target: &str, dir: BorrowedFd<'_>, name: &str, shown: &str) -> Result<()> {
    nix::unistd::symlinkat(target, dir, name).map_err(|errno| Error::new("symlinkat", shown, errno))
}

/// readlinkat(2) on a link that is open with `O_PATH|O_NOFOLLOW`. A target that is not UTF-8 is `EILSEQ`.
pub fn readlink_fd(link: BorrowedFd<'_>, shown: &str) -> Result<String> {
    nix::fcntl::readlinkat(link, "")
        .and_then(|target| target.into_string().map_err(|_| Errno::EILSEQ))
        .map_err(|errno| Error::new("readlinkat", shown, errno))
}

/// fstat(2).
pub fn stat_fd(fd: BorrowedFd<'_>, shown: &str) -> Result<FileStat> {
    nix::sys::stat::fstat(fd).map_err(|errno| Error::new("fstat", shown, errno))
}

/// fstatat(2), of a link itself.
pub fn stat_at(dir: BorrowedFd<'_>, name: &str, shown: &str) -> Result<FileStat> {
    nix::sys::stat::fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|errno| Error::new("fstatat", shown, errno))
}

/// Is this the null device, character 1:3?
pub fn is_null(fd: BorrowedFd<'_>, shown: &str) -> Result<bool> {
    let stat = stat_fd(fd, shown)?;
    let format = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    Ok(format == SFlag::S_IFCHR && stat.st_rdev == makedev(1, 3))
}

/// fchdir(2).
pub fn chdir_fd(dir: BorrowedFd<'_>, shown: &str) -> Result<()> {
    nix::unistd::fchdir(dir).map_err(|errno| Error::new("fchdir", shown, errno))
}

/// chdir(2).
pub fn chdir(path: &str) -> Result<()> {
    nix::unistd::chdir(path).map_err(|errno| Error::new("chdir", path, errno))
}

/// The standard streams. Rust's start-up code opens /dev/null on those that were closed.
pub const STDIO: [BorrowedFd<'static>; 3] = {
    // SAFETY: nobody in this program ever closes 0, 1 or 2; they are only replaced, which leaves the numbers valid.
    unsafe {
        [
            BorrowedFd::borrow_raw(0),
            BorrowedFd::borrow_raw(1),
            BorrowedFd::borrow_raw(2),
        ]
    }
};

/// dup2(2) on a standard stream, by its number 0, 1 or 2.
pub fn replace_stdio(fd: BorrowedFd<'_>, number: usize) -> Result<()> {
    let done = match number {
        0 => nix::unistd::dup2_stdin(fd),
        1 => nix::unistd::dup2_stdout(fd),
        _ => nix::unistd::dup2_stderr(fd),
    };
    done.map_err(|errno| Error::new("dup2", "standard stream", errno))
}
