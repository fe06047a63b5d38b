//! Why a config.json cannot become a plan. Nothing was created when one of these is returned.

use std::fmt;

use crate::sys;

/// Result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a config.json cannot become a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no config.json in the bundle. runc's words; engines know them.
    #[error("JSON specification file config.json not found")]
    NotFound,
    /// config.json cannot be read.
    #[error("{0}")]
    Read(#[source] sys::Error),
    /// config.json is a directory, a fifo, a device or a socket.
    #[error("config.json is not a regular file")]
    NotAFile,
    /// config.json is larger than [`super::MAX_SIZE`].
    #[error("config.json is larger than {max} bytes, the most that is read", max = super::MAX_SIZE)]
    TooLarge,
    /// config.json is empty.
    #[error("config.json is empty")]
    Empty,
    /// config.json is not text.
    #[error("config.json is not UTF-8 text: invalid byte at offset {offset}")]
    NotText {
        /// In bytes from the beginning.
        offset: usize,
    },
    /// Not JSON, or a field of the wrong type.
    #[error("config.json: {}{why}", Prefix(field))]
    Json {
        /// Where, in the manner of `process.args[1]`; empty for the whole file.
        field: String,
        /// What, with line and column.
        why: String,
    },
    /// Legal, but not there yet. Never ignored: it might isolate the container.
    #[error("{field}: not supported yet")]
    Unsupported {
        /// `linux.seccomp`
        field: String,
    },
    /// A field has an impossible value.
    #[error("{field}: {why}")]
    Invalid {
        /// `process.rlimits[0].type`
        field: String,
        /// In words.
        why: String,
    },
    /// What runc refuses too, in runc's words.
    #[error("{0}")]
    Refused(String),
    /// The root filesystem's path does not lead to a directory.
    #[error("invalid rootfs: {0}")]
    Rootfs(#[source] sys::Error),
}

impl Error {
    pub(super) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Invalid {
            field: field.into(),
            why: clip(why.into()),
        }
    }

    pub(super) fn unsupported(field: impl Into<String>) -> Self {
        Error::Unsupported {
            field: field.into(),
        }
    }

    pub(super) fn refused(words: impl Into<String>) -> Self {
        Error::Refused(clip(words.into()))
    }
}

/// The longest text of an error that quotes the config, in bytes.
const MAX_TEXT: usize = 1000;

/// Takes the middle out of a text that is too long: a config may hold a string of megabytes, and an error goes into the
/// engine's log, through its pipes, and onto its user's screen. Both ends tell something: what, and where.
pub(super) fn clip(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let head = text.floor_char_boundary(MAX_TEXT - 200);
        let tail = text.ceil_char_boundary(text.len() - 100);
        text.replace_range(head..tail, " ... ");
    }
    text
}

/// `field: `, or nothing.
struct Prefix<'a>(&'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn long_texts_keep_both_ends() {
        assert_eq!(clip("short".to_owned()), "short");
        for middle in ["x", "\u{e9}", "\u{1f980}"] {
            let text = clip(format!("head{}tail", middle.repeat(10_000)));
            assert!(text.len() < 1000, "{}", text.len());
            assert!(text.starts_with("head") && text.ends_with("tail"));
        }
    }
}
