//! What a command line asks for, parsed: the border between `cli` (text) and the operations of this module.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use sync_model::lifecycle::Status;

use crate::state::Id;
use crate::sys;

/// The options before the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals {
    /// `--root`: the directory of the state directories. Absolute, never `/`.
    pub root: PathBuf,
    /// It is the caller's own, in `$XDG_RUNTIME_DIR`.
    pub own_root: bool,
    /// `--debug`: also log at level `debug`.
    pub debug: bool,
    /// `--log`: the log goes to this file, instead of stderr.
    pub log: Option<PathBuf>,
    /// `--log-format`
    pub log_format: LogFormat,
    /// `--systemd-cgroup`
    pub systemd_cgroup: bool,
    /// `--rootless`
    pub rootless: Rootless,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// logrus' `time="..." level=error msg="..."`
    #[default]
    Text,
    /// logrus' `{"level":"error","msg":"...","time":"..."}`
    Json,
}

/// `--rootless`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rootless {
    /// `auto`: for a caller who is not root, or root of a user namespace only.
    #[default]
    Auto,
    /// `true`
    Yes,
    /// `false`
    No,
}

impl Rootless {
    /// Are cgroups done without that the caller may not make? Known without a look at the caller's user namespace; `None`:
    /// [`Rootless::tolerates`] looks, when something was refused.
    pub fn known(self) -> Option<bool> {
        match self {
            Rootless::Auto => (sys::euid() != 0).then_some(true),
            Rootless::Yes => Some(true),
            Rootless::No => Some(false),
        }
    }

    /// Are cgroups done without that the caller may not make? runc's rule.
    pub fn tolerates(self) -> bool {
        self.known().unwrap_or_else(sys::userns::is_inside)
    }
}

/// `create` and `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateArgs {
    /// The new container's name.
    pub id: Id,
    /// `--bundle`, absolute; the current directory when not given. Not looked at yet.
    pub bundle: PathBuf,
    /// `--console-socket`: a stream socket that gets the terminal's master.
    pub console_socket: Option<PathBuf>,
    /// `--pidfd-socket`: a stream socket that gets a pidfd of the container's process.
    pub pidfd_socket: Option<PathBuf>,
    /// `--pid-file`: gets init's pid, in decimal, without a newline.
    pub pid_file: Option<PathBuf>,
    /// `--no-pivot`
    pub no_pivot: bool,
    /// `--no-new-keyring`
    pub no_new_keyring: bool,
    /// How many descriptors from 3 go to the container: those of `$LISTEN_FDS`, then those of `--preserve-fds`.
    pub preserve_fds: u32,
    /// How many of them are sockets that systemd has passed to this process (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// `$NOTIFY_SOCKET`: who hears of the container's readiness.
    pub notify: Option<OsString>,
    /// `run --detach`; always false for `create`, which is detached by nature.
    pub detach: bool,
    /// `run --keep`: leave the stopped container.
    pub keep: bool,
    /// `run --no-subreaper`
    pub no_subreaper: bool,
    /// `--explain`: draw the handshake on stderr as it happens.
    pub explain: bool,
    /// `--trace`: write the handshake's events to this file, for a trace viewer.
    pub trace: Option<PathBuf>,
}

/// `exec`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecArgs {
    /// `--process`; the options up to `apparmor` are not looked at then.
    pub process: Option<PathBuf>,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `--env`
    pub env: Vec<String>,
    /// `--cwd`
    pub cwd: Option<String>,
    /// `--tty`
    pub tty: bool,
    /// `--user`, as given.
    pub user: Option<String>,
    /// `--additional-gids`
    pub gids: Vec<i64>,
    /// `--cap`
    pub caps: Vec<String>,
    /// `--no-new-privs`
    pub no_new_privs: Option<bool>,
    /// `--process-label`
    pub process_label: Option<String>,
    /// `--apparmor`
    pub apparmor: Option<String>,
    /// `--console-socket`; a relative one is below the container's bundle.
    pub console_socket: Option<PathBuf>,
    /// `--pidfd-socket`; the same.
    pub pidfd_socket: Option<PathBuf>,
    /// `--pid-file`
    pub pid_file: Option<PathBuf>,
    /// `--detach`
    pub detach: bool,
    /// `--preserve-fds`
    pub preserve_fds: u32,
    /// `--cgroup`, as given.
    pub cgroups: Vec<String>,
    /// `--ignore-paused`
    pub ignore_paused: bool,
}

/// One container, as `state` and `list` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateView {
    /// The version of the specification that the state follows: the runtime's, not the config's, as in runc.
    pub oci_version: String,
    /// Its name.
    pub id: String,
    /// Init's pid in the caller's pid namespace; 0 when stopped.
    pub pid: i32,
    /// From the kernel.
    pub status: Status,
    /// Absolute.
    pub bundle: String,
    /// Absolute.
    pub rootfs: String,
    /// RFC 3339 with nanoseconds, UTC.
    pub created: String,
    /// The config's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The state directory's owner, for `list`; `state` prints an empty owner, as runc does.
    pub owner: u32,
}
