//! v2: controllers reach a container's group by being passed on from the hierarchy's root, group by group. Here that is
//! done, and here is said why one did not arrive.
//!
//! A group with processes in it passes on none of the controllers that divide a resource among whole processes (memory, io:
//! "no internal processes"). It may pass on those for threads (cpu, cpuset, pids), and what is below it becomes invalid until it is
//! made threaded, which is done here if the config asks for nothing else, as runc.

use nix::errno::Errno;

use super::error::{Error, Result};
use super::layout::ROOT;
use super::{file, v1};
use crate::plan::Resources;

/// Passes every controller on from the root to the container's group, as runc: what is refused is left out, and a limit that
/// needs it then fails by name. `found`: the group was there before.
///
/// In the ordinary case the types of the groups cost no look: where a group takes "every controller", what is below it is no
/// threaded group.
///
/// # Errors
/// [`Error::Threaded`]: a group that only threads can be in, and a limit that is not for threads.
pub(super) fn pass_on(directory: &str, resources: &Resources, found: bool) -> Result<()> {
    let below = directory.strip_prefix(ROOT).unwrap_or_default();
    let available = file::read_line(&format!("{ROOT}/cgroup.controllers"))?;
    let all: Vec<String> = available
        .split_whitespace()
        .map(|name| format!("+{name}"))
        .collect();
    let whole = all.join(" ");
    let mut look = false;
    let mut group = ROOT.to_owned();
    for component in below.split('/').filter(|name| !name.is_empty()) {
        if look && group != ROOT {
            domain_or_threaded(&group, resources)?;
        }
        let control = format!("{group}/cgroup.subtree_control");
        if file::write_file(&control, &whole).is_err() {
            if !look && group != ROOT {
                domain_or_threaded(&group, resources)?;
            }
            look = true;
            for one in &all {
                // Each by itself: the kernel takes a list whole or not at all.
                let _ = file::write_file(&control, one);
            }
        }
        group.push('/');
        group.push_str(component);
    }
    if look || found {
        domain_or_threaded(directory, resources)?;
    }
    Ok(())
}

/// A group below a threaded one, or below processes, is threaded or good for nothing.
fn domain_or_threaded(group: &str, resources: &Resources) -> Result<()> {
    let path = format!("{group}/cgroup.type");
    let kind = file::read_line(&path)?;
    let state = match kind.trim_end() {
        "domain invalid" => "an invalid state",
        "domain threaded" => "domain threaded mode",
        "threaded" => "threaded mode",
        _ => return Ok(()),
    };
    if for_processes(resources) {
        return Err(Error::Threaded {
            group: group.to_owned(),
            state,
        });
    }
    if state == "an invalid state" {
        file::write_file(&path, "threaded")?;
    }
    Ok(())
}

/// Is there a limit that a threaded group cannot have? runc counts cpu's among them, too.
fn for_processes(resources: &Resources) -> bool {
    v1::wanted(resources)
        .into_iter()
        .any(|(controller, wanted)| {
            wanted
                && !matches!(
                    controller,
                    "pids" | "cpuset" | "net_cls" | "net_prio" | "rdma"
                )
        })
}

/// The error of a limit whose file is not there, with the reason for that.
pub(super) fn explain(group: &str, error: Error) -> Error {
    let Error::Write { source, .. } = &error else {
        return error;
    };
    let name = source.object.strip_prefix(group).unwrap_or_default();
    let Some((controller, _)) = name.trim_start_matches('/').split_once('.') else {
        return error;
    };
    if source.errno != Errno::ENOENT {
        return error;
    }
    let Some(why) = why_missing(group, controller) else {
        return error;
    };
    Error::Missing {
        write: Box::new(error),
        why,
    }
}

/// Does the group have a controller?
pub(super) fn has(group: &str, controller: &str) -> bool {
    lists(&format!("{group}/cgroup.controllers"), controller)
}

fn lists(path: &str, controller: &str) -> bool {
    file::read_line(path).is_ok_and(|text| text.split_whitespace().any(|one| one == controller))
}

/// `None`: the controller is there, and has no such file.
fn why_missing(group: &str, controller: &str) -> Option<String> {
    if has(group, controller) {
        return None;
    }
    if !has(ROOT, controller) {
        return Some(format!("{ROOT} has no {controller} controller"));
    }
    let mut above: Vec<&str> = Vec::new();
    let mut one = group;
    while let Some((parent, _)) = one.rsplit_once('/').filter(|_| one != ROOT) {
        above.push(parent);
        one = parent;
    }
    let refuses = above
        .into_iter()
        .rev()
        .find(|parent| !lists(&format!("{parent}/cgroup.subtree_control"), controller))?;
    let occupied = file::read_line(&format!("{refuses}/cgroup.procs"))
        .is_ok_and(|pids| !pids.trim().is_empty());
    let rule = if occupied {
        " has processes in it, so it can pass no controllers on (a cgroup v2 rule)"
    } else {
        " does not pass it on (cgroup.subtree_control)"
    };
    Some(format!(
        "the controller is not enabled in it: {refuses}{rule}"
    ))
}
