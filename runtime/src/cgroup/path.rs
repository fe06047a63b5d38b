//! Where a container's groups are: runc's rules for `cgroupsPath`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::layout::{Hierarchy, Layout, Mode, own_v2};
use super::{create, permitted, v1, v2};
use crate::plan::CgroupPlan;
use crate::sys;

/// The groups of one container: runc's `cgroup_paths` of state.json, controller to absolute directory; the v2
/// hierarchy has the key "". Controllers that are mounted together share a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupPaths(BTreeMap<String, String>);

/// First those by which a process is found again: if the creator dies between two joins, init is in the group that
/// `cgroup.kill` works on, or the freezer. The rest as runc.
const JOIN_FIRST: [&str; 3] = ["", "freezer", "devices"];

impl CgroupPaths {
    /// The directories for container `id`. Makes nothing.
    ///
    /// - an absolute `cgroupsPath` is below each hierarchy's mount point;
    /// - a relative one is below the creator's own group in each hierarchy (v2: below its parent, because a group
    ///   with processes cannot pass controllers on);
    /// - without one it is `id`, relative.
    ///
    /// `..` never climbs out of the directory that a path starts in.
    ///
    /// Limits that this host cannot keep are refused here already, before anything is made. So are groups with somebody
    /// in them: once such a path is in a state record, `delete --force` would kill whoever that is.
    ///
    /// # Errors
    /// [`Error::NotEmpty`]; a limit whose controller is missing, or that v1 or v2 cannot express; a path that is the root,
    /// or in systemd's `slice:prefix:name` form; an own group that the mount does not show.
    pub fn plan(layout: &Layout, plan: &CgroupPlan, id: &str) -> Result<Self> {
        Self::of(layout, plan, id, None)
    }

    /// As [`plan`](Self::plan), for a caller who may not make every group: without a `cgroupsPath`, the hierarchies are left out in which
    /// it may not, as runc does for rootless containers, that of `devices` too. (A path that was asked for is a demand.)
    ///
    /// # Errors
    /// As those of [`plan`](Self::plan); a limit whose group may not be made: [`Error::NotPermitted`].
    pub fn plan_permitted(layout: &Layout, plan: &CgroupPlan, id: &str) -> Result<Self> {
        let mut left_out = Vec::new();
        let planned = Self::of(layout, plan, id, Some(&mut left_out));
        match planned {
            Err(Error::NoController { controller }) => {
                let of = |one: &&(String, sys::Error)| one.0.split(',').any(|it| it == controller);
                match left_out.iter().find(of) {
                    Some((_, source)) => Err(Error::NotPermitted {
                        resource: controller,
                        source: source.clone(),
                    }),
                    None => planned,
                }
            }
            // On v2 there is one group for all limits.
            Ok(paths) if paths.0.is_empty() && layout.mode == Mode::V2 => match left_out.pop() {
                Some((_, source)) if v1::has_limits(&plan.resources) => {
                    Err(Error::NonePermitted(source))
                }
                _ => Ok(paths),
            },
            _ => planned,
        }
    }

