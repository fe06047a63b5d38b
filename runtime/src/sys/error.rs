//! A failed system call.

use std::fmt;

use nix::errno::Errno;

/// What was tried, on what, and what the kernel said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The call, as the manual spells it: "openat2", "mount".
    pub call: &'static str,
    /// What it was done to, for a person: a path, a pid, "proc on /proc". May be empty.
    pub object: String,
    /// The error number.
    pub errno: Errno,
}

/// The errno of an error of the standard library; of one without, `EIO`.
pub fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Result of a kernel call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed `call` on `object`.
    pub fn new(call: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self {
            call,
            object: object.into(),
            errno,
        }
    }

    /// A failed `call` on `object`, as the standard library tells of it. What it says by itself, without an errno, is `EIO`.
    pub fn io(call: &'static str, object: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(call, object, errno_of(error))
    }

    /// A failed `call` on `object`, from the calling thread's `errno`.
    pub fn last(call: &'static str, object: impl Into<String>) -> Self {
        Self::new(call, object, Errno::last())
    }
}

impl Error {
    /// What to do about it, where only the host can be the cause.
    fn hint(&self) -> &'static str {
        match self.errno {
            Errno::ENOSYS => {
                " (a kernel older than Linux 5.12, or a seccomp filter around the runtime that forbids it)"
            }
            Errno::ENOENT if self.object.starts_with("/proc/self/") => " (is /proc mounted?)",
            _ => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = words(self.errno);
        let space = if self.object.is_empty() { "" } else { " " };
        write!(
            f,
            "{}{space}{}: {words}{}",
            self.call,
            self.object,
            self.hint()
        )
    }
}

impl std::error::Error for Error {}

/// The C library's words for an errno, in lower case as runc has them: "permission denied". Engines match on them; nix
/// has others for some ("I/O error").
pub fn words(errno: Errno) -> String {
    let mut words = std::io::Error::from(errno).to_string().to_lowercase();
    if let Some(number) = words.find(" (os error") {
        words.truncate(number);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_host_can_mend_is_said() {
        let error = |call, object, errno| Error::new(call, object, errno).to_string();
        assert_eq!(
            error("mount_setattr", "/a", Errno::ENOSYS),
            "mount_setattr /a: function not implemented (a kernel older than Linux 5.12, or a seccomp filter around the runtime that forbids it)"
        );
        assert_eq!(
            error("open", "/proc/self/mountinfo", Errno::ENOENT),
            "open /proc/self/mountinfo: no such file or directory (is /proc mounted?)"
        );
        assert_eq!(
            error("open", "/proc/sys/x", Errno::ENOENT),
            "open /proc/sys/x: no such file or directory"
        );
        assert_eq!(
            error("setsid", "", Errno::EPERM),
            "setsid: operation not permitted"
        );
    }

    #[test]
    fn words_are_those_of_runc() {
        for (errno, text) in [
            (Errno::EIO, "input/output error"),
            (Errno::ENOENT, "no such file or directory"),
            (Errno::EACCES, "permission denied"),
            (Errno::ELOOP, "too many levels of symbolic links"),
            (Errno::EBUSY, "device or resource busy"),
        ] {
            assert_eq!(words(errno), text);
        }
    }
}
