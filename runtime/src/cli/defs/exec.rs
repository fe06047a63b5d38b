//! `exec`.

use super::Kind::File as FILE;
use super::options::{CONSOLE_SOCKET, PID_FILE, PIDFD_SOCKET};
use super::{Command, Count, Kind, Operand, Support, opt};

pub(super) const EXEC: Command = Command {
    name: "exec",
    operands: "<container-id> <command> [args...] || --process FILE <container-id>",
    takes: &[Operand::Id, Operand::Line],
    count: Count::AtLeast(1),
    about: "start another process in a container",
    text: "Starts a program in a container that is created or running, as its own is started: with its user, environment,\n\
        capabilities, limits, labels and seccomp profile. The exit code is the program's, 128 and the signal's\n\
        number if a signal ended it, or 255 if it was not executed.\n\n    \
        # {name} exec test ps",
    options: &[
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        opt(
            "cwd",
            None,
            Kind::Text("DIR"),
            "start in DIR of the container",
        ),
        opt(
            "env",
            Some('e'),
            Kind::Text("NAME=VALUE"),
            "add this to the environment",
        )
        .repeated(),
        opt(
            "tty",
            Some('t'),
            Kind::Flag,
            "give it a terminal of its own",
        ),
        opt(
            "user",
            Some('u'),
            Kind::Text("UID[:GID]"),
            "run as this user",
        ),
        opt(
            "additional-gids",
            Some('g'),
            Kind::Number("GID"),
            "and in this group",
        )
        .repeated(),
        opt(
            "process",
            Some('p'),
            FILE,
            "take the process from this JSON file; of the other options those of the process are ignored",
        ),
        opt(
            "detach",
            Some('d'),
            Kind::Flag,
            "return when the program was executed",
        ),
        PID_FILE,
        opt(
            "process-label",
            None,
            Kind::Text("LABEL"),
            "run under this SELinux label",
        ),
        opt(
            "apparmor",
            None,
            Kind::Text("PROFILE"),
            "run under this AppArmor profile",
        ),
        opt(
            "no-new-privs",
            None,
            Kind::Flag,
            "it can gain no privileges by execve",
        ),
        opt(
            "cap",
            Some('c'),
            Kind::Text("CAP"),
            "add a capability, \"CAP_KILL\"",
        )
        .repeated(),
        opt(
            "preserve-fds",
            None,
            Kind::Number("N"),
            "pass N more descriptors, after stdio",
        )
        .or("0"),
        opt(
            "cgroup",
            None,
            Kind::Text("[CONTROLLERS:]PATH"),
            "run in this group below the container's, which must exist",
        )
        .repeated(),
        opt(
            "ignore-paused",
            None,
            Kind::Flag,
            "also in a paused container: it starts when that is resumed",
        ),
    ],
    status: Support::Yes,
};
