//! Capability names.

use super::json::Str;

/// The kernel's capabilities in order of their numbers, without `CAP_`, separated by blanks (linux/capability.h).
pub const NAMES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE \
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL \
    SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// The number of `CAP_NAME`; names are upper case, as runc has it.
fn number(name: &str) -> Option<usize> {
    let name = name.strip_prefix("CAP_")?;
    NAMES.split(' ').position(|known| known == name)
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
