//! `--pid-file`: init's number, complete or not there.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::sys::{Error, Result};

/// Writes `pid` to `path`, in decimal, without a newline: as runc, to a hidden file beside it that is then renamed.
///
/// # Errors
/// The call that failed; the file is as it was.
pub fn write(path: &Path, pid: i32) -> Result<()> {
    let error = |call, path: &Path, e: &std::io::Error| {
        let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        Error::new(call, path.display().to_string(), errno)
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(path.file_name().unwrap_or_default());
    let temporary: PathBuf = path.with_file_name(hidden);
    let mut file = OpenOptions::new()
        .write(true)
        // Exclusively: a link that somebody laid there is not followed.
        .create_new(true)
        .open(&temporary)
        .map_err(|e| error("open", &temporary, &e))?;
    let done = file
        .write_all(pid.to_string().as_bytes())
        .map_err(|e| error("write", &temporary, &e))
        .and_then(|()| std::fs::rename(&temporary, path).map_err(|e| error("rename", path, &e)));
    if done.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    done
}
