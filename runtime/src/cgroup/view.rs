//! What a `type: cgroup` mount shows the container: its own groups, in the form that `rootfs` mounts.

use super::layout::{Layout, Mode};
use super::path::{CgroupPaths, own_below_mount};
use crate::rootfs::{CgroupLayout, CgroupView, Hierarchy};

/// The view for a container. Call it only if the config has a cgroup mount; it makes no system call.
///
/// As runc, the v2 hierarchy of a hybrid host is not shown: the container sees a v1 host.
pub fn view(paths: &CgroupPaths, layout: &Layout, new_namespace: bool) -> CgroupView {
    let layout = if layout.hierarchies.is_empty() {
        CgroupLayout::None
    } else if layout.mode == Mode::V2 {
        CgroupLayout::Unified {
            path: paths.get("").unwrap_or_default().to_owned(),
        }
    } else {
        let shown = layout.hierarchies.iter().filter_map(|one| {
            let first = one
                .controllers
                .split(',')
                .next()
                .filter(|name| !name.is_empty())?;
            let (_, name) = one.mount_point.rsplit_once('/')?;
            Some(Hierarchy {
                name: name.to_owned(),
                options: one.controllers.clone(),
                // Of a hierarchy that was left out it has the group in which it is: its creator's.
                path: match paths.get(first) {
                    Some(path) => path.to_owned(),
                    None => format!(
                        "{}{}",
                        one.mount_point,
                        own_below_mount(layout.mode, one).ok()?
                    ),
                },
            })
        });
        CgroupLayout::V1(shown.collect())
    };
    CgroupView {
        new_namespace,
        layout,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cgroup;
    use crate::plan::CgroupPlan;

    #[test]
    fn each_v1_hierarchy_once_by_the_name_of_its_mount() {
        let hierarchy = |controllers: &str, dir: &str| cgroup::Hierarchy {
            controllers: controllers.into(),
            mount_point: format!("/sys/fs/cgroup/{dir}"),
            mount_root: "/".into(),
            own: "/".into(),
        };
        let layout = Layout {
            mode: Mode::Hybrid,
            hierarchies: vec![
                hierarchy("cpu,cpuacct", "cpu,cpuacct"),
                hierarchy("devices", "devices"),
                hierarchy("name=systemd", "systemd"),
                hierarchy("", "unified"),
            ],
        };
        let paths = CgroupPaths::plan(&layout, &CgroupPlan::default(), "box").unwrap();
        let view = view(&paths, &layout, true);
        assert!(view.new_namespace);
        let CgroupLayout::V1(shown) = view.layout else {
            panic!("{:?}", view.layout)
        };
        let names: Vec<_> = shown
            .iter()
            .map(|one| (one.name.as_str(), one.options.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("cpu,cpuacct", "cpu,cpuacct"),
                ("devices", "devices"),
                ("systemd", "name=systemd")
            ]
        );
        assert_eq!(shown[0].path, "/sys/fs/cgroup/cpu,cpuacct/box");
    }
}
