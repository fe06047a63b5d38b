//! socketcall(2) and ipc(2): the system calls of sockets and of System V IPC on x86, where they went through these two before
//! (and most still do beside) numbers of their own.

use super::Syscall;
use super::layout::{COUNT, row_of};

const SOCKETCALL: Syscall = Syscall(row_of("socketcall"));
const IPC: Syscall = Syscall(row_of("ipc"));

/// `SYS_*` of linux/net.h.
const SOCKETCALLS: [(&str, u8); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

/// linux/ipc.h. The kernel looks at the low 16 bits of the argument (the others are a version, 0 in all C libraries), a filter
/// at all of it.
const IPC_CALLS: [(&str, u8); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// In [`CALLS`]: through ipc(2).
const THROUGH_IPC: u8 = 0x80;
/// For each row of the table its number within socketcall(2) or ipc(2); 0: it goes through neither.
static CALLS: [u8; COUNT] = {
    let mut calls = [0; COUNT];
    let mut at = 0;
    while at < SOCKETCALLS.len() {
        calls[row_of(SOCKETCALLS[at].0) as usize] = SOCKETCALLS[at].1;
        at += 1;
    }
    at = 0;
    while at < IPC_CALLS.len() {
        calls[row_of(IPC_CALLS[at].0) as usize] = THROUGH_IPC | IPC_CALLS[at].1;
        at += 1;
    }
    calls
};

/// For x86: what `call` goes through, and the first argument that says so.
pub(super) fn on_x86(call: Syscall) -> Option<(Syscall, u32)> {
    match *CALLS.get(usize::from(call.0))? {
        0 => None,
        number if number & THROUGH_IPC != 0 => Some((IPC, u32::from(number & !THROUGH_IPC))),
        number => Some((SOCKETCALL, u32::from(number))),
    }
}
