//! Bind mounts: flags, targets, recursion, propagation.

use std::fs;

use super::*;
use crate::sys::mount::attr;
use libc::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_SHARED, MS_SLAVE};

/// proc at /proc, so that mountinfo can be read inside.
fn with_proc(place: &Place, mounts: Vec<MountPlan>) -> RootfsPlan {
    let mut plan = bare(place);
    plan.mounts = vec![filesystem("proc", "/proc", 0, "")];
    plan.mounts.extend(mounts);
    plan
}

fn options(point: &str) -> String {
    mounts()
        .into_iter()
        .rfind(|mount| mount.0 == point)
        .unwrap_or_default()
        .1
}

fn optional_fields(point: &str) -> String {
    mounts()
        .into_iter()
        .rfind(|mount| mount.0 == point)
        .unwrap_or_default()
        .2
}

#[test]
fn missing_targets_are_made_like_their_source() {
    in_namespace(|place| {
        let file = place.file("vol/file", "contents");
        let dir = place.path("vol").to_str().unwrap().to_owned();
        enter(&with_proc(
            place,
            vec![
                bind_mount(&file, "/made/deep/file", false, 0),
                bind_mount(&dir, "/made/dir", true, MS_RDONLY),
            ],
        ))
        .unwrap();
        assert_eq!(fs::read_to_string("/made/deep/file").unwrap(), "contents");
        assert_eq!(fs::read_to_string("/made/dir/file").unwrap(), "contents");
        assert!(is_readonly("/made/dir/x"));
        assert!(!is_readonly("/made/deep/file"));
    });
}

#[test]
fn missing_source_and_mismatched_target_are_named() {
    in_namespace(|place| {
        let absent = place.path("absent").to_str().unwrap().to_owned();
        assert_eq!(
            refusal(&with_proc(
                place,
                vec![bind_mount(&absent, "/tmp", true, 0)]
            )),
            format!(
                "error mounting {absent:?} to rootfs at \"/tmp\": stat {absent}: no such file or directory"
            )
        );
    });
    in_namespace(|place| {
        let file = place.file("file", "");
        let text = refusal(&with_proc(place, vec![bind_mount(&file, "/tmp", true, 0)]));
        assert!(
            text.ends_with(&format!(
                "mount {file}:/tmp, flags: 0x5000: not a directory"
            )),
            "{text}"
        );
    });
}

/// runc sets exactly the flags that are given once any is given, and none otherwise.
#[test]
fn flags_replace_those_of_the_source() {
    in_namespace(|place| {
        let none: Option<&str> = None;
        let source = place.path("src");
        fs::create_dir(&source).unwrap();
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
        mount(Some("tmpfs"), &source, Some("tmpfs"), flags, none).unwrap();
        let source = source.to_str().unwrap();
        let cleared = MountPlan {
            cleared: MS_RDONLY,
            ..bind_mount(source, "/cleared", true, 0)
        };
        enter(&with_proc(
            place,
            vec![
                bind_mount(source, "/same", true, 0),
                bind_mount(source, "/noexec", true, MS_NOEXEC),
                bind_mount(source, "/strict", true, MS_NOSUID | libc::MS_STRICTATIME),
                cleared,
            ],
        ))
        .unwrap();
        assert_eq!(options("/same"), "rw,nosuid,nodev,noatime");
        assert_eq!(options("/noexec"), "rw,noexec,noatime");
        assert_eq!(options("/strict"), "rw,nosuid");
        assert_eq!(options("/cleared"), "rw,noatime");
    });
}

/// "ro" is for the top mount, "rro" for all of them.
#[test]
fn readonly_and_recursively_readonly() {
    in_namespace(|place| {
        let none: Option<&str> = None;
        let inner = place.path("src/inner");
        fs::create_dir_all(&inner).unwrap();
        mount(Some("tmpfs"), &inner, Some("tmpfs"), MsFlags::empty(), none).unwrap();
        let source = place.path("src").to_str().unwrap().to_owned();
        let rro = MountPlan {
            rec_attr_set: attr::RDONLY,
            ..bind_mount(&source, "/rro", true, 0)
        };
        enter(&with_proc(
            place,
            vec![
                bind_mount(&source, "/ro", true, MS_RDONLY),
                rro,
                bind_mount(&source, "/flat", false, MS_RDONLY),
            ],
        ))
        .unwrap();
        assert!(is_readonly("/ro/x") && !is_readonly("/ro/inner/x"));
        assert!(is_readonly("/rro/x") && is_readonly("/rro/inner/y"));
        assert!(
            is_readonly("/flat/x") && is_readonly("/flat/inner/x"),
            "not recursive: the inner mount is not there"
        );
    });
}

