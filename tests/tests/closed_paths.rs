//! What the container may not write to, or not see: a read-only root, masked and read-only paths.

use integration::{Container, need_root};
use serde_json::json;

#[test]
fn read_only_root() {
    need_root!();
    assert!(
        Container::sh("echo x > /file")
            .run()
            .exits(1)
            .stderr
            .contains("Read-only file system")
    );
    let c = Container::new(|g| {
        g.set("/root/readonly", false).sh("echo x > /file");
    });
    c.run().ok();
    assert!(c.bundle.rootfs("file").exists());
}

#[test]
fn masked_paths() {
    need_root!();
    let c = Container::unsaved();
    std::fs::create_dir(c.bundle.rootfs("secret")).unwrap();
    std::fs::write(c.bundle.rootfs("secret/inner"), "top secret").unwrap();
    std::fs::write(c.bundle.rootfs("secret.txt"), "top secret").unwrap();
    let c = c.with_config(|g| {
        g.set("/root/readonly", false).set("/linux/maskedPaths", json!(["/secret", "/secret.txt", "/nonexistent", "/proc/version"])).sh(
            "ls /secret | wc -l; touch /secret/x 2>/dev/null || echo ro; cat /secret.txt | wc -c; stat -c '%t:%T' /secret.txt; stat -c '%t:%T' /proc/version; test ! -e /nonexistent && echo missing",
        );
    });
    assert_eq!(
        c.run().ok().lines(),
        ["0", "ro", "0", "1:3", "1:3", "missing"]
    );
    assert!(!c.bundle.rootfs("nonexistent").exists());
}

#[test]
fn readonly_paths() {
    need_root!();
    let c = Container::unsaved();
    std::fs::create_dir(c.bundle.rootfs("fixed")).unwrap();
    std::fs::write(c.bundle.rootfs("fixed/file"), "old").unwrap();
    let c = c.with_config(|g| {
        g.set("/root/readonly", false).push("/linux/readonlyPaths", json!("/fixed")).push("/linux/readonlyPaths", json!("/nonexistent")).sh(
            "echo x > /fixed/file; cat /fixed/file; echo 0 > /proc/sys/kernel/domainname; touch /ok && echo rest is writable",
        );
    });
    let out = c.run().ok();
    assert_eq!(out.stdout, "oldrest is writable\n", "{out}");
    assert_eq!(
        out.stderr.matches("Read-only file system").count(),
        2,
        "{out}"
    );
}

#[test]
fn sys_is_read_only() {
    need_root!();
    let out = Container::sh("echo 1 > /sys/kernel/profiling")
        .run()
        .exits(1);
    assert!(out.stderr.contains("Read-only file system"), "{out}");
}
