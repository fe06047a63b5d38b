//! Init at its start gate, after `create`: `sync_model`'s gate, on a listening socket.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{MsgFlags, SockFlag, accept4, recv, send};
use sync_model::gate::{Client, Duty};
use sync_model::gate_driver::{GateDriver, Gateway, Visit};
use sync_model::{Gate, Sent, Step};

use super::failure::{At, Failure};
use crate::sys::{self, signal};

/// How the waiting ended.
#[derive(Debug)]
pub enum Opened {
    /// A starter was accepted.
    Start(Starter),
    /// Asked to leave by a deleter.
    Leave,
    /// Asked to leave by a signal: its number.
    Signal(i32),
}

/// The accepted starter, who waits for the execve or its error.
#[derive(Debug)]
pub struct Starter(GateDriver<Clients>);

impl Starter {
    /// Its connection, for log lines.
    pub fn connection(&mut self) -> Option<BorrowedFd<'_>> {
        // Whoever is accepted has spoken last.
        self.0.gateway().accepted()
    }

    /// From here on a filter may forbid anything: see [`Wire::speak_plainly`](crate::process::wire::Wire::speak_plainly).
    pub fn speak_plainly(&mut self) {
        self.0.gateway().plainly = true;
    }

    /// Tells it why its program is not executed. False: it is gone, or must not be told.
    pub fn tell(&mut self, failure: &Failure) -> bool {
        self.0.fail(failure.to_wire()).is_ok() && !self.0.gateway().unsaid
    }
}

/// A listener that can be waited at: what that needs is there.
#[derive(Debug)]
pub struct Prepared {
    listener: OwnedFd,
    signals: SignalFd,
}

/// Makes ready to wait, which the container's limits may forbid: before the creator is told that init waits.
///
/// # Errors
/// What the kernel refuses.
pub fn prepare(listener: OwnedFd) -> Result<Prepared, Failure> {
    // Pid 1 of a namespace gets no signal that it has not asked for; runc's init leaves on these.
    signal::block_all().at(Step::Gate)?;
    let signals = signal::signal_fd().at(Step::Gate)?;
    Ok(Prepared { listener, signals })
}

/// Waits for the one request that is accepted.
///
/// # Errors
/// What the kernel refuses.
pub fn wait(gate: Prepared) -> Result<Opened, Failure> {
    let mut driver = GateDriver::new(Clients::new(gate), Gate::new(), ());
    match driver.serve() {
        Ok(Duty::Execute) => Ok(Opened::Start(Starter(driver))),
        Ok(Duty::Wait | Duty::Leave) => Ok(Opened::Leave),
        Err(Stop::Signal(signal)) => Ok(Opened::Signal(signal)),
        Err(Stop::Call(error)) => Err(error).at(Step::Gate),
    }
}

/// Clients at once. One more, and the oldest, who has had time to speak, is turned away: nobody can keep others out by
/// only being there.
const CLIENTS: usize = 32;

/// So many times, and so long in between, init asks again when the kernel cannot tell it who has come.
const PATIENCE: u32 = 200;
const NAP: Duration = Duration::from_millis(10);

/// The listener, and who has come.
#[derive(Debug)]
struct Clients {
    listener: OwnedFd,
    signals: SignalFd,
    connected: VecDeque<(Client, OwnedFd)>,
    next: Client,
    /// Who has spoken last.
    last: Option<Client>,
    /// Answers go by write(2): a seccomp filter that allows anything allows that. The sockets do not block.
    plainly: bool,
    /// What was to be said last could not be said.
    unsaid: bool,
}

/// Why the gate is left without a request.
#[derive(Debug)]
enum Stop {
    Signal(i32),
    Call(sys::Error),
}

impl Gateway for Clients {
    type Error = Stop;

    fn wait(&mut self, buffer: &mut [u8]) -> Result<Visit, Stop> {
        loop {
            let ready = self.poll().map_err(Stop::Call)?;
            if ready.signal
                && let Some(signal) = self.fatal_signal()
            {
                return Err(Stop::Signal(signal));
            }
            // Before the listener: who has spoken is heard before room is made for another.
            if let Some((index, hung_up)) = ready.client {
                // Who has given up asks for nothing any more: it has told its caller that nothing came of it. One that gives up
                // only now is found out when it is answered.
                let visit = match hung_up {
                    true => self.gone(index),
                    false => self.read(index, buffer),
                };
                if let Some(visit) = visit {
                    return Ok(visit);
                }
            }
            if ready.listener
                && let Some(visit) = self.accept().map_err(Stop::Call)?
            {
                return Ok(visit);
            }
        }
    }