#[test]
fn propagation_of_a_mount() {
    in_namespace(|place| {
        let source = place.path("src").to_str().unwrap().to_owned();
        fs::create_dir(&source).unwrap();
        let with = |dest: &str, propagation: &[u64]| MountPlan {
            propagation: propagation.to_vec(),
            ..bind_mount(&source, dest, true, MS_NOSUID)
        };
        let mut tmpfs = filesystem("tmpfs", "/fs", MS_NODEV, "");
        tmpfs.propagation = vec![MS_SHARED];
        enter(&with_proc(
            place,
            vec![
                with("/private", &[MS_PRIVATE | MS_REC]),
                with("/shared", &[MS_SHARED]),
                with("/rshared", &[MS_SHARED | MS_REC]),
                with("/both", &[MS_SHARED | MS_REC, MS_SLAVE | MS_REC]),
                tmpfs,
            ],
        ))
        .unwrap();
        assert_eq!(optional_fields("/private"), "");
        assert!(
            optional_fields("/shared").starts_with("shared:"),
            "{}",
            optional_fields("/shared")
        );
        assert!(optional_fields("/rshared").starts_with("shared:"));
        assert!(optional_fields("/fs").starts_with("shared:"));
        assert!(
            !optional_fields("/both").contains("shared:"),
            "{}",
            optional_fields("/both")
        );
        assert_eq!(options("/shared"), "rw,nosuid,relatime");
    });
}

/// A tmpfs takes over the mode of what it covers, unless it has one; read-only comes last, so mounts can be made in it.
#[test]
fn tmpfs_modes_and_late_readonly() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    in_namespace(|place| {
        fs::set_permissions(place.path("rootfs/tmp"), fs::Permissions::from_mode(0o1750)).unwrap();
        let file = place.file("file", "x");
        enter(&with_proc(
            place,
            vec![
                filesystem("tmpfs", "/tmp", MS_RDONLY | MS_NOSUID, "size=64k"),
                filesystem("tmpfs", "/etc", 0, "mode=0711"),
                filesystem("tmpfs", "/new", 0, ""),
                bind_mount(&file, "/tmp/sub/file", false, 0),
            ],
        ))
        .unwrap();
        let mode = |path: &str| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(
            (mode("/tmp"), mode("/etc"), mode("/new")),
            (0o1750, 0o711, 0o1777)
        );
        assert_eq!(fs::read("/tmp/sub/file").unwrap(), b"x");
        assert!(is_readonly("/tmp/x"));
        assert_eq!(options("/tmp"), "ro,nosuid,relatime");
    });
}

#[test]
fn tmpcopyup_brings_the_contents() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    in_namespace(|place| {
        place.file("rootfs/data/sub/f", "text");
        place.link("/nowhere", "rootfs/data/link");
        std::os::unix::fs::chown(place.path("rootfs/data/sub/f"), Some(7), Some(8)).unwrap();
        fs::set_permissions(
            place.path("rootfs/data/sub/f"),
            fs::Permissions::from_mode(0o4751),
        )
        .unwrap();
        let copied = MountPlan {
            tmpcopyup: true,
            ..filesystem("tmpfs", "/data", MS_RDONLY, "")
        };
        enter(&with_proc(place, vec![copied])).unwrap();
        let meta = fs::metadata("/data/sub/f").unwrap();
        assert_eq!(fs::read_to_string("/data/sub/f").unwrap(), "text");
        assert_eq!(
            (meta.mode() & 0o7777, meta.uid(), meta.gid()),
            (0o4751, 7, 8)
        );
        assert_eq!(
            fs::read_link("/data/link").unwrap().to_str(),
            Some("/nowhere")
        );
        assert!(is_readonly("/data/x"));
    });
}

