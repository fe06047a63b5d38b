//! What a runtime does not pass, with the reason. A check that passes and is here fails the whole: the list of ours only shrinks.

use crate::OURS;
use crate::checks;
use crate::engine::Kind;

/// Which checks of an engine. (A list without one of the kinds is a good list.)
#[allow(dead_code)]
pub enum Which {
    /// These.
    Only(&'static [&'static str]),
    /// All but these.
    AllBut(&'static [&'static str]),
}
use Which::{AllBut, Only};

/// Engine, checks, what is missing.
pub const NOT_YET: &[(Kind, Which, &str)] = &[];

const WORDS: &str = "the exit status is runc's, the words are others";
const STATUS: &str = "the engine goes by runc's words: another exit status";

/// The same of Debian's crun 1.8.1, on version 1 controllers.
pub const NOT_CRUN: &[(Kind, Which, &str)] = &[
    (Kind::Podman, Only(WORDS_OF_PODMAN), WORDS),
    (Kind::PodmanUser, Only(WORDS_OF_PODMAN), WORDS),
    (
        Kind::Docker,
        Only(&[
            "run: not found is 127",
            "run: not executable is 126",
            "run: a working directory that is none",
            "exec: not found, not executable",
        ]),
        STATUS,
    ),
    (Kind::Docker, Only(&["privileged"]), WORDS),
    (
        Kind::Cri,
        Only(&["start: not found", "ExecSync"]),
        "the words of a program that is not found are others",
    ),
    (
        Kind::Containerd,
        Only(&["run: not found, not executable", "tasks exec"]),
        WORDS,
    ),
];

const WORDS_OF_PODMAN: &[&str] = &[
    "run: not found is 127",
    "run: not executable is 126",
    "run: a working directory that is none",
    "exec: not found, not executable",
    "buildah run",
];

/// What this check lacks, if it may fail.
pub fn reason(kind: Kind, runtime: &str, check: &str) -> Option<&'static str> {
    match runtime {
        OURS => find(NOT_YET, kind, check),
        "crun" if !integration::is_v2() => of_crun(kind, check),
        _ => None,
    }
}

/// Why crun does not pass it on version 1 controllers.
pub fn of_crun(kind: Kind, check: &str) -> Option<&'static str> {
    find(NOT_CRUN, kind, check)
}

type List = &'static [(Kind, Which, &'static str)];

fn find(list: List, kind: Kind, check: &str) -> Option<&'static str> {
    let has = |which: &Which| match which {
        Only(names) => names.contains(&check),
        AllBut(names) => !names.contains(&check),
    };
    list.iter()
        .find(|(k, which, _)| *k == kind && has(which))
        .map(|(_, _, reason)| *reason)
}

/// Entries for checks that are no more: they would stay for ever.
pub fn stale() -> Vec<String> {
    let mut found = Vec::new();
    for (kind, which, _) in NOT_YET.iter().chain(NOT_CRUN) {
        let (Only(names) | AllBut(names)) = which;
        for name in *names {
            let there = checks::ALL
                .iter()
                .any(|c| c.name == *name && (c.on.any.contains(kind) || c.on.v2.contains(kind)));
            if !there {
                found.push(format!("{kind} has no check {name:?}"));
            }
        }
    }
    found
}
