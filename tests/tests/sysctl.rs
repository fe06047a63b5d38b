//! `linux.sysctl`

use integration::{Container, need_root};

#[test]
fn sysctls_are_set_before_the_program_runs() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/linux/sysctl", serde_json::json!({"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "7"}))
            .sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced /proc/sys/fs/mqueue/msg_max");
    });
    assert_eq!(c.run().ok().lines(), ["1", "1", "7"]);
}

#[test]
fn the_host_keeps_its_own() {
    need_root!();
    let read = || std::fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").unwrap();
    let before = read();
    let c = Container::new(|g| {
        g.set(
            "/linux/sysctl/kernel.shm_rmid_forced",
            if before.trim() == "1" { "0" } else { "1" },
        );
    });
    c.run().ok();
    assert_eq!(read(), before);
}

#[test]
fn a_sysctl_of_the_whole_machine_is_refused() {
    need_root!();
    for key in ["kernel.panic", "vm.swappiness", "fs.file-max"] {
        let c = Container::new(|g| {
            g.set(&format!("/linux/sysctl/{key}"), "1");
        });
        c.run().refused(&format!(
            "sysctl \"{key}\" is not in a separate kernel namespace"
        ));
        c.nothing_left();
    }
}

#[test]
fn a_sysctl_needs_its_namespace() {
    need_root!();
    for (key, namespace) in [("net.ipv4.ip_forward", "network"), ("kernel.shmmax", "ipc")] {
        let c = Container::new(|g| {
            g.without_namespace(namespace)
                .set(&format!("/linux/sysctl/{key}"), "1");
        });
        let out = c.run().exits(1);
        assert!(
            out.stderr.contains(key) && out.stderr.contains("not allowed"),
            "{out}"
        );
        c.nothing_left();
    }
}

#[test]
fn an_unknown_sysctl_names_the_file() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/linux/sysctl/net.nosuch.key", "1");
    });
    c.run().refused("net/nosuch/key");
    c.nothing_left();
}
