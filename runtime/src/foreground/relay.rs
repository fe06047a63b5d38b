//! The container's terminal, shown on the caller's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::{SignalFd, siginfo};

use super::buffer::Buffer;
use super::stream::Stream;
use super::{Error, attend};
use crate::notify::Proxy;
use crate::sys::{self, signal};
use crate::tty::{HostConsole, RawMode};

/// How often a job in the background looks whether it still is, in milliseconds.
const GLANCE_MS: u16 = 500;

/// As [`super::wait`], with the pty whose `master` init has sent: its output goes to stdout, stdin to it; the size of `host` is
/// its size; `host` is raw until the return.
///
/// After the process has ended, what it wrote last is still shown: until there is no more, or stdout has taken nothing for
/// `drain`, or a signal asks us to end.
///
/// # Errors
/// What the kernel says. The container's process may still run then: the caller kills it.
pub fn wait_with_console(
    pid: i32,
    master: OwnedFd,
    host: &HostConsole,
    proxy: Option<&mut Proxy>,
    drain: Duration,
) -> Result<i32, Error> {
    sys::tty::set_nonblocking(&master)?;
    let [stdin, stdout, _] = sys::tty::standard_streams();
    let mut relay = Relay {
        pid,
        host,
        // One that has gone meanwhile is not the program's end.
        raw: host.raw().ok(),
        peer: None,
        master: Some(master),
        signals: signal::signal_fd()?,
        input: Some(Stream::new(stdin, OFlag::O_RDONLY)),
        input_paused: false,
        output: Some(Stream::new(stdout, OFlag::O_WRONLY)),
        to_container: Buffer::new(),
        to_host: Buffer::new(),
        proxy,
    };
    relay.resize();
    let code = relay.run()?;
    if !relay.drain(drain)? {
        tracing::warn!("nobody reads stdout: the last of the container's output is lost");
    }
    Ok(code)
}

/// As [`super::wait`], with a proxy and no terminal.
pub(super) fn wait_with_proxy(pid: i32, proxy: &mut Proxy) -> Result<i32, Error> {
    let signals = signal::signal_fd()?;
    loop {
        let [heard, told] = proxy.places();
        let signalled = Some((signals.as_fd(), PollFlags::POLLIN));
        let [signalled, heard, told] = ready([signalled, heard, told], PollTimeout::NONE)?;
        if heard || told {
            proxy.serve();
        }
        while signalled && let Some(info) = next_signal(&signals)? {
            if let Some(code) = attend(pid, info.ssi_signo.cast_signed())? {
                return Ok(code);
            }
        }
    }
}

struct Relay<'a> {
    pid: i32,
    host: &'a HostConsole,
    /// `None`: it is gone.
    raw: Option<RawMode<'a>>,
    /// `None`: nothing can come from it any more.
    master: Option<OwnedFd>,
    /// Held open from the first time on that no process of the container has the terminal open: the master would hang up, and
    /// poll(2) return at once, for ever.
    peer: Option<OwnedFd>,
    signals: SignalFd,
    /// `None`: at its end.
    input: Option<Stream>,
    /// We are in the background, where the terminal may not be read.
    input_paused: bool,
    /// `None`: its reader is gone. The container goes on, as into /dev/null.
    output: Option<Stream>,
    to_container: Buffer,
    to_host: Buffer,
    /// What the container says to its manager.
    proxy: Option<&'a mut Proxy>,
}

/// What can be done.
struct Ready {
    signals: bool,
    master: bool,
    input: bool,
    output: bool,
    proxy: bool,
}

