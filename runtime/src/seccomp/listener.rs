//! The agent behind `listenerPath`: it gets the notify descriptor, and decides for the container from then on.
//!
//! Nothing here waits for ever: an agent that does not accept, or does not read, is an error after [`PATIENCE_S`].

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, connect, sendmsg};
use serde::Serialize;

use super::{Listener, Profile};
use crate::sys;

/// How long an agent may take to accept, and to read, in seconds.
pub const PATIENCE_S: u16 = 5;

/// The agent could not be given the descriptor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// Nobody there. runc's words.
    #[error(
        "failed to connect with seccomp agent specified in the seccomp profile: dial unix {path}: {source}"
    )]
    Connect {
        /// `listenerPath`
        path: String,
        /// The refusal.
        source: sys::Error,
    },
    /// It does not take it.
    #[error("cannot send the seccomp notify descriptor to the agent at {path}: {source}{}", hint(.source))]
    Send {
        /// `listenerPath`
        path: String,
        /// The refusal.
        source: sys::Error,
    },
    /// Init's descriptor cannot be had.
    #[error("cannot fetch the seccomp notify descriptor from init: {0}")]
    Fetch(#[from] sys::Error),
    /// Init hangs in a system call that the agent was asked about.
    #[error(
        "the seccomp agent at {path} has not answered for {PATIENCE_S} s a system call that container init needs to get to its program"
    )]
    Silent {
        /// `listenerPath`
        path: String,
    },
}

fn hint(error: &sys::Error) -> &'static str {
    match error.errno {
        Errno::EAGAIN => ": it does not read",
        _ => "",
    }
}

/// A connection to the agent.
#[derive(Debug)]
pub struct Agent {
    socket: OwnedFd,
    path: String,
}

/// The container process state of the runtime-spec (config-linux.md), as runc writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState<'a> {
    /// Of the specification that this follows.
    pub oci_version: &'a str,
    /// What the descriptors of the message are.
    pub fds: [&'a str; 1],
    /// Init, as the runtime sees it.
    pub pid: i32,
    /// `listenerMetadata`
    #[serde(skip_serializing_if = "str::is_empty")]
    pub metadata: &'a str,
    /// The container.
    pub state: State<'a>,
}

/// The container's state, as `state` would print it at this moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State<'a> {
    /// Of the specification that this follows.
    pub oci_version: &'a str,
    /// Its name.
    pub id: &'a str,
    /// `creating`; of a container in which `exec` starts a process, `running`.
    pub status: &'a str,
    /// Init.
    pub pid: i32,
    /// Absolute.
    pub bundle: &'a str,
    /// Of the config.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: &'a BTreeMap<String, String>,
}

/// The name of the notify descriptor in [`ContainerProcessState::fds`].
const SECCOMP_FD_NAME: &str = "seccompFd";

impl<'a> ContainerProcessState<'a> {
    /// What the agent of `profile` is told of the process `pid` of a container.
    pub fn new(profile: Option<&'a Profile>, pid: i32, state: State<'a>) -> Self {
        let listener = profile.and_then(|profile| profile.listener.as_ref());
        Self {
            oci_version: state.oci_version,
            fds: [SECCOMP_FD_NAME],
            pid,
            metadata: listener.map_or("", |listener| &listener.metadata),
            state,
        }
    }
}

impl Agent {
    /// Connects. To be done before anything is made: an agent that is not there is a mistake of the config.
    ///
    /// # Errors
    /// [`AgentError::Connect`]
    pub fn connect(listener: &Listener) -> Result<Self, AgentError> {
        let path = &listener.path;
        let failed = |source| AgentError::Connect {
            path: path.clone(),
            source,
        };
        let refused = |errno| failed(sys::Error::new("connect", "", errno));
        let address = UnixAddr::new(path.as_str()).map_err(refused)?;
        let socket = sys::socket::stream(PATIENCE_S).map_err(failed)?;
        connect(socket.as_raw_fd(), &address).map_err(refused)?;
        Ok(Self {
            socket,
            path: path.clone(),
        })
    }

    /// Sends the state and the descriptor in one message.
    ///
    /// # Errors
    /// [`AgentError::Send`]
    pub fn hand_over(
        &self,
        state: &ContainerProcessState<'_>,
        notify: BorrowedFd<'_>,
    ) -> Result<(), AgentError> {
        let failed = |errno| AgentError::Send {
            path: self.path.clone(),
            source: sys::Error::new("sendmsg", "", errno),
        };
        // Strings and numbers only: there is always a form.
        let json = serde_json::to_vec(state).map_err(|_| failed(Errno::EINVAL))?;
        let descriptors = [notify.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let (mut rest, mut with): (&[u8], &[_]) = (&json, &rights);
        let begin = Instant::now();
        while !rest.is_empty() {
            if begin.elapsed().as_secs() >= PATIENCE_S.into() {
                // A part was taken, and then no more.
                return Err(failed(Errno::EAGAIN));
            }
            let sent = sendmsg::<UnixAddr>(
                self.socket.as_raw_fd(),
                &[IoSlice::new(rest)],
                with,
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    with = &[];
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(())
    }

    /// Init hangs in a call that the agent was asked about.
    pub fn silent(&self) -> AgentError {
        AgentError::Silent {
            path: self.path.clone(),
        }
    }
}
