//! The id maps of init's user namespace, and what only a process outside of it may do for init.
//!
//! `pid` is the caller's own child, and not reaped: its number cannot become another's.

use std::fmt::Display;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{getegid, write};

use super::attrs;
use crate::plan::{IdMapping, IdMaps, ProcessPlan};
use crate::sys::{Error, Result, creds};

/// Writes both maps of a new user namespace; what the caller may not, by the tools of uidmap(1), as runc.
///
/// # Errors
/// `EPERM`: the caller may not map these ids, and the tool did not; `EINVAL`: more text than a page.
pub fn write_maps(pid: i32, maps: &IdMaps) -> Result<()> {
    write_map(pid, "uid_map", "newuidmap", &maps.uids)?;
    match write_map(pid, "gid_map", "", &maps.gids) {
        Err(error) if error.errno == Errno::EPERM => {}
        other => return other,
    }
    if let [only] = maps.gids.as_slice()
        && only.size == 1
        && only.host == getegid().as_raw()
    {
        // user_namespaces(7): one's own group needs no privilege, but then the groups cannot be left either.
        write_to(&format!("/proc/{pid}/setgroups"), "deny")?;
        return write_map(pid, "gid_map", "", &maps.gids);
    }
    write_map(pid, "gid_map", "newgidmap", &maps.gids)
}

/// `tool` is for what may not be written; empty: none.
fn write_map(pid: i32, file: &str, tool: &str, maps: &[IdMapping]) -> Result<()> {
    match write_to(&format!("/proc/{pid}/{file}"), &text(maps)) {
        Err(error) if error.errno == Errno::EPERM && !tool.is_empty() => {
            by_tool(pid, tool, maps, error)
        }
        other => other,
    }
}

/// A program that has the privilege and knows who may map what: /etc/subuid, /etc/subgid.
fn by_tool(pid: i32, tool: &str, maps: &[IdMapping], refused: Error) -> Result<()> {
    let numbers = maps
        .iter()
        .flat_map(|map| [map.container, map.host, map.size]);
    let ran = Command::new(tool)
        .arg(pid.to_string())
        .args(numbers.map(|n| n.to_string()))
        .stdin(Stdio::null())
        .output();
    let why = match ran {
        Ok(out) if out.status.success() => return Ok(()),
        Ok(out) => String::from_utf8_lossy(&out.stderr).trim().to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!(
                "mapping tool {tool} not present; it is in the package uidmap, and one's own ids alone need none"
            )
        }
        Err(error) => error.to_string(),
    };
    Err(Error::new(
        refused.call,
        format!("{} (and {tool} did not help: {why})", refused.object),
        refused.errno,
    ))
}

/// Does the joined user namespace of `pid` have these maps?
///
/// # Errors
/// That of reading them.
pub fn has_maps(pid: i32, maps: &IdMaps) -> Result<bool> {
    let same = |path: String, wanted: &[IdMapping]| -> Result<bool> {
        let found = std::fs::read_to_string(&path).map_err(|_| Error::last("read", path))?;
        let mut found: Vec<Vec<u32>> = found
            .lines()
            .map(|line| {
                line.split_whitespace()
                    .filter_map(|n| n.parse().ok())
                    .collect()
            })
            .collect();
        let mut wanted: Vec<Vec<u32>> = wanted
            .iter()
            .map(|map| vec![map.container, map.host, map.size])
            .collect();
        found.sort();
        wanted.sort();
        Ok(found == wanted)
    };
    Ok(same(format!("/proc/{pid}/uid_map"), &maps.uids)?
        && same(format!("/proc/{pid}/gid_map"), &maps.gids)?)
}

/// What needs a capability over the host: a lower oom_score_adj, higher limits. Init, which has executed, keeps to them or goes
/// below. (Before its exec it shares its memory with the caller, and so its score.)
///
/// # Errors
/// The call's.
pub fn grant(pid: i32, process: &ProcessPlan) -> std::result::Result<(), attrs::Error> {
    oom_score_adj(pid, process)?;
    process.rlimits.iter().try_for_each(|limit| {
        creds::raise_hard_limit(pid, limit.resource, limit.hard)
            .map_err(|source| attrs::rlimit_refused(limit, source))
    })
}

/// The part of [`grant`] that exec's process needs in any container: it sees no /proc that can be trusted.
///
/// # Errors
/// The call's.
pub fn oom_score_adj(pid: i32, process: &ProcessPlan) -> std::result::Result<(), attrs::Error> {
    match process.oom_score_adj {
        Some(score) => write_to(&format!("/proc/{pid}/oom_score_adj"), &score.to_string())
            .map_err(|source| attrs::Error::OomScoreAdj { score, source }),
        None => Ok(()),
    }
}

/// Is setgroups(2) denied in the user namespace of `process` ("self", or a number)? While /proc is the host's.
///
/// # Errors
/// The call's.
pub fn denies_setgroups(process: impl Display) -> Result<bool> {
    let path = format!("/proc/{process}/setgroups");
    let word = std::fs::read(&path).map_err(|_| Error::last("read", path))?;
    Ok(word.starts_with(b"deny"))
}

fn text(maps: &[IdMapping]) -> String {
    maps.iter()
        .map(|map| format!("{} {} {}\n", map.container, map.host, map.size))
        .collect()
}

/// In one write: a map can be written only once.
fn write_to(path: &str, text: &str) -> Result<()> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| Error::new("open", path, errno))?;
    write(&file, text.as_bytes())
        .map(drop)
        .map_err(|errno| Error::new("write", path, errno))
}