    fn send(&mut self, client: Client, bytes: &[u8]) -> Result<Sent, Stop> {
        let Some(socket) = self.socket(client) else {
            return Ok(Sent::PeerGone);
        };
        // A filter may refuse even write(2), with any errno or none.
        let said = match self.plainly {
            true => nix::unistd::write(socket, bytes).unwrap_or(0),
            false => 0,
        };
        if said > 0 {
            self.unsaid = false;
            return Ok(Sent::Bytes(said));
        }
        // A client that does not read loses what it is told: init waits for nobody.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let said = send(socket.as_raw_fd(), bytes, flags).unwrap_or(0);
        self.unsaid = said == 0;
        match said {
            0 if self.has_hung_up(client) => Ok(Sent::PeerGone),
            said => Ok(Sent::Bytes(said)),
        }
    }

    fn close(&mut self, client: Client) {
        self.connected.retain(|(number, _)| *number != client);
    }
}

struct Ready {
    signal: bool,
    listener: bool,
    /// Its index, and whether it has hung up.
    client: Option<(usize, bool)>,
}

impl Clients {
    fn new(gate: Prepared) -> Self {
        Self {
            listener: gate.listener,
            signals: gate.signals,
            connected: VecDeque::new(),
            next: 0,
            last: None,
            plainly: false,
            unsaid: false,
        }
    }

