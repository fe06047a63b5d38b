//! `hooks`.

use super::config;
use super::error::{Error, Result};
use crate::plan::{Hook, Hooks, InitHooks, LateHooks};

/// Those of the runtime, and those of init.
pub(super) fn plan(hooks: Option<config::Hooks<'_>>) -> Result<(Hooks, InitHooks)> {
    let Some(hooks) = hooks else {
        return Ok(Default::default());
    };
    let runtime = Hooks {
        prestart: list("prestart", hooks.prestart)?,
        create_runtime: list("createRuntime", hooks.create_runtime)?,
        late: LateHooks {
            poststart: list("poststart", hooks.poststart)?,
            poststop: list("poststop", hooks.poststop)?,
        },
    };
    let init = InitHooks {
        create_container: list("createContainer", hooks.create_container)?,
        start_container: list("startContainer", hooks.start_container)?,
    };
    Ok((runtime, init))
}

fn list(name: &str, hooks: Option<Vec<config::Hook<'_>>>) -> Result<Vec<Hook>> {
    let hooks = hooks.unwrap_or_default().into_iter().enumerate();
    hooks.map(|(index, hook)| one(name, index, hook)).collect()
}

fn one(name: &str, index: usize, hook: config::Hook<'_>) -> Result<Hook> {
    let path = hook.path.map(|it| it.into_string()).unwrap_or_default();
    if !path.starts_with('/') {
        return Err(Error::invalid(
            format!("hooks.{name}[{index}].path"),
            format!("must be an absolute path, not {path:?}"),
        ));
    }
    let timeout = match hook.timeout {
        // runc kills such a hook as soon as it is started.
        Some(seconds) if seconds <= 0 => {
            return Err(Error::invalid(
                format!("hooks.{name}[{index}].timeout"),
                format!("must be greater than 0, not {seconds}"),
            ));
        }
        other => other.map(i64::unsigned_abs),
    };
    let strings =
        |list: Vec<super::json::Str<'_>>| list.into_iter().map(|it| it.into_string()).collect();
    Ok(Hook {
        path,
        args: hook.args.map(strings).unwrap_or_default(),
        env: hook.env.map(strings),
        timeout,
    })
}