impl Relay<'_> {
    /// Until the process has ended.
    fn run(&mut self) -> Result<i32, Error> {
        loop {
            let ready = self.wait()?;
            if self.is_in_background() {
                self.take_terminal();
            }
            if ready.signals
                && let Some(code) = self.take_signals()?
            {
                return Ok(code);
            }
            if let Some(proxy) = self.proxy.as_mut().filter(|_| ready.proxy) {
                proxy.serve();
            }
            if ready.master {
                self.write_master();
                self.read_master();
            }
            if ready.input {
                self.read_input();
                self.write_master();
            }
            if ready.output || ready.master {
                self.write_output();
            }
        }
    }

    /// Waits until something can be done. poll(2) reports ends and errors whether asked for or not, at once and for ever: only
    /// what can be served now is put before it.
    fn wait(&self) -> Result<Ready, Error> {
        let mut of_master = PollFlags::empty();
        of_master.set(PollFlags::POLLIN, self.to_host.is_empty());
        of_master.set(PollFlags::POLLOUT, !self.to_container.is_empty());
        let master = self.master.as_ref().filter(|_| !of_master.is_empty());
        let reads = self.to_container.is_empty() && !self.input_paused && self.master.is_some();
        let input = self.input.as_ref().filter(|_| reads);
        let output = self.output.as_ref().filter(|_| !self.to_host.is_empty());

        let [heard, told] = self.proxy.as_ref().map_or([None, None], |it| it.places());
        let places = [
            Some((self.signals.as_fd(), PollFlags::POLLIN)),
            master.map(|fd| (fd.as_fd(), of_master)),
            input.map(|fd| (fd.as_fd(), PollFlags::POLLIN)),
            output.map(|fd| (fd.as_fd(), PollFlags::POLLOUT)),
            heard,
            told,
        ];
        // Nobody is told of becoming the foreground: not every shell sends SIGCONT to a job that runs.
        let timeout = match self.is_in_background() {
            true => GLANCE_MS.into(),
            false => PollTimeout::NONE,
        };
        let [signals, master, input, output, heard, told] = ready(places, timeout)?;
        Ok(Ready {
            signals,
            master,
            input,
            output,
            proxy: heard || told,
        })
    }

    /// Serves all pending signals. `Some`: the process has ended.
    fn take_signals(&mut self) -> Result<Option<i32>, Error> {
        while let Some(info) = next_signal(&self.signals)? {
            match info.ssi_signo.cast_signed() {
                libc::SIGWINCH => self.resize(),
                // Our own, for a stdout without a reader; the write says so as well.
                libc::SIGPIPE if info.ssi_pid == std::process::id() => (),
                signal => {
                    if signal == libc::SIGCONT {
                        // Perhaps we are in the foreground now, on a terminal that a shell has set for itself.
                        self.take_terminal();
                        // The kernel sends this signal also when the terminal goes: reading tells.
                        self.input_paused = false;
                    }
                    let ended = attend(self.pid, signal)?;
                    if ended.is_some() {
                        return Ok(ended);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Does somebody else have the terminal that we show the container's on?
    fn is_in_background(&self) -> bool {
        self.raw.as_ref().is_some_and(|raw| !raw.is_held())
    }

    /// If it is ours now.
    fn take_terminal(&mut self) {
        if let Some(raw) = &mut self.raw {
            // One that goes is not the program's end.
            let _ = raw.enter();
            if raw.is_held() {
                self.input_paused = false;
                self.resize();
            }
        }
    }

    /// The caller's terminal has the say. An error is none of the container's.
    fn resize(&self) {
        if let (Some(master), Ok((rows, columns))) = (&self.master, self.host.size()) {
            let _ = sys::tty::set_size(master, rows, columns);
        }
    }

    fn read_master(&mut self) {
        let Some(master) = &self.master else { return };
        if !self.to_host.is_empty() {
            return;
        }
        match self.to_host.fill(|bytes| nix::unistd::read(master, bytes)) {
            Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR) => (),
            // Hung up: all have left it, or by vhangup(2), ours with them. What is opened now is good for those who come back.
            Ok(_) | Err(_) => {
                self.peer = None;
                self.peer = sys::tty::open_peer(master).ok();
                if self.peer.is_none() {
                    self.master = None;
                }
            }
        }
    }

    fn write_master(&mut self) {
        let Some(master) = &self.master else { return };
        if self.to_container.is_empty() {
            return;
        }
        match nix::unistd::write(master, self.to_container.waiting()) {
            Ok(count) => self.to_container.took(count),
            Err(Errno::EAGAIN | Errno::EINTR) => (),
            Err(_) => self.to_container.clear(),
        }
    }

    fn read_input(&mut self) {
        let Some(input) = &self.input else { return };
        if !self.to_container.is_empty() {
            return;
        }
        match self.to_container.fill(|bytes| input.read(bytes)) {
            Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR) => (),
            // A terminal answers so to who is in the background and has SIGTTIN blocked.
            Err(Errno::EIO) => self.input_paused = true,
            // As by runc, the container is not told of the end: a terminal has none.
            Ok(_) | Err(_) => self.input = None,
        }
    }

    /// Returns whether a byte was taken.
    fn write_output(&mut self) -> bool {
        let Some(output) = &self.output else {
            self.to_host.clear();
            return true;
        };
        if self.to_host.is_empty() {
            return false;
        }
        match output.write(self.to_host.waiting()) {
            Ok(count) => {
                self.to_host.took(count);
                count > 0
            }
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            Err(_) => {
                self.output = None;
                // Kept, it would keep the container from writing.
                self.to_host.clear();
                false
            }
        }
    }

    /// Shows what is left. `false`: not all of it.
    fn drain(&mut self, limit: Duration) -> Result<bool, Error> {
        let mut since = Instant::now();
        loop {
            if self.to_host.is_empty() {
                // Nothing here now is nothing for ever: reading waits for what the kernel still carries from end to end.
                self.read_master();
                if self.to_host.is_empty() {
                    return Ok(true);
                }
            }
            if self.write_output() {
                since = Instant::now();
                continue;
            }
            let Some(output) = &self.output else {
                return Ok(true);
            };
            let left = limit.saturating_sub(since.elapsed());
            let places = [
                Some((self.signals.as_fd(), PollFlags::POLLIN)),
                Some((output.as_fd(), PollFlags::POLLOUT)),
            ];
            // Rounded up: a rest of less than a millisecond must not become a loop.
            let millis = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
            let [signalled, _] = ready(places, millis.into())?;
            if left.is_zero() || (signalled && self.is_asked_to_end()?) {
                return Ok(false);
            }
        }
    }

    fn is_asked_to_end(&self) -> Result<bool, Error> {
        let mut asked = false;
        while let Some(info) = next_signal(&self.signals)? {
            asked |= matches!(
                info.ssi_signo.cast_signed(),
                libc::SIGINT | libc::SIGTERM | libc::SIGHUP | libc::SIGQUIT
            );
        }
        Ok(asked)
    }
}

fn next_signal(signals: &SignalFd) -> Result<Option<siginfo>, Error> {
    match signals.read_signal() {
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
        other => other.map_err(|errno| sys::Error::new("read", "signalfd", errno).into()),
    }
}

/// Waits for any of `places`; which are ready, or in an error or at an end, as the next call on it will tell.
fn ready<const N: usize>(
    places: [Option<(BorrowedFd<'_>, PollFlags)>; N],
    timeout: PollTimeout,
) -> Result<[bool; N], Error> {
    let mut fds: Vec<PollFd<'_>> = (places.iter().flatten())
        .map(|(fd, events)| PollFd::new(*fd, *events))
        .collect();
    match poll(&mut fds, timeout) {
        Ok(_) => (),
        Err(Errno::EINTR) => return Ok([false; N]),
        Err(errno) => return Err(sys::Error::new("poll", "", errno).into()),
    }
    let mut results = fds
        .iter()
        .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
    Ok(places.map(|place| place.is_some() && results.next().unwrap_or(false)))
}
