//! `ps`: who is in the container.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use super::evidence::paths;
use super::{Error, Globals};
use crate::cgroup;
use crate::log::quoted;
use crate::state::{Dir, Id};
use crate::sys::{signal, words};

/// The processes of the container, also those in groups below its own; sorted. A stopped one has none, or those that its init
/// has left behind.
///
/// # Errors
/// No such container; one without a cgroup; a cgroup that cannot be read.
pub fn processes(globals: &Globals, id: &Id) -> Result<Vec<i32>, Error> {
    let record = Dir::open(&globals.root, id)?.read()?;
    let paths = paths(&record);
    if paths.as_map().is_empty() {
        return Err(Error::NoGroup("unable to get all container pids"));
    }
    cgroup::processes(&paths).map_err(Error::Group)
}

/// What the host's `ps` prints with `args`: the line of titles, and those of the container's processes.
///
/// # Errors
/// As [`processes`]; a `ps` that fails, or prints no column "PID".
pub fn ps(globals: &Globals, id: &Id, args: &[OsString]) -> Result<Vec<u8>, Error> {
    let pids = processes(globals, id)?;
    select(&call(args)?, &pids)
}

fn call(args: &[OsString]) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| {
        let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
        let why = errno.map_or_else(|| error.to_string(), words);
        Error::Ps(match error.kind() {
            ErrorKind::NotFound => r#"exec: "ps": executable file not found in $PATH: "#.to_owned(),
            _ => format!("exec: \"ps\": {why}: "),
        })
    };
    // Where the caller ignores SIGCHLD, so would we, and nobody would know how it ended.
    let _ = signal::set_default(libc::SIGCHLD);
    // One pipe for both, as runc: what it complains of belongs to the error.
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    let mut command = Command::new("ps");
    match args {
        [] => command.arg("-ef"),
        args => command.args(args),
    };
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer);
    let mut child = command.spawn().map_err(failed)?;
    // It holds the writer's copies.
    drop(command);
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if status.success() {
        return Ok(text);
    }
    let text = String::from_utf8_lossy(&text);
    Err(Error::Ps(format!("{}: {text}", told(status))))
}

/// Go's words.
fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    }
}

/// The lines of `pids`, and the first.
fn select(text: &[u8], pids: &[i32]) -> Result<Vec<u8>, Error> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let title = lines.next().unwrap_or_default();
    let column = fields(title)
        .position(|name| name == b"PID")
        .ok_or_else(|| Error::Ps("couldn't find PID field in ps output".to_owned()))?;
    let mut out = Vec::with_capacity(text.len());
    let mut push = |line: &[u8]| {
        out.extend_from_slice(line);
        out.push(b'\n');
    };
    push(title);
    for line in lines.filter(|line| !line.is_empty()) {
        let field = String::from_utf8_lossy(fields(line).nth(column).unwrap_or_default());
        let pid: i32 = field.parse().map_err(|_| {
            // A column before it holds blanks.
            let field = quoted(&field);
            Error::Ps(format!(
                "unable to parse pid: strconv.Atoi: parsing {field}: invalid syntax"
            ))
        })?;
        if pids.binary_search(&pid).is_ok() {
            push(line);
        }
    }
    Ok(out)
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_lines_of_the_container() {
        let text = b"UID        PID  PPID CMD\nroot         1     0 init\nroot        17     1 sleep 5\n\nroot   170     1 x\n";
        let out = select(text, &[17, 99]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "UID        PID  PPID CMD\nroot        17     1 sleep 5\n"
        );
    }

    #[test]
    fn without_its_column_it_is_nothing() {
        for (text, why) in [
            ("", "couldn't find PID field in ps output"),
            ("COMMAND\nsh\n", "couldn't find PID field in ps output"),
            (
                "COMMAND PID\na b 7\n",
                "unable to parse pid: strconv.Atoi: parsing \"b\": invalid syntax",
            ),
            (
                "COMMAND PID\na\n",
                "unable to parse pid: strconv.Atoi: parsing \"\": invalid syntax",
            ),
        ] {
            assert_eq!(select(text.as_bytes(), &[7]).unwrap_err().to_string(), why);
        }
    }
}
