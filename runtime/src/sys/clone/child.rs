//! The child between clone3(2) and execveat(2).
//!
//! It shares its parent's memory: no allocation, no errno, no library call in all of this module, and of what it shares it writes
//! to its stack and to the atomics alone.

use std::sync::atomic::Ordering;

use super::{
    AT_BIRTH, AT_CGROUP, AT_EXEC, AT_JOIN, AT_ROOT, CLOSE_RANGE, DUP3, EXEC_FAILED, EXECVEAT,
    Memory, clone3, syscall,
};

/// Tells the parent why this child ends, and ends.
#[cfg(target_arch = "x86_64")]
fn refuse(memory: &Memory, what: i32, place: usize, errno: i64) -> ! {
    memory.refused_what.store(what, Ordering::Release);
    memory.refused_place.store(place as i32, Ordering::Release);
    memory.refused_errno.store(-errno as i32, Ordering::Release);
    exit_child()
}

/// Joins the namespaces: first those that this user may, then the user namespace, then what only its root may.
#[cfg(target_arch = "x86_64")]
fn join(memory: &Memory) {
    let count = memory.join.len();
    let mut joined = 0_u32;
    let mut round = 0;
    while round < 3 {
        let mut index = 0;
        while index < count {
            // SAFETY: in bounds: index < join.len().
            let (fd, kind) = unsafe { *memory.join.as_ptr().add(index) };
            let is_user = kind == libc::CLONE_NEWUSER as u64;
            let bit = 1_u32 << (index & 31);
            if joined & bit == 0 && is_user == (round == 1) {
                // SAFETY: numbers only; this process shares neither its namespaces nor its directories.
                let done = unsafe { syscall(libc::SYS_setns, i64::from(fd), kind as i64, 0, 0, 0) };
                if done == 0 {
                    joined |= bit;
                } else if round > 0 || done != -i64::from(libc::EPERM) {
                    refuse(memory, AT_JOIN, index, done);
                }
            }
            index += 1;
        }
        round += 1;
    }
}

/// What the first process does.
#[cfg(target_arch = "x86_64")]
pub(super) extern "C" fn main(memory: *const Memory) -> ! {
    // SAFETY: `spawn` passes a live Memory that nobody writes to.
    let shared = unsafe { &*memory };
    if !shared.twice {
        born(memory);
    }
    join(shared);
    // SAFETY: the second child has a stack of its own in the memory that all three share, and CLONE_PARENT_SETTID writes to
    // an atomic of it.
    let pid = unsafe { clone3(&shared.second, shared, born) };
    if pid < 0 {
        refuse(shared, AT_BIRTH, 0, pid);
    }
    exit_child()
}

/// The child's whole life before its new image.
#[cfg(target_arch = "x86_64")]
extern "C" fn born(memory: *const Memory) -> ! {
    // SAFETY: `spawn` passes a live Memory that nobody writes to.
    let memory = unsafe { &*memory };
    let count = memory.fds.len() as i64;
    let first = i64::from(memory.first);
    // SAFETY: raw system calls on this process's own descriptor table (no CLONE_FILES) and on live memory.
    unsafe {
        let above = first + count;
        let mut index = 0;
        // Before dup3 below takes the place of one of these descriptors.
        while index < memory.enter.len() as i64 {
            let fd = i64::from(*memory.enter.as_ptr().add(index as usize));
            let done = syscall(libc::SYS_write, fd, c"0".as_ptr() as i64, 1, 0, 0);
            if done < 0 {
                refuse(memory, AT_CGROUP, index as usize, done);
            }
            index += 1;
        }
        if !memory.twice && !memory.join.is_empty() {
            join(memory);
        }
        index = 0;
        while index < count {
            // In bounds: index < fds.len().
            let fd = i64::from(*memory.fds.as_ptr().add(index as usize));
            let target = first + index;
            let done = if fd == target {
                syscall(libc::SYS_fcntl, fd, i64::from(libc::F_SETFD), 0, 0, 0)
            } else {
                syscall(libc::SYS_dup3, fd, target, 0, 0, 0)
            };
            if done < 0 {
                refuse(memory, AT_EXEC, DUP3, done);
            }
            index += 1;
        }
        if memory.user {
            wait_and_become_root(memory, above);
        }
        // Whatever else the caller left open goes with the exec (CVE-2024-21626).
        let flags = i64::from(libc::CLOSE_RANGE_CLOEXEC);
        let rest = i64::from(u32::MAX);
        let done = syscall(libc::SYS_close_range, above, rest, flags, 0, 0);
        if done < 0 {
            refuse(memory, AT_EXEC, CLOSE_RANGE, done);
        }
        execute(memory, i64::from(memory.program))
    }
}