/// Later mounts see what earlier ones made, however the paths are spelt in the image.
#[test]
fn mounts_inside_mounts() {
    in_namespace(|place| {
        place.link("/var/run", "rootfs/link");
        place.link("../run/./x/..", "rootfs/var/run");
        let file = place.file("file", "in");
        enter(&with_proc(
            place,
            vec![
                filesystem("tmpfs", "/run", 0, ""),
                filesystem("tmpfs", "/run/a", 0, ""),
                filesystem("tmpfs", "/run/a/b", 0, ""),
                bind_mount(&file, "/run/a/b/file", false, 0),
                filesystem("tmpfs", "/run", 0, ""),
                filesystem("tmpfs", "/run/x", 0, ""),
                filesystem("tmpfs", "/run/a/c", 0, ""),
                filesystem("tmpfs", "/run/y", 0, ""),
                filesystem("tmpfs", "/tmp", 0, ""),
                filesystem("tmpfs", "/run/z", 0, ""),
                bind_mount(&file, "/link/a/file", false, 0),
            ],
        ))
        .unwrap();
        assert_eq!(fs::read_to_string("/run/a/file").unwrap(), "in");
        assert!(!Path::new("/run/a/b").exists());
        let there = ["/run/x", "/run/a/c", "/run/y", "/run/z"].map(|path| Path::new(path).is_dir());
        assert_eq!(
            there, [true; 4],
            "each is where its path leads, not where it was"
        );
        let points: Vec<_> = mounts().into_iter().map(|mount| mount.0).collect();
        assert_eq!(
            points.iter().filter(|point| *point == "/run").count(),
            2,
            "{points:?}"
        );
    });
}

/// The container's `/` itself is what `rootfsPropagation` says.
#[test]
fn root_propagation() {
    let unbindable = libc::MS_UNBINDABLE;
    for (propagation, wanted) in [
        (MS_SLAVE | MS_REC, ""),
        (MS_SLAVE, ""),
        (MS_PRIVATE | MS_REC, ""),
        (MS_SHARED | MS_REC, "shared:"),
        (MS_SHARED, "shared:"),
        (unbindable, "unbindable"),
        (unbindable | MS_REC, "unbindable"),
    ] {
        in_namespace(|place| {
            let mut plan = with_proc(place, vec![filesystem("tmpfs", "/tmp", 0, "")]);
            plan.propagation = propagation;
            enter(&plan).unwrap();
            let found = optional_fields("/");
            assert!(
                found.starts_with(wanted) && found.is_empty() == wanted.is_empty(),
                "{propagation:x}: {found}"
            );
            let below = optional_fields("/tmp");
            let recursive = propagation & MS_REC != 0 && !wanted.is_empty();
            assert_eq!(
                below.starts_with(wanted) && !below.is_empty(),
                recursive,
                "{propagation:x}: {below}"
            );
        });
    }
}

#[test]
fn without_pivot_root() {
    use std::io::Read;
    in_namespace(|place| {
        let mut plan = default_plan(place);
        plan.no_pivot = true;
        // What is opened here goes on showing the tree of the host's root.
        let mut seen_outside = File::open("/proc/thread-self/mountinfo").unwrap();
        enter(&plan).unwrap();
        assert!(is_readonly("/x"));
        assert!(Path::new("/bin/busybox").exists());
        // The kernel takes a whole procfs in the namespace as leave for another; none is left but ours.
        let mut text = String::new();
        seen_outside.read_to_string(&mut text).unwrap();
        let whole: Vec<_> = text
            .lines()
            .filter(|line| line.contains(" - proc ") || line.contains(" - sysfs "))
            .filter(|line| line.split(' ').nth(3) == Some("/"))
            .map(|line| line.split(' ').nth(4).unwrap())
            .collect();
        assert!(text.lines().count() > 5, "{text}");
        assert_eq!(whole, ["/proc", "/sys"], "{text}");
    });
}
