//! Init at its start gate, after `create`: any number of clients, one of whom is obeyed (`sync_model::Gate`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{MsgFlags, SockFlag, accept4, recv, send};
use sync_model::frame::{Decoder, encode};
use sync_model::gate::{Answer, Client, Duty};
use sync_model::{Gate, Message, Step};

use super::failure::{At, Failure};
use crate::sys::{self, signal};

/// How the waiting ended.
#[derive(Debug)]
pub enum Opened {
    /// A starter was accepted; here is its connection.
    Start(OwnedFd),
    /// Asked to leave by a deleter.
    Leave,
    /// Asked to leave by a signal: its number.
    Signal(i32),
}

/// Clients at once; more wait in the listener's queue.
const CLIENTS: usize = 32;

/// What a client may send in all: its request is a few bytes.
const REQUEST_MAX: usize = 256;

struct Connection {
    client: Client,
    socket: OwnedFd,
    decoder: Decoder,
}

/// Waits for the one request that is accepted. A client that stalls, dies or talks nonsense holds up nobody.
///
/// # Errors
/// What the kernel refuses.
pub fn wait(listener: &OwnedFd) -> Result<Opened, Failure> {
    // Pid 1 of a namespace gets no signal that it has not asked for; runc's init leaves on these.
    signal::block_all().at(Step::Gate)?;
    let signals = signal::signal_fd().at(Step::Gate)?;
    let mut gate = Gate::new();
    let mut connections: Vec<Connection> = Vec::new();
    let mut next: Client = 0;
    loop {
        let ready = wait_for_one(listener, &signals, &connections)?;
        if ready.signal
            && let Some(signal) = fatal_signal(&signals)
        {
            return Ok(Opened::Signal(signal));
        }
        if ready.listener
            && let Some(socket) = accept(listener)?
        {
            connections.push(Connection {
                client: next,
                socket,
                decoder: Decoder::new(),
            });
            next = next.wrapping_add(1);
        }
        for index in ready.clients.into_iter().rev() {
            let request = match read(&mut connections[index]) {
                Read::Nothing => continue,
                Read::Gone => {
                    connections.swap_remove(index);
                    continue;
                }
                Read::Message(request) => request,
            };
            let connection = connections.swap_remove(index);
            let (after, answer) = gate.on_message(connection.client, &request);
            gate = after;
            if let Answer::Accept(reply) = answer {
                // The request stands, whether the client is still there or not.
                say(connection.socket.as_fd(), &reply);
                return Ok(match gate.duty() {
                    Duty::Execute => Opened::Start(connection.socket),
                    Duty::Wait | Duty::Leave => Opened::Leave,
                });
            }
        }
    }
}

/// Tells the accepted starter why its program is not executed.
pub fn tell(starter: &OwnedFd, failure: &Failure) {
    say(starter.as_fd(), &Message::Error(failure.to_wire()));
}

/// A client that does not read loses what it is told: init waits for nobody.
fn say(socket: BorrowedFd<'_>, message: &Message) {
    let mut frame = Vec::new();
    if encode(message, &mut frame).is_ok() {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = send(socket.as_raw_fd(), &frame, flags);
    }
}

struct Ready {
    signal: bool,
    listener: bool,
    /// Indices, ascending.
    clients: Vec<usize>,
}

fn wait_for_one(
    listener: &OwnedFd,
    signals: &SignalFd,
    connections: &[Connection],
) -> Result<Ready, Failure> {
    // With no place for another client, the listener is not asked.
    let more = if connections.len() < CLIENTS {
        PollFlags::POLLIN
    } else {
        PollFlags::empty()
    };
    let mut fds = vec![
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        PollFd::new(listener.as_fd(), more),
    ];
    fds.extend(
        connections
            .iter()
            .map(|c| PollFd::new(c.socket.as_fd(), PollFlags::POLLIN)),
    );
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => {
                return Err(sys::Error::new("poll", "the start gate", errno)).at(Step::Gate);
            }
        }
    }
    let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
    Ok(Ready {
        signal: is_ready(&fds[0]),
        listener: is_ready(&fds[1]),
        clients: (0..connections.len())
            .filter(|index| is_ready(&fds[index + 2]))
            .collect(),
    })
}

fn fatal_signal(signals: &SignalFd) -> Option<i32> {
    while let Ok(Some(info)) = signals.read_signal() {
        let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
        if [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM].contains(&signal) {
            return Some(signal);
        }
    }
    None
}

fn accept(listener: &OwnedFd) -> Result<Option<OwnedFd>, Failure> {
    match accept4(
        listener.as_raw_fd(),
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
    ) {
        Ok(fd) => Ok(Some(sys::fd::inherited(fd))),
        // The client went before it was accepted.
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => Ok(None),
        Err(errno) => Err(sys::Error::new("accept4", "the start gate", errno)).at(Step::Gate),
    }
}

enum Read {
    Nothing,
    Gone,
    Message(Message),
}

fn read(connection: &mut Connection) -> Read {
    let mut buffer = [0; REQUEST_MAX];
    match recv(
        connection.socket.as_raw_fd(),
        &mut buffer,
        MsgFlags::MSG_DONTWAIT,
    ) {
        Ok(0) => return Read::Gone,
        Ok(count) => connection.decoder.push(&buffer[..count]),
        Err(Errno::EAGAIN | Errno::EINTR) => return Read::Nothing,
        Err(_) => return Read::Gone,
    }
    match connection.decoder.next_message() {
        Ok(Some(message)) => Read::Message(message),
        Ok(None) if connection.decoder.pending() < REQUEST_MAX => Read::Nothing,
        Ok(None) | Err(_) => Read::Gone,
    }
}
