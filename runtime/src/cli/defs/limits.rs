//! `update`: an option for each limit.

use super::Kind::File as FILE;
use super::{Command, Count, Kind, Operand, Support, opt};

const BYTES: Kind = Kind::Text("BYTES");
const MICROS: Kind = Kind::Text("MICROSECONDS");

pub(super) const UPDATE: Command = Command {
    name: "update",
    operands: "<container-id>",
    takes: &[Operand::Id],
    count: Count::Exactly(1),
    about: "change a container's limits",
    text: "Limits that are not named stay as they are. If the kernel refuses one of them, those that were changed\n\
        before are set back.\n\n\
        BYTES may have a unit, 512k or 1.5g; -1 is \"no limit\". The file of --resources is an object as\n\
        linux.resources of config.json, of which these count:\n\n    \
        {\n      \
        \"memory\": {\"limit\": 0, \"reservation\": 0, \"swap\": 0, \"checkBeforeUpdate\": true},\n      \
        \"cpu\": {\"shares\": 0, \"quota\": 0, \"burst\": 0, \"period\": 0, \"realtimeRuntime\": 0,\n              \
        \"realtimePeriod\": 0, \"cpus\": \"\", \"mems\": \"\", \"idle\": 0},\n      \
        \"blockIO\": {\"weight\": 0},\n      \
        \"pids\": {\"limit\": 0},\n      \
        \"unified\": {\"memory.high\": \"max\"}\n    \
        }",
    options: &[
        opt(
            "resources",
            Some('r'),
            FILE,
            "read the limits from FILE (\"-\": standard input), not from options",
        ),
        opt(
            "blkio-weight",
            None,
            Kind::Number("N"),
            "weight of the block I/O, 10 to 1000",
        ),
        opt(
            "cpu-period",
            None,
            MICROS,
            "period of the CPU bandwidth limit",
        ),
        opt(
            "cpu-quota",
            None,
            MICROS,
            "CPU time that may be used in a period; -1 is no limit",
        ),
        opt(
            "cpu-burst",
            None,
            MICROS,
            "CPU time not used that may be used later, beyond the quota",
        ),
        opt(
            "cpu-share",
            None,
            Kind::Text("N"),
            "CPU shares, 2 to 262144",
        ),
        opt(
            "cpu-rt-period",
            None,
            MICROS,
            "period of the real-time limit (cgroup v1)",
        ),
        opt(
            "cpu-rt-runtime",
            None,
            MICROS,
            "real-time CPU time that may be used in its period (cgroup v1)",
        ),
        opt(
            "cpuset-cpus",
            None,
            Kind::Text("LIST"),
            "CPUs to run on, \"0-3,5\"",
        ),
        opt(
            "cpuset-mems",
            None,
            Kind::Text("LIST"),
            "memory nodes to allocate from",
        ),
        opt(
            "kernel-memory",
            None,
            BYTES,
            "accepted for compatibility; not used",
        )
        .hidden(),
        opt(
            "kernel-memory-tcp",
            None,
            BYTES,
            "accepted for compatibility; not used",
        )
        .hidden(),
        opt("memory", None, BYTES, "memory limit"),
        opt(
            "cpu-idle",
            None,
            Kind::OneOf("0|1", &["0", "1"]),
            "1: run only when nobody else wants the CPU (SCHED_IDLE)",
        ),
        opt(
            "memory-reservation",
            None,
            BYTES,
            "memory to be left with the container when memory is short",
        ),
        opt(
            "memory-swap",
            None,
            BYTES,
            "limit of memory and swap together",
        ),
        opt(
            "pids-limit",
            None,
            Kind::Number("N"),
            "most processes and threads; -1 is no limit",
        ),
        opt(
            "l3-cache-schema",
            None,
            Kind::Text("SCHEMA"),
            "Intel RDT/CAT: L3 cache schema (not supported yet)",
        ),
        opt(
            "mem-bw-schema",
            None,
            Kind::Text("SCHEMA"),
            "Intel RDT/MBA: memory bandwidth schema (not supported yet)",
        ),
    ],
    status: Support::Yes,
};
