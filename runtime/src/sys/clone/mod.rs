//! clone3(2) straight into execveat(2): how init is born.
//!
//! The child shares the parent's memory until it executes (`CLONE_VM` without `CLONE_VFORK`): no page table is copied,
//! and the parent goes on at once, to put the child in its cgroups while the kernel loads the new image. In return
//! the child may only make raw system calls on memory that the parent keeps untouched: that is all of [`child`].

mod child;

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;

use super::{Error, Result};

/// First descriptor behind the standard streams.
pub const FIRST_FD: RawFd = 3;

/// A started child.
#[derive(Debug)]
pub struct Child {
    /// In the caller's pid namespace.
    pub pid: i32,
    /// Close-on-exec.
    pub pidfd: OwnedFd,
    /// What it may still be reading until it has executed its new image.
    pub shared: Shared,
}

/// The memory that a child shares with its parent until it has executed its new image.
#[derive(Debug)]
pub struct Shared {
    memory: Option<Box<Memory>>,
}

impl Shared {
    /// Says that the child has executed its new image (it sent a message, or it is dead), so that the memory that it
    /// shared may be used again.
    pub fn has_executed(&mut self) {
        self.memory = None;
    }

    /// Of a child that ended with [`EXEC_FAILED`]: what the kernel refused it, and why. `None`: it got past all that.
    pub fn refused_at(&self) -> Option<(Refused, Errno)> {
        self.memory.as_ref().and_then(|memory| memory.refused())
    }
}

/// What the kernel refused a child before its exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The cgroup at this place in [`spawn_in`]'s list.
    Cgroup(usize),
    /// The namespace at this place of [`Spawn::join`].
    Join(usize),
    /// The birth of the second child.
    Birth,
    /// To become root of its user namespace, and to have what is then its own: the call.
    Root(&'static str),
    /// The exec itself: the call.
    Exec(&'static str),
}

/// The error of [`Refused::Exec`].
pub fn exec_error(call: &'static str, errno: Errno) -> Error {
    Error::new(call, "the runtime's own executable", errno)
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Not known to have executed: the child may still read it. A few KiB, once, on a failing path.
        if let Some(memory) = self.memory.take() {
            std::mem::forget(memory);
        }
    }
}

/// What [`spawn`] starts.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// `CLONE_NEW*` bits.
    pub namespaces: u64,
    /// A cgroup v2 directory to be born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The program: a descriptor for execveat(2) with `AT_EMPTY_PATH`.
    pub program: BorrowedFd<'a>,
    /// `argv`.
    pub args: &'a [&'a CStr],
    /// `environ`.
    pub env: &'a [CString],
    /// The first of `fds` in the child: what is below is inherited as it is. At least [`FIRST_FD`].
    pub first: RawFd,
    /// These become `first`, `first + 1`, ... in the child; all that is above them is closed by the exec.
    pub fds: &'a [BorrowedFd<'a>],
    /// Open namespace files, and their `CLONE_NEW*` bits: to be joined, in this order, but for a user namespace. That comes
    /// when the others have been tried, and those that were refused are tried again in it.
    pub join: &'a [(BorrowedFd<'a>, u64)],
    /// The namespaces must be joined before the new ones can be made: the one who joins starts the real child as its own
    /// sibling, and ends.
    pub twice: bool,
    /// It is in another user namespace: before its exec it waits until something comes on the first of `fds`, which it does not
    /// read, and becomes root there. (The exec of one without a uid would drop every capability.) At the end of that
    /// stream it exits.
    pub user: bool,
}

/// Not libc's constant: that one overflows an `int`.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK: usize = 16 * 1024;

/// All that the child touches. The parent does not touch it until the child has executed.
#[derive(Debug)]
struct Memory {
    _strings: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    first: RawFd,
    fds: Vec<RawFd>,
    enter: Vec<RawFd>,
    join: Vec<(RawFd, u64)>,
    twice: bool,
    user: bool,
    as_root: u64,
    second: libc::clone_args,
    second_stack: Vec<u64>,
    second_pid: AtomicI32,
    // The child's only words to its parent, which shares this memory.
    refused_what: AtomicI32,
    refused_place: AtomicI32,
    refused_errno: AtomicI32,
    program: RawFd,
    stack: Vec<u64>,
}

