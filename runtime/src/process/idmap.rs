//! The id maps of init's user namespace, and what only a process outside of it may do for init.
//!
//! `pid` is the caller's own child, and not reaped: its number cannot become another's.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::write;

use crate::plan::{IdMapping, IdMaps, ProcessPlan};
use crate::sys::{Error, Result, creds};

/// Writes both maps of a new user namespace.
///
/// # Errors
/// `EPERM`: the caller may not map these ids; `EINVAL`: more text than a page.
pub fn write_maps(pid: i32, maps: &IdMaps) -> Result<()> {
    write_to(&format!("/proc/{pid}/uid_map"), &text(&maps.uids))?;
    write_to(&format!("/proc/{pid}/gid_map"), &text(&maps.gids))
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
pub fn grant(pid: i32, process: &ProcessPlan) -> Result<()> {
    if let Some(score) = process.oom_score_adj {
        write_to(&format!("/proc/{pid}/oom_score_adj"), &score.to_string())?;
    }
    process
        .rlimits
        .iter()
        .try_for_each(|limit| creds::raise_hard_limit(pid, limit.resource, limit.hard))
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
