//! The commands that do something to a container that is there.

use super::{Command, Count, Kind, Operand, Support, opt};

pub(super) const DELETE: Command = Command {
    name: "delete",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "remove what a stopped container left",
    text: "Removes the container's cgroup and state. A container that has not stopped is refused, but with\n\
        --force, which kills it first and also removes what a creation that was killed half-way left.",
    options: &[opt(
        "force",
        Some('f'),
        Kind::Flag,
        "kill the container first (SIGKILL); no error if there is none",
    )],
    status: Support::Yes,
};

pub(super) const KILL: Command = Command {
    name: "kill",
    operands: "<container-id> [signal]",
    takes: &[Operand::Id, Operand::Signal],
    count: Count::Between(1, 2),
    about: "send a signal to a container's first process",
    text: "[signal] is a name with or without \"SIG\", in any case, or a number (default: SIGTERM):\n\n    \
        # {name} kill ubuntu01 KILL",
    options: &[opt(
        "all",
        Some('a'),
        Kind::Flag,
        "send it to every process of the container",
    )],
    status: Support::Yes,
};

pub(super) const PAUSE: Command = Command {
    name: "pause",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "freeze a container's processes",
    text: "Returns when every process of the container has stopped. \"{name} resume\" lets them go on; a signal\n\
        waits for that, but for SIGKILL.",
    options: &[],
    status: Support::Yes,
};

pub(super) const RESUME: Command = Command {
    name: "resume",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "let a paused container's processes go on",
    text: "The container must be paused.",
    options: &[],
    status: Support::Yes,
};
