//! The options of a mount that runc knows; the rest is the filesystem's own.

/// Every option that is not handed to the filesystem, separated by blanks, sorted: what `features` lists.
pub const NAMES: &str = "async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime \
    nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime \
    rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime \
    rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw \
    shared silent slave strictatime suid symfollow sync tmpcopyup unbindable";

/// What one option does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Sets these `MS_*` bits.
    Set(u64),
    /// Clears these `MS_*` bits.
    Clear(u64),
    /// Changes the propagation.
    Propagation(u64),
    /// Sets this `MOUNT_ATTR_*`, for the whole tree.
    SetRecursive(u64),
    /// Clears this `MOUNT_ATTR_*`, for the whole tree.
    ClearRecursive(u64),
    /// `tmpcopyup`
    CopyUp,
    /// `idmap`; true: `ridmap`.
    IdMap(bool),
}

/// Since Linux 5.10; not in libc for every target.
const MS_NOSYMFOLLOW: u64 = 0x100;

/// `MS_*` of a propagation word.
pub(super) fn propagation(word: &str) -> Option<u64> {
    Some(match word {
        "private" => libc::MS_PRIVATE,
        "rprivate" => libc::MS_PRIVATE | libc::MS_REC,
        "slave" => libc::MS_SLAVE,
        "rslave" => libc::MS_SLAVE | libc::MS_REC,
        "shared" => libc::MS_SHARED,
        "rshared" => libc::MS_SHARED | libc::MS_REC,
        "unbindable" => libc::MS_UNBINDABLE,
        "runbindable" => libc::MS_UNBINDABLE | libc::MS_REC,
        _ => return None,
    })
}