impl Memory {
    fn refused(&self) -> Option<(Refused, Errno)> {
        let errno = self.refused_errno.load(Ordering::Acquire);
        let place = usize::try_from(self.refused_place.load(Ordering::Acquire)).unwrap_or(0);
        let what = match self.refused_what.load(Ordering::Acquire) {
            AT_CGROUP => Refused::Cgroup(place),
            AT_JOIN => Refused::Join(place),
            AT_BIRTH => Refused::Birth,
            AT_ROOT => Refused::Root(ROOT_CALLS.get(place).copied().unwrap_or_default()),
            _ => Refused::Exec(EXEC_CALLS.get(place).copied().unwrap_or_default()),
        };
        (errno != 0).then(|| (what, Errno::from_raw(errno)))
    }
}

const AT_CGROUP: i32 = 0;
const AT_JOIN: i32 = 1;
const AT_BIRTH: i32 = 2;
const AT_ROOT: i32 = 3;
/// Of [`AT_ROOT`], by its place.
const ROOT_CALLS: [&str; 4] = ["setgroups", "setresgid", "setresuid", "unshare"];
const AT_EXEC: i32 = 4;
/// Of [`AT_EXEC`], by its place.
const EXEC_CALLS: [&str; 3] = ["execveat", "close_range", "dup3"];
const EXECVEAT: usize = 0;
const CLOSE_RANGE: usize = 1;
const DUP3: usize = 2;

/// Starts `what` with clone3(2). The caller must have blocked all signals: a handler must not run in the child.
///
/// # Errors
/// The errno of clone3, with what to look at; a failure of the exec itself shows as the child's exit status
/// [`EXEC_FAILED`] and the end of its descriptors, and [`Shared::refused_at`] tells why.
pub fn spawn(what: &Spawn<'_>) -> Result<Child> {
    spawn_in(what, &[])
}

/// As [`spawn`]; before anything else the child writes "0" to each of `enter`, open `tasks` files of v1 cgroups: it
/// moves itself. Only that way does the kernel spare it a lock that costs an RCU grace period, 14 to 27 ms where it
/// was measured (`cgroup_procs_write_start` in kernel/cgroup/cgroup.c).
///
/// # Errors
/// As [`spawn`]. A refused write shows as [`EXEC_FAILED`], and [`Shared::refused_at`] tells which.
pub fn spawn_in(what: &Spawn<'_>, enter: &[BorrowedFd<'_>]) -> Result<Child> {
    let mut strings: Vec<CString> = what.args.iter().map(|s| CString::from(*s)).collect();
    strings.extend(what.env.iter().cloned());
    let (args, env) = strings.split_at(what.args.len());
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter()
            .map(|s| s.as_ptr())
            .chain(std::iter::once(std::ptr::null()))
            .collect()
    };
    let (fds, program, _moved) = out_of_the_way(what)?;
    // Who makes an ipc namespace owns the root of its mqueue filesystem: its own root should.
    let as_root = match what.user {
        true => what.namespaces & libc::CLONE_NEWIPC as u64,
        false => 0,
    };
    let mut memory = Box::new(Memory {
        argv: pointers(args),
        envp: pointers(env),
        first: what.first,
        fds,
        enter: enter.iter().map(AsRawFd::as_raw_fd).collect(),
        join: what
            .join
            .iter()
            .map(|(fd, kind)| (fd.as_raw_fd(), *kind))
            .collect(),
        twice: what.twice,
        user: what.user,
        as_root,
        // SAFETY: an all-zero clone_args is valid: every field is an integer.
        second: unsafe { std::mem::zeroed() },
        second_stack: vec![0; if what.twice { STACK / 8 } else { 0 }],
        second_pid: AtomicI32::new(0),
        refused_what: AtomicI32::new(0),
        refused_place: AtomicI32::new(0),
        refused_errno: AtomicI32::new(0),
        program,
        stack: vec![0; STACK / 8],
        _strings: strings,
    });

    let mut pidfd: RawFd = -1;
    // SAFETY: an all-zero clone_args is valid: every field is an integer.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = what.namespaces & !as_root | libc::CLONE_PIDFD as u64 | libc::CLONE_VM as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.stack = memory.stack.as_mut_ptr() as u64;
    args.stack_size = STACK as u64;
    if let Some(cgroup) = what.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    if what.twice {
        memory.second = args;
        // The exit signal is the first child's.
        memory.second.flags = args.flags & !(libc::CLONE_PIDFD as u64)
            | libc::CLONE_PARENT as u64
            | libc::CLONE_PARENT_SETTID as u64;
        memory.second.exit_signal = 0;
        memory.second.pidfd = 0;
        memory.second.parent_tid = memory.second_pid.as_ptr() as u64;
        memory.second.stack = memory.second_stack.as_mut_ptr() as u64;
        args.flags = (libc::CLONE_PIDFD | libc::CLONE_VM) as u64;
        let cgroup_namespace = |&(_, kind): &(_, u64)| kind == libc::CLONE_NEWCGROUP as u64;
        if what.join.iter().any(cgroup_namespace) && what.cgroup.is_some() {
            // Whoever has joined a cgroup namespace may put nobody in a group outside of it (nsdelegate): it is in the group before,
            // and its child with it.
            args.flags |= CLONE_INTO_CGROUP;
            memory.second.flags &= !CLONE_INTO_CGROUP;
            memory.second.cgroup = 0;
        } else {
            args.cgroup = 0;
        }
    }

    // SAFETY: `args` is a valid clone_args; the child runs `child::main` on its own stack, inside `memory`, which stays
    // allocated until `has_executed` (or for ever).
    let pid = unsafe { clone3(&args, &raw const *memory, child::main) };
    if pid < 0 {
        let errno = Errno::from_raw(i32::try_from(-pid).unwrap_or(libc::EIO));
        return Err(Error::new(
            "clone3",
            format!("with flags {:#x}", args.flags),
            errno,
        ));
    }
    // SAFETY: clone3 succeeded with CLONE_PIDFD: the kernel stored a new descriptor, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let shared = Shared {
        memory: Some(memory),
    };
    if what.twice {
        return second(shared, &pidfd);
    }
    Ok(Child {
        pid: i32::try_from(pid).unwrap_or(-1),
        pidfd,
        shared,
    })
}

