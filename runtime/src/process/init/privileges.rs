//! Init between `Run` and the start gate: down to what the user's program may have. And the execve.

use std::ffi::{CString, NulError};

use nix::unistd::execve;
use sync_model::Step;

use super::failure::{At, Failure};
use crate::plan::InitPlan;
use crate::process::attrs;
use crate::sys;
use crate::sys::signal;
use crate::sys::status::Status;

/// The user's program, ready to be executed.
#[derive(Debug)]
pub struct Exec {
    name: String,
    program: CString,
    args: Vec<CString>,
    env: Vec<CString>,
    status: Status,
}

/// Becomes the plan's user, with the plan's limits and capabilities, and finds the program.
pub fn drop(plan: &InitPlan, status: &Status) -> Result<Exec, Failure> {
    let process = &plan.process;
    attrs::rlimits(&process.rlimits).at(Step::Rlimits)?;
    attrs::creds::umask(process);
    let done = attrs::finalize(process, status, process.terminal, true).at(Step::User)?;
    for warning in &done.warnings {
        tracing::warn!("{warning}");
    }
    tracing::debug!("user, groups and capabilities are the program's");
    let strings = |list: &[String]| -> Result<Vec<CString>, NulError> {
        list.iter().map(|s| CString::new(s.as_str())).collect()
    };
    Ok(Exec {
        name: done.program.clone(),
        program: CString::new(done.program.as_str()).at(Step::Exec)?,
        args: strings(&process.args).at(Step::Exec)?,
        env: strings(&done.env).at(Step::Exec)?,
        status: *status,
    })
}

impl Exec {
    /// Becomes the program. Returns only with what failed.
    pub fn execute(&self) -> Failure {
        if let Err(error) = signal::reset_for_exec(&self.status) {
            return Failure::new(Step::Exec, &error);
        }
        let Err(errno) = execve(&self.program, &self.args, &self.env);
        // runc's words; engines look for them.
        let error = sys::Error::new("exec", self.name.clone(), errno);
        Failure::new(Step::Exec, &error)
    }
}
