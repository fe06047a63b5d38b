//! `linux.netDevices`: devices of the caller's network namespace become the container's. Each test has a host of its own:
//! a new network namespace.

use std::path::Path;
use std::process::Command;

use integration::{Container, Output, is_ours, need_root, skip, this_test};
use serde_json::json;

macro_rules! need_devices {
    () => {
        need_root!();
        if !is_ours() {
            skip(&this_test(), "runc has netDevices since 1.4");
            return;
        }
        let script = "command -v ip && ip link add rrt0 type veth peer name rrt1";
        let probe = Command::new("unshare")
            .args(["-n", "sh", "-c", script])
            .output();
        if !probe.is_ok_and(|it| it.status.success()) {
            skip(
                &this_test(),
                "no iproute2, or no veth devices in this kernel",
            );
            return;
        }
    };
}

const PAIR: &str = "ip link add rrt0 type veth peer name rrt1; ip link set rrt1 up";

/// `run` in a new network namespace that `before` has furnished; `after` runs there when it has ended.
fn run(c: &Container, before: &str, after: &str) -> Output {
    let bundle = c.bundle.path().to_str().unwrap();
    let args = ["run", "--bundle", bundle, &c.id];
    let script = format!("set -e; {before}; set +e; \"$@\"; status=$?; {after}; exit $status");
    let shell = c.runtime.in_shell(&script).behind(&["unshare", "-n"]);
    shell.run(&args)
}

fn container(devices: serde_json::Value, script: &str) -> Container {
    Container::new(|g| {
        g.set("/linux/netDevices", devices).sh(script);
    })
}

#[test]
fn a_device_is_moved_with_its_addresses() {
    need_devices!();
    let c = container(
        json!({"rrt0": {}}),
        "ip addr show dev rrt0; ls /sys/class/net",
    );
    let before = format!(
        "{PAIR}; ip link set rrt0 up mtu 1400; ip addr add 10.9.8.7/24 broadcast 10.9.8.255 dev rrt0; \
         ip addr add 169.254.3.4/16 scope link dev rrt0; ip addr add 10.9.9.9/24 valid_lft 100 preferred_lft 100 dev rrt0; \
         ip addr add 10.1.1.1 peer 10.1.1.2 dev rrt0; ip addr add 2001:db8::2/64 nodad dev rrt0 2>&-; :"
    );
    let out = run(
        &c,
        &before,
        "ls /sys/class/net >/dev/null; ip -o link | cut -d: -f2 >&2",
    )
    .ok();
    for words in [
        "inet 10.9.8.7/24 brd 10.9.8.255 scope global",
        "mtu 1400",
        ",UP",
        "10.1.1.1 peer 10.1.1.2/32",
    ] {
        assert!(out.stdout.contains(words), "{words}: {out}");
    }
    if Path::new("/proc/sys/net/ipv6").exists() {
        assert!(out.stdout.contains("2001:db8::2/64"), "{out}");
    }
    for words in ["169.254.3.4", "10.9.9.9"] {
        assert!(!out.stdout.contains(words), "{words}: {out}");
    }
    // A virtual device ends with its namespace, as the kernel has it.
    assert!(!out.stderr.contains("rrt0"), "{out}");
    c.nothing_left();
}

#[test]
fn a_device_gets_another_name() {
    need_devices!();
    let c = container(
        json!({"rrt0": {"name": "eth0"}, "rrt1": {"name": "eth1"}}),
        "ls /sys/class/net | tr '\\n' ' '; ip -o link show dev eth1",
    );
    let out = run(&c, PAIR, "ip -o link >&2").ok();
    assert!(out.stdout.starts_with("eth0 eth1 lo "), "{out}");
    assert!(
        out.stdout.contains("eth1@eth0") && out.stdout.contains(",UP"),
        "{out}"
    );
    assert!(!out.stderr.contains("rrt"), "{out}");
}

#[test]
fn a_container_in_a_user_namespace_has_them_too() {
    need_devices!();
    let c =
        container(json!({"rrt0": {"name": "eth0"}}), "ip addr show dev eth0").with_config(|g| {
            g.user_namespace(100_000, 65536);
        });
    let out = run(
        &c,
        &format!("{PAIR}; ip addr add 10.9.8.7/24 dev rrt0"),
        ":",
    )
    .ok();
    assert!(out.stdout.contains("inet 10.9.8.7/24"), "{out}");
}

#[test]
fn what_cannot_be_moved_is_said_and_nothing_is_left() {
    need_devices!();
    for (devices, words) in [
        (
            json!({"nosuch0": {}}),
            "link not found for interface nosuch0 on runtime namespace: no such device",
        ),
        (
            json!({"rrt0": {"name": "lo"}}),
            "fail to move network device rrt0 to network namespace /proc/",
        ),
        (
            json!({"lo": {"name": "x"}}),
            "fail to move network device lo to network namespace /proc/",
        ),
    ] {
        let c = container(devices, "true");
        let before = format!("{PAIR}; ip link set rrt0 up");
        let out = run(&c, &before, "ip -o link show dev rrt0 up >&2").refused(words);
        // It is still there, and still up.
        assert!(out.stderr.contains("rrt0@rrt1"), "{out}");
        c.nothing_left();
    }
}

#[test]
fn without_a_network_namespace_they_are_refused() {
    need_devices!();
    let words = "unable to move network devices without a private NET namespace";
    let c = container(json!({"rrt0": {}}), "true").with_config(|g| {
        g.without_namespace("network");
    });
    run(&c, PAIR, "ip -o link >&2").refused(words);
    // A joined one that is the caller's own is none.
    let c = container(json!({"rrt0": {}}), "true").with_config(|g| {
        g.without_namespace("network").push(
            "/linux/namespaces",
            json!({"type": "network", "path": "/proc/self/ns/net"}),
        );
    });
    run(&c, PAIR, "ip -o link >&2").refused(words);
    c.nothing_left();
}
