//! Where the state directories are when nobody says it: runc's rule, under this program's name.

use std::env;
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};

use super::{Failure, absolute};
use crate::{log, state, sys};

/// `/run/runc-rs`; for who may not write there, `$XDG_RUNTIME_DIR/runc-rs`, and true.
pub(super) fn default() -> Result<(PathBuf, bool), Failure> {
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !dir.is_empty() && honours_xdg() => {
            Ok((absolute(&dir)?.join("runc-rs"), true))
        }
        _ => Ok((PathBuf::from("/run/runc-rs"), false)),
    }
}

/// runc's rule: not for root, but for a root that is one only in its user namespace.
fn honours_xdg() -> bool {
    sys::euid() != 0
        || sys::userns::is_inside() && env::var_os("USER").is_none_or(|user| user != "root")
}

/// Makes the user's own root, as runc does before any command: nobody else's business, and with the sticky bit, which by the XDG
/// specification keeps it from being cleaned away.
pub(super) fn make(root: &Path) -> Result<(), Failure> {
    let failed = |hint: &str, call, errno| {
        // As in runc a line of its own, before the error.
        log::Sink::stderr().write(format!("{hint}\n").as_bytes());
        Failure::from(sys::Error::new(call, root.to_string_lossy(), errno))
    };
    state::make_root(root).map_err(|error| {
        let errno = sys::errno_of(&error);
        let hint = "the path in $XDG_RUNTIME_DIR must be writable by the user";
        failed(hint, "mkdir", errno)
    })?;
    let mode = Mode::S_IRWXU | Mode::S_ISVTX;
    fchmodat(AT_FDCWD, root, mode, FchmodatFlags::FollowSymlink).map_err(|errno| {
        let hint = "you should check permission of the path in $XDG_RUNTIME_DIR";
        failed(hint, "chmod", errno)
    })
}
