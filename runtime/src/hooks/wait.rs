//! Until a hook's end: feed it, drain it, watch the clock and the peer.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;

use super::child::Child;
use super::output::Output;
use crate::sys::pidfd;

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// Exit status 0.
    Success,
    /// Why it counts as failed.
    Failed(String),
    /// The watched descriptor was ready first.
    PeerGone,
}

/// How long a killed hook may take to die.
const PATIENCE: Duration = Duration::from_secs(5);
/// Read at once, and at most what is read of a stream when its hook has ended: a child of it may write for ever.
const CHUNK: usize = 64 << 10;

/// A descriptor, and what is waited for on it.
type Watch<'a> = (BorrowedFd<'a>, PollFlags);

/// Gives `child` its `input` and waits for its end, `timeout` seconds at most.
pub fn until_end(
    mut child: Child,
    mut input: &[u8],
    timeout: Option<u64>,
    watch: Option<Watch<'_>>,
) -> End {
    let deadline = timeout.and_then(|it| Instant::now().checked_add(Duration::from_secs(it)));
    let Child {
        pidfd,
        stdin,
        output: files,
        ..
    } = &mut child;
    let mut stdin = Some(stdin);
    let mut streams = files.each_mut().map(|file| (Some(file), Output::default()));
    loop {
        feed(&mut stdin, &mut input);
        let ready = match wait(pidfd.as_fd(), stdin.as_deref(), &streams, deadline, watch) {
            Ok(ready) => ready,
            Err(errno) => {
                kill(pidfd.as_fd());
                return End::Failed(format!("poll: {}", crate::sys::words(errno)));
            }
        };
        let [ended, out, err, peer] = ready;
        for (stream, _) in streams
            .iter_mut()
            .zip([out, err])
            .filter(|it| it.1 || ended)
        {
            drain(stream);
        }
        if peer {
            kill(pidfd.as_fd());
            return End::PeerGone;
        }
        if ended {
            // It is dead, so this waits for nothing, unless it is traced: then its tracer has it first.
            let why = match pidfd::wait(pidfd.as_fd(), false) {
                Ok(WaitStatus::Exited(_, 0)) => return End::Success,
                Ok(status) => go_words(status),
                Err(error) => error.to_string(),
            };
            // What kills init makes hooks fail that look for it: then its death is the cause.
            if watch.is_some_and(is_ready) {
                return End::PeerGone;
            }
            let [(_, out), (_, err)] = &streams;
            let (out, err) = (out.text(), err.text());
            return End::Failed(format!("{why}, stdout: {out}, stderr: {err}"));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            kill(pidfd.as_fd());
            let seconds = timeout.unwrap_or_default();
            return End::Failed(format!("hook ran past specified timeout of {seconds}.0s"));
        }
    }
}

/// Waits for any of: the end, output, errors, the peer's end, room for input, the deadline.
fn wait(
    pidfd: BorrowedFd<'_>,
    stdin: Option<&File>,
    streams: &[(Option<&mut File>, Output); 2],
    deadline: Option<Instant>,
    watch: Option<Watch<'_>>,
) -> Result<[bool; 4], Errno> {
    let left = match deadline {
        None => PollTimeout::NONE,
        // Rounded up: not to turn in circles within the last millisecond.
        Some(deadline) => {
            let left =
                deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        }
    };
    let mut asked: Vec<(usize, Watch<'_>)> = vec![(0, (pidfd, PollFlags::POLLIN))];
    for (index, (stream, _)) in streams.iter().enumerate() {
        let stream = stream.as_deref().map(|it| (it.as_fd(), PollFlags::POLLIN));
        asked.extend(stream.map(|it| (index + 1, it)));
    }
    asked.extend(watch.map(|it| (3, it)));
    asked.extend(stdin.map(|it| (4, (it.as_fd(), PollFlags::POLLOUT))));
    let mut fds: Vec<PollFd<'_>> = asked
        .iter()
        .map(|(_, (fd, events))| PollFd::new(*fd, *events))
        .collect();
    match poll(&mut fds, left) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    let mut ready = [false; 4];
    for ((index, _), fd) in asked.iter().zip(&fds) {
        if let Some(ready) = ready.get_mut(*index) {
            *ready = fd.any().unwrap_or(false);
        }
    }
    Ok(ready)
}

fn is_ready((fd, events): Watch<'_>) -> bool {
    let mut fds = [PollFd::new(fd, events)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// Writes what goes without waiting; with all of it written, or nobody to write to, the input ends.
fn feed(stdin: &mut Option<&mut File>, input: &mut &[u8]) {
    while let Some(file) = stdin {
        match file.write(input) {
            Ok(count) if count < input.len() => *input = &input[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => {
                // Closed by what is put in its place.
                if let Ok(null) = File::open("/dev/null") {
                    **file = null;
                }
                *stdin = None;
            }
        }
    }
}

fn drain((file, output): &mut (Option<&mut File>, Output)) {
    let Some(stream) = file else { return };
    let mut bytes = [0; 4096];
    for _ in 0..CHUNK / bytes.len() {
        match stream.read(&mut bytes) {
            Ok(count) if count > 0 => output.push(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => {
                *file = None;
                return;
            }
        }
    }
}

/// Kills the hook and reaps it, unless it does not die.
fn kill(pidfd: BorrowedFd<'_>) {
    let _ = pidfd::send_signal(pidfd, libc::SIGKILL);
    let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
    let _ = poll(
        &mut fds,
        PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX),
    );
    let _ = pidfd::try_wait(pidfd, false);
}

/// As Go's `ProcessState` says it.
fn go_words(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exit status {code}"),
        WaitStatus::Signaled(_, signal, core) => {
            let dumped = if core { " (core dumped)" } else { "" };
            let name = match signal {
                Signal::SIGHUP => "hangup",
                Signal::SIGINT => "interrupt",
                Signal::SIGQUIT => "quit",
                Signal::SIGILL => "illegal instruction",
                Signal::SIGTRAP => "trace/breakpoint trap",
                Signal::SIGABRT => "aborted",
                Signal::SIGBUS => "bus error",
                Signal::SIGFPE => "floating point exception",
                Signal::SIGKILL => "killed",
                Signal::SIGUSR1 => "user defined signal 1",
                Signal::SIGSEGV => "segmentation fault",
                Signal::SIGUSR2 => "user defined signal 2",
                Signal::SIGPIPE => "broken pipe",
                Signal::SIGALRM => "alarm clock",
                Signal::SIGTERM => "terminated",
                Signal::SIGXCPU => "CPU time limit exceeded",
                Signal::SIGXFSZ => "file size limit exceeded",
                Signal::SIGVTALRM => "virtual timer expired",
                Signal::SIGPROF => "profiling timer expired",
                Signal::SIGIO => "I/O possible",
                Signal::SIGPWR => "power failure",
                Signal::SIGSYS => "bad system call",
                Signal::SIGSTKFLT => "stack fault",
                other => other.as_str(),
            };
            format!("signal: {name}{dumped}")
        }
        other => format!("{other:?}"),
    }
}
