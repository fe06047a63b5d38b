//! `rootfsPropagation`, and the propagation of single mounts.

use integration::{Container, need_root};

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
