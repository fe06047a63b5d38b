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

    /// A failed `call` on `object`, from the calling thread's `errno`.
    pub fn last(call: &'static str, object: impl Into<String>) -> Self {
        Self::new(call, object, Errno::last())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // runc's texts end in the C library's words for the errno: "permission denied". Engines match on them. They come
        // from strerror(3): nix has its own for some ("math result not representable").
        let text = std::io::Error::from(self.errno).to_string().to_lowercase();
        let words = text.split(" (os error").next().unwrap_or_default();
        if self.object.is_empty() {
            write!(f, "{}: {words}", self.call)
        } else {
            write!(f, "{} {}: {words}", self.call, self.object)
        }
    }
}

impl std::error::Error for Error {}
