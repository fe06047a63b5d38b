//! A hook's process.

use std::ffi::CString;
use std::fs::File;
use std::io::{PipeReader, pipe};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{execv, execve, getpid};

use super::Surroundings;
use crate::plan::Hook;
use crate::sys::vfork::{self, Failed};
use crate::sys::words;

/// A hook that is executed.
#[derive(Debug)]
pub struct Child {
    /// Readable when it is dead.
    pub pidfd: OwnedFd,
    /// Its standard input.
    pub stdin: File,
    /// Keeps the pipe of its input whole: writing to it is no SIGPIPE, whoever reads.
    pub _input: PipeReader,
    /// Its standard output and error.
    pub output: [File; 2],
}

/// Executes `hook`. None of our ends of its pipes blocks.
///
/// # Errors
/// Why not, in Go's words.
pub fn start(hook: &Hook, around: &mut Surroundings<'_>) -> Result<Child, String> {
    let why = |what: String| format!("fork/exec {}: {what}", hook.path);
    let text = |text: &str| CString::new(text).map_err(|error| why(error.to_string()));
    let texts = |list: &[String]| {
        list.iter()
            .map(|it| text(it))
            .collect::<Result<Vec<_>, _>>()
    };
    let path = text(&hook.path)?;
    let args = match hook.args.as_slice() {
        [] => vec![path.clone()],
        args => texts(args)?,
    };
    let env = match hook.env.as_deref().or(around.env) {
        Some(env) => Some(texts(env)?),
        None => None,
    };
    let io = |error: std::io::Error| why(error.to_string());
    let (input, stdin) = pipe().map_err(io)?;
    let (stdout, out) = pipe().map_err(io)?;
    let (stderr, err) = pipe().map_err(io)?;
    // Before there is a child: once it is executed nothing may fail, or it would go on while its end is told.
    let unblocked = |file: OwnedFd| match fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)) {
        Ok(_) => Ok(File::from(file)),
        Err(errno) => Err(why(words(errno))),
    };
    let stdin = unblocked(stdin.into())?;
    let output = [unblocked(stdout.into())?, unblocked(stderr.into())?];
    let ours = getpid().as_raw();
    let pidfd = vfork::vfork(&mut || {
        let prepared = match around.bound {
            true => vfork::die_with(ours),
            false => Ok(()),
        };
        let streams = [input.as_fd(), out.as_fd(), err.as_fd()];
        if let Err(error) = prepared.and_then(|()| vfork::as_a_program(streams)) {
            return why(error.to_string());
        }
        if let Some(confine) = &mut around.confine
            && let Err(error) = confine()
        {
            return why(error);
        }
        let executed = match &env {
            Some(env) => execve(&path, &args, env),
            None => execv(&path, &args),
        };
        match executed {
            Err(errno) => why(words(errno)),
            Ok(never) => match never {},
        }
    })
    .map_err(|failed| match failed {
        Failed::Clone(error) => why(error.to_string()),
        Failed::Body(text) => text,
    })?;
    Ok(Child {
        pidfd,
        stdin,
        _input: input,
        output,
    })
}
