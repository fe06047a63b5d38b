//! The file system's part: config.json itself, and the path of the root filesystem.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use serde::Deserialize;

use super::config::{Config, Process};
use super::error::{Error, Result, clip};
use super::{MAX_SIZE, locate, path};
use crate::sys::{self, close::Batch};

/// The bytes of `bundle`/config.json, and the open file: one open, one stat, one read.
pub(super) fn config(bundle: &Path) -> Result<(Vec<u8>, File)> {
    let path = bundle.join("config.json");
    let object = || path.display().to_string();
    // O_NONBLOCK: opening a fifo must fail below, not wait for a writer.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(&path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => match std::fs::metadata(bundle) {
                // runc changes into the bundle before it looks for the file.
                Err(error) => Error::Read(sys::Error::io(
                    "chdir",
                    bundle.display().to_string(),
                    &error,
                )),
                Ok(_) => Error::NotFound,
            },
            _ => Error::Read(sys::Error::io("open", object(), &error)),
        })?;
    let meta = file
        .metadata()
        .map_err(|error| Error::Read(sys::Error::io("fstat", object(), &error)))?;
    if !meta.is_file() {
        return Err(Error::NotAFile);
    }
    if meta.len() > MAX_SIZE {
        return Err(Error::TooLarge);
    }
    // One byte of room more than the file has: a full read that leaves room is the end of a regular file, no second read
    // is needed to see it. A file that grows meanwhile fills the room and is read on.
    let size = usize::try_from(meta.len()).map_err(|_| Error::TooLarge)?;
    let mut text = vec![0; size + 1];
    let mut filled = 0;
    loop {
        match file.read(&mut text[filled..]) {
            Ok(count) => {
                filled += count;
                if filled < text.len() {
                    break;
                }
                if filled as u64 > MAX_SIZE {
                    return Err(Error::TooLarge);
                }
                text.resize(filled * 2, 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Read(sys::Error::io("read", object(), &error))),
        }
    }
    text.truncate(filled);
    Ok((text, file))
}

/// What `from` has up to its end, if that is not more than a config may have.
///
/// # Errors
/// That of read(2); `EFBIG`
pub fn text(from: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MAX_SIZE + 1).read_to_end(&mut text)?;
    match text.len() as u64 > MAX_SIZE {
        true => Err(io::Error::from(Errno::EFBIG)),
        false => Ok(text),
    }
}

/// [`text`] of a file of the caller's.
///
/// # Errors
/// That of open(2); those of [`text`].
pub fn text_of(path: &Path) -> sys::Result<Vec<u8>> {
    let failed = |call| move |error| sys::Error::io(call, path.display().to_string(), &error);
    let file = File::open(path).map_err(failed("open"))?;
    text(file).map_err(failed("read"))
}

/// `bundle` as text; absolute.
pub(super) fn bundle(bundle: &Path) -> Result<String> {
    let text = bundle
        .to_str()
        .ok_or_else(|| Error::refused(format!("bundle {}: not UTF-8", bundle.display())))?;
    if !text.starts_with('/') {
        return Err(Error::refused(format!("bundle {text}: not absolute")));
    }
    Ok(path::absolute(text))
}

/// Text to [`Config`]; an error names the field.
pub(super) fn json(bytes: &[u8]) -> Result<Config<'_>> {
    object(bytes)?.ok_or_else(|| Error::refused("config cannot be null"))
}

/// Text to [`Process`], as [`json`].
pub(super) fn process(bytes: &[u8]) -> Result<Process<'_>> {
    match object(bytes) {
        Ok(process) => process.ok_or_else(|| Error::refused("process cannot be null")),
        // It is another file that the text is about.
        Err(error) => Err(Error::Refused(error.to_string().replacen(
            "config.json",
            "process.json",
            1,
        ))),
    }
}

fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<Option<T>> {
    // First, and for the whole: serde_json does not look at the bytes of strings that it skips.
    let text = std::str::from_utf8(bytes).map_err(|error| Error::NotText {
        offset: error.valid_up_to(),
    })?;
    if text.trim_ascii().is_empty() {
        return Err(Error::Empty);
    }
    serde_json::from_str(text).map_err(|error| Error::Json {
        field: locate::field_at(text, error.line(), error.column()),
        why: clip(error.to_string()),
    })
}

/// The root filesystem's real path, if it is a directory and `rootfs` (absolute, clean) leads to it without a symbolic link.
pub(super) fn rootfs(bundle: &str, rootfs: &str, files: &mut Batch) -> Result<String> {
    let directory = open_directory(rootfs)?;
    let real = real_path(&directory, rootfs)?;
    files.push(directory.into());
    if real == rootfs {
        return Ok(real);
    }
    // The bundle's own path may go through links (runc changes into it and asks the kernel where it is): then the part
    // below it decides.
    if let Some(below) = rootfs.strip_prefix(bundle)
        && let Ok(bundle) = open_directory(bundle).and_then(|open| real_path(&open, bundle))
        && path::join(&bundle, below.trim_start_matches('/')) == real
    {
        return Ok(real);
    }
    Err(Error::refused(
        "invalid rootfs: not an absolute path, or a symlink",
    ))
}

fn open_directory(path: &str) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(path)
        .map_err(|error| {
            let call = match error.kind() {
                // runc's words.
                io::ErrorKind::NotFound => "stat",
                _ => "open",
            };
            Error::Rootfs(sys::Error::io(call, path, &error))
        })
}

/// Where the kernel says that an open directory is: one call, where a walk would need one for each component.
fn real_path(directory: &File, name: &str) -> Result<String> {
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let real = std::fs::read_link(&link)
        .map_err(|error| Error::Rootfs(sys::Error::io("readlink", link, &error)))?;
    real.into_os_string().into_string().map_err(|_| {
        Error::refused(format!(
            "invalid rootfs: {name}: the real path is not UTF-8"
        ))
    })
}
