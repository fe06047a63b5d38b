//! The groups of exec's process: the container's, one below them, or the one that init has gone to.

use super::error::{Error, Result};
use super::path::CgroupPaths;
use super::{file, layout, parse};

impl CgroupPaths {
    /// The groups of `--cgroup [controllers:]path`, each below the container's; runc's rules. None given: the container's.
    ///
    /// # Errors
    /// [`Error::Sub`], in runc's words.
    pub fn below(&self, asked: &[String]) -> Result<Self> {
        let mut paths = self.as_map().clone();
        let mut named: Vec<&str> = Vec::new();
        for one in asked {
            let bad = |why: &str| Error::Sub(format!("invalid --cgroup argument: {one}{why}"));
            let (controllers, path) = match one.split_once(':') {
                Some((_, path)) if path.contains(':') => return Err(bad("")),
                Some((controllers, path)) => (Some(controllers), path),
                None if asked.len() > 1 => return Err(bad(" (missing <controller>: prefix)")),
                None => (None, one.as_str()),
            };
            let inner = inner(path)
                .ok_or_else(|| Error::Sub(format!("{path} is not a sub cgroup path")))?;
            let Some(controllers) = controllers else {
                paths.values_mut().for_each(|group| group.push_str(&inner));
                continue;
            };
            for controller in controllers.split(',') {
                if controller.is_empty() {
                    return Err(bad(" (empty <controller> prefix)"));
                }
                if named.contains(&controller) {
                    return Err(Error::Sub(format!(
                        "invalid --cgroup argument(s): controller {controller} specified multiple times"
                    )));
                }
                named.push(controller);
                let group = paths.get_mut(controller).ok_or_else(|| {
                    Error::Sub(format!("unknown controller {controller} in SubCgroupPaths"))
                })?;
                group.push_str(&inner);
            }
        }
        Ok(Self::from_map(paths))
    }

    /// The same groups, but on v2 the one that process `pid` is in: a container that passes controllers on to groups of its own has
    /// left its first one, which takes nobody any more. As runc.
    ///
    /// # Errors
    /// A group that is not to be seen from here.
    pub fn following(&self, pid: i32) -> Result<Self> {
        let table = format!("/proc/{pid}/cgroup");
        let text = file::read_line(&table)?;
        let found =
            parse::memberships(text.as_bytes()).map_err(|why| layout::malformed(&table, why))?;
        let own = found.iter().find(|one| one.id == 0);
        let mount = match self.is_v2() {
            true => layout::ROOT.to_owned(),
            false => format!("{}/unified", layout::ROOT),
        };
        let mut paths = self.as_map().clone();
        match (own, paths.get_mut("")) {
            (Some(own), Some(group)) if !own.path.contains("/..") => {
                *group = format!("{mount}{}", own.path);
            }
            _ => return Err(Error::NotMounted),
        }
        Ok(Self::from_map(paths))
    }
}

/// `path` without what leads nowhere, with a '/' before each name; `None`: it leads out.
fn inner(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                kept.pop()?;
            }
            name => kept.push(name),
        }
    }
    Some(kept.iter().map(|name| format!("/{name}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn paths() -> CgroupPaths {
        let map =
            ["cpu", "cpuacct", "memory"].map(|name| (name.to_owned(), format!("/cg/{name}/c")));
        CgroupPaths::from_map(map.into())
    }

    fn below(asked: &[&str]) -> std::result::Result<CgroupPaths, String> {
        let asked: Vec<String> = asked.iter().map(|one| (*one).to_owned()).collect();
        paths().below(&asked).map_err(|error| error.to_string())
    }

    #[test]
    fn groups_below_the_containers() {
        assert_eq!(below(&[]).unwrap(), paths());
        assert_eq!(
            below(&["/a//b/../d/"]).unwrap().get("cpu"),
            Some("/cg/cpu/c/a/d")
        );
        let some = below(&["cpu,cpuacct:x", "memory:/y"]).unwrap();
        assert_eq!(some.get("cpuacct"), Some("/cg/cpuacct/c/x"));
        assert_eq!(some.get("memory"), Some("/cg/memory/c/y"));
        assert_eq!(
            below(&["cpu:x"]).unwrap().get("memory"),
            Some("/cg/memory/c")
        );
    }

    #[test]
    fn what_is_none_is_refused_in_runcs_words() {
        for (asked, why) in [
            (vec!["../c2"], "../c2 is not a sub cgroup path"),
            (
                vec!["cpu:a/../../c2"],
                "a/../../c2 is not a sub cgroup path",
            ),
            (vec!["a:b:c"], "invalid --cgroup argument: a:b:c"),
            (
                vec!["x", "cpu:y"],
                "invalid --cgroup argument: x (missing <controller>: prefix)",
            ),
            (
                vec![",cpu:y"],
                "invalid --cgroup argument: ,cpu:y (empty <controller> prefix)",
            ),
            (
                vec!["cpu:y", "cpu:z"],
                "invalid --cgroup argument(s): controller cpu specified multiple times",
            ),
            (vec!["nope:y"], "unknown controller nope in SubCgroupPaths"),
        ] {
            assert_eq!(below(&asked).unwrap_err(), why);
        }
    }
}