    /// `left_out`: gets what the caller may not make, and why.
    fn of(
        layout: &Layout,
        plan: &CgroupPlan,
        id: &str,
        mut left_out: Option<&mut Vec<(String, sys::Error)>>,
    ) -> Result<Self> {
        let configured = plan.path.as_deref().filter(|path| !path.is_empty());
        let inner = clean(configured.unwrap_or(id));
        let bad = |what| Error::Path {
            path: configured.unwrap_or(id).to_owned(),
            what,
        };
        if inner.is_empty() {
            return Err(bad(
                "this names the hierarchy's root, or the creator's own cgroup",
            ));
        }
        if configured.is_some_and(|path| !path.contains('/') && path.split(':').count() == 3) {
            return Err(bad(
                "slice:prefix:name is for the systemd cgroup manager, which is not supported yet; give a path",
            ));
        }
        let absolute = configured.is_some_and(|path| path.starts_with('/'));
        let mut left_out = left_out.take_if(|_| configured.is_none());
        let mut paths = BTreeMap::new();
        for one in &layout.hierarchies {
            let mut directory = String::with_capacity(128);
            directory.push_str(&one.mount_point);
            if !absolute {
                match (own_below_mount(layout.mode, one), &left_out) {
                    (Ok(own), _) => directory.push_str(&own),
                    // There is no way to it at all.
                    (Err(Error::OwnOutside { .. }), Some(_)) => continue,
                    (Err(error), _) => return Err(error),
                }
            }
            directory.push('/');
            directory.push_str(&inner);
            if let Some(left_out) = &mut left_out
                && let Err(why) =
                    permitted::may_make(&one.mount_point, &directory, one.controllers.is_empty())
            {
                left_out.push((one.controllers.clone(), why));
                continue;
            }
            for controller in one.controllers.split(',') {
                paths.insert(controller.to_owned(), directory.clone());
            }
        }
        if layout.mode == Mode::Hybrid && left_out.is_some() && paths.len() == 1 {
            // The v2 hierarchy of a hybrid host has no limits; and alone it would be taken for that of a v2 host.
            paths.remove("");
        }
        // Of one for whom groups are left out, the caller knows whether it matters.
        if layout.mode != Mode::V2 && !paths.contains_key("devices") && left_out.is_none() {
            return Err(Error::NoDevices);
        }
        let paths = Self(paths);
        if layout.mode == Mode::V2 {
            v2::check(&plan.resources)?;
        } else {
            v1::check(&paths, &plan.resources)?;
            v1::enough_for_init(&plan.resources.memory)?;
        }
        create::refuse_occupied(&paths)?;
        Ok(paths)
    }

    /// Controller to directory, as the state record has it.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// From a state record.
    pub fn from_map(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }

    /// A v2-only host.
    pub fn is_v2(&self) -> bool {
        self.0.len() == 1 && self.0.contains_key("")
    }

    /// The group of one v1 controller ("" is the v2 group).
    pub fn get(&self, controller: &str) -> Option<&str> {
        self.0.get(controller).map(String::as_str)
    }

    /// Each directory once, in the order in which they are made and joined.
    pub fn directories(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::with_capacity(self.0.len());
        let first = JOIN_FIRST.iter().filter_map(|name| self.get(name));
        for directory in first.chain(self.0.values().map(String::as_str)) {
            if !all.contains(&directory) {
                all.push(directory);
            }
        }
        all
    }

    /// The v1 group by which processes are listed.
    pub(super) fn lead(&self) -> Option<&str> {
        self.get("freezer")
            .or_else(|| self.get("devices"))
            .or_else(|| self.0.values().next().map(String::as_str))
    }
}

/// This process's own group, as a path below the hierarchy's mount point: "" or "/a/b".
pub(super) fn own_below_mount(mode: Mode, one: &Hierarchy) -> Result<String> {
    if mode == Mode::V2 {
        return beside(own_v2()?, one);
    }
    let root = one.mount_root.trim_end_matches('/');
    let rest = one
        .own
        .strip_prefix(root)
        .map(|rest| rest.trim_end_matches('/'));
    match rest {
        // In a cgroup namespace whose root we are not below, the kernel shows "/..".
        Some(rest) if rest.is_empty() || (rest.starts_with('/') && !one.own.contains("/..")) => {
            Ok(rest.to_owned())
        }
        _ => Err(Error::OwnOutside {
            controllers: one.controllers.clone(),
            own: one.own.clone(),
            root: one.mount_root.clone(),
        }),
    }
}

/// v2: the group that we are in has a process, so it can pass no controller on to a child. Its parent can, as runc has it.
fn beside(own: String, one: &Hierarchy) -> Result<String> {
    // Below another group than the one that is the root of our cgroup namespace.
    if own.starts_with("/..") {
        return Err(Error::OwnOutside {
            controllers: "cgroup v2".to_owned(),
            own,
            root: one.mount_root.clone(),
        });
    }
    let parent = own.rsplit_once('/').map_or("", |(parent, _)| parent);
    Ok(parent.to_owned())
}

