//! A container's name.

use std::fmt;

use super::Error;

/// A valid container name: 1 to 1,024 characters of `A-Z a-z 0-9 _ + . -`, neither `.` nor `..`.
///
/// It is a path component by construction; a name longer than the filesystem's limit (255) fails in mkdir(2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

/// The longest name, in bytes, that containerd and runc's own tests use as the border.
pub const MAX: usize = 1024;

impl Id {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Error::EmptyId`], [`Error::InvalidId`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'.' | b'-');
        if text.is_empty() {
            return Err(Error::EmptyId);
        }
        if text.len() > MAX || text == "." || text == ".." || !text.bytes().all(legal) {
            return Err(Error::InvalidId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