/// Reaps the first child of two; the second is the caller's child as well, by CLONE_PARENT.
fn second(shared: Shared, first: &OwnedFd) -> Result<Child> {
    use std::os::fd::AsFd;
    super::pidfd::wait(first.as_fd(), false)?;
    let pid = shared
        .memory
        .as_ref()
        .map_or(0, |memory| memory.second_pid.load(Ordering::Acquire));
    if pid > 0 {
        // Not reaped yet: the number is its own.
        let pidfd = super::pidfd::open(pid)?;
        return Ok(Child { pid, pidfd, shared });
    }
    Err(match shared.refused_at() {
        Some((Refused::Join(place), errno)) => Error::new("setns", place.to_string(), errno),
        Some((_, errno)) => Error::new("clone3", "after joining namespaces", errno),
        None => Error::new("clone3", "killed while it joined namespaces", Errno::EINTR),
    })
}

/// The child's dup3 calls go from the first to the last: a source that one of them would overwrite is moved above the
/// targets first.
fn out_of_the_way(what: &Spawn<'_>) -> Result<(Vec<RawFd>, RawFd, Vec<OwnedFd>)> {
    let end = what.first + RawFd::try_from(what.fds.len()).unwrap_or(RawFd::MAX);
    // One who waits closes everything else at once, and keeps the program behind its descriptors.
    let above = end + RawFd::from(what.user);
    let mut moved = Vec::new();
    let mut place = |fd: BorrowedFd<'_>, target: Option<RawFd>| -> Result<RawFd> {
        let raw = fd.as_raw_fd();
        if !(what.first..above).contains(&raw) || target == Some(raw) {
            return Ok(raw);
        }
        // SAFETY: fcntl on a borrowed, open descriptor.
        let copy = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, above) };
        if copy < 0 {
            return Err(Error::last("fcntl", format!("F_DUPFD_CLOEXEC {raw}")));
        }
        // SAFETY: a new descriptor, ours.
        moved.push(unsafe { OwnedFd::from_raw_fd(copy) });
        Ok(copy)
    };
    let fds = (what.first..)
        .zip(what.fds)
        .map(|(target, fd)| place(*fd, Some(target)))
        .collect::<Result<_>>()?;
    let program = place(what.program, what.user.then_some(end))?;
    Ok((fds, program, moved))
}

/// Exit status of a child that could not execute the program.
pub const EXEC_FAILED: i32 = 126;

