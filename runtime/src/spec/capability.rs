//! Capability names.

use super::json::Str;

/// The kernel's capabilities in order of their numbers, without `CAP_`, separated by blanks (linux/capability.h).
pub const NAMES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE \
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL \
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// The number of `CAP_NAME`; names are upper case, as runc has it. A `match`, which the compiler makes a tree of
/// comparisons: an engine's config names 42 capabilities, and a walk over [`NAMES`] took a quarter of the whole parse.
pub(super) fn number(name: &str) -> Option<u32> {
    Some(match name.strip_prefix("CAP_")? {
        "CHOWN" => 0,
        "DAC_OVERRIDE" => 1,
        "DAC_READ_SEARCH" => 2,
        "FOWNER" => 3,
        "FSETID" => 4,
        "KILL" => 5,
        "SETGID" => 6,
        "SETUID" => 7,
        "SETPCAP" => 8,
        "LINUX_IMMUTABLE" => 9,
        "NET_BIND_SERVICE" => 10,
        "NET_BROADCAST" => 11,
        "NET_ADMIN" => 12,
        "NET_RAW" => 13,
        "IPC_LOCK" => 14,
        "IPC_OWNER" => 15,
        "SYS_MODULE" => 16,
        "SYS_RAWIO" => 17,
        "SYS_CHROOT" => 18,
        "SYS_PTRACE" => 19,
        "SYS_PACCT" => 20,
        "SYS_ADMIN" => 21,
        "SYS_BOOT" => 22,
        "SYS_NICE" => 23,
        "SYS_RESOURCE" => 24,
        "SYS_TIME" => 25,
        "SYS_TTY_CONFIG" => 26,
        "MKNOD" => 27,
        "LEASE" => 28,
        "AUDIT_WRITE" => 29,
        "AUDIT_CONTROL" => 30,
        "SETFCAP" => 31,
        "MAC_OVERRIDE" => 32,
        "MAC_ADMIN" => 33,
        "SYSLOG" => 34,
        "WAKE_ALARM" => 35,
        "BLOCK_SUSPEND" => 36,
        "AUDIT_READ" => 37,
        "PERFMON" => 38,
        "BPF" => 39,
        "CHECKPOINT_RESTORE" => 40,
        _ => return None,
    })
}

/// The set as a bit mask; names that nobody knows go to `unknown`.
pub(super) fn mask(names: Option<Vec<Str<'_>>>, unknown: &mut Vec<String>) -> u64 {
    let mut mask = 0;
    for name in names.into_iter().flatten() {
        match number(&name) {
            Some(number) => mask |= 1 << number,
            None => unknown.push(name.into_string()),
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        for (kernel, name) in NAMES.split(' ').enumerate() {
            let number = number(&format!("CAP_{name}")).expect("in the list");
            assert_eq!(number as usize, kernel, "{name}");
        }
        // None that is taken is missing in the list.
        for word in crate::testing::words(include_str!("capability.rs")) {
            let listed = NAMES.split(' ').any(|name| name == word);
            assert_eq!(listed, number(&format!("CAP_{word}")).is_some(), "{word}");
        }
        for (name, kernel) in [
            ("CAP_CHOWN", 0),
            ("CAP_KILL", 5),
            ("CAP_NET_BIND_SERVICE", 10),
            ("CAP_SYS_ADMIN", 21),
            ("CAP_MKNOD", 27),
            ("CAP_AUDIT_WRITE", 29),
            ("CAP_SETFCAP", 31),
            ("CAP_CHECKPOINT_RESTORE", 40),
        ] {
            assert_eq!(number(name), Some(kernel), "{name}");
        }
        for name in [
            "CAP_",
            "CAP_FOO",
            "KILL",
            "cap_kill",
            "CAP_KILL ",
            "",
            "CAP_KILL SETGID",
        ] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
