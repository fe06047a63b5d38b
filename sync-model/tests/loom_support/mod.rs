//! The modelled wire: bytes with a limit, an end, and the fate of init. One lock and one condition for all of it, since
//! a wait is for "something to read, or room to write, or an end", whichever comes.

use std::collections::VecDeque;

use loom::sync::{Arc, Condvar, Mutex};
use sync_model::driver::Error;
use sync_model::gate_driver::{Gateway, Visit};
use sync_model::table::States;
use sync_model::{Driver, Fate, Features, Message, Received, Recv, Sent, Transport};

/// A side was killed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
}

#[derive(Default)]
struct State {
    /// Two of each connection: to init, to the other.
    pipes: Vec<[Pipe; 2]>,
    fate: Option<Fate>,
    /// The next client that the gate looks at first, so that none is starved.
    next: usize,
}

/// Both wires of all connections, and the kernel's knowledge of init.
#[derive(Clone)]
pub struct Shared {
    state: Arc<Mutex<State>>,
    changed: Arc<Condvar>,
    room: usize,
}

impl Shared {
    fn new(connections: usize, room: usize) -> Shared {
        let pipes = (0..connections).map(|_| Default::default()).collect();
        let state = State {
            pipes,
            ..State::default()
        };
        Shared {
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(Condvar::new()),
            room,
        }
    }

    /// The kernel knows what became of init.
    pub fn set_fate(&self, fate: Fate) {
        self.state.lock().unwrap().fate = Some(fate);
        self.changed.notify_all();
    }
}

/// One end of a connection. Dropping it closes both ways.
pub struct End {
    shared: Shared,
    connection: usize,
    /// Index of the pipe that this end reads.
    reads: usize,
}

/// A connection: the creator's end, init's end, and what stands for the kernel.
pub fn pair(room: usize) -> (End, End, Shared) {
    let shared = Shared::new(1, room);
    let end = |reads| End {
        shared: shared.clone(),
        connection: 0,
        reads,
    };
    (end(1), end(0), shared.clone())
}

/// Clients of one gate, all connected.
pub fn crowd(count: usize) -> (Vec<End>, Crowd, Shared) {
    let shared = Shared::new(count, 64);
    let clients = (0..count)
        .map(|connection| End {
            shared: shared.clone(),
            connection,
            reads: 1,
        })
        .collect();
    let crowd = Crowd {
        shared: shared.clone(),
        open: vec![true; count],
    };
    (clients, crowd, shared)
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        for pipe in &mut state.pipes[self.connection] {
            pipe.closed = true;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Transport for End {
    type Error = Stop;

    fn send(&mut self, bytes: &[u8]) -> Result<Sent, Stop> {
        let mut state = self.shared.state.lock().unwrap();
        let pipe = &mut state.pipes[self.connection][1 - self.reads];
        if pipe.closed {
            return Ok(Sent::PeerGone);
        }
        let count = bytes.len().min(self.shared.room - pipe.bytes.len());
        pipe.bytes.extend(&bytes[..count]);
        drop(state);
        self.shared.changed.notify_all();
        Ok(Sent::Bytes(count))
    }

    fn recv(&mut self, buffer: &mut [u8], or_writable: bool) -> Result<Recv, Stop> {
        let mut state = self.shared.state.lock().unwrap();
        loop {
            let pipes = &mut state.pipes[self.connection];
            let room = pipes[1 - self.reads].bytes.len() < self.shared.room;
            let pipe = &mut pipes[self.reads];
            if !pipe.bytes.is_empty() {
                let count = buffer.len().min(pipe.bytes.len());
                for (slot, byte) in buffer.iter_mut().zip(pipe.bytes.drain(..count)) {
                    *slot = byte;
                }
                drop(state);
                self.shared.changed.notify_all();
                return Ok(Recv::Bytes(count));
            }
            if pipe.closed {
                return Ok(Recv::Eof);
            }
            if or_writable && room {
                return Ok(Recv::Writable);
            }
            state = self.shared.changed.wait(state).unwrap();
        }
    }

    fn fate(&mut self) -> Result<Fate, Stop> {
        // Init knows nothing of its peer but the end of the wire.
        if self.reads == 0 {
            return Ok(Fate::Unknown);
        }
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(fate) = state.fate {
                return Ok(fate);
            }
            state = self.shared.changed.wait(state).unwrap();
        }
    }
}

/// The gate's end of all its connections.
pub struct Crowd {
    shared: Shared,
    open: Vec<bool>,
}

impl Crowd {
    fn close_all(&mut self) {
        for client in 0..self.open.len() {
            self.close(u32::try_from(client).unwrap());
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.close_all();
    }
}

impl Gateway for Crowd {
    /// No client is left.
    type Error = Stop;

    fn wait(&mut self, buffer: &mut [u8]) -> Result<Visit, Stop> {
        let mut state = self.shared.state.lock().unwrap();
        loop {
            let count = self.open.len();
            for turn in 0..count {
                let client = (state.next + turn) % count;
                let number = u32::try_from(client).unwrap();
                if !self.open[client] {
                    continue;
                }
                let pipe = &mut state.pipes[client][0];
                if !pipe.bytes.is_empty() {
                    let count = buffer.len().min(pipe.bytes.len());
                    for (slot, byte) in buffer.iter_mut().zip(pipe.bytes.drain(..count)) {
                        *slot = byte;
                    }
                    state.next = client + 1;
                    return Ok(Visit::Bytes(number, count));
                }
                if pipe.closed {
                    self.open[client] = false;
                    return Ok(Visit::Gone(number));
                }
            }
            if !self.open.contains(&true) {
                return Err(Stop);
            }
            state = self.shared.changed.wait(state).unwrap();
        }
    }

    fn send(&mut self, client: u32, bytes: &[u8]) -> Result<Sent, Stop> {
        let mut state = self.shared.state.lock().unwrap();
        let pipe = &mut state.pipes[client as usize][1];
        if pipe.closed {
            return Ok(Sent::PeerGone);
        }
        pipe.bytes.extend(bytes);
        drop(state);
        self.shared.changed.notify_all();
        Ok(Sent::Bytes(bytes.len()))
    }

    fn close(&mut self, client: u32) {
        self.open[client as usize] = false;
        let mut state = self.shared.state.lock().unwrap();
        for pipe in &mut state.pipes[client as usize] {
            pipe.closed = true;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// A driver whose process is killed before its n-th step.
pub struct Mortal<D> {
    driver: D,
    left: usize,
}

impl<D> Mortal<D> {
    pub fn new(driver: D, left: usize) -> Mortal<D> {
        Mortal { driver, left }
    }

    fn live(&mut self) -> Result<&mut D, Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop)?;
        Ok(&mut self.driver)
    }
}

fn broken<T>(result: Result<T, Error<Stop>>) -> T {
    result.unwrap_or_else(|error| panic!("{error:?}"))
}

impl<S: States> Mortal<Driver<End, S>> {
    pub fn features(&self) -> Features {
        self.driver.machine().features()
    }

    pub fn send(&mut self, message: &Message) -> Result<(), Stop> {
        broken(self.live()?.send(message));
        Ok(())
    }

    pub fn flush(&mut self) -> Result<bool, Stop> {
        Ok(broken(self.live()?.flush()))
    }

    pub fn receive(&mut self) -> Result<Received, Stop> {
        Ok(broken(self.live()?.receive()))
    }
}
