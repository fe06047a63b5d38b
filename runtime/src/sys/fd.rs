//! Descriptors by number: what a process was given at its start.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::clone::FIRST_FD;
use super::close::Batch;
use super::{Error, Result};

/// Marks every open descriptor from `first` on close-on-exec.
///
/// # Errors
/// `ENOSYS`, `EINVAL`: a kernel older than 5.11.
pub fn close_on_exec(first: RawFd) -> Result<()> {
    // SAFETY: changes flags of descriptors only.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(|errno| Error::new("close_range", format!("from {first}"), errno))
}

/// Takes over a descriptor that this process was started with, or has just been given by a call that returns numbers.
/// To be called once for each.
pub fn inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: by contract nobody else in this process owns it. (A number that is not open only makes calls fail with
    // EBADF; the standard library aborts on -1, which no caller has.)
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Of the `count` descriptors behind the standard streams, the place of the first that this process was not started with.
///
/// What survived its own execve is without close-on-exec, and everything that it has opened since is with it.
pub fn first_not_inherited(count: u32) -> Option<u32> {
    (0..count).find(|place| {
        // SAFETY: takes numbers.
        let flags = unsafe { libc::fcntl(FIRST_FD.saturating_add_unsigned(*place), libc::F_GETFD) };
        flags < 0 || flags & libc::FD_CLOEXEC != 0
    })
}

/// Takes over the `count` descriptors behind the standard streams, which this process was started with. To be called once.
pub fn preserved(count: u32) -> Batch {
    let mut batch = Batch::default();
    (0..count).for_each(|place| batch.push(inherited(FIRST_FD.saturating_add_unsigned(place))));
    batch
}

/// Copies the first `size` bytes of the file `from`, whatever its offset, to where `to` stands (sendfile(2)).
///
/// # Errors
/// That of sendfile(2); `ENODATA`: the file has become shorter.
pub fn copy(from: BorrowedFd<'_>, size: usize, to: BorrowedFd<'_>) -> Result<()> {
    let mut offset: libc::off_t = 0;
    let mut left = size;
    while left > 0 {
        // SAFETY: takes descriptors, a live offset and a number.
        let copied =
            unsafe { libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), &raw mut offset, left) };
        match Errno::result(copied) {
            Ok(0) => return Err(Error::new("sendfile", "", Errno::ENODATA)),
            Ok(count) => left -= count.cast_unsigned().min(left),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("sendfile", "", errno)),
        }
    }
    Ok(())
}

/// The descriptor that comes as the next message of `socket` (unix(7), `SCM_RIGHTS`). Does not wait: it was sent before.
///
/// # Errors
/// `EAGAIN`: nothing was sent; `ENOMSG`: a message without a descriptor.
pub fn receive(socket: impl AsFd) -> Result<OwnedFd> {
    let error = |errno| Error::new("recvmsg", "a descriptor", errno);
    let mut payload = [0_u8; 64];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut buffers = [IoSliceMut::new(&mut payload)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(
        socket.as_fd().as_raw_fd(),
        &mut buffers,
        Some(&mut space),
        flags,
    )
    .map_err(error)?;
    let mut control = message.cmsgs().map_err(error)?;
    match control.next() {
        Some(ControlMessageOwned::ScmRights(fds)) if fds.len() == 1 => Ok(inherited(fds[0])),
        _ => Err(error(Errno::ENOMSG)),
    }
}
