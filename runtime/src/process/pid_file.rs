//! `--pid-file`: a process's number, complete or not there.

use std::fs::{File, OpenOptions, metadata, remove_file, rename};
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;

use crate::sys::{Error, Result};

/// Writes `pid` to `path`, in decimal, without a newline: to a hidden file beside it that is then renamed, as runc does. Its name has the
/// number in it, which no other command writes at the same time: what one that was killed here has left is in nobody's way.
///
/// # Errors
/// The call that failed; the file is as it was. Also what is no file, such as /dev/null or /dev/stdout: it would be replaced, for everybody
/// (and is, by runc).
pub fn write(path: &Path, pid: i32) -> Result<()> {
    if metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
        let object = format!(
            "{} (not a regular file, and would be replaced)",
            path.display()
        );
        return Err(Error::new("rename", object, Errno::EEXIST));
    }
    let hidden = path.with_file_name(format!(".runc-rs-{pid}"));
    let written = create(&hidden).map_err(|e| ("open", e)).and_then(|file| {
        fill(file, pid)
            .map_err(|e| ("write", e))
            .and_then(|()| rename(&hidden, path).map_err(|e| ("rename", e)))
            .inspect_err(|_| drop(remove_file(&hidden)))
    });
    written.map_err(|(call, error)| Error::io(call, path.display().to_string(), &error))
}

/// Exclusively: a link that somebody laid there is not followed. What is there is of a process that had this number and is gone.
fn create(hidden: &Path) -> io::Result<File> {
    let new = || OpenOptions::new().write(true).create_new(true).open(hidden);
    match new() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_file(hidden)?;
            new()
        }
        done => done,
    }
}

fn fill(mut file: File, pid: i32) -> io::Result<()> {
    file.write_all(pid.to_string().as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_killed_one_has_left_is_in_nobodys_way() {
        let dir = std::env::temp_dir().join(format!("pid-file-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let (path, victim) = (dir.join("pid"), dir.join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        // Of another process, of one that had the same number, and a link instead of that.
        std::fs::write(dir.join(".runc-rs-6"), "").unwrap();
        std::fs::write(dir.join(".runc-rs-7"), "").unwrap();
        write(&path, 7).unwrap();
        symlink(&victim, dir.join(".runc-rs-8")).unwrap();
        write(&path, 8).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "8");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!dir.join(".runc-rs-8").exists());
        let error = write(&dir.join("none/pid"), 9).unwrap_err().to_string();
        assert!(error.contains("none/pid: no such file"), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let dir = std::env::temp_dir().join(format!("pid-file-link-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let link = dir.join("null");
        symlink("/dev/null", &link).unwrap();
        let error = write(&link, 7).unwrap_err();
        assert_eq!(error.errno, Errno::EEXIST);
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("/dev/null"));
        // A link to a file, or to nothing, is replaced, as by runc.
        for target in ["/etc/passwd", "/nonexistent"] {
            std::fs::remove_file(&link).unwrap();
            symlink(target, &link).unwrap();
            write(&link, 7).unwrap();
            assert_eq!(std::fs::read_to_string(&link).unwrap(), "7");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
