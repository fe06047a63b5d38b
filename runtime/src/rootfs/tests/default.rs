//! The configuration that `runc spec` writes.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::*;

/// As runc 1.1.5 has them in the container, seen in its mountinfo.
#[test]
fn mounts_are_those_of_runc() {
    in_namespace(|place| {
        enter(&default_plan(place)).unwrap();
        let options = |point: &str| {
            let found: Vec<_> = mounts()
                .into_iter()
                .filter(|mount| mount.0 == point)
                .collect();
            assert_eq!(found.len(), 1, "{point} {found:?}");
            format!("{} {}", found[0].1, found[0].3)
        };
        assert_eq!(options("/proc"), "rw,relatime proc");
        assert_eq!(options("/dev"), "rw,nosuid tmpfs");
        assert_eq!(options("/dev/pts"), "rw,nosuid,noexec,relatime devpts");
        assert_eq!(options("/dev/shm"), "rw,nosuid,nodev,noexec,relatime tmpfs");
        assert_eq!(
            options("/dev/mqueue"),
            "rw,nosuid,nodev,noexec,relatime mqueue"
        );
        assert_eq!(options("/sys"), "ro,nosuid,nodev,noexec,relatime sysfs");
        assert_eq!(options("/proc/sys"), "ro,relatime proc");
        assert_eq!(options("/proc/timer_list"), "rw,nosuid tmpfs");
        assert_eq!(options("/sys/firmware"), "ro,relatime tmpfs");
        assert!(options("/").starts_with("ro,"), "{}", options("/"));
        // Nothing of the host is left.
        assert!(
            mounts()
                .iter()
                .all(|mount| !mount.0.contains("rootfs-test")),
            "{:#?}",
            mounts()
        );
    });
}

#[test]
fn devices_and_links() {
    in_namespace(|place| {
        enter(&default_plan(place)).unwrap();
        for device in &default_plan(place).devices {
            let meta = fs::symlink_metadata(&device.path).unwrap();
            assert!(meta.file_type().is_char_device(), "{}", device.path);
            assert_eq!(
                meta.rdev(),
                libc::makedev(device.major, device.minor),
                "{}",
                device.path
            );
            assert_eq!(meta.mode() & 0o7777, 0o666, "{}", device.path);
        }
        let links: Vec<_> = ["fd", "stdin", "stdout", "stderr", "ptmx"]
            .iter()
            .map(|name| {
                fs::read_link(format!("/dev/{name}"))
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(
            links,
            [
                "/proc/self/fd",
                "/proc/self/fd/0",
                "/proc/self/fd/1",
                "/proc/self/fd/2",
                "pts/ptmx"
            ]
        );
        assert_eq!(fs::metadata("/dev").unwrap().mode() & 0o7777, 0o755);
        assert_eq!(fs::metadata("/dev/shm").unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(
            fs::metadata("/dev/ptmx").unwrap().rdev(),
            libc::makedev(5, 2)
        );
    });
}

#[test]
fn masked_and_readonly() {
    in_namespace(|place| {
        enter(&default_plan(place)).unwrap();
        assert_eq!(fs::read("/proc/timer_list").unwrap(), b"");
        assert_eq!(fs::read_dir("/sys/firmware").unwrap().count(), 0);
        assert!(is_readonly("/sys/firmware/x"));
        assert!(is_readonly("/proc/sys/kernel/hostname"));
        assert!(is_readonly("/x"));
        assert!(!is_readonly("/dev/shm/x"));
        assert_eq!(std::env::current_dir().unwrap().to_str(), Some("/"));
    });
}
