//! User, groups, and who owns the standard streams.

use std::io::{stderr, stdin, stdout};

use nix::errno::Errno;

use super::{Error, kernel};
use crate::plan::ProcessPlan;
use crate::sys::status::Status;
use crate::sys::{caps, creds, tty};

/// Gives stdin, stdout and stderr to the container's user, who may want to open them anew (/dev/stdout).
///
/// As runc, with two differences. A container that runs as root changes nothing: root opens them anyway. And a device
/// that was inherited is left alone, not only /dev/null: it is the caller's terminal, and stays the caller's. (runc
/// puts a pipe of its own between the two.) The container's own console is handed over.
///
/// # Errors
/// [`Error::User`]; an owner that cannot be changed for want of privilege is not one.
pub fn own_stdio(uid: u32, is_console: bool) -> Result<(), Error> {
    if uid == 0 {
        return Ok(());
    }
    if is_console {
        // The three are one and the same.
        return tty::own_stream(stdin(), uid, true).map_err(Error::User);
    }
    tty::own_stream(stdin(), uid, false)
        .and_then(|()| tty::own_stream(stdout(), uid, false))
        .and_then(|()| tty::own_stream(stderr(), uid, false))
        .map_err(Error::User)
}

/// Becomes the plan's user and groups. The permitted capabilities stay, for [`super::caps::apply`] to cut them down.
///
/// What the process is already, by its own `status`, it need not become: that must have been read in this user namespace, and
/// nothing have changed the ids since. `may_setgroups` is false in a user namespace whose /proc/self/setgroups says "deny": the
/// groups stay as they are then. Where the caller's own namespace says it, they stay, too, as in runc, and the answer is a warning.
///
/// # Errors
/// [`Error::User`]
pub fn switch(
    plan: &ProcessPlan,
    status: &Status,
    may_setgroups: bool,
) -> Result<Option<String>, Error> {
    let has_groups = plan.additional_gids.is_empty() && status.no_groups;
    let mut warning = None;
    if may_setgroups && !has_groups {
        match creds::setgroups(&plan.additional_gids) {
            Err(error)
                if error.errno == Errno::EPERM
                    && may_by_itself()
                    && kernel::containers_proc_denies_setgroups() =>
            {
                warning = without(plan);
            }
            done => done.map_err(Error::User)?,
        }
    } else if !plan.additional_gids.is_empty() {
        // Fail closed: the process would run without the groups that it was to have.
        return Err(Error::GroupsDenied);
    }
    ids(plan, status).map(|()| warning)
}

/// Has it CAP_SETGID?
fn may_by_itself() -> bool {
    const SETGID: u64 = 1 << 6;
    caps::capget().is_ok_and(|has| has.effective & SETGID != 0)
}

/// What the process runs without, for the log. Engines list the group that it has anyway.
fn without(plan: &ProcessPlan) -> Option<String> {
    let missing: Vec<String> = plan
        .additional_gids
        .iter()
        .filter(|gid| **gid != plan.gid)
        .map(u32::to_string)
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "setgroups(2) is denied in this user namespace: the process runs without the additionalGids {}",
            missing.join(", ")
        )
    })
}

fn ids(plan: &ProcessPlan, status: &Status) -> Result<(), Error> {
    if status.gid != Some(plan.gid) {
        creds::setresgid(plan.gid).map_err(Error::User)?;
    }
    if status.uid == Some(plan.uid) {
        return Ok(());
    }
    if plan.uid != 0 {
        caps::keep_caps().map_err(Error::User)?;
    }
    creds::setresuid(plan.uid).map_err(Error::User)
}

/// Sets the umask.
pub fn umask(plan: &ProcessPlan) {
    creds::umask(plan.umask);
}
