//! Every option of a mount, as the container's own mountinfo shows it.

use std::path::PathBuf;

use integration::{Container, TempDir, is_ours, need_root, parse_mountinfo};

/// The mount options (with the superblock's) at /mnt.
fn shown(fstype: &str, source: &str, options: &[&str]) -> String {
    let c = Container::new(|g| {
        g.mount("/mnt", fstype, source, options)
            .args(&["cat", "/proc/self/mountinfo"]);
    });
    let text = c.run().ok().stdout;
    parse_mountinfo(&text)
        .into_iter()
        .find(|m| m.0.to_str() == Some("/mnt"))
        .map(|m| format!("{},{}", m.1, m.5))
        .unwrap_or_else(|| panic!("{options:?}: nothing is mounted: {text}"))
}

fn has(options: &str, word: &str) -> bool {
    options.split(',').any(|o| o == word)
}

/// Option, what must be there, what must not, and whether runc 1.1 knows it.
const FLAGS: [(&[&str], &str, &str, bool); 17] = [
    (&["ro"], "ro", "", true),
    (&["ro", "rw"], "rw", "ro", true),
    (&["nosuid"], "nosuid", "", true),
    (&["nosuid", "suid"], "rw", "nosuid", true),
    (&["nodev"], "nodev", "", true),
    (&["nodev", "dev"], "rw", "nodev", true),
    (&["noexec"], "noexec", "", true),
    (&["noexec", "exec"], "rw", "noexec", true),
    (&["noatime"], "noatime", "relatime", true),
    (&["noatime", "atime"], "rw", "noatime", true),
    (&["nodiratime"], "nodiratime", "", true),
    (&["nodiratime", "diratime"], "rw", "nodiratime", true),
    (&["relatime"], "relatime", "", true),
    (&["strictatime"], "rw", "relatime", true),
    (&["nosymfollow"], "nosymfollow", "", false),
    (&["nosymfollow", "symfollow"], "rw", "nosymfollow", false),
    (&["loud", "nomand", "noiversion", "async"], "rw", "ro", true),
];

#[test]
fn flags_of_a_new_filesystem() {
    need_root!();
    for (options, there, not, old) in FLAGS {
        if old || is_ours() {
            let found = shown("tmpfs", "tmpfs", options);
            assert!(has(&found, there), "{options:?}: {found}");
            assert!(!has(&found, not), "{options:?}: {found}");
        }
    }
    let sync = shown("tmpfs", "tmpfs", &["sync", "dirsync", "size=8k"]);
    for word in ["sync", "dirsync", "size=8k"] {
        assert!(has(&sync, word), "{word}: {sync}");
    }
}

#[test]
fn flags_of_a_bind_mount() {
    need_root!();
    let host = TempDir::new("bind");
    for (options, there, not, old) in FLAGS {
        if old || is_ours() {
            let mut all = vec!["bind"];
            all.extend_from_slice(options);
            let found = shown("bind", host.path().to_str().unwrap(), &all);
            let top = found.split(",").collect::<Vec<_>>();
            // The superblock's words come last, and its own "rw" with them.
            assert!(top.contains(&there), "{options:?}: {found}");
            assert!(!top.contains(&not), "{options:?}: {found}");
        }
    }
}

/// A mount at `below` in `dir`: detached when `dir` is dropped.
pub fn mount_below(dir: &TempDir) -> PathBuf {
    let below = dir.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("below", &below, "tmpfs", flags, None).unwrap();
    below
}

/// Each recursive word, on the mount and on the one below it; and its opposite takes it back.
#[test]
fn recursive_flags() {
    need_root!();
    let host = TempDir::new("bind");
    mount_below(&host);
    for (set, clear, word, old) in [
        ("rro", "rrw", "ro", true),
        ("rnosuid", "rsuid", "nosuid", true),
        ("rnodev", "rdev", "nodev", true),
        ("rnoexec", "rexec", "noexec", true),
        ("rnoatime", "ratime", "noatime", true),
        ("rnodiratime", "rdiratime", "nodiratime", true),
        ("rrelatime", "rnorelatime", "relatime", true),
        ("rnosymfollow", "rsymfollow", "nosymfollow", false),
    ] {
        if !old && !is_ours() {
            continue;
        }
        let count = |options: &[&str]| {
            let c = Container::new(|g| {
                g.mount("/mnt", "bind", host.path().to_str().unwrap(), options)
                    .args(&["cat", "/proc/self/mountinfo"]);
            });
            let text = c.run().ok().stdout;
            parse_mountinfo(&text)
                .iter()
                .filter(|m| m.0.starts_with("/mnt") && has(&m.1, word))
                .count()
        };
        assert_eq!(count(&["rbind", set]), 2, "{set}");
        if word != "relatime" && is_ours() {
            assert_eq!(count(&["rbind", set, clear]), 0, "{set},{clear}");
        }
    }
}

/// What a tree has of its source is taken back, too: to the kernel's default. runc 1.1 hands the kernel a part of the field, which it refuses.
#[test]
fn access_times_are_taken_back() {
    need_root!();
    if !is_ours() {
        integration::skip(&integration::this_test(), "EINVAL with runc");
        return;
    }
    let host = TempDir::new("atime");
    for (flag, option, word) in [
        (rustix::mount::MountFlags::NOATIME, "ratime", "noatime"),
        (rustix::mount::MountFlags::STRICTATIME, "rnostrictatime", ""),
    ] {
        rustix::mount::mount("atime", host.path(), "tmpfs", flag, None).unwrap();
        let source = host.path().to_str().unwrap();
        let before = shown("bind", source, &["rbind"]);
        assert!(!has(&before, "relatime"), "{before}");
        assert!(word.is_empty() || has(&before, word), "{before}");
        let after = shown("bind", source, &["rbind", option]);
        assert!(has(&after, "relatime"), "{option}: {after}");
        rustix::mount::unmount(host.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

/// A word that nobody knows is the filesystem's own; what it does not take either, is an error that shows it.
#[test]
fn unknown_options_are_the_filesystems() {
    need_root!();
    let c = Container::new(|g| {
        g.mount("/mnt", "tmpfs", "tmpfs", &["nosuchoption=1"]);
    });
    c.run().refused("nosuchoption=1").says("invalid argument");
    c.nothing_left();
}

/// A label is the `context=` of new filesystems: a kernel without SELinux does not take it, and the container does not run without it.
#[test]
fn a_mount_label_is_not_ignored() {
    need_root!();
    if std::path::Path::new("/sys/fs/selinux").exists() {
        integration::skip(
            &integration::this_test(),
            "SELinux is there: which labels it takes is its policy's",
        );
        return;
    }
    let label = "system_u:object_r:container_file_t:s0:c1,c2";
    let c = Container::new(|g| {
        g.set("/linux/mountLabel", label);
    });
    c.run()
        .refused(&format!("context=\"{label}\""))
        .says("invalid argument");
    c.nothing_left();
}
