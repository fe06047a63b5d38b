//! The commands that make a container and start its program.

use super::options::{
    BUNDLE, CONSOLE_SOCKET, EXPLAIN, NO_KEYRING, NO_PIVOT, PID_FILE, PIDFD_SOCKET, PRESERVE, TRACE,
};
use super::{Command, Count, Kind, Operand, Support, opt};

/// The text that `create` and `run` share.
const CREATE_TEXT: &str = "Makes the container that the bundle's config.json describes, up to the point where its program\n\
    could start: namespaces, cgroup, mounts. \"{name} start\" then starts the program.";
const RUN_TEXT: &str = "Makes the container that the bundle's config.json describes, starts its program, waits for its end\n\
    and removes the container. The exit code is the program's; 128 and the signal's number if a signal\n\
    ended it. With --detach it returns when the program has started, and \"{name} delete\" removes it.\n\n\
    A first container, without an image:\n\n    \
    # mkdir test && cd test\n    \
    # {name} spec --busybox\n    \
    # {name} run test";

pub(super) const CREATE: Command = Command {
    name: "create",
    operands: "<container-id>",
    takes: &[Operand::NewId],
    count: Count::Exactly(1),
    about: "make a container",
    text: CREATE_TEXT,
    options: &[
        BUNDLE,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        PID_FILE,
        NO_PIVOT,
        NO_KEYRING,
        PRESERVE,
        EXPLAIN,
        TRACE,
    ],
    status: Support::Yes,
};

pub(super) const RUN: Command = Command {
    name: "run",
    operands: "<container-id>",
    takes: &[Operand::NewId],
    count: Count::Exactly(1),
    about: "make a container, start it, and wait for its end",
    text: RUN_TEXT,
    options: &[
        BUNDLE,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        opt(
            "detach",
            Some('d'),
            Kind::Flag,
            "return when the container's program has started",
        ),
        opt(
            "keep",
            None,
            Kind::Flag,
            "do not remove the container when it has stopped",
        ),
        PID_FILE,
        opt(
            "no-subreaper",
            None,
            Kind::Flag,
            "do not adopt the container's orphans",
        ),
        NO_PIVOT,
        NO_KEYRING,
        PRESERVE,
        EXPLAIN,
        TRACE,
    ],
    status: Support::Yes,
};

pub(super) const START: Command = Command {
    name: "start",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "start the program of a created container",
    text: "Returns when the program was executed, or with the error that kept it from it.",
    options: &[],
    status: Support::Yes,
};

pub(super) const INIT: Command = Command {
    name: "init",
    operands: "",
    takes: &[],
    count: Count::Any,
    about: "what a container's init executes",
    text: "",
    options: &[],
    status: Support::Internal,
};