/// clone3(2); the child starts with `entry`, which gets `memory`.
///
/// # Safety
/// `args` is valid, and names a stack; what `memory` points to lives as long as the child may use it.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone3<T>(
    args: &libc::clone_args,
    memory: *const T,
    entry: extern "C" fn(*const T) -> !,
) -> i64 {
    let result: i64;
    // The child's stack is in `args`, and `entry` gets `memory`.
    // SAFETY: the parent continues after label 2 with all registers but rax, rcx and r11 unchanged, and its own stack;
    // the child starts on the stack in `args` (16-byte aligned, as the call needs) and never returns from `entry`.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "and rsp, -16",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") std::mem::size_of::<libc::clone_args>(),
            in("r12") memory,
            in("r13") entry as *const (),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn syscall(number: i64, a: i64, b: i64, c: i64, d: i64, e: i64) -> i64 {
    let result: i64;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers rax, rcx and r11 only.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    use nix::sys::wait::WaitStatus;

    /// `program` in the namespaces and cgroups of this process.
    fn plain<'a>(program: &'a File, args: &'a [&'a CStr]) -> Spawn<'a> {
        Spawn {
            namespaces: 0,
            cgroup: None,
            program: program.as_fd(),
            args,
            env: &[],
            first: FIRST_FD,
            fds: &[],
            join: &[],
            twice: false,
            user: false,
        }
    }

    fn run(args: &[&CStr], fds: &[BorrowedFd<'_>]) -> WaitStatus {
        let program = File::open("/bin/busybox").unwrap();
        let env = [c"GREETING=hello".to_owned()];
        let what = Spawn {
            env: &env,
            fds,
            ..plain(&program, args)
        };
        let mut child = spawn(&what).unwrap();
        let status = super::super::pidfd::wait(child.pidfd.as_fd(), false).unwrap();
        child.shared.has_executed();
        status
    }

    #[test]
    fn the_child_has_the_descriptors_it_was_given_and_no_other() {
        let leaked = File::open("/dev/null").unwrap();
        nix::fcntl::fcntl(
            &leaked,
            nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
        )
        .unwrap();
        let (mut read_a, write_a) = std::io::pipe().unwrap();
        let (mut read_b, write_b) = std::io::pipe().unwrap();
        // In the "wrong" order: the first target may be the second source.
        // Asked one by one, without a pipe or a directory that the shell would itself have open.
        let script = c"echo a >&3; i=5; while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && more=\"$more $i\"; i=$((i+1)); done; echo b $GREETING $more >&4";
        run(&[c"sh", c"-c", script], &[write_b.as_fd(), write_a.as_fd()]);
        drop((write_a, write_b));
        let (mut a, mut b) = (String::new(), String::new());
        read_a.read_to_string(&mut a).unwrap();
        read_b.read_to_string(&mut b).unwrap();
        assert_eq!(b, "a\n");
        assert_eq!(a, "b hello\n");
    }

    #[test]
    fn a_refused_entrance_is_told_with_its_place() {
        let program = File::open("/bin/busybox").unwrap();
        let what = plain(&program, &[c"true"]);
        let writable = File::create("/dev/null").unwrap();
        let read_only = File::open("/dev/null").unwrap();
        let enter = [writable.as_fd(), read_only.as_fd()];
        let mut child = spawn_in(&what, &enter).unwrap();
        let status = super::super::pidfd::wait(child.pidfd.as_fd(), false).unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, EXEC_FAILED)));
        assert_eq!(
            child.shared.refused_at(),
            Some((Refused::Cgroup(1), Errno::EBADF))
        );
        child.shared.has_executed();

        let child = spawn_in(&what, &enter[..1]).unwrap();
        let status = super::super::pidfd::wait(child.pidfd.as_fd(), false).unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
        assert_eq!(child.shared.refused_at(), None);
    }

    #[test]
    fn a_program_that_cannot_be_executed_is_told() {
        let directory = File::open("/").unwrap();
        let what = plain(&directory, &[c"x"]);
        let mut child = spawn(&what).unwrap();
        let status = super::super::pidfd::wait(child.pidfd.as_fd(), false).unwrap();
        assert!(
            matches!(status, WaitStatus::Exited(_, EXEC_FAILED)),
            "{status:?}"
        );
        assert_eq!(
            child.shared.refused_at(),
            Some((Refused::Exec("execveat"), Errno::EACCES))
        );
        child.shared.has_executed();
    }
}
