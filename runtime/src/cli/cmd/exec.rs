//! `exec`.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome, absolute};
use super::create::{listen_fds, preserve_fds};
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
    if listen_fds() > 0 {
        return Err(Failure::new("$LISTEN_FDS: not supported yet"));
    }
    let path = |option: &str| -> Result<Option<PathBuf>, Failure> {
        low.text(option)
            .filter(|path| !path.is_empty())
            .map(absolute)
            .transpose()
    };
    let text = |option: &str| low.text(option).map(utf8).transpose();
    let texts = |option: &str| -> Result<Vec<String>, Failure> {
        low.texts(option).into_iter().map(utf8).collect()
    };
    Ok(ExecArgs {
        process: path("process")?,
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
        console_socket: path("console-socket")?,
        pidfd_socket: path("pidfd-socket")?,
        pid_file: path("pid-file")?,
        detach: low.flag("detach"),
        preserve_fds: preserve_fds(low, 0)?,
        cgroups: texts("cgroup")?,
        ignore_paused: low.flag("ignore-paused"),
    })
}

fn utf8(word: &OsStr) -> Result<String, Failure> {
    let text = word.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("{word:?}: not UTF-8")))
}
