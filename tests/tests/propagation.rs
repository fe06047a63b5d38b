//! `rootfsPropagation`, and the propagation of single mounts.

use integration::{Container, TempDir, mounts_below, need_root};

use crate::mounts::mountinfo;

/// Whatever the propagation is, the container's root is not in a peer group of the host's.
#[test]
fn root_propagation() {
    need_root!();
    for value in [
        None,
        Some("private"),
        Some("slave"),
        Some("rslave"),
        Some("rprivate"),
        Some("shared"),
        Some("rshared"),
    ] {
        let mounts = mountinfo(|g| {
            if let Some(v) = value {
                g.set("/linux/rootfsPropagation", v);
            }
        });
        let root = &mounts.iter().find(|m| m.0 == "/").unwrap().2;
        if !value.is_some_and(|v| v.ends_with("shared")) {
            assert!(!root.contains("shared"), "{value:?}: {root}");
        }
        assert!(!root.contains("unbindable"), "{value:?}: {root}");
    }
    let c = Container::new(|g| {
        g.set("/linux/rootfsPropagation", "nosuch");
    });
    c.run().refused("nosuch");
    c.nothing_left();
}

#[test]
fn mount_propagation() {
    need_root!();
    let mounts = mountinfo(|g| {
        g.mount("/mnt", "tmpfs", "tmpfs", &["shared"])
            .mount("/tmp", "tmpfs", "tmpfs", &["unbindable"])
            .mount("/home", "tmpfs", "tmpfs", &["private"]);
    });
    let optional = |point: &str| mounts.iter().find(|m| m.0 == point).unwrap().2.clone();
    assert!(optional("/mnt").contains("shared:"), "{mounts:#?}");
    assert_eq!(optional("/tmp"), "unbindable");
    assert_eq!(optional("/home"), "");
}

/// What a program mounts below a shared bind mount is there on the host, and with it ends nothing of the host's.
#[test]
fn shared_mounts_reach_the_host() {
    need_root!();
    for root in ["shared", "rshared", "private"] {
        let dir = TempDir::new("shared");
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("shared", &shared, "tmpfs", flags, None).unwrap();
        rustix::mount::mount_change(&shared, rustix::mount::MountPropagationFlags::SHARED).unwrap();
        for name in ["below", "new"] {
            std::fs::create_dir(shared.join(name)).unwrap();
        }
        rustix::mount::mount("below", shared.join("below"), "tmpfs", flags, None).unwrap();
        let c = Container::new(|g| {
            g.set("/linux/rootfsPropagation", root)
                .caps(&["CAP_SYS_ADMIN"])
                .bind(&shared, "/mnt", &["rbind", "rshared"])
                .sh("mount -t tmpfs made /mnt/new && touch /mnt/new/file");
        });
        c.run().ok();
        let names = ["", "below", "new"];
        let expected: Vec<_> = names.iter().map(|name| shared.join(name)).collect();
        assert_eq!(mounts_below(&shared), expected, "{root}");
        assert!(shared.join("new/file").exists(), "{root}");
    }
}

/// What is attached below a shared mount becomes shared with it: each has the propagation that it was given all the same.
#[test]
fn below_a_shared_mount() {
    need_root!();
    let dir = TempDir::new("shared");
    let (shared, other) = (dir.path().join("shared"), dir.path().join("other"));
    for path in [&shared, &other] {
        std::fs::create_dir(path).unwrap();
    }
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("shared", &shared, "tmpfs", flags, None).unwrap();
    rustix::mount::mount_change(&shared, rustix::mount::MountPropagationFlags::SHARED).unwrap();
    let kinds = ["private", "rprivate", "unbindable", "runbindable", "slave"];
    for kind in kinds {
        std::fs::create_dir(shared.join(kind)).unwrap();
    }
    let mounts = mountinfo(|g| {
        // The root alone: "rshared" shares all that is below it once more, at the end.
        g.set("/linux/rootfsPropagation", "shared")
            .bind(&shared, "/mnt", &["rbind", "rshared"]);
        for kind in kinds {
            g.bind(&other, &format!("/mnt/{kind}"), &["rbind", kind]);
        }
    });
    for kind in kinds {
        let point = format!("/mnt/{kind}");
        let seen = &mounts.iter().find(|m| m.0 == point).unwrap().2;
        let shared = seen.contains("shared");
        assert_eq!(
            (shared, seen.contains("unbindable")),
            (false, kind.ends_with("unbindable")),
            "{kind}: {seen}"
        );
    }
}
