//! mount(2)'s flags as mount_setattr(2)'s attributes.

use crate::sys::mount::{SetAttr, attr};

/// The flags that both calls know and that are one bit each.
const BITS: [(u64, u64); 5] = [
    (libc::MS_RDONLY, attr::RDONLY),
    (libc::MS_NOSUID, attr::NOSUID),
    (libc::MS_NODEV, attr::NODEV),
    (libc::MS_NOEXEC, attr::NOEXEC),
    (MS_NOSYMFOLLOW, attr::NOSYMFOLLOW),
];

/// linux/mount.h; not in libc.
pub const MS_NOSYMFOLLOW: u64 = 256;

const ATIME_MODES: u64 = libc::MS_NOATIME | libc::MS_RELATIME | libc::MS_STRICTATIME;

/// All the flags about access times.
pub const ATIME_FLAGS: u64 = ATIME_MODES | libc::MS_NODIRATIME;

/// What `MS_REMOUNT|MS_BIND|flags` does: the flags given are set, the others cleared, and the access-time ones are left alone if none is given.
pub fn remount(flags: u64) -> SetAttr {
    let mut change = SetAttr::default();
    for (ms, attr) in BITS {
        if flags & ms == 0 {
            change.clear |= attr;
        } else {
            change.set |= attr;
        }
    }
    if flags & ATIME_FLAGS != 0 {
        change.clear |= attr::ATIME | attr::NODIRATIME;
        if flags & libc::MS_STRICTATIME != 0 {
            change.set |= attr::STRICTATIME;
        } else if flags & libc::MS_NOATIME != 0 {
            change.set |= attr::NOATIME;
        }
        if flags & libc::MS_NODIRATIME != 0 {
            change.set |= attr::NODIRATIME;
        }
    }
    change
}

/// The flags that the kernel may have locked on the source of a bind mount.
const LOCKABLE: u64 =
    libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_NOSUID | ATIME_FLAGS;

/// The flags to try after `flags` was refused: with the source's locked ones kept, as `mount --bind -o remount,...` does.
///
/// `source` are the source's flags by statfs(2), as `MS_*`. `None`: the config asked for what the lock forbids, so the refusal stands.
pub fn keep_locked(flags: u64, cleared: u64, source: u64) -> Option<u64> {
    let source = if source & ATIME_MODES == 0 {
        source | libc::MS_STRICTATIME
    } else {
        source
    };
    let atime = flags & ATIME_FLAGS;
    if source & cleared & LOCKABLE != 0 || (atime != 0 && atime != source & ATIME_FLAGS) {
        return None;
    }
    Some(flags | (source & LOCKABLE))
}
