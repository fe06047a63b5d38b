//! `exec`.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome, absolute};
use super::create::preserve_fds;
use crate::container::{self, ExecArgs, Globals};

/// runc's exit code of an `exec` that fails: 1 may be the program's.
const FAILED: i32 = 255;

pub(super) fn exec(globals: &Globals, low: &LowArgs) -> Outcome {
    let id = super::id(low);
    let done = id.and_then(|id| Ok(container::exec(globals, &id, &args(globals, low)?)?));
    done.map_err(|failure| Failure {
        code: FAILED,
        text: format!("exec failed: {}", failure.text),
    })
}

fn args(globals: &Globals, low: &LowArgs) -> Result<ExecArgs, Failure> {
    if globals.systemd_cgroup {
        return Err(Failure::new("--systemd-cgroup: not supported yet"));
    }
    let given = |option: &str| low.text(option).filter(|path| !path.is_empty());
    let path = |option: &str| given(option).map(absolute).transpose();
    let process = path("process")?;
    // As runc, which goes to the container's bundle unless the process is in a file.
    let socket = |option: &str| -> Result<Option<PathBuf>, Failure> {
        match process {
            Some(_) => path(option),
            None => Ok(given(option).map(PathBuf::from)),
        }
    };
    let (console_socket, pidfd_socket) = (socket("console-socket")?, socket("pidfd-socket")?);
    let text = |option: &str| low.text(option).map(utf8).transpose();
    let texts = |option: &str| -> Result<Vec<String>, Failure> {
        low.texts(option).into_iter().map(utf8).collect()
    };
    Ok(ExecArgs {
        process,
        args: (low.operands.iter().skip(1))
            .map(|word| utf8(word))
            .collect::<Result<_, _>>()?,
        env: texts("env")?,
        cwd: text("cwd")?,
        tty: low.flag("tty"),
        user: text("user")?,
        gids: low.numbers("additional-gids"),
        caps: texts("cap")?,
        no_new_privs: low.given("no-new-privs"),
        process_label: text("process-label")?,
        apparmor: text("apparmor")?,
        console_socket,
        pidfd_socket,
        pid_file: path("pid-file")?,
        detach: low.flag("detach"),
        // As runc: sockets that systemd has passed are for the container's own program, and are like any others here.
        preserve_fds: preserve_fds(low, 0)?,
        cgroups: texts("cgroup")?,
        ignore_paused: low.flag("ignore-paused"),
    })
}

fn utf8(word: &OsStr) -> Result<String, Failure> {
    let text = word.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("{word:?}: not UTF-8")))
}
