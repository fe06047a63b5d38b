//! The working directory.

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{chdir, getcwd, mkdir};

use super::Error;
use crate::sys;

/// Makes the working directory if it is missing, as runc does: root's, mode 0755. After pivot_root, and before the root
/// becomes read-only.
///
/// # Errors
/// [`Error::Mkdir`]
pub fn create(cwd: &str) -> Result<(), Error> {
    if cwd == "/" {
        return Ok(());
    }
    match make(cwd) {
        Err(error) if error.errno == Errno::ENOENT => (),
        other => return other.map_err(Error::Mkdir),
    }
    // Something above is missing as well.
    cwd.match_indices('/')
        .skip(1)
        .map(|(end, _)| &cwd[..end])
        .chain([cwd])
        .try_for_each(make)
        .map_err(Error::Mkdir)
}

fn make(path: &str) -> sys::Result<()> {
    match mkdir(path, Mode::from_bits_truncate(0o755)) {
        // Whatever is there: chdir will tell.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(sys::Error::new("mkdir", path, errno)),
    }
}

/// The first attempt, before the change of user: root may be let in where the user is not. `false`: permission was denied, and
/// the second attempt ([`enter`]) as the user decides (a volume that only the user may enter).
///
/// # Errors
/// [`Error::Chdir`] for anything but a denied permission.
pub fn enter_early(cwd: &str) -> Result<bool, Error> {
    if cwd == "/" {
        // There since pivot_root.
        return Ok(true);
    }
    match chdir(cwd) {
        Ok(()) => Ok(true),
        Err(Errno::EACCES | Errno::EPERM) => Ok(false),
        Err(errno) => Err(failed(cwd, errno)),
    }
}

/// Enters the working directory as the container's user.
///
/// # Errors
/// [`Error::Chdir`]
pub fn enter(cwd: &str) -> Result<(), Error> {
    chdir(cwd).map_err(|errno| failed(cwd, errno))
}

fn failed(cwd: &str, errno: Errno) -> Error {
    Error::Chdir {
        cwd: cwd.to_owned(),
        source: sys::Error::new("chdir", cwd, errno),
    }
}

/// CVE-2024-21626: a cwd like /proc/self/fd/7 can lead out of the container by a descriptor that was left open.
///
/// For a directory outside the root getcwd(2) answers "(unreachable)/...", or ENOENT (the C library, for the same).
///
/// # Errors
/// [`Error::CwdOutside`], [`Error::CwdUnknown`]
pub fn verify() -> Result<(), Error> {
    match getcwd() {
        Ok(path) if path.is_absolute() => Ok(()),
        Ok(_) | Err(Errno::ENOENT) => Err(Error::CwdOutside),
        Err(errno) => Err(Error::CwdUnknown(sys::Error::new("getcwd", "", errno))),
    }
}
