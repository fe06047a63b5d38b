//! The options before the command, and those that several commands have.

use super::Kind::{Dir as DIR, File as FILE};
use super::{Kind, Opt, opt};

/// Every command takes it.
pub static HELP: Opt = opt("help", Some('h'), Kind::Flag, "show this help");

/// The options before the command.
pub static GLOBAL: &[Opt] = &[
    opt("debug", None, Kind::Flag, "log at level debug too"),
    opt(
        "log",
        None,
        FILE,
        "append the log to FILE, which is made when missing",
    )
    .or("stderr"),
    opt(
        "log-format",
        None,
        Kind::OneOf("FORMAT", &["text", "json"]),
        "log lines as \"text\" or \"json\"",
    )
    .or("\"text\""),
    opt(
        "root",
        None,
        DIR,
        "keep the containers' state below DIR, best on a tmpfs",
    )
    .or("\"/run/runc-rs\"")
    .env("XDG_RUNTIME_DIR"),
    opt("criu", None, FILE, "accepted for compatibility; not used").hidden(),
    opt(
        "systemd-cgroup",
        None,
        Kind::Flag,
        "let systemd manage the cgroup; cgroupsPath is then \"slice:prefix:name\"",
    ),
    opt(
        "rootless",
        None,
        Kind::OneOf("BOOL", &["true", "false", "auto"]),
        "\"true\", \"false\" or \"auto\": tolerate that cgroups may not be writable",
    )
    .or("\"auto\""),
    opt("version", Some('v'), Kind::Flag, "print the version"),
];

pub(super) const BUNDLE: Opt = opt(
    "bundle",
    Some('b'),
    DIR,
    "the bundle: config.json and usually the rootfs",
)
.or("the current directory");
pub(super) const CONSOLE_SOCKET: Opt = opt(
    "console-socket",
    None,
    FILE,
    "send the terminal's master to this unix socket",
);
pub(super) const PIDFD_SOCKET: Opt = opt(
    "pidfd-socket",
    None,
    FILE,
    "send a pidfd of the process to this unix socket",
);
pub(super) const PID_FILE: Opt = opt(
    "pid-file",
    None,
    FILE,
    "write the pid of the container's process to FILE",
);
pub(super) const NO_PIVOT: Opt = opt(
    "no-pivot",
    None,
    Kind::Flag,
    "move the root mount and chroot instead of pivot_root, for a rootfs on a ramdisk",
);
pub(super) const NO_KEYRING: Opt = opt(
    "no-new-keyring",
    None,
    Kind::Flag,
    "stay in the caller's session keyring instead of making one",
);
pub(super) const PRESERVE: Opt = opt(
    "preserve-fds",
    None,
    Kind::Number("N"),
    "pass N more descriptors, after stdio and $LISTEN_FDS",
)
.or("0");
pub(super) const EXPLAIN: Opt = opt(
    "explain",
    None,
    Kind::Flag,
    "draw the handshake with the container's init on stderr, as it happens",
);
pub(super) const TRACE: Opt = opt(
    "trace",
    None,
    FILE,
    "write the handshake's events to FILE, for a trace viewer (Chrome JSON)",
);
pub(super) const FORMAT: Opt = opt(
    "format",
    Some('f'),
    Kind::OneOf("FORMAT", &["table", "json"]),
    "\"table\" or \"json\"",
)
.or("\"table\"");
