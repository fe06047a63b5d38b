//! `linux.namespaces`.

use super::config::Linux;
use super::error::{Error, Result};
use super::{linux, refuse};
use crate::plan::Namespaces;

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

/// The namespaces to make, checked against what else the config asks for.
pub(super) fn plan(
    config: &Linux<'_>,
    hostname: bool,
    domainname: bool,
    no_pivot: bool,
) -> Result<Namespaces> {
    linux::propagation(config.rootfs_propagation.as_deref(), no_pivot)?;
    let mut new = Namespaces::default();
    for (index, namespace) in config.namespaces.iter().flatten().enumerate() {
        let kind = namespace.kind.as_deref().unwrap_or("");
        let path = namespace.path.as_deref().unwrap_or("");
        // runc prints the pair as Go prints a struct.
        let bit = bit(kind).ok_or_else(|| {
            Error::refused(format!("namespace {{{kind:?} {path:?}}} does not exist"))
        })?;
        if new.has(bit) {
            return Err(Error::refused(format!(
                "malformed spec file: duplicated ns {{{kind:?} {path:?}}}"
            )));
        }
        refuse::namespace(index, kind, !path.is_empty())?;
        new.0 |= bit;
    }
    for (field, given) in [("hostname", hostname), ("domainname", domainname)] {
        if given && !new.has(Namespaces::UTS) {
            return Err(Error::refused(format!(
                "unable to set {field} without a private UTS namespace"
            )));
        }
    }
    if !new.has(Namespaces::MOUNT) {
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
    Ok(new)
}
