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
    let given = |option: &str| low.text(option).filter(|path| !path.is_empty());
    // Relative to where the caller stands, which is not where the bundle is.
    let path = |option: &str| given(option).map(absolute).transpose();
    let (pid_file, trace) = (path("pid-file")?, path("trace")?);
    let bundle = enter_bundle(low.text("bundle"))?;
    // As runc, which has gone to the bundle when it connects.
    let socket = |option: &str| given(option).map(|path| bundle.join(path));
    let (console_socket, pidfd_socket) = (socket("console-socket"), socket("pidfd-socket"));
    let listen_fds = listen_fds();
    Ok(CreateArgs {
        id: super::id(low)?,
        console_socket,
        pidfd_socket,
        pid_file,
        no_pivot: low.flag("no-pivot"),
        no_new_keyring: low.flag("no-new-keyring"),
        preserve_fds: preserve_fds(low, listen_fds)?,
        listen_fds,
        notify: super::notify_socket(),
        detach: low.flag("detach"),
        keep: low.flag("keep"),
        no_subreaper: low.flag("no-subreaper"),
        explain: low.flag("explain"),
        trace,
        bundle,
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

/// `listen` and the number of `--preserve-fds`, which are all open.
pub(super) fn preserve_fds(low: &LowArgs, listen: u32) -> Result<u32, Failure> {
    let asked = low.number("preserve-fds").unwrap_or(0);
    let count =
        u32::try_from(asked).map_err(|_| Failure::new("--preserve-fds: must not be negative"))?;
    let all = listen.saturating_add(count);
    let Some(place) = sys::fd::first_not_inherited(all) else {
        return Ok(all);
    };
    let number = u64::from(place) + 3;
    Err(Failure::new(match place.checked_sub(listen) {
        // runc's words. It stats after it has opened files of its own, and may take one of those for the caller's.
        Some(place) => format!(
            "unable to stat preserved-fd {place} (of {count}): stat /proc/self/fd/{number}: no such file or directory"
        ),
        // runc passes whatever it has itself at that number.
        None => format!("$LISTEN_FDS is {listen}, but descriptor {number} is not open"),
    }))
}

/// What is not there yet is refused by name.
fn refuse(globals: &Globals) -> Result<(), Failure> {
    let refused = [(globals.systemd_cgroup, "--systemd-cgroup")];
    if let Some((_, what)) = refused.iter().find(|(asked, _)| *asked) {
        return Err(Failure::new(format!("{what}: not supported yet")));
    }
    Ok(())
}

/// How many sockets systemd has passed to this very process (sd_listen_fds(3)). As runc: what is no number is none.
fn listen_fds() -> u32 {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    // Asked first, and hardly ever there.
    match number("LISTEN_FDS") {
        Some(count) if number("LISTEN_PID") == Some(std::process::id()) => count,
        _ => 0,
    }
}
