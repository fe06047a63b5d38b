//! The files of one group, each of which may be missing: by the kernel's age or configuration, or because the group is gone.

use nix::errno::Errno;

use super::super::error::{Error, Result};
use super::super::{file, parse};
use super::table;
use crate::sys;

/// A group's directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a>(pub(super) &'a str);

impl Group<'_> {
    fn path(self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }

    /// A file's text; `None`: there is none.
    pub(super) fn text(self, name: &str) -> Result<Option<String>> {
        let path = self.path(name);
        let read = file::open_file(&path, nix::fcntl::OFlag::O_RDONLY)
            .and_then(|fd| file::read_all(&fd, &path));
        let bytes = match read {
            Ok(bytes) => bytes,
            // ENODEV: the group went. EOPNOTSUPP: pressure is not counted.
            Err(error)
                if matches!(
                    error.errno,
                    Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(sys::Error::new("read", path, Errno::EILSEQ).into()),
        }
    }

    /// What a parser makes of a file; `None`: there is none.
    pub(super) fn table<T>(
        self,
        name: &str,
        parse: impl FnOnce(&str) -> std::result::Result<T, parse::ParseError>,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        parse(&text).map(Some).map_err(|(line, what)| Error::Parse {
            file: self.path(name),
            line,
            what,
        })
    }

    /// A file of one number; "max" is `u64::MAX`.
    pub(super) fn number(self, name: &str) -> Result<Option<u64>> {
        self.table(name, table::number)
    }

    /// A file of one number; 0 without it.
    pub(super) fn count(self, name: &str) -> Result<u64> {
        Ok(self.number(name)?.unwrap_or(0))
    }
}