/// Becomes the program that is open as `program`, or tells why not.
#[cfg(target_arch = "x86_64")]
fn execute(memory: &Memory, program: i64) -> ! {
    // SAFETY: strings and arrays of `memory`, terminated as the call needs them.
    let done = unsafe {
        syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr() as i64,
            memory.argv.as_ptr() as i64,
            memory.envp.as_ptr() as i64,
            i64::from(libc::AT_EMPTY_PATH),
        )
    };
    refuse(memory, AT_EXEC, EXECVEAT, done)
}

/// In a user namespace: nothing but its own descriptors, until the id maps are written; then it is root, and executes.
///
/// It only looks whether there is a byte (MSG_PEEK): the message is for the program. It has closed its copy of the other end
/// before, or would never see that its creator is gone.
#[cfg(target_arch = "x86_64")]
fn wait_and_become_root(memory: &Memory, above: i64) -> ! {
    let mut byte = 0_u8;
    // SAFETY: raw system calls on this process's own descriptors, one live byte and live memory.
    unsafe {
        if i64::from(memory.program) != above {
            let (program, flags) = (i64::from(memory.program), i64::from(libc::O_CLOEXEC));
            let done = syscall(libc::SYS_dup3, program, above, flags, 0, 0);
            if done < 0 {
                refuse(memory, AT_EXEC, DUP3, done);
            }
        }
        let rest = above + 1;
        let done = syscall(libc::SYS_close_range, rest, i64::from(u32::MAX), 0, 0, 0);
        if done < 0 {
            refuse(memory, AT_EXEC, CLOSE_RANGE, done);
        }
        loop {
            let flags = i64::from(libc::MSG_PEEK);
            let wire = i64::from(memory.first);
            let buffer = &raw mut byte as i64;
            let done = syscall(libc::SYS_recvfrom, wire, buffer, 1, flags, 0);
            if done == 1 {
                break;
            }
            if done != -i64::from(libc::EINTR) {
                exit_child();
            }
        }
        // Where it is denied the groups stay, and whoever asked for others gets an error later.
        let done = syscall(libc::SYS_setgroups, 0, 0, 0, 0, 0);
        if done < 0 && done != -i64::from(libc::EPERM) {
            refuse(memory, AT_ROOT, 0, done);
        }
        let mut place = 1;
        for call in [libc::SYS_setresgid, libc::SYS_setresuid] {
            let done = syscall(call, 0, 0, 0, 0, 0);
            if done < 0 {
                refuse(memory, AT_ROOT, place, done);
            }
            place += 1;
        }
        if memory.as_root != 0 {
            let done = syscall(libc::SYS_unshare, memory.as_root as i64, 0, 0, 0, 0);
            if done < 0 {
                refuse(memory, AT_ROOT, place, done);
            }
        }
        execute(memory, above)
    }
}

#[cfg(target_arch = "x86_64")]
fn exit_child() -> ! {
    loop {
        // SAFETY: ends this process only: it shares memory, but is no thread of its parent.
        unsafe { syscall(libc::SYS_exit_group, i64::from(EXEC_FAILED), 0, 0, 0, 0) };
    }
}
