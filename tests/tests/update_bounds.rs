//! `update` of limits of which one bounds another: either order may be the one that the kernel takes.

use integration::{Container, is_ours, is_v2, need_root, skip};
use serde_json::json;

use crate::update::{update, value};

/// What runc 1.1 does not know.
#[test]
fn burst_and_idle() {
    need_root!();
    if !is_ours() {
        return skip("burst_and_idle", "runc 1.1 does not know them");
    }
    let c = Container::sleeping();
    let pid = c.detach();
    let (burst, max) = if is_v2() {
        ("cpu.max.burst", "cpu.max")
    } else {
        ("cpu.cfs_burst_us", "cpu.cfs_quota_us")
    };
    if value(pid, "cpu", burst).is_none() || value(pid, "cpu", "cpu.idle").is_none() {
        return skip(
            "burst_and_idle",
            "this kernel has no burst, or no idle groups",
        );
    }
    let quota = || {
        value(pid, "cpu", max)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    update(&c, &["--cpu-quota", "20000", "--cpu-burst", "10000"]).ok();
    assert_eq!(
        (quota().as_str(), value(pid, "cpu", burst).unwrap().as_str()),
        ("20000", "10000")
    );
    // The old burst is above the new quota, and the new burst above the old quota: either order, and back.
    for (new_quota, new_burst) in [("5000", "4000"), ("90000", "80000"), ("2000", "2000")] {
        update(&c, &["--cpu-quota", new_quota, "--cpu-burst", new_burst]).ok();
        assert_eq!(quota(), new_quota);
        assert_eq!(value(pid, "cpu", burst).unwrap(), new_burst);
    }
    update(&c, &["--cpu-burst", "0"]).ok();
    assert_eq!(value(pid, "cpu", burst).unwrap(), "0");
    // The kernel forgets the weight of an idle group; we do not.
    let weight = if is_v2() { "cpu.weight" } else { "cpu.shares" };
    update(&c, &["--cpu-share", "512"]).ok();
    let before = value(pid, "cpu", weight).unwrap();
    for idle in ["1", "1", "0", "0", "1", "0"] {
        update(&c, &["--cpu-idle", idle]).ok();
        assert_eq!(value(pid, "cpu", "cpu.idle").unwrap(), idle);
        let now = value(pid, "cpu", weight).unwrap();
        assert_eq!(now == before, idle == "0", "{now}");
    }
    update(&c, &["--cpu-idle", "2"]).refused("cpu.idle: invalid argument");
    // Not if something else fails, either.
    update(&c, &["--cpu-idle", "1", "--cpuset-cpus", "4000"]).refused("cpuset.cpus: ");
    assert_eq!(value(pid, "cpu", "cpu.idle").unwrap(), "0");
    assert_eq!(value(pid, "cpu", weight).unwrap(), before);
}

/// The kernel wants memory <= memory and swap at each moment: up needs one order, down the other.
#[test]
fn memory_and_swap_up_and_down() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"]).set(
            "/linux/resources/memory",
            json!({"limit": 33_554_432, "swap": 33_554_432}),
        );
    });
    let pid = c.detach();
    let now = || {
        let (memory, swap) = if is_v2() {
            ("memory.max", "memory.swap.max")
        } else {
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        };
        let number =
            |file| value(pid, "memory", file).map(|text| text.parse::<u64>().unwrap_or(u64::MAX));
        // Memory, and memory and swap together.
        let memory = number(memory).unwrap();
        number(swap).map(|swap| {
            (
                memory,
                if is_v2() {
                    memory.saturating_add(swap)
                } else {
                    swap
                },
            )
        })
    };
    if now().is_none() {
        return skip(
            "memory_and_swap_up_and_down",
            "this kernel does not count swap",
        );
    }
    const M: u64 = 1 << 20;
    for (memory, both) in [
        (64, 64),
        (128, 256),
        (16, 24),
        (24, 24),
        (200, 300),
        (32, 32),
    ] {
        update(
            &c,
            &[
                "--memory",
                &format!("{memory}m"),
                "--memory-swap",
                &format!("{both}m"),
            ],
        )
        .ok();
        assert_eq!(now(), Some((memory * M, both * M)));
    }
    if is_v2() && !is_ours() {
        // 1.1.5 does not look at what is there: "unable to set swap limit without memory limit".
        return;
    }
    update(&c, &["--memory-swap", "48m"]).ok();
    assert_eq!(now(), Some((32 * M, 48 * M)));
    // Memory alone: both together keep their limit.
    update(&c, &["--memory", "40m"]).ok();
    assert_eq!(now(), Some((40 * M, 48 * M)));
    update(&c, &["--memory", "20m"]).ok();
    assert_eq!(now(), Some((20 * M, 48 * M)));
    let out = update(&c, &["--memory", "49m"]).exits(1);
    assert_eq!(now(), Some((20 * M, 48 * M)));
    if is_ours() {
        out.says("memory and swap together are limited to 50331648: change --memory-swap, too");
    }
    update(&c, &["--memory", "49m", "--memory-swap", "48m"]).exits(1);
    assert_eq!(now(), Some((20 * M, 48 * M)));
    // No limit on memory is none on both.
    update(&c, &["--memory", "-1"]).ok();
    assert!(now().unwrap().0 > 1 << 60 && now().unwrap().1 > 1 << 60);
}
