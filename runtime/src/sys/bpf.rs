//! bpf(2): a device program for a cgroup v2.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Error, Result};

/// One instruction, as the kernel's `struct bpf_insn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination in the low half, source in the high one.
    pub registers: u8,
    /// Of a jump, from the next instruction; of a load, in bytes.
    pub offset: i16,
    /// The constant.
    pub immediate: i32,
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
/// `BPF_PROG_TYPE_CGROUP_DEVICE`
const TYPE: u32 = 15;
/// `BPF_CGROUP_DEVICE`
const POINT: u32 = 6;
/// `BPF_F_ALLOW_MULTI`: a device is reached only if every program from here to the root allows it.
const ALLOW_MULTI: u32 = 2;

/// The first members of the kernel's `union bpf_attr` for `BPF_PROG_LOAD`; those that are left out count as 0.
#[repr(C)]
struct Load {
    prog_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

/// The same for `BPF_PROG_ATTACH`.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    point: u32,
    flags: u32,
}

/// Has a program checked and taken by the kernel.
///
/// # Errors
/// `EPERM`: no CAP_BPF or CAP_SYS_ADMIN, or before Linux 5.11 `RLIMIT_MEMLOCK`; `EACCES`, `EINVAL`: a program that the kernel
/// does not take; `ENOSYS`.
pub fn load_device_program(program: &[Instruction]) -> Result<OwnedFd> {
    let attr = Load {
        prog_type: TYPE,
        // More than 32 bits are more than the kernel takes.
        count: u32::try_from(program.len()).unwrap_or(u32::MAX),
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
    };
    // SAFETY: `attr` is what this command reads, of the size that is said; the pointers in it lead to `count` instructions and
    // a string, which are only read.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attr, size_of::<Load>()) };
    if rc < 0 {
        return Err(Error::last("bpf", "BPF_PROG_LOAD of the device rules"));
    }
    // SAFETY: the answer is a new descriptor, close-on-exec, which fits an int.
    Ok(unsafe { OwnedFd::from_raw_fd(rc as i32) })
}

/// Attaches it to a group, beside what is attached there. It stays as long as the group does.
///
/// # Errors
/// `EPERM`: no privilege, or a program above that allows none below; `E2BIG`: 64 are there.
pub fn attach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let attr = Attach {
        target: group.as_raw_fd().unsigned_abs(),
        program: program.as_raw_fd().unsigned_abs(),
        point: POINT,
        flags: ALLOW_MULTI,
    };
    // SAFETY: `attr` is what this command reads, of the size that is said, and has no pointer in it.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_ATTACH,
            &raw const attr,
            size_of::<Attach>(),
        )
    };
    if rc < 0 {
        return Err(Error::last("bpf", "BPF_PROG_ATTACH of the device rules"));
    }
    Ok(())
}
