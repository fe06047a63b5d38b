//! What the process started with, from /proc/self/status (proc_pid_status(5)).
//!
//! One read tells what would otherwise take some sixty calls to ask or to undo blindly: which signals are ignored, and
//! which capabilities are left to drop.

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
}

impl Status {
    /// Of the calling process. Init reads it before it leaves the host's mounts: the container's /proc is not to be trusted, or not there.
    pub fn read() -> Result<Self> {
        let failed = |call, errno| Error::new(call, PATH, errno);
        let file = open(PATH, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| failed("open", errno))?;
        // `Groups:` comes before what is sought, and may hold 65,536 of them: no fixed size is enough.
        let mut text = vec![0; 4096];
        let mut len = 0;
        loop {
            match nix::unistd::read(&file, &mut text[len..]) {
                Ok(0) => return Err(failed("read", Errno::ENODATA)),
                Ok(n) => len += n,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(failed("read", errno)),
            }
            if let Some(status) = Self::parse(&text[..len]) {
                return Ok(status);
            }
            text.resize(len + 4096, 0);
        }
    }

    /// `None`: not all lines are there yet, or one is not as the kernel writes it.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = [None; 3];
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let names: [&[u8]; 3] = [b"SigIgn:\t", b"CapBnd:\t", b"CapAmb:\t"];
            for (field, name) in fields.iter_mut().zip(names) {
                if let Some(value) = line.strip_prefix(name) {
                    let digits = std::str::from_utf8(value.strip_suffix(b"\n")?).ok()?;
                    *field = Some(u64::from_str_radix(digits, 16).ok()?);
                }
            }
        }
        let [ignored_signals, bounding, ambient] = fields;
        Some(Self {
            ignored_signals: ignored_signals?,
            bounding: bounding?,
            ambient: ambient?,
        })
    }
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

    #[test]
    fn a_torn_line_is_not_taken() {
        let text =
            b"SigIgn:\t0000000000001000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000400\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(
            (status.ignored_signals, status.bounding, status.ambient),
            (0x1000, 0x1ff_ffff_ffff, 0x400)
        );
        for end in 0..text.len() {
            assert_eq!(Status::parse(&text[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn other_lines_do_not_confuse() {
        // A process may call itself anything, but the kernel escapes newlines in names.
        let text = b"Name:\tSigIgn:\t0\nSigIgn:\t1\nCapBnd:\t2\nCapAmb:\t3\nSeccomp:\t0\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(status.ignored_signals, 1);
    }
}
