//! Terminals: pty(7), ioctl_tty(2), devpts; and descriptors sent over Unix sockets (unix(7)).

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::statfs::{FsType, fstatfs};

use super::{Error, Result};

/// `DEVPTS_SUPER_MAGIC`
const DEVPTS: FsType = FsType(0x1cd1);

/// Opens the multiplexer of the devpts mounted on /dev/pts: a new master, unlocked, close-on-exec, no controlling terminal.
///
/// The container's image and mounts decide what is at that path, so it is checked before it is opened: a device or a fifo opened
/// by mistake has effects, or blocks. On a devpts the name `ptmx` is the kernel's own.
pub fn open_ptmx() -> Result<OwnedFd> {
    const DIR: &str = "/dev/pts";
    let dir = open(
        DIR,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| Error::new("open", DIR, errno))?;
    let fs = fstatfs(&dir).map_err(|errno| Error::new("fstatfs", DIR, errno))?;
    if fs.filesystem_type() != DEVPTS {
        return Err(Error::new(
            "open",
            "/dev/pts/ptmx (no devpts)",
            Errno::ENODEV,
        ));
    }
    let failed = |call, errno| Error::new(call, "/dev/pts/ptmx", errno);
    let how = OpenHow::new()
        .flags(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_XDEV
                | ResolveFlag::RESOLVE_NO_SYMLINKS,
        );
    let master = openat2(&dir, "ptmx", how).map_err(|errno| failed("open", errno))?;
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads a live int.
    let rc = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) };
    Errno::result(rc).map_err(|errno| failed("ioctl(TIOCSPTLCK)", errno))?;
    Ok(master)
}

/// Opens the other end of `master` without a path, so that nothing can be put in its place.
pub fn open_peer(master: impl AsFd) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags as a plain number and returns a new descriptor.
    let rc = unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let fd = Errno::result(rc).map_err(|errno| Error::new("ioctl(TIOCGPTPEER)", "", errno))?;
    // SAFETY: the call has just made this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes `terminal` the controlling terminal of the calling process, a session leader without one.
pub fn set_controlling(terminal: impl AsFd) -> Result<()> {
    // SAFETY: TIOCSCTTY takes a plain number (0: do not steal).
    let rc = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSCTTY, 0) };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("ioctl(setctty)", "", errno))
}

/// The size of `terminal` as (rows, columns). `ENOTTY`: it is none.
pub fn size(terminal: impl AsFd) -> Result<(u16, u16)> {
    let mut size = empty_size();
    // SAFETY: TIOCGWINSZ fills a live winsize.
    let rc = unsafe {
        libc::ioctl(
            terminal.as_fd().as_raw_fd(),
            libc::TIOCGWINSZ,
            &raw mut size,
        )
    };
    Errno::result(rc).map_err(|errno| Error::new("ioctl(TIOCGWINSZ)", "", errno))?;
    Ok((size.ws_row, size.ws_col))
}

/// Sets the size of `terminal` in characters; its foreground processes get SIGWINCH if it changes.
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ..empty_size()
    };
    // SAFETY: TIOCSWINSZ reads a live winsize.
    let rc = unsafe {
        libc::ioctl(
            terminal.as_fd().as_raw_fd(),
            libc::TIOCSWINSZ,
            &raw const size,
        )
    };
    Errno::result(rc)
        .map(drop)
        .map_err(|errno| Error::new("ioctl(TIOCSWINSZ)", "", errno))
}

const fn empty_size() -> libc::winsize {
    libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Puts `fd` on descriptors 0, 1 and 2, which stay open over an execve.
pub fn dup_to_stdio(fd: impl AsFd) -> Result<()> {
    for target in 0..3 {
        // SAFETY: replaces a standard stream, whose handles in std are made for being replaced (they own nothing).
        let rc = unsafe { libc::dup3(fd.as_fd().as_raw_fd(), target, 0) };
        Errno::result(rc).map_err(|errno| Error::new("dup3", target.to_string(), errno))?;
    }
    Ok(())
}

/// Gives the file behind standard stream `fd` to `uid`, unless it has it or is a device (see `creds`). Its group stays.
///
/// `EINVAL`, `EPERM`, `EROFS` pass: an owner that the user namespace cannot name, a read-only file system. The stream works all the same.
pub fn own_stream(fd: impl AsFd, uid: u32, is_console: bool) -> Result<()> {
    let failed = |call, errno| Error::new(call, format!("fd {}", fd.as_fd().as_raw_fd()), errno);
    let stat = match fstat(&fd) {
        Ok(stat) => stat,
        // A closed stream belongs to nobody.
        Err(Errno::EBADF) => return Ok(()),
        Err(errno) => return Err(failed("fstat", errno)),
    };
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    if stat.st_uid == uid || (kind == SFlag::S_IFCHR && !is_console) {
        return Ok(());
    }
    match nix::unistd::fchown(&fd, Some(uid.into()), None) {
        Ok(()) | Err(Errno::EINVAL | Errno::EPERM | Errno::EROFS) => Ok(()),
        Err(errno) => Err(failed("fchown", errno)),
    }
}

/// Sends one message with `fd` attached and `payload` as its bytes. Needs at least one byte, or the descriptor would not be carried.
pub fn send_fd(socket: impl AsFd, payload: &[u8], fd: impl AsFd) -> Result<()> {
    let failed = |errno| Error::new("sendmsg", "", errno);
    if payload.is_empty() {
        return Err(failed(Errno::EINVAL));
    }
    let fds: [RawFd; 1] = [fd.as_fd().as_raw_fd()];
    loop {
        return match sendmsg::<()>(
            socket.as_fd().as_raw_fd(),
            &[IoSlice::new(payload)],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Ok(n) if n == payload.len() => Ok(()),
            // A stream took a part only: the peer would see a torn name.
            Ok(_) => Err(failed(Errno::EMSGSIZE)),
            Err(Errno::EINTR) => continue,
            Err(errno) => Err(failed(errno)),
        };
    }
}

/// Opens `fd` anew, as a description of our own that does not block: O_NONBLOCK on a shared one would change it for everybody.
///
/// Terminals and pipes only (a regular file would lose its offset, and never blocks): `None` for the rest.
pub fn reopen_nonblocking(fd: impl AsFd, access: OFlag) -> Option<OwnedFd> {
    let stat = fstat(&fd).ok()?;
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    let is_tty = || size(&fd).is_ok();
    if kind != SFlag::S_IFIFO && !(kind == SFlag::S_IFCHR && is_tty()) {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    open(
        path.as_str(),
        access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .ok()
}

/// Makes the open file description of `fd`, which must be ours alone, non-blocking.
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    use nix::fcntl::{FcntlArg, fcntl};
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map(drop)
        .map_err(|errno| Error::new("fcntl(F_SETFL)", "", errno))
}

/// stdin, stdout and stderr, without std's buffers and locks in between.
pub fn standard_streams() -> [BorrowedFd<'static>; 3] {
    // SAFETY: 0, 1 and 2 are never closed by this program, only replaced. Should the caller have left one closed, then calls on
    // it fail with EBADF, or reach what was opened in its place: harmless to memory.
    [0, 1, 2].map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
}