/// The path's components without `.`, empty ones, and `..` as far as it goes; no leading '/'.
fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn layout() -> Layout {
        let hierarchy = |controllers: &str, dir: &str, root: &str, own: &str| Hierarchy {
            controllers: controllers.into(),
            mount_point: format!("/sys/fs/cgroup/{dir}"),
            mount_root: root.into(),
            own: own.into(),
        };
        Layout {
            mode: Mode::Hybrid,
            hierarchies: vec![
                hierarchy("name=systemd", "systemd", "/", "/user.slice"),
                hierarchy("cpu,cpuacct", "cpu,cpuacct", "/docker/a", "/docker/a/sub"),
                hierarchy("devices", "devices", "/docker/a", "/docker/a"),
                hierarchy("memory", "memory", "/", "/"),
                hierarchy("", "unified", "/", "/user.slice"),
            ],
        }
    }

    fn plan(path: Option<&str>) -> Result<CgroupPaths> {
        let plan = CgroupPlan {
            path: path.map(str::to_owned),
            ..CgroupPlan::default()
        };
        CgroupPaths::plan(&layout(), &plan, "box")
    }

    #[test]
    fn without_a_path_it_is_the_id_below_our_own_group() {
        let paths = plan(None).unwrap();
        assert_eq!(paths.get("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/sub/box"));
        assert_eq!(paths.get("cpuacct"), paths.get("cpu"));
        assert_eq!(paths.get("devices"), Some("/sys/fs/cgroup/devices/box"));
        assert_eq!(paths.get("memory"), Some("/sys/fs/cgroup/memory/box"));
        assert_eq!(
            paths.get("name=systemd"),
            Some("/sys/fs/cgroup/systemd/user.slice/box")
        );
        assert_eq!(
            paths.directories()[0],
            "/sys/fs/cgroup/unified/user.slice/box"
        );
        assert_eq!(paths.directories().len(), 5);
        assert_eq!(plan(Some("")).unwrap(), paths);
    }

    #[test]
    fn absolute_paths_start_at_the_mount_and_none_climbs_out() {
        let paths = plan(Some("/a//./b/../c/")).unwrap();
        assert_eq!(paths.get("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/a/c"));
        assert_eq!(paths.get(""), Some("/sys/fs/cgroup/unified/a/c"));
        let paths = plan(Some("../../up")).unwrap();
        assert_eq!(paths.get("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/sub/up"));
        assert_eq!(
            plan(Some("/../up")).unwrap().get("memory"),
            Some("/sys/fs/cgroup/memory/up")
        );
    }

    #[test]
    fn the_root_and_systemd_names_are_refused() {
        for path in ["/", ".", "..", "/a/..", "./", "//"] {
            assert!(
                matches!(plan(Some(path)), Err(Error::Path { .. })),
                "{path}"
            );
        }
        let error = plan(Some("system.slice:docker:abc"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("systemd"), "{error}");
        assert!(plan(Some("/a:b:c")).is_ok());
    }

    #[test]
    fn an_own_group_that_the_mount_does_not_show_is_refused_for_relative_paths_only() {
        for own in ["/docker/abc", "/../x", "/other"] {
            let mut layout = layout();
            layout.hierarchies[2].own = own.into();
            let relative = CgroupPlan::default();
            let error = CgroupPaths::plan(&layout, &relative, "box").unwrap_err();
            assert!(matches!(error, Error::OwnOutside { .. }), "{own}: {error}");
            let absolute = CgroupPlan {
                path: Some("/x".into()),
                ..CgroupPlan::default()
            };
            CgroupPaths::plan(&layout, &absolute, "box").unwrap();
        }
    }

    #[test]
    fn on_v2_it_is_beside_our_own_group() {
        let one = &layout().hierarchies[4];
        for (own, parent) in [
            ("/", ""),
            ("/a", ""),
            ("/a/b", "/a"),
            ("/a/b (deleted)", "/a"),
        ] {
            assert_eq!(beside(own.into(), one).unwrap(), parent, "{own}");
        }
        for own in ["/..", "/../x", "/../../x/y"] {
            let error = beside(own.into(), one).unwrap_err();
            assert!(matches!(error, Error::OwnOutside { .. }), "{own}: {error}");
        }
    }

    #[test]
    fn without_a_device_controller_there_is_no_container() {
        let mut layout = layout();
        layout.hierarchies.remove(2);
        let error = CgroupPaths::plan(&layout, &CgroupPlan::default(), "box").unwrap_err();
        assert!(matches!(error, Error::NoDevices));
    }

    #[test]
    fn the_record_is_a_plain_map() {
        let paths = plan(Some("/x")).unwrap();
        let json = serde_json::to_value(&paths).unwrap();
        assert_eq!(json["cpuacct"], "/sys/fs/cgroup/cpu,cpuacct/x");
        assert_eq!(serde_json::from_value::<CgroupPaths>(json).unwrap(), paths);
    }
}
