//! The commands that print, or write a file to start from.

use super::Kind::Dir as DIR;
use super::options::FORMAT;
use super::{Command, Count, Kind, Operand, Support, opt};

pub(super) const EVENTS: Command = Command {
    name: "events",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "show a container's resource statistics and events",
    text: "Prints one line of JSON for each look at the container's statistics, and one when the kernel has found it\n\
        out of memory, until the container ends.",
    options: &[
        opt(
            "interval",
            None,
            Kind::Duration("DURATION"),
            "look every DURATION, \"500ms\" or \"1m30s\"",
        )
        .or("5s"),
        opt("stats", None, Kind::Flag, "look once, and do not wait"),
    ],
    status: Support::Yes,
};

pub(super) const LIST: Command = Command {
    name: "list",
    operands: "",
    takes: &[],
    count: Count::Exactly(0),
    about: "list the containers below --root",
    text: "One line a container. A container whose state cannot be read is named on stderr.",
    options: &[
        FORMAT,
        opt("quiet", Some('q'), Kind::Flag, "print the names only"),
    ],
    status: Support::Yes,
};

pub(super) const PS: Command = Command {
    name: "ps",
    operands: "<container-id> [ps options]",
    takes: &[Operand::Id, Operand::Line],
    count: Count::Between(1, usize::MAX),
    about: "list a container's processes",
    text: "Calls the host's ps with [ps options] (default: -ef), and shows the lines of the container's processes.\n\
        What follows <container-id> is for ps. With --format json it prints the pids only.",
    options: &[FORMAT],
    status: Support::Yes,
};

pub(super) const STATE: Command = Command {
    name: "state",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "print a container's state",
    text: "Prints the state object of the OCI runtime specification, as JSON.",
    options: &[],
    status: Support::Yes,
};

pub(super) const FEATURES: Command = Command {
    name: "features",
    operands: "",
    takes: &[],
    count: Count::Exactly(0),
    about: "print what this runtime supports",
    text: "Prints the features object of the OCI runtime specification, as JSON.",
    options: &[],
    status: Support::Yes,
};

pub(super) const SPEC: Command = Command {
    name: "spec",
    operands: "",
    takes: &[],
    count: Count::Exactly(0),
    about: "write a config.json to start from",
    text: "Writes config.json into the bundle; one that is there already is left, and is an error. Its program\n\
        is \"sh\" in a read-only root.\n\n\
        With --busybox the bundle is complete: rootfs/ gets the host's static busybox with a link for each\n\
        of its programs, and process.terminal is false, so that the container takes the caller's stdin and\n\
        stdout as they are, be they a terminal or not:\n\n    \
        # {name} spec --busybox\n    \
        # echo 'ls /' | {name} run test",
    options: &[
        opt("bundle", Some('b'), DIR, "where to write").or("the current directory"),
        opt(
            "rootless",
            None,
            Kind::Flag,
            "for a container that an unprivileged user can start",
        ),
        opt(
            "busybox",
            None,
            Kind::Flag,
            "also lay a root filesystem with busybox into rootfs/, which must be empty or missing",
        ),
    ],
    status: Support::Yes,
};
