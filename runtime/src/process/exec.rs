//! `exec`'s half of its handshake: `sync_model::ExecCreator` on the wire.
//!
//! The process is started outside of the container, but for the cgroup; it joins the namespaces itself, when nobody in them can
//! look into it any more (CVE-2016-9962), and is then born once more where there is a pid namespace. See [`super::birth`].

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};
use sync_model::Message;
use sync_model::exec::ExecCreatorState;

use super::creator::{Creator, Error, HandOver, Watch, silent};
use super::spawn::{ARGS, InitFds};
use crate::cgroup::Entrance;
use crate::plan::{Execution, ProcessPlan};
use crate::seccomp::listener::{Agent, PATIENCE_S};
use crate::sys::clone::{Child, Spawn, spawn_in};
use crate::sys::close::Batch;
use crate::sys::{self, Result, sealed_exe};

/// The payload of `Config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecConfig {
    /// The program.
    pub process: ProcessPlan,
    /// How the kernel runs it.
    pub execution: Execution,
    /// The name of the session keyring to join.
    pub keyring: Option<String>,
    /// setgroups(2) is not denied there.
    pub may_setgroups: bool,
    /// The CPUs to run on; empty: those of the cgroup.
    pub cpus: Vec<u64>,
    /// Is there a console socket among the descriptors?
    pub console: bool,
    /// Is the host's /proc among them?
    pub proc: bool,
}

impl ExecConfig {
    /// As bytes (postcard).
    ///
    /// # Errors
    /// None in practice: every type of the plan has a form.
    pub fn encode(&self) -> std::result::Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(self)
    }

    /// From the bytes of [`ExecConfig::encode`]; all of them must be used.
    ///
    /// # Errors
    /// Where the bytes are not such a payload.
    pub fn decode(bytes: &[u8]) -> std::result::Result<Self, postcard::Error> {
        match postcard::take_from_bytes(bytes)? {
            (config, []) => Ok(config),
            _ => Err(postcard::Error::DeserializeUnexpectedEnd),
        }
    }
}

/// What the process gets besides the wire.
#[derive(Debug)]
pub struct Gifts<'a> {
    /// The container's init.
    pub init: BorrowedFd<'a>,
    /// The namespaces of init to join.
    pub kinds: u64,
    /// The socket that the terminal goes to.
    pub console: Option<OwnedFd>,
    /// The host's /proc.
    pub proc: Option<OwnedFd>,
    /// How many descriptors of the caller.
    pub preserved: u32,
}

/// Starts the process in the container's cgroups; and this side's end of the wire. What it got is closed here.
///
/// # Errors
/// That of the call that failed; nothing is left, and the gifts are there for another attempt.
pub fn start(gifts: &mut Gifts<'_>, cgroups: &mut Entrance) -> Result<(Child, OwnedFd)> {
    let (wire, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(|errno| sys::Error::new("socketpair", "the wire to exec's process", errno))?;
    let program = sealed_exe()?;
    let fds: Vec<BorrowedFd<'_>> = [Some(theirs.as_fd()), Some(gifts.init)]
        .into_iter()
        .chain([
            gifts.console.as_ref().map(AsFd::as_fd),
            gifts.proc.as_ref().map(AsFd::as_fd),
        ])
        .flatten()
        .collect();
    let init_fds = InitFds {
        preserved: gifts.preserved,
    };
    let word = |text: String| CString::new(text).unwrap_or_default();
    let preserved = word(gifts.preserved.to_string());
    let kinds = word(format!("{:x}", gifts.kinds));
    let args: Vec<&CStr> = ARGS.into_iter().chain([&*preserved, &*kinds]).collect();
    let what = Spawn {
        namespaces: 0,
        twice: false,
        user: false,
        join: &[],
        cgroup: cgroups.v2(),
        program: program.as_fd(),
        args: &args,
        env: &[],
        first: init_fds.wire(),
        fds: &fds,
    };
    let child = spawn_in(&what, &cgroups.tasks()).map_err(explain)?;
    let mut used = Batch::with_capacity(16);
    [
        Some(theirs),
        Some(program),
        gifts.console.take(),
        gifts.proc.take(),
    ]
    .into_iter()
    .flatten()
    .for_each(|fd| used.push(fd));
    cgroups.close_with(&mut used);
    Ok((child, wire))
}

/// What the kernel's answer to a birth in a group most likely means.
fn explain(mut error: sys::Error) -> sys::Error {
    let why = match error.errno {
        Errno::EBUSY => {
            " in its cgroup, which passes controllers on (cgroup.subtree_control), so no process can be in it"
        }
        Errno::EOPNOTSUPP => " in its cgroup, which is invalid, or threaded (cgroup.type)",
        Errno::EAGAIN => "; see the container's pids limit, and RLIMIT_NPROC",
        _ => return error,
    };
    if error.call == "clone3" {
        error.object = format!("exec's process{why}");
    }
    error
}

impl<O: Watch> Creator<O, ExecCreatorState> {
    /// `Run` with the seccomp filter (empty: none), until the program is executed. `notify` gets the notify descriptor, if the
    /// filter has a listener.
    ///
    /// # Errors
    /// What ended the process, or `notify`.
    pub fn execute(
        &mut self,
        filter: Vec<u8>,
        notify: Option<(&Agent, HandOver<'_>)>,
    ) -> std::result::Result<(), Error> {
        self.filtered = !filter.is_empty();
        self.driver.send(&Message::Run(filter))?;
        self.doing = "capabilities and user";
        let Some((agent, hand_over)) = notify else {
            return self.wait_executed(None, 0);
        };
        self.doing = "the seccomp filter and its notify descriptor";
        // The listener may be asked about the process's next call, and not answer.
        self.driver.transport().set_patience(PATIENCE_S.into());
        let paused = self.paused.take();
        let done = self.pass_notify(hand_over);
        let done = done.map_err(|error| match paused.is_some_and(|paused| paused()) {
            true => Error::Paused,
            false => silent(agent, error),
        });
        done?;
        self.driver.send(&Message::SeccompFdTaken)?;
        self.wait_executed(Some(agent), 0)
    }
}

/// The error of a process that was refused at `stage`: the text that `exec` prints.
pub fn refused(stage: super::birth::Stage, errno: i32) -> sys::Error {
    use super::birth::Stage;
    let errno = Errno::from_raw(errno);
    match stage {
        Stage::Born | Stage::Prepare => sys::Error::new("open", "/proc/self/status", errno),
        Stage::Join => sys::Error::new("setns", "the container's namespaces", errno),
        Stage::Root => {
            sys::Error::new("setresuid", "root of the container's user namespace", errno)
        }
        Stage::Birth => sys::Error::new("clone3", "in the container's pid namespace", errno),
    }
}
