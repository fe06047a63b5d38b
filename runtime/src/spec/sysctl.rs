//! `linux.sysctl`: only what belongs to one of the container's own namespaces may be set.

use super::error::{Error, Result};
use super::json::{Map, Str};
use crate::plan::Namespaces;

/// (path below /proc/sys, value) pairs, in key order.
pub(super) fn plan(
    sysctl: Option<Map<'_, Str<'_>>>,
    namespaces: Namespaces,
) -> Result<Vec<(String, String)>> {
    sysctl
        .unwrap_or_default()
        .0
        .into_iter()
        .map(|(key, value)| {
            let dotted = dotted(&key);
            allowed(&dotted, namespaces)?;
            let path = swap(&dotted);
            // The key must not lead elsewhere: "net/../kernel/core_pattern" begins like a key of the network namespace.
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(Error::invalid(
                    "linux.sysctl",
                    format!("{:?} is not a name below /proc/sys", &*key),
                ));
            }
            Ok((path, value.into_string()))
        })
        .collect()
}

/// Is this key's value the namespace's own? The words are runc's.
fn allowed(key: &str, namespaces: Namespaces) -> Result<()> {
    let ipc = matches!(
        key,
        "kernel.msgmax"
            | "kernel.msgmnb"
            | "kernel.msgmni"
            | "kernel.sem"
            | "kernel.shmall"
            | "kernel.shmmax"
            | "kernel.shmmni"
            | "kernel.shm_rmid_forced"
    ) || key.starts_with("fs.mqueue.");
    if ipc {
        if namespaces.has(Namespaces::IPC) {
            return Ok(());
        }
        return Err(Error::refused(format!(
            "sysctl {key:?} is not allowed in the hosts ipc namespace"
        )));
    }
    if key.starts_with("net.") {
        if namespaces.has(Namespaces::NETWORK) {
            return Ok(());
        }
        return Err(Error::refused(format!(
            "sysctl {key:?} not allowed in host network namespace"
        )));
    }
    if namespaces.has(Namespaces::UTS) {
        match key {
            "kernel.domainname" => return Ok(()),
            "kernel.hostname" => {
                return Err(Error::refused(format!(
                    "sysctl {key:?} is not allowed as it conflicts with the OCI \"hostname\" field"
                )));
            }
            _ => {}
        }
    }
    Err(Error::refused(format!(
        "sysctl {key:?} is not in a separate kernel namespace"
    )))
}

/// The key with dots as separators. sysctl(8) takes either; the first one in the key tells which it is, and the other is
/// then an ordinary character: "net/ipv4/conf/eno2.100/rp_filter" is "net.ipv4.conf.eno2/100.rp_filter".
fn dotted(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(first) if key.as_bytes()[first] == b'/' => swap(key),
        _ => key.to_owned(),
    }
}

/// Dots for slashes, slashes for dots.
fn swap(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            c => c,
        })
        .collect()
}
