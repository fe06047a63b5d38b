//! The process of `exec`: the container's own, changed by the command line; or another one from a file.
//!
//! What comes out is the plan of the same config.json with that process in place of its own, so that one place decides what
//! a process may be. runc's rules: a file is taken whole, and the other options are not looked at; what it leaves out is the
//! container's.

use super::config::{Capabilities, Process};
use super::error::{Error, Result};
use super::json::Str;
use super::{LoadOptions, capability, plan, read};
use crate::plan::Plan;

/// What `exec` is to execute.
#[derive(Debug)]
pub enum ExecProcess<'a> {
    /// `--process`: the text of a `process` object.
    File(&'a [u8]),
    /// The container's process with these changes.
    Line(ExecLine<'a>),
}

/// The command line's part of the process.
#[derive(Debug, Default)]
pub struct ExecLine<'a> {
    /// The program and its arguments.
    pub args: &'a [String],
    /// `--env`, behind the container's.
    pub env: &'a [String],
    /// `--cwd`
    pub cwd: Option<&'a str>,
    /// `--tty`
    pub tty: bool,
    /// `--user`: `uid[:gid]`.
    pub user: Option<&'a str>,
    /// `--additional-gids`
    pub gids: &'a [i64],
    /// `--cap`
    pub caps: &'a [String],
    /// `--no-new-privs`
    pub no_new_privs: Option<bool>,
    /// `--process-label`
    pub label: Option<&'a str>,
    /// `--apparmor`
    pub apparmor: Option<&'a str>,
}

/// The plan of the container of `config` and `bundle` with another process. Its warnings are of that process alone.
///
/// # Errors
/// A process that cannot be, as [`super::parse`]; runc's words for the command line's faults.
pub fn exec(
    config: &[u8],
    bundle: &str,
    asked: &ExecProcess<'_>,
    options: &LoadOptions,
) -> Result<Plan> {
    let mut config = read::json(config)?;
    let own = config.process.take().unwrap_or_default();
    let process = match asked {
        ExecProcess::File(text) => instead(own, read::process(text)?),
        ExecProcess::Line(line) => changed(own, line)?,
    };
    let warnings = unknown(&process);
    config.process = Some(process);
    let mut plan = plan(config, bundle, options)?;
    plan.warnings = warnings;
    Ok(plan)
}

/// The file's process. Capabilities, labels and how the kernel runs it are the container's where it says nothing of them, limits
/// are not: as in runc.
fn instead<'a>(own: Process<'a>, mut process: Process<'a>) -> Process<'a> {
    let mut user = process.user.take().unwrap_or_default();
    user.umask = user.umask.or(own.user.and_then(|user| user.umask));
    process.user = Some(user);
    process.capabilities = process.capabilities.or(own.capabilities);
    let given = |label: Option<Str<'a>>, own| label.filter(|label| !label.is_empty()).or(own);
    process.apparmor_profile = given(process.apparmor_profile, own.apparmor_profile);
    process.selinux_label = given(process.selinux_label, own.selinux_label);
    process.oom_score_adj = process.oom_score_adj.or(own.oom_score_adj);
    process.scheduler = process.scheduler.or(own.scheduler);
    process.io_priority = process.io_priority.or(own.io_priority);
    process.exec_cpu_affinity = process.exec_cpu_affinity.or(own.exec_cpu_affinity);
    process
}

fn changed<'a>(mut process: Process<'a>, line: &ExecLine<'a>) -> Result<Process<'a>> {
    let strings = |list: &'a [String]| list.iter().map(|text| Str::from(text.as_str()));
    process.args = Some(strings(line.args).collect());
    if !line.env.is_empty() {
        let env = process.env.get_or_insert_default();
        env.extend(strings(line.env));
    }
    let given = |text: Option<&'a str>| text.filter(|text| !text.is_empty()).map(Str::from);
    process.cwd = given(line.cwd).or(process.cwd);
    process.selinux_label = given(line.label).or(process.selinux_label);
    process.apparmor_profile = given(line.apparmor).or(process.apparmor_profile);
    process.terminal = Some(line.tty);
    process.no_new_privileges = line.no_new_privs.or(process.no_new_privileges);
    if !line.caps.is_empty() {
        let sets = process.capabilities.get_or_insert_default();
        add(sets, line.caps);
    }
    let user = process.user.get_or_insert_default();
    if let Some(asked) = line.user.filter(|asked| !asked.is_empty()) {
        let (uid, gid) = match asked.split_once(':') {
            Some((uid, gid)) => (uid, Some(gid)),
            None => (asked, None),
        };
        if let Some(gid) = gid {
            user.gid = Some(id(gid, "gid")?);
        }
        user.uid = Some(id(uid, "uid")?);
    }
    for gid in line.gids {
        let number = u32::try_from(*gid).map_err(|_| {
            Error::refused(format!("additional-gids must be a positive number {gid}"))
        })?;
        user.additional_gids.get_or_insert_default().push(number);
    }
    Ok(process)
}

/// Not inheritable (CVE-2022-29162): that would be more than the container's own processes have. So not ambient either, unless
/// there is something inheritable already.
fn add<'a>(sets: &mut Capabilities<'a>, caps: &'a [String]) {
    let ambient = sets.inheritable.is_some().then_some(&mut sets.ambient);
    [&mut sets.bounding, &mut sets.effective, &mut sets.permitted]
        .into_iter()
        .chain(ambient)
        .for_each(|set| {
            let set = set.get_or_insert_default();
            set.extend(caps.iter().map(|cap| Str::from(cap.as_str())));
        });
}

/// An id of `--user`, with Go's words for what is none.
fn id(text: &str, what: &str) -> Result<u32> {
    let why = match text.parse::<i64>() {
        Ok(number) => match u32::try_from(number) {
            Ok(id) => return Ok(id),
            Err(_) => "value out of range",
        },
        Err(_) => "invalid syntax",
    };
    Err(Error::refused(format!(
        "parsing {text} as int for {what} failed: strconv.Atoi: parsing {text:?}: {why}"
    )))
}

/// What `create` has said of the container's own is said again of what was changed.
fn unknown(process: &Process<'_>) -> Vec<String> {
    let Some(sets) = &process.capabilities else {
        return Vec::new();
    };
    let mut unknown: Vec<String> = [
        &sets.bounding,
        &sets.effective,
        &sets.inheritable,
        &sets.permitted,
        &sets.ambient,
    ]
    .into_iter()
    .flatten()
    .flatten()
    .filter(|name| capability::number(name).is_none())
    .map(|name| name.to_string())
    .collect();
    if unknown.is_empty() {
        return unknown;
    }
    unknown.sort_unstable();
    unknown.dedup();
    vec![format!(
        "ignoring unknown or unavailable capabilities: [{}]",
        unknown.join(" ")
    )]
}
