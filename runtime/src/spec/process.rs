//! `process`.

use super::config::{Process, Rlimit as RlimitConfig};
use super::error::{Error, Result};
use super::{LoadOptions, capability, env};
use crate::plan::{Capabilities, ProcessPlan, Rlimit};

/// linux/limits.h: `NGROUPS_MAX`.
const MAX_GROUPS: usize = 65536;

/// What every process must have; runc's words, in its order.
pub(super) fn check(process: &Process<'_>) -> Result<()> {
    let cwd = process.cwd.as_deref().unwrap_or("");
    if cwd.is_empty() {
        return Err(Error::refused("Cwd property must not be empty"));
    }
    if !cwd.starts_with('/') {
        return Err(Error::refused("Cwd must be an absolute path"));
    }
    match process
        .args
        .as_ref()
        .and_then(|args| args.first())
        .map(|arg| &**arg)
    {
        None => Err(Error::refused("args must not be empty")),
        Some("") => Err(Error::refused(
            "exec: \"\": executable file not found in $PATH",
        )),
        Some(_) => Ok(()),
    }
}

/// The user's process.
pub(super) fn plan(
    process: Process<'_>,
    options: &LoadOptions,
    warnings: &mut Vec<String>,
) -> Result<ProcessPlan> {
    let user = process.user.unwrap_or_default();
    let umask = user.umask.unwrap_or(0o022);
    if umask > 0o777 {
        return Err(Error::invalid(
            "process.user.umask",
            format!("{umask} is larger than 511 (0777)"),
        ));
    }
    for (field, id) in [("uid", user.uid), ("gid", user.gid)] {
        // The kernel takes (uid_t)-1 for "leave as it is".
        if id == Some(u32::MAX) {
            return Err(Error::invalid(
                format!("process.user.{field}"),
                "4294967295 is not an id",
            ));
        }
    }
    let groups = user.additional_gids.unwrap_or_default();
    if groups.len() > MAX_GROUPS {
        return Err(Error::invalid(
            "process.user.additionalGids",
            format!(
                "{} groups, the kernel takes at most {MAX_GROUPS}",
                groups.len()
            ),
        ));
    }
    if let Some(index) = groups.iter().position(|gid| *gid == u32::MAX) {
        return Err(Error::invalid(
            format!("process.user.additionalGids[{index}]"),
            "4294967295 is not an id",
        ));
    }
    if let Some(adj) = process.oom_score_adj
        && !(-1000..=1000).contains(&adj)
    {
        return Err(Error::invalid(
            "process.oomScoreAdj",
            format!("{adj} is not in -1000..1000"),
        ));
    }
    let terminal = process.terminal.unwrap_or(false);
    console(terminal, options)?;
    let args = process.args.unwrap_or_default();
    Ok(ProcessPlan {
        args: args.into_iter().map(|arg| arg.into_string()).collect(),
        env: env::plan(process.env)?,
        cwd: process.cwd.map(|cwd| cwd.into_string()).unwrap_or_default(),
        uid: user.uid.unwrap_or(0),
        gid: user.gid.unwrap_or(0),
        additional_gids: groups,
        umask,
        capabilities: process.capabilities.map(|sets| {
            let mut unknown = Vec::new();
            let capabilities = Capabilities {
                bounding: capability::mask(sets.bounding, &mut unknown),
                effective: capability::mask(sets.effective, &mut unknown),
                inheritable: capability::mask(sets.inheritable, &mut unknown),
                permitted: capability::mask(sets.permitted, &mut unknown),
                ambient: capability::mask(sets.ambient, &mut unknown),
            };
            if !unknown.is_empty() {
                unknown.sort_unstable();
                unknown.dedup();
                warnings.push(format!(
                    "ignoring unknown or unavailable capabilities: [{}]",
                    unknown.join(" ")
                ));
            }
            capabilities
        }),
        rlimits: rlimits(process.rlimits.unwrap_or_default())?,
        no_new_privileges: process.no_new_privileges.unwrap_or(false),
        oom_score_adj: process.oom_score_adj,
        terminal,
        console_size: process
            .console_size
            .map(|size| (size.height.unwrap_or(0), size.width.unwrap_or(0))),
    })
}

/// A terminal needs somebody who holds its other end, and a console socket needs a terminal to send.
fn console(terminal: bool, options: &LoadOptions) -> Result<()> {
    match (terminal && options.detach, options.console_socket) {
        (true, false) => Err(Error::refused(
            "cannot allocate tty if runc will detach without setting console socket",
        )),
        (false, true) => Err(Error::refused(
            "cannot use console socket if runc will not detach or allocate tty",
        )),
        _ => Ok(()),
    }
}

fn rlimits(limits: Vec<RlimitConfig<'_>>) -> Result<Vec<Rlimit>> {
    let mut plan: Vec<Rlimit> = Vec::with_capacity(limits.len());
    for (index, limit) in limits.into_iter().enumerate() {
        let field = |name: &str| format!("process.rlimits[{index}]{name}");
        let kind = limit.kind.as_deref().unwrap_or("");
        let resource =
            resource(kind).ok_or_else(|| Error::refused(format!("wrong rlimit value: {kind}")))?;
        let (Some(soft), Some(hard)) = (limit.soft, limit.hard) else {
            return Err(Error::invalid(field(""), "soft and hard must be given"));
        };
        if soft > hard {
            return Err(Error::invalid(
                field(""),
                format!("the soft limit {soft} is above the hard limit {hard}"),
            ));
        }
        if plan.iter().any(|other| other.resource == resource) {
            return Err(Error::invalid(
                field(".type"),
                format!("{kind} is given twice"),
            ));
        }
        plan.push(Rlimit {
            resource,
            soft,
            hard,
        });
    }
    Ok(plan)
}

/// The kernel's number of `RLIMIT_NAME`.
fn resource(name: &str) -> Option<u32> {
    Some(match name {
        "RLIMIT_CPU" => libc::RLIMIT_CPU,
        "RLIMIT_FSIZE" => libc::RLIMIT_FSIZE,
        "RLIMIT_DATA" => libc::RLIMIT_DATA,
        "RLIMIT_STACK" => libc::RLIMIT_STACK,
        "RLIMIT_CORE" => libc::RLIMIT_CORE,
        "RLIMIT_RSS" => libc::RLIMIT_RSS,
        "RLIMIT_NPROC" => libc::RLIMIT_NPROC,
        "RLIMIT_NOFILE" => libc::RLIMIT_NOFILE,
        "RLIMIT_MEMLOCK" => libc::RLIMIT_MEMLOCK,
        "RLIMIT_AS" => libc::RLIMIT_AS,
        "RLIMIT_LOCKS" => libc::RLIMIT_LOCKS,
        "RLIMIT_SIGPENDING" => libc::RLIMIT_SIGPENDING,
        "RLIMIT_MSGQUEUE" => libc::RLIMIT_MSGQUEUE,
        "RLIMIT_NICE" => libc::RLIMIT_NICE,
        "RLIMIT_RTPRIO" => libc::RLIMIT_RTPRIO,
        "RLIMIT_RTTIME" => libc::RLIMIT_RTTIME,
        _ => return None,
    })
}
