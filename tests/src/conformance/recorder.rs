//! Takes down what passes, at the exits of system calls. Only descriptors of the handshake's connections are read.

use std::collections::HashMap;
use std::io::IoSliceMut;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use sync_model::frame::FRAME_VERSION;

use super::{Act, Channel, Clock, Origin, Passed, Record};

/// Init's end of the wire, as the creator hands it over.
const INIT_WIRE: i32 = 3;
/// `argv` of init in /proc/PID/cmdline; that of exec's process begins so.
const INIT_ARGS: &[u8] = b"runc-rs\0init\0";
/// How many bytes the first words of exec's process are.
const CERTIFICATE: usize = 12;
/// Longest piece of memory that is read: the longest frame, and some.
const LONGEST: usize = 17 << 20;

/// A system call at its exit (x86-64: the arguments are still in their registers).
#[derive(Debug, Clone, Copy)]
pub struct Returned {
    /// Its number.
    pub number: i64,
    /// The arguments.
    pub args: [u64; 6],
    /// What it returned; negative: an errno.
    pub result: i64,
}

impl From<&libc::user_regs_struct> for Returned {
    fn from(registers: &libc::user_regs_struct) -> Self {
        Self {
            number: registers.orig_rax.cast_signed(),
            args: [
                registers.rdi,
                registers.rsi,
                registers.rdx,
                registers.r10,
                registers.r8,
                registers.r9,
            ],
            result: registers.rax.cast_signed(),
        }
    }
}

/// Knows which descriptor of which process is an end of a connection.
#[derive(Debug, Default)]
pub struct Recorder {
    ends: HashMap<(usize, i32), usize>,
    /// Exec's process that has executed, as long as no other goes on in its place.
    entering: Option<usize>,
    clock: Clock,
    record: Record,
}

impl Recorder {
    /// What was taken down.
    pub fn take(&mut self) -> Record {
        std::mem::take(&mut self.record)
    }

    /// A process executed something: init, the container's program, or neither.
    pub fn executed(&mut self, process: usize, tid: i32, is_program: bool) {
        // Descriptors of these connections are all closed by it.
        self.ends.retain(|(by, _), _| *by != process);
        if is_program {
            return self.act(process, Act::BecameProgram);
        }
        let args = std::fs::read(format!("/proc/{tid}/cmdline")).unwrap_or_default();
        let words = args.split(|byte| *byte == 0).count();
        let enters = args.starts_with(INIT_ARGS) && words == 5;
        if args == INIT_ARGS || enters {
            self.act(process, Act::BecameInit);
            self.begin(process, INIT_WIRE, Origin::Inherited);
            self.entering = enters.then_some(process);
        }
    }

    /// A process was born. Of exec's process it is the one that goes on in the pid namespace, with the same descriptors.
    pub fn born(&mut self, process: usize) {
        if let Some(before) = self.entering.take() {
            self.act(process, Act::BecameInit);
            if self.ends.contains_key(&(before, INIT_WIRE)) {
                self.begin(process, INIT_WIRE, Origin::Inherited);
            }
        }
    }

    /// A process ended: `status` as of wait(2).
    pub fn ended(&mut self, process: usize, status: i32) {
        let act = match status & 0x7f {
            0 => Act::Exited((status >> 8) & 0xff),
            signal => Act::Killed(signal),
        };
        self.act(process, act);
    }

    /// A system call returned.
    pub fn returned(&mut self, process: usize, tid: i32, call: &Returned) {
        let fd = descriptor(call.args[0].cast_signed());
        match call.number {
            libc::SYS_read | libc::SYS_recvfrom => {
                self.passed(process, fd, tid, call, false, |call, count| {
                    vec![(call.args[1], count)]
                });
            }
            libc::SYS_write | libc::SYS_sendto => {
                self.passed(process, fd, tid, call, true, |call, count| {
                    vec![(call.args[1], count)]
                });
            }
            libc::SYS_readv => self.passed(process, fd, tid, call, false, |call, count| {
                pieces(tid, call.args[1], call.args[2], count)
            }),
            libc::SYS_writev => self.passed(process, fd, tid, call, true, |call, count| {
                pieces(tid, call.args[1], call.args[2], count)
            }),
            libc::SYS_recvmsg => self.passed(process, fd, tid, call, false, |call, count| {
                pieces_of_message(tid, call.args[1], count)
            }),
            libc::SYS_sendmsg => self.passed(process, fd, tid, call, true, |call, count| {
                pieces_of_message(tid, call.args[1], count)
            }),
            libc::SYS_socketpair if call.result == 0 => {
                if let Some(pair) = memory(tid, &[(call.args[3], 4)]) {
                    // The first is the maker's own, the second is given away.
                    self.begin(process, int(&pair), Origin::Pair);
                }
            }
            libc::SYS_connect if call.result == 0 => self.begin(process, fd, Origin::Connected),
            libc::SYS_accept | libc::SYS_accept4 if call.result >= 0 => {
                self.begin(process, descriptor(call.result), Origin::Accepted);
            }
            libc::SYS_close if call.result == 0 => self.closed(process, fd, fd),
            // With flags it only marks them.
            libc::SYS_close_range if call.result == 0 && call.args[2] == 0 => {
                self.closed(
                    process,
                    fd,
                    descriptor(call.args[1].min(1 << 20).cast_signed()),
                );
            }
            libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 if call.result == 0 => {
                self.act(process, Act::Renamed);
            }
            _ => {}
        }
    }

