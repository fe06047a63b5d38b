//! Init between `Run` and the start gate: down to what the user's program may have. And the execve.

use std::borrow::Cow;
use std::ffi::{CString, NulError};
use std::os::fd::OwnedFd;

use nix::unistd::execve;
use sync_model::Step;

use super::failure::{At, Failure};
use super::log;
use crate::hooks::{self, About};
use crate::plan::{Capabilities, InitPlan, ProcessPlan, Rlimit};
use crate::process::attrs;
use crate::seccomp::Filter;
use crate::seccomp::load;
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
    few_files: Option<Rlimit>,
    /// The filter, until it is loaded.
    filter: Option<Filter>,
    /// The program's sets, which CAP_SYS_ADMIN is kept beside: without no_new_privs only that may load a filter.
    privilege: Option<Capabilities>,
    /// startContainer hooks, and what they are told.
    hooks: Option<Box<(InitPlan, About)>>,
}

/// The bit of `CAP_SYS_ADMIN`.
const SYS_ADMIN: u64 = 1 << 21;

/// Becomes the plan's user, with the plan's limits and capabilities, and finds the program. `filter` is for later: see
/// [`Exec::load`].
pub fn drop(
    process: &ProcessPlan,
    status: &Status,
    filter: Option<Filter>,
    may_setgroups: bool,
) -> Result<Exec, Failure> {
    let asked = process.capabilities.unwrap_or_default();
    // Where it is not to be had, the capabilities are refused here and now, not when the program is started.
    let privileged = filter.is_some() && !process.no_new_privileges;
    let (keep, privilege) = match privileged && asked.effective & SYS_ADMIN == 0 {
        true => (SYS_ADMIN, Some(asked)),
        false => (0, None),
    };
    let (few_files, limits) = limits(&process.rlimits);
    attrs::rlimits(&limits).at(Step::Rlimits)?;
    attrs::creds::umask(process);
    let done =
        attrs::finalize(process, status, process.terminal, may_setgroups, keep).at(Step::User)?;
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
        few_files,
        filter,
        privilege,
        hooks: None,
    })
}

/// Descriptors that init itself may need until its execve: the gate's clients.
const OWN_FILES: u64 = 64;

/// The limits to be set now, and a limit of open files that is too low for init: only the program gets that one.
fn limits(all: &[Rlimit]) -> (Option<Rlimit>, Cow<'_, [Rlimit]>) {
    let too_low = |limit: &&Rlimit| limit.resource == libc::RLIMIT_NOFILE && limit.soft < OWN_FILES;
    // Of two limits on the same, the last counts: this is for one that is alone.
    let Some(few) = all.iter().find(too_low) else {
        return (None, Cow::Borrowed(all));
    };
    let mut now: Vec<Rlimit> = all.to_vec();
    now.retain(|limit| limit.resource != libc::RLIMIT_NOFILE);
    if few.hard > OWN_FILES {
        // To raise the hard limit needs a capability that may be gone later.
        now.push(Rlimit {
            soft: OWN_FILES,
            ..*few
        });
    }
    (Some(*few), Cow::Owned(now))
}

impl Exec {
    /// Loads the filter, if there is one and it was not loaded yet: from here on each system call may be the last. Returns the
    /// notify descriptor of a filter that has a listener.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn load(&mut self) -> Result<Option<OwnedFd>, Failure> {
        match self.filter.take() {
            Some(filter) => {
                if let Some(asked) = &self.privilege {
                    attrs::caps::raise(asked, SYS_ADMIN).at(Step::Seccomp)?;
                }
                // A line would be one more call that the filter may forbid.
                log::hush();
                load::load(&filter).at(Step::Seccomp)
            }
            None => Ok(None),
        }
    }

    /// The startContainer hooks of `plan`, if it has any, will run before the program.
    pub fn before(&mut self, plan: InitPlan, about: Option<About>) {
        if !plan.hooks.start_container.is_empty() {
            self.hooks = Some(Box::new((plan, about.unwrap_or_default())));
        }
    }

    /// As in runc they are confined like the program: they are files of the container, and may be anything.
    fn start_container(&mut self) -> Result<(), Failure> {
        let Some(hooks) = self.hooks.take() else {
            return Ok(());
        };
        let (plan, about) = &*hooks;
        let state = hooks::State {
            about,
            status: "created",
            pid: std::process::id().cast_signed(),
        };
        let mut confine = || {
            let Some(filter) = &self.filter else {
                return Ok(());
            };
            if let Some(asked) = &self.privilege {
                attrs::caps::raise(asked, SYS_ADMIN).map_err(|error| error.to_string())?;
            }
            load::load(filter)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        // The program's, HOME included.
        let text = |entry: &CString| entry.to_string_lossy().into_owned();
        let env: Vec<String> = self.env.iter().map(text).collect();
        let mut around = hooks::Surroundings {
            env: Some(&env),
            bound: true,
            watch: None,
            confine: Some(&mut confine),
        };
        let list = &plan.hooks.start_container;
        hooks::run(hooks::Kind::StartContainer, list, &state, &mut around)
            .at(Step::StartContainerHooks)
    }

    /// Becomes the program. Returns only with what failed.
    ///
    /// The filter is loaded last of all: whatever the profile forbids, init needs no more of it than execve(2).
    pub fn execute(&mut self) -> Failure {
        if let Err(failure) = self.start_container() {
            return failure;
        }
        if let Some(limit) = &self.few_files
            && let Err(error) = attrs::rlimits(std::slice::from_ref(limit))
        {
            return Failure::new(Step::Rlimits, &error);
        }
        if let Err(error) = signal::reset_for_exec(&self.status) {
            return Failure::new(Step::Exec, &error);
        }
        if let Err(failure) = self.load() {
            return failure;
        }
        let Err(errno) = execve(&self.program, &self.args, &self.env);
        // runc's words; engines look for them.
        let error = sys::Error::new("exec", self.name.clone(), errno);
        Failure::new(Step::Exec, &error)
    }
}
