//! Going on as another process: what a process does that has joined a pid namespace, which holds only who is born in it.
//!
//! The new process is a sibling (`CLONE_PARENT`): who started the old one is the parent of both. It takes over the whole memory,
//! which nothing is copied of, and with it that the process cannot be looked into (`PR_SET_DUMPABLE`). The old one says the
//! number of the new one, and ends; it touches nothing in between that the new one may use, not even errno.

use std::os::fd::RawFd;

use nix::errno::Errno;

use super::Error;
use super::clone::{clone3, syscall};

/// What the stack of the new process has room for.
const STACK: usize = 512 << 10;

/// What the new process starts with.
struct Start<T> {
    value: T,
    run: fn(T) -> i32,
}

/// Goes on with `run(value)` as a sibling, and exits with what that returns. The old process writes `certificate` of the new
/// one's number in its own pid namespace to `wire`, and exits. The calling process has one thread.
///
/// Returns only with the error of clone3(2), and the value: this is still the old process.
pub fn go_on<T>(
    wire: RawFd,
    certificate: fn(i32) -> [u8; 12],
    value: T,
    run: fn(T) -> i32,
) -> (Error, T) {
    let mut stack: Vec<u64> = vec![0; STACK / 8];
    let start = Box::into_raw(Box::new(Start { value, run }));
    // SAFETY: an all-zero clone_args is valid: every field is an integer.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (libc::CLONE_VM | libc::CLONE_PARENT) as u64;
    args.stack = stack.as_mut_ptr() as u64;
    args.stack_size = STACK as u64;
    // SAFETY: both live for ever in the memory that the two share: this function either returns an error, and then there is no
    // child, or does not return.
    let pid = unsafe { clone3(&args, start.cast_const(), born::<T>) };
    if pid < 0 {
        let errno = Errno::from_raw(i32::try_from(-pid).unwrap_or(libc::EIO));
        // SAFETY: from Box::into_raw above; there is no child that could have it.
        let start = unsafe { Box::from_raw(start) };
        return (Error::new("clone3", "in the container", errno), start.value);
    }
    std::mem::forget(stack);
    let words = certificate(pid as i32);
    // SAFETY: raw system calls on a live array of this stack and on numbers. From here on this process makes no other call: the
    // sibling uses the same memory.
    unsafe {
        let flags = i64::from(libc::MSG_NOSIGNAL);
        let buffer = words.as_ptr() as i64;
        let fd = i64::from(wire);
        syscall(libc::SYS_sendto, fd, buffer, words.len() as i64, flags, 0);
        loop {
            syscall(libc::SYS_exit_group, 0, 0, 0, 0, 0);
        }
    }
}

extern "C" fn born<T>(start: *const Start<T>) -> ! {
    // SAFETY: from Box::into_raw in `go_on`, which gives it to nobody else.
    let start = unsafe { Box::from_raw(start.cast_mut()) };
    let Start { value, run } = *start;
    std::process::exit(run(value))
}