    fn passed(
        &mut self,
        process: usize,
        fd: i32,
        tid: i32,
        call: &Returned,
        sent: bool,
        places: impl FnOnce(&Returned, usize) -> Vec<(u64, usize)>,
    ) {
        let Some(channel) = self.ends.get(&(process, fd)).copied() else {
            return;
        };
        let passed = match call.result {
            count @ 1.. => {
                let places = places(call, usize::try_from(count).unwrap_or(0));
                // A process that was killed meanwhile has no memory any more.
                let Some(bytes) = memory(tid, &places) else {
                    return;
                };
                let begins = self.record.channels[channel].log.is_empty();
                match sent {
                    _ if begins && is_certificate(&bytes) => Passed::Certificate(bytes),
                    true => Passed::Sent(bytes),
                    false => Passed::Received(bytes),
                }
            }
            0 if !sent => Passed::Ended,
            errno if !sent && errno == -i64::from(libc::ECONNRESET) => Passed::Ended,
            errno
                if sent
                    && [libc::EPIPE, libc::ECONNRESET, libc::ENOTCONN]
                        .map(|it| -i64::from(it))
                        .contains(&errno) =>
            {
                Passed::Unheard
            }
            _ => return,
        };
        self.log(channel, passed);
    }

    fn closed(&mut self, process: usize, first: i32, last: i32) {
        let mut gone: Vec<i32> = (self.ends.keys())
            .filter(|(by, fd)| *by == process && (first..=last).contains(fd))
            .map(|(_, fd)| *fd)
            .collect();
        gone.sort_unstable();
        for fd in gone {
            if let Some(channel) = self.ends.remove(&(process, fd)) {
                self.log(channel, Passed::Closed);
            }
        }
    }

    fn begin(&mut self, process: usize, fd: i32, origin: Origin) {
        let channel = self.record.channels.len();
        self.record.channels.push(Channel {
            process,
            origin,
            log: Vec::new(),
        });
        self.ends.insert((process, fd), channel);
    }

    fn log(&mut self, channel: usize, passed: Passed) {
        self.clock += 1;
        self.record.channels[channel].log.push((self.clock, passed));
    }

    fn act(&mut self, process: usize, act: Act) {
        self.clock += 1;
        self.record.acts.push((self.clock, process, act));
    }
}

/// It has a number in front where a frame has its version.
fn is_certificate(bytes: &[u8]) -> bool {
    bytes.len() == CERTIFICATE && bytes[0] != FRAME_VERSION
}

/// The bytes of another process at these places; `None` if they are not all there.
fn memory(tid: i32, places: &[(u64, usize)]) -> Option<Vec<u8>> {
    let length: usize = places.iter().map(|(_, length)| length).sum();
    if length > LONGEST {
        return None;
    }
    let mut bytes = vec![0; length];
    let remote: Vec<RemoteIoVec> = (places.iter())
        .map(|(base, len)| RemoteIoVec {
            base: usize::try_from(*base).unwrap_or(0),
            len: *len,
        })
        .collect();
    let mut local = [IoSliceMut::new(&mut bytes)];
    let count = process_vm_readv(Pid::from_raw(tid), &mut local, &remote).ok()?;
    (count == length).then_some(bytes)
}

/// The low half of a register; what is above it the kernel does not look at.
fn descriptor(register: i64) -> i32 {
    i32::try_from(register & i64::from(u32::MAX)).unwrap_or(-1)
}

fn int(bytes: &[u8]) -> i32 {
    bytes.try_into().map_or(-1, i32::from_ne_bytes)
}

/// The first `count` bytes of an array of `struct iovec`.
fn pieces(tid: i32, array: u64, length: u64, mut count: usize) -> Vec<(u64, usize)> {
    let length = usize::try_from(length.min(1024)).unwrap_or(0);
    let array = memory(tid, &[(array, length * 16)]).unwrap_or_default();
    let mut pieces = Vec::new();
    for piece in array.chunks_exact(16) {
        let word = |at: usize| piece[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
        let length = usize::try_from(word(8)).unwrap_or(0).min(count);
        count -= length;
        if length > 0 {
            pieces.push((word(0), length));
        }
    }
    pieces
}

/// Of a `struct msghdr`: its array is its third word, the array's length the fourth.
fn pieces_of_message(tid: i32, header: u64, count: usize) -> Vec<(u64, usize)> {
    let header = memory(tid, &[(header + 16, 16)]).unwrap_or_default();
    match header.first_chunk::<8>().zip(header.last_chunk::<8>()) {
        Some((array, length)) => pieces(
            tid,
            u64::from_ne_bytes(*array),
            u64::from_ne_bytes(*length),
            count,
        ),
        None => Vec::new(),
    }
}
