//! What the process started with, from /proc/self/status (proc_pid_status(5)).
//!
//! One read tells what would otherwise take some sixty calls to ask or to undo blindly: which signals are ignored, and
//! which capabilities are left to drop.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::{Error, Result};

const PATH: &str = "/proc/self/status";

/// The masks of /proc/self/status that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// `SigIgn`: bit n - 1 = signal n is ignored.
    pub ignored_signals: u64,
    /// `CapBnd`: bit n = capability n is in the bounding set.
    pub bounding: u64,
    /// `CapAmb`
    pub ambient: u64,
    /// `Uid`, if the real, effective, saved and filesystem ids are one; in the reader's user namespace.
    pub uid: Option<u32>,
    /// `Gid`, likewise.
    pub gid: Option<u32>,
    /// `Groups` is empty.
    pub no_groups: bool,
}

impl Status {
    /// Of the calling process. Init reads it before it leaves the host's mounts: the container's /proc is not to be trusted, or not there.
    pub fn read() -> Result<Self> {
        Self::open()?.read()
    }

    /// Opens the file alone: what is read later is what is true then, but for the ids, which are always those of the user
    /// namespace of now.
    pub fn open() -> Result<StatusFile> {
        open(PATH, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map(StatusFile)
            .map_err(|errno| Error::new("open", PATH, errno))
    }

    /// What is true of the ids of a process that has become root of a user namespace.
    #[must_use]
    pub fn as_root(self, no_groups: bool) -> Self {
        Self {
            uid: Some(0),
            gid: Some(0),
            no_groups,
            ..self
        }
    }

    /// `None`: not all lines are there yet, or one is not as the kernel writes it.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        let mut masks = 0;
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            // The kernel escapes what a process may choose (its name), so a line begins as its first bytes say.
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            let mask =
                |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
            if let Some(value) = line.strip_prefix(b"Uid:\t") {
                status.uid = one(value);
            } else if let Some(value) = line.strip_prefix(b"Gid:\t") {
                status.gid = one(value);
            } else if let Some(value) = line.strip_prefix(b"Groups:\t") {
                status.no_groups = value.trim_ascii().is_empty();
            } else if let Some(value) = line.strip_prefix(b"SigIgn:\t") {
                status.ignored_signals = mask(value)?;
                masks |= 1;
            } else if let Some(value) = line.strip_prefix(b"CapBnd:\t") {
                status.bounding = mask(value)?;
                masks |= 2;
            } else if let Some(value) = line.strip_prefix(b"CapAmb:\t") {
                status.ambient = mask(value)?;
                masks |= 4;
            }
        }
        (masks == 7).then_some(status)
    }
}

/// /proc/self/status, open.
#[derive(Debug)]
pub struct StatusFile(OwnedFd);

impl StatusFile {
    /// What it says now.
    ///
    /// # Errors
    /// That of read(2).
    pub fn read(&self) -> Result<Status> {
        let failed = |call, errno| Error::new(call, PATH, errno);
        // `Groups:` comes before what is sought, and may hold 65,536 of them: no fixed size is enough.
        let mut text = vec![0; 4096];
        let mut len = 0;
        loop {
            match nix::unistd::read(&self.0, &mut text[len..]) {
                Ok(0) => return Err(failed("read", Errno::ENODATA)),
                Ok(n) => len += n,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(failed("read", errno)),
            }
            if let Some(status) = Status::parse(&text[..len]) {
                return Ok(status);
            }
            text.resize(len + 4096, 0);
        }
    }
}

/// The one number of a list of equal ones.
fn one(list: &[u8]) -> Option<u32> {
    let mut ids = std::str::from_utf8(list).ok()?.split_ascii_whitespace();
    let first = ids.next()?;
    ids.all(|id| id == first).then(|| first.parse().ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_words() {
        let status = Status::read().unwrap();
        assert_ne!(status.bounding, 0, "a test runs as root");
        let sigpipe = 1 << (libc::SIGPIPE - 1);
        assert_eq!(
            status.ignored_signals & sigpipe,
            sigpipe,
            "Rust's std ignores SIGPIPE"
        );
    }

    const TEXT: &[u8] = b"Name:\tSigIgn:\t0\nUid:\t7\t7\t7\t7\nGid:\t0\t0\t5\t0\nGroups:\t \n\
        SigIgn:\t0000000000001000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000400\n";

    #[test]
    fn a_torn_line_is_not_taken() {
        let want = Status {
            ignored_signals: 0x1000,
            bounding: 0x1ff_ffff_ffff,
            ambient: 0x400,
            uid: Some(7),
            gid: None,
            no_groups: true,
        };
        assert_eq!(Status::parse(TEXT), Some(want));
        for end in 0..TEXT.len() {
            assert_eq!(Status::parse(&TEXT[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn what_is_not_said_is_not_assumed() {
        let text = b"SigIgn:\t1\nCapBnd:\t2\nCapAmb:\t3\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(
            (status.uid, status.gid, status.no_groups),
            (None, None, false)
        );
        let text = b"Groups:\t4 5 \nUid:\t\nGid:\tx\tx\tx\tx\nSigIgn:\t1\nCapBnd:\t2\nCapAmb:\t3\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(
            (status.uid, status.gid, status.no_groups),
            (None, None, false)
        );
    }
}