    fn accepted(&self) -> Option<BorrowedFd<'_>> {
        self.socket(self.last?)
    }

    fn socket(&self, client: Client) -> Option<BorrowedFd<'_>> {
        let found = self.connected.iter().find(|(number, _)| *number == client);
        found.map(|(_, socket)| socket.as_fd())
    }

    /// Asked of the socket: an errno may also be a filter's.
    fn has_hung_up(&self, client: Client) -> bool {
        let Some(socket) = self.socket(client) else {
            return true;
        };
        let mut fds = [PollFd::new(socket, PollFlags::empty())];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
    }

    fn poll(&self) -> sys::Result<Ready> {
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        ];
        let sockets = self.connected.iter().map(|(_, socket)| socket.as_fd());
        fds.extend(sockets.map(|socket| PollFd::new(socket, PollFlags::POLLIN)));
        // `create` has said that the container is created: it does not end for the kernel's want of memory in this moment.
        let mut patience = PATIENCE;
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(_) if patience > 0 => {
                    patience -= 1;
                    sys::time::nap(NAP);
                }
                Err(errno) => return Err(sys::Error::new("poll", "the start gate", errno)),
            }
        }
        let mut ready = fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        Ok(Ready {
            signal: ready.next().is_some_and(|events| !events.is_empty()),
            listener: ready.next().is_some_and(|events| !events.is_empty()),
            client: ready
                .enumerate()
                .find(|(_, events)| !events.is_empty())
                .map(|(index, events)| {
                    let end = PollFlags::POLLHUP | PollFlags::POLLERR;
                    (index, events.intersects(end))
                }),
        })
    }

    fn fatal_signal(&self) -> Option<i32> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
            if [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal) {
                return Some(signal);
            }
        }
        None
    }

    fn accept(&mut self) -> sys::Result<Option<Visit>> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = match accept4(self.listener.as_raw_fd(), flags) {
            Ok(fd) => sys::fd::inherited(fd),
            // The client went before it was accepted.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => return Ok(None),
            Err(errno) => return Err(sys::Error::new("accept4", "the start gate", errno)),
        };
        if self.connected.len() >= CLIENTS
            && let Some((oldest, _)) = self.connected.pop_front()
        {
            // Its socket is closed; the driver forgets it, and the new one is found in the queue the next time.
            self.admit(socket);
            return Ok(Some(Visit::Gone(oldest)));
        }
        let client = self.admit(socket);
        Ok(Some(Visit::Connected(client)))
    }

    fn admit(&mut self, socket: OwnedFd) -> Client {
        let client = self.next;
        self.next = self.next.wrapping_add(1);
        self.connected.push_back((client, socket));
        client
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) -> Option<Visit> {
        let (client, socket) = self.connected.get(index)?;
        let client = *client;
        match recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Ok(count) if count > 0 => {
                self.last = Some(client);
                Some(Visit::Bytes(client, count))
            }
            Ok(_) | Err(_) => self.gone(index),
        }
    }

    fn gone(&mut self, index: usize) -> Option<Visit> {
        let (client, _) = self.connected.remove(index)?;
        Some(Visit::Gone(client))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    use sync_model::Message;
    use sync_model::frame::encode;

    use crate::testing::solo;

    fn request(message: &Message) -> Vec<u8> {
        let mut frame = Vec::new();
        encode(message, &mut frame).unwrap();
        frame
    }

    fn listen(name: &str) -> (std::path::PathBuf, OwnedFd) {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        (path, listener.into())
    }

    solo! {
    fn idlers_and_babblers_keep_no_starter_out() {
        let (path, listener) = listen("gate-idlers");
        let starter = std::thread::spawn({
            let path = path.clone();
            move || {
                let idlers: Vec<_> = (0..3 * CLIENTS)
                    .map(|_| UnixStream::connect(&path).unwrap())
                    .collect();
                let mut babbler = UnixStream::connect(&path).unwrap();
                babbler.write_all(&[0x55; 300]).unwrap();
                let mut half = UnixStream::connect(&path).unwrap();
                half.write_all(&request(&Message::Start)[..3]).unwrap();
                let mut starter = UnixStream::connect(&path).unwrap();
                starter.write_all(&request(&Message::Start)).unwrap();
                let mut answer = [0; 6];
                starter.read_exact(&mut answer).unwrap();
                drop(idlers);
                answer
            }
        });
        let opened = wait(prepare(listener).unwrap()).unwrap();
        assert!(matches!(opened, Opened::Start(_)), "{opened:?}");
        assert_eq!(
            starter.join().unwrap().to_vec(),
            request(&Message::Starting)
        );
        std::fs::remove_file(path).unwrap();
    }
    }

    solo! {
    fn the_one_who_is_accepted_hears_why_nothing_was_executed() {
        let (path, listener) = listen("gate-error");
        let mut starter = UnixStream::connect(&path).unwrap();
        starter.write_all(&request(&Message::Start)).unwrap();
        let Opened::Start(mut accepted) = wait(prepare(listener).unwrap()).unwrap() else {
            panic!("not accepted");
        };
        assert!(accepted.connection().is_some());
        let error = sys::Error::new("exec", "/bin/x", Errno::ENOEXEC);
        accepted.tell(&Failure::new(Step::Exec, &error));
        drop(accepted);
        let mut all = Vec::new();
        starter.read_to_end(&mut all).unwrap();
        let text = String::from_utf8_lossy(&all);
        assert!(text.contains("exec /bin/x: exec format error"), "{text}");
        std::fs::remove_file(path).unwrap();
    }
    }

    solo! {
    fn who_has_given_up_is_not_answered() {
        let (path, listener) = listen("gate-gone");
        let starter = UnixStream::connect(&path).unwrap();
        let mut clients = Clients::new(prepare(listener).unwrap());
        let Ok(Some(Visit::Connected(client))) = clients.accept() else {
            panic!("not accepted");
        };
        assert!(matches!(clients.send(client, b"x"), Ok(Sent::Bytes(1))));
        starter.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(matches!(clients.send(client, b"x"), Ok(Sent::PeerGone)));
        std::fs::remove_file(path).unwrap();
    }
    }

    solo! {
    fn a_deleter_or_a_signal_makes_init_leave() {
        let (path, listener) = listen("gate-leave");
        let mut deleter = UnixStream::connect(&path).unwrap();
        deleter.write_all(&request(&Message::Abort)).unwrap();
        assert!(matches!(wait(prepare(listener).unwrap()).unwrap(), Opened::Leave));
        std::fs::remove_file(&path).unwrap();

        let (path, listener) = listen("gate-signal");
        signal::block_all().unwrap();
        // To this thread: in the test program's others nothing is blocked.
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGUSR1).unwrap();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).unwrap();
        let opened = wait(prepare(listener).unwrap()).unwrap();
        assert!(
            matches!(opened, Opened::Signal(libc::SIGTERM)),
            "{opened:?}"
        );
        std::fs::remove_file(path).unwrap();
    }
    }
}
