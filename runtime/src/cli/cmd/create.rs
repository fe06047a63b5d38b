//! `create` and `run`.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome, Program, absolute, current_dir};
use crate::container::{self, CreateArgs, Globals};
use crate::sys;

pub(super) fn create(program: &Program, globals: &Globals, low: &LowArgs) -> Outcome {
    let done = args(globals, low).and_then(|args| Ok(container::create(globals, &args)?));
    done.map(|()| 0).map_err(|e| prefix(program, "create", e))
}

pub(super) fn run(program: &Program, globals: &Globals, low: &LowArgs) -> Outcome {
    let done = args(globals, low).and_then(|args| Ok(container::run(globals, &args)?));
    done.map_err(|e| prefix(program, "run", e))
}

/// runc's words before the error of these two commands.
fn prefix(program: &Program, command: &str, failure: Failure) -> Failure {
    Failure {
        code: failure.code,
        text: format!("{} {command} failed: {}", program.name, failure.text),
    }
}

fn args(globals: &Globals, low: &LowArgs) -> Result<CreateArgs, Failure> {
    refuse(globals)?;
    // Relative to where the caller stands, which is not where the bundle is.
    let path = |option: &str| {
        low.text(option)
            .filter(|p| !p.is_empty())
            .map(absolute)
            .transpose()
    };
    let (pid_file, trace) = (path("pid-file")?, path("trace")?);
    let (console_socket, pidfd_socket) = (path("console-socket")?, path("pidfd-socket")?);
    Ok(CreateArgs {
        id: super::id(low)?,
        console_socket,
        pidfd_socket,
        pid_file,
        no_pivot: low.flag("no-pivot"),
        no_new_keyring: low.flag("no-new-keyring"),
        preserve_fds: preserve_fds(low)?,
        detach: low.flag("detach"),
        keep: low.flag("keep"),
        no_subreaper: low.flag("no-subreaper"),
        explain: low.flag("explain"),
        trace,
        bundle: enter_bundle(low.text("bundle"))?,
    })
}

/// Goes to the bundle, as runc does, and returns its path without symbolic links.
fn enter_bundle(bundle: Option<&OsStr>) -> Result<PathBuf, Failure> {
    if let Some(bundle) = bundle.filter(|b| !b.is_empty()) {
        nix::unistd::chdir(bundle)
            .map_err(|errno| sys::Error::new("chdir", bundle.to_string_lossy(), errno))?;
    }
    current_dir()
}

/// The number of `--preserve-fds`, which are all open.
pub(super) fn preserve_fds(low: &LowArgs) -> Result<u32, Failure> {
    let asked = low.number("preserve-fds").unwrap_or(0);
    let count =
        u32::try_from(asked).map_err(|_| Failure::new("--preserve-fds: must not be negative"))?;
    match sys::fd::first_not_inherited(count) {
        None => Ok(count),
        // runc's words. It stats after it has opened files of its own, and may take one of those for the caller's.
        Some(place) => Err(Failure::new(format!(
            "unable to stat preserved-fd {place} (of {count}): stat /proc/self/fd/{}: no such file or directory",
            u64::from(place) + 3
        ))),
    }
}

/// What is not there yet is refused by name.
fn refuse(globals: &Globals) -> Result<(), Failure> {
    let refused = [
        (globals.systemd_cgroup, "--systemd-cgroup"),
        (socket_activated(), "$LISTEN_FDS"),
    ];
    if let Some((_, what)) = refused.iter().find(|(asked, _)| *asked) {
        return Err(Failure::new(format!("{what}: not supported yet")));
    }
    if env::var_os("NOTIFY_SOCKET").is_some_and(|v| !v.is_empty()) {
        tracing::warn!(
            "$NOTIFY_SOCKET: not supported yet, ignored: nobody will be notified of the container's readiness"
        );
    }
    Ok(())
}

/// Did systemd pass sockets to this very process (sd_listen_fds(3))?
pub(super) fn socket_activated() -> bool {
    let Some(pid) = env::var_os("LISTEN_PID") else {
        return false;
    };
    let passed = env::var("LISTEN_FDS").is_ok_and(|n| n.parse::<u32>().is_ok_and(|n| n > 0));
    passed && pid.to_str() == Some(std::process::id().to_string().as_str())
}
