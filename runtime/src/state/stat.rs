//! `/proc/PID/stat` (proc_pid_stat(5)): the state letter and the start time, which with the pid names one process for ever.

use std::fs::File;
use std::io::Read;

use nix::errno::Errno;

use crate::sys;

/// include/linux/sched.h; set before a dying process closes its files.
const PF_EXITING: u64 = 0x4;

/// What is read of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    /// Field 3: `R`, `S`, `D`, `Z`, `X`, ...
    pub state: u8,
    /// `PF_EXITING` of field 9: the process executes nothing any more, but may not be a zombie yet.
    pub exiting: bool,
    /// Field 22: clock ticks after boot.
    pub start_time: u64,
}

impl ProcStat {
    /// Dead already, whether reaped or not; also from the moment on in which the kernel begins to close its files.
    pub fn is_dead(self) -> bool {
        self.exiting || matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Parses the content of a `stat` file. The command in field 2 may hold spaces and `)`: the last `)` ends it.
pub fn parse_stat(content: &[u8]) -> Option<ProcStat> {
    let open = content.iter().position(|&b| b == b'(')?;
    let pid = content[..open].strip_suffix(b" ")?;
    if pid.is_empty() || !pid.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let close = content.iter().rposition(|&b| b == b')')?;
    // What follows is field 3 and on, each after one space.
    let rest = content.get(close + 1..)?.strip_prefix(b" ")?;
    let mut fields = rest.split(|&b| b == b' ');
    let state = match fields.next()? {
        [letter] if letter.is_ascii_alphabetic() => *letter,
        _ => return None,
    };
    let flags = number(fields.nth(9 - 4)?)?;
    let start_time = number(fields.nth(22 - 10)?)?;
    Some(ProcStat {
        state,
        exiting: flags & PF_EXITING != 0,
        start_time,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads `/proc/PID/stat`; `None` when there is no such process.
///
/// # Errors
/// That of opening or reading it; `EINVAL`: it is not written as proc_pid_stat(5) has it.
pub fn proc_stat(pid: i32) -> sys::Result<Option<ProcStat>> {
    let path = format!("/proc/{pid}/stat");
    // The file is at most 52 numbers of 20 digits and a command of 64 bytes.
    let mut buffer = [0_u8; 1280];
    let read = File::open(&path).and_then(|mut file| file.read(&mut buffer));
    match read.map_err(|error| sys::errno_of(&error)) {
        Ok(n) => match parse_stat(&buffer[..n]) {
            Some(stat) => Ok(Some(stat)),
            None => Err(sys::Error::new("parse", path, Errno::EINVAL)),
        },
        // ESRCH: the process went between the open and the read.
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        Err(e) => Err(sys::Error::new("read", path, e)),
    }
}
