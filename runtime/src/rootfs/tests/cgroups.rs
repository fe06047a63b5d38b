//! `type: cgroup` on this machine's hierarchies, which are only looked at.

use std::fs;

use super::*;
use libc::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY};

/// The v1 hierarchies, from mountinfo; empty where there are none.
fn hierarchies() -> Vec<Hierarchy> {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    parse_mounts(&text)
        .into_iter()
        .filter(|mount| mount.3 == "cgroup")
        .map(|mount| {
            let name = mount.0.rsplit('/').next().unwrap().to_owned();
            let options = if name == "systemd" {
                "name=systemd".to_owned()
            } else {
                name.clone()
            };
            Hierarchy {
                name,
                options,
                path: mount.0,
            }
        })
        .collect()
}

fn attempt(new_namespace: bool, flags: u64) {
    let found = hierarchies();
    if found.is_empty() {
        crate::testing::skip("no cgroup v1 hierarchy here");
        return;
    }
    in_namespace(|place| {
        if new_namespace {
            unshare(CloneFlags::CLONE_NEWCGROUP).unwrap();
        }
        let mut plan = bare(place);
        let mut cgroup = filesystem(
            "",
            "/sys/fs/cgroup",
            MS_NOSUID | MS_NODEV | MS_NOEXEC | flags,
            "",
        );
        cgroup.kind = MountKind::Cgroup;
        plan.mounts = vec![
            filesystem("proc", "/proc", 0, ""),
            filesystem("sysfs", "/sys", MS_RDONLY | MS_NOSUID, ""),
            cgroup,
        ];
        let mut named = found.clone();
        // A pair of controllers in one hierarchy, as most machines have it, for the links.
        named[0].name = format!("{0},zz", named[0].name);
        let view = CgroupView {
            new_namespace,
            layout: CgroupLayout::V1(named.clone()),
        };
        prepare(&plan, &view).unwrap().pivot().unwrap();
        finish(&plan).unwrap();
        let all = mounts();
        let mode = if flags & MS_RDONLY == 0 { "rw" } else { "ro" };
        for hierarchy in &named {
            let point = format!("/sys/fs/cgroup/{}", hierarchy.name);
            let mount = all
                .iter()
                .find(|mount| mount.0 == point)
                .unwrap_or_else(|| panic!("{point} {all:#?}"));
            assert_eq!(
                (mount.1.as_str(), mount.3.as_str()),
                (&*format!("{mode},nosuid,nodev,noexec,relatime"), "cgroup")
            );
            assert!(Path::new(&format!("{point}/cgroup.procs")).exists());
        }
        let top = all
            .iter()
            .find(|mount| mount.0 == "/sys/fs/cgroup")
            .unwrap();
        assert_eq!(
            (top.1.as_str(), top.3.as_str()),
            ("rw,nosuid,nodev,noexec,relatime", "tmpfs")
        );
        for part in named[0].name.split(',') {
            assert_eq!(
                fs::read_link(format!("/sys/fs/cgroup/{part}"))
                    .unwrap()
                    .to_str(),
                Some(&*named[0].name)
            );
        }
    });
}

#[test]
fn bound_without_a_cgroup_namespace() {
    attempt(false, MS_RDONLY);
    attempt(false, 0);
}

#[test]
fn mounted_in_a_cgroup_namespace() {
    attempt(true, MS_RDONLY);
    attempt(true, 0);
}

#[test]
fn no_hierarchy_is_an_error() {
    in_namespace(|place| {
        let mut plan = bare(place);
        plan.mounts = vec![MountPlan {
            kind: MountKind::Cgroup,
            ..filesystem("", "/sys/fs/cgroup", 0, "")
        }];
        assert_eq!(
            refusal(&plan),
            "error mounting \"cgroup\" to rootfs at \"/sys/fs/cgroup\": no cgroup hierarchy is mounted on this host"
        );
    });
}
