//! The attributes of the container's process: user, capabilities, limits, names, working directory, program.
//!
//! Each step is a function of its own; the init driver calls them in runc's order. What comes after `Run`, in which nothing
//! may come in between, is [`finalize`].

pub mod caps;
pub mod creds;
pub mod cwd;
mod error;
pub mod exec_path;
pub mod execution;
mod kernel;
pub mod labels;
#[cfg(test)]
mod tests;

pub use error::{Error, LookupFailure};
pub use kernel::{
    join_session_keyring, loopback_up, names, oom_score_adj, rlimit_refused, rlimits,
    session_keyring, sysctl,
};

use crate::plan::{Capabilities, ProcessPlan};
use crate::sys::status::Status;

/// What [`finalize`] found out for the execve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalized {
    /// The program's path.
    pub program: String,
    /// The environment, with HOME.
    pub env: Vec<String>,
    /// For the log, level `warning`.
    pub warnings: Vec<String>,
}

/// `noNewPrivileges`. runc sets it before `Ready`; a seccomp filter without CAP_SYS_ADMIN needs it first.
///
/// # Errors
/// What prctl(2) says.
pub fn no_new_privileges(plan: &ProcessPlan) -> Result<(), Error> {
    if plan.no_new_privileges {
        crate::sys::caps::no_new_privs()?;
    }
    Ok(())
}

/// Turns init into the plan's user with the plan's capabilities, in the plan's directory, and finds the program: runc's order.
///
/// `keep`: a set of capabilities that stay permitted, for [`caps::raise`].
/// `status` is init's own, read before it left the host's mounts. `is_console`: the standard streams are the container's own pty.
/// `may_setgroups`: see [`creds::switch`].
///
/// # Errors
/// The first step that fails; the process must not execute the program then.
pub fn finalize(
    plan: &ProcessPlan,
    status: &Status,
    is_console: bool,
    may_setgroups: bool,
    keep: u64,
) -> Result<Finalized, Error> {
    let capabilities = plan.capabilities.unwrap_or_default();
    let mut env = plan.env.clone();
    exec_path::set_home(&mut env, plan.uid);
    let entered = cwd::enter_early(&plan.cwd)?;
    caps::drop_bounding(&capabilities, status)?;
    creds::own_stdio(plan.uid, is_console)?;
    let without = creds::switch(plan, status, may_setgroups)?;
    if !entered {
        cwd::enter(&plan.cwd)?;
    }
    // The root is never outside itself.
    if plan.cwd != "/" {
        cwd::verify()?;
    }
    let not_raised = caps::apply(&capabilities, plan.uid, status, keep)?;
    let program = exec_path::lookup(plan.args.first().map_or("", String::as_str), &env)?;
    Ok(Finalized {
        program,
        env,
        warnings: ambient_warnings(&capabilities, not_raised)
            .into_iter()
            .chain(without)
            .collect(),
    })
}

/// runc since 1.3 warns; 1.1 was silent. Where the plan itself cannot work (an ambient capability that it does not make
/// inheritable, as in the template of `runc spec` 1.1) nothing is said: it would be said at each start of each such container.
fn ambient_warnings(plan: &Capabilities, not_raised: u64) -> Vec<String> {
    caps::names(not_raised & plan.permitted & plan.inheritable)
        .iter()
        .map(|name| format!("can't raise ambient capability {name}: operation not permitted"))
        .collect()
}