/// The effect of `option`; `None`: it is the filesystem's own.
pub(super) fn effect(option: &str) -> Option<Effect> {
    use Effect::{Clear, ClearRecursive, CopyUp, IdMap, Propagation, Set, SetRecursive};
    Some(match option {
        "async" => Clear(libc::MS_SYNCHRONOUS),
        "atime" => Clear(libc::MS_NOATIME),
        "bind" => Set(libc::MS_BIND),
        // runc knows the word, but hands it to the filesystem all the same, and tmpfs refuses it.
        "defaults" => Set(0),
        "dev" => Clear(libc::MS_NODEV),
        "diratime" => Clear(libc::MS_NODIRATIME),
        "dirsync" => Set(libc::MS_DIRSYNC),
        "exec" => Clear(libc::MS_NOEXEC),
        "iversion" => Set(libc::MS_I_VERSION),
        "lazytime" => Set(libc::MS_LAZYTIME),
        "loud" => Clear(libc::MS_SILENT),
        "mand" => Set(libc::MS_MANDLOCK),
        "noatime" => Set(libc::MS_NOATIME),
        "nodev" => Set(libc::MS_NODEV),
        "nodiratime" => Set(libc::MS_NODIRATIME),
        "noexec" => Set(libc::MS_NOEXEC),
        "noiversion" => Clear(libc::MS_I_VERSION),
        "nolazytime" => Clear(libc::MS_LAZYTIME),
        "nomand" => Clear(libc::MS_MANDLOCK),
        "norelatime" => Clear(libc::MS_RELATIME),
        "nostrictatime" => Clear(libc::MS_STRICTATIME),
        "nosuid" => Set(libc::MS_NOSUID),
        "nosymfollow" => Set(MS_NOSYMFOLLOW),
        "rbind" => Set(libc::MS_BIND | libc::MS_REC),
        "relatime" => Set(libc::MS_RELATIME),
        "remount" => Set(libc::MS_REMOUNT),
        "ro" => Set(libc::MS_RDONLY),
        "rw" => Clear(libc::MS_RDONLY),
        "silent" => Set(libc::MS_SILENT),
        "strictatime" => Set(libc::MS_STRICTATIME),
        "suid" => Clear(libc::MS_NOSUID),
        "symfollow" => Clear(MS_NOSYMFOLLOW),
        "sync" => Set(libc::MS_SYNCHRONOUS),
        "rro" => SetRecursive(libc::MOUNT_ATTR_RDONLY),
        "rrw" => ClearRecursive(libc::MOUNT_ATTR_RDONLY),
        "rnosuid" => SetRecursive(libc::MOUNT_ATTR_NOSUID),
        "rsuid" => ClearRecursive(libc::MOUNT_ATTR_NOSUID),
        "rnodev" => SetRecursive(libc::MOUNT_ATTR_NODEV),
        "rdev" => ClearRecursive(libc::MOUNT_ATTR_NODEV),
        "rnoexec" => SetRecursive(libc::MOUNT_ATTR_NOEXEC),
        "rexec" => ClearRecursive(libc::MOUNT_ATTR_NOEXEC),
        "rnodiratime" => SetRecursive(libc::MOUNT_ATTR_NODIRATIME),
        "rdiratime" => ClearRecursive(libc::MOUNT_ATTR_NODIRATIME),
        "rrelatime" => SetRecursive(libc::MOUNT_ATTR_RELATIME),
        "rnorelatime" => ClearRecursive(libc::MOUNT_ATTR_RELATIME),
        "rnoatime" => SetRecursive(libc::MOUNT_ATTR_NOATIME),
        "ratime" => ClearRecursive(libc::MOUNT_ATTR_NOATIME),
        "rstrictatime" => SetRecursive(libc::MOUNT_ATTR_STRICTATIME),
        "rnostrictatime" => ClearRecursive(libc::MOUNT_ATTR_STRICTATIME),
        "rnosymfollow" => SetRecursive(libc::MOUNT_ATTR_NOSYMFOLLOW),
        "rsymfollow" => ClearRecursive(libc::MOUNT_ATTR_NOSYMFOLLOW),
        "tmpcopyup" => CopyUp,
        "idmap" => IdMap(false),
        "ridmap" => IdMap(true),
        word => Propagation(propagation(word)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_for_features_and_the_parser_agree() {
        let names: Vec<&str> = NAMES.split(' ').collect();
        assert!(names.is_sorted(), "features lists them sorted");
        assert_eq!(names.len(), 62);
        for name in names {
            assert_ne!(effect(name), None, "{name}");
        }
        // None that is taken is missing.
        for word in crate::testing::words(include_str!("options.rs")) {
            let listed = NAMES.split(' ').any(|name| name == word);
            assert_eq!(listed, effect(word).is_some(), "{word}");
        }
        assert_eq!(effect("size=64k"), None);
        assert_eq!(effect("RO"), None);
        assert_eq!(effect(""), None);
    }

    /// The numbers of linux/mount.h, once more and by another way: word, its opposite, number.
    #[test]
    fn every_option_has_the_kernels_number() {
        for (set, clear, number) in [
            ("ro", "rw", 1),
            ("nosuid", "suid", 2),
            ("nodev", "dev", 4),
            ("noexec", "exec", 8),
            ("sync", "async", 16),
            ("mand", "nomand", 64),
            ("nosymfollow", "symfollow", 256),
            ("noatime", "atime", 1024),
            ("nodiratime", "diratime", 2048),
            ("silent", "loud", 1 << 15),
            ("relatime", "norelatime", 1 << 21),
            ("iversion", "noiversion", 1 << 23),
            ("strictatime", "nostrictatime", 1 << 24),
            ("lazytime", "nolazytime", 1 << 25),
        ] {
            assert_eq!(effect(set), Some(Effect::Set(number)), "{set}");
            assert_eq!(effect(clear), Some(Effect::Clear(number)), "{clear}");
        }
        for (word, number) in [
            ("remount", 32),
            ("dirsync", 128),
            ("bind", 4096),
            ("rbind", 4096 | 16384),
        ] {
            assert_eq!(effect(word), Some(Effect::Set(number)), "{word}");
        }
        for (set, clear, number) in [
            ("rro", "rrw", 0x1),
            ("rnosuid", "rsuid", 0x2),
            ("rnodev", "rdev", 0x4),
            ("rnoexec", "rexec", 0x8),
            ("rrelatime", "rnorelatime", 0),
            ("rnoatime", "ratime", 0x10),
            ("rstrictatime", "rnostrictatime", 0x20),
            ("rnodiratime", "rdiratime", 0x80),
            ("rnosymfollow", "rsymfollow", 0x20_0000),
        ] {
            assert_eq!(effect(set), Some(Effect::SetRecursive(number)), "{set}");
            assert_eq!(
                effect(clear),
                Some(Effect::ClearRecursive(number)),
                "{clear}"
            );
        }
        for (word, number) in [
            ("unbindable", 1 << 17),
            ("private", 1 << 18),
            ("slave", 1 << 19),
            ("shared", 1 << 20),
        ] {
            assert_eq!(effect(word), Some(Effect::Propagation(number)), "{word}");
            let whole_tree = Effect::Propagation(number | 16384);
            assert_eq!(effect(&format!("r{word}")), Some(whole_tree), "r{word}");
        }
    }
}
