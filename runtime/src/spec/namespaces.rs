//! `linux.namespaces`.

use super::config::{Linux, TimeOffset};
use super::error::{Error, Result};
use super::json::Map;
use super::{linux, path};
use crate::plan::{self, JoinPlan, Namespaces};

/// The types that a config may name, separated by blanks.
pub const NAMES: &str = "cgroup ipc mount network pid time user uts";

/// The kernel's bit of a type.
fn bit(kind: &str) -> Option<u64> {
    Some(match kind {
        "cgroup" => Namespaces::CGROUP,
        "ipc" => Namespaces::IPC,
        "mount" => Namespaces::MOUNT,
        "network" => Namespaces::NETWORK,
        "pid" => Namespaces::PID,
        "time" => Namespaces::TIME,
        "user" => Namespaces::USER,
        "uts" => Namespaces::UTS,
        _ => return None,
    })
}

/// What the section asks for.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    /// To be made.
    pub(super) new: Namespaces,
    /// The kinds of `join`.
    pub(super) joined: Namespaces,
    /// To be joined: the mount namespace last, for it changes what every path means.
    pub(super) join: Vec<JoinPlan>,
}

/// The namespaces to make and to join, checked against what else the config asks for.
pub(super) fn plan(
    config: &Linux<'_>,
    hostname: bool,
    domainname: bool,
    no_pivot: bool,
) -> Result<Spaces> {
    linux::propagation(config.rootfs_propagation.as_deref(), no_pivot)?;
    let mut spaces = Spaces::default();
    for (index, namespace) in config.namespaces.iter().flatten().enumerate() {
        let kind = namespace.kind.as_deref().unwrap_or("");
        let given = namespace.path.as_deref().unwrap_or("");
        // runc prints the pair as Go prints a struct.
        let bit = bit(kind).ok_or_else(|| {
            Error::refused(format!("namespace {{{kind:?} {given:?}}} does not exist"))
        })?;
        if spaces.new.has(bit) || spaces.joined.has(bit) {
            return Err(Error::refused(format!(
                "malformed spec file: duplicated ns {{{kind:?} {given:?}}}"
            )));
        }
        if given.is_empty() {
            spaces.new.0 |= bit;
            continue;
        }
        if !given.starts_with('/') {
            return Err(Error::invalid(
                format!("linux.namespaces[{index}].path"),
                format!("{given:?} is not absolute"),
            ));
        }
        spaces.joined.0 |= bit;
        spaces.join.push(JoinPlan {
            kind: bit,
            path: path::absolute(given),
        });
    }
    spaces
        .join
        .sort_by_key(|join| join.kind == Namespaces::MOUNT);
    let any = Namespaces(spaces.new.0 | spaces.joined.0);
    for (field, given) in [("hostname", hostname), ("domainname", domainname)] {
        if given && !any.has(Namespaces::UTS) {
            return Err(Error::refused(format!(
                "unable to set {field} without a private UTS namespace"
            )));
        }
    }
    if !any.has(Namespaces::MOUNT) {
        let any = |list: &Option<Vec<_>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if any(&config.masked_paths) || any(&config.readonly_paths) {
            return Err(Error::refused(
                "unable to restrict sys entries without a private MNT namespace",
            ));
        }
        // runc mounts into the caller's own mount namespace then, and leaves the mounts there.
        return Err(Error::unsupported(
            "linux.namespaces: a container without a new mount namespace",
        ));
    }
    Ok(spaces)
}

/// `linux.timeOffsets`, in the order of the clocks' names.
pub(super) fn time_offsets(
    offsets: Option<Map<'_, TimeOffset>>,
    new: Namespaces,
    joined: Namespaces,
) -> Result<Vec<plan::TimeOffset>> {
    let offsets = offsets.unwrap_or_default().0;
    if offsets.is_empty() {
        return Ok(Vec::new());
    }
    if joined.has(Namespaces::TIME) {
        return Err(Error::refused(
            "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
        ));
    }
    if !new.has(Namespaces::TIME) {
        return Err(Error::refused(
            "time namespace offsets specified, but time namespace isn't enabled in the config",
        ));
    }
    offsets
        .into_iter()
        .map(|(clock, offset)| {
            let nanosecs = offset.nanosecs.unwrap_or(0);
            if !matches!(&*clock, "monotonic" | "boottime") || nanosecs >= 1_000_000_000 {
                return Err(Error::invalid(
                    format!("linux.timeOffsets.{}", &*clock),
                    "the clocks are monotonic and boottime, and nanosecs below 1000000000",
                ));
            }
            Ok(plan::TimeOffset {
                clock: clock.into_string(),
                secs: offset.secs.unwrap_or(0),
                nanosecs,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_for_features_and_the_parser_agree() {
        for word in crate::testing::words(include_str!("namespaces.rs")).chain(NAMES.split(' ')) {
            let listed = NAMES.split(' ').any(|name| name == word);
            assert_eq!(listed, bit(word).is_some(), "{word}");
        }
    }
}
