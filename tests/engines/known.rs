//! What runc-rs does not pass yet, with the reason. A check that passes and is here fails the whole: the list only shrinks.

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

/// What this check lacks, if it may fail.
pub fn reason(kind: Kind, runtime: &str, check: &str) -> Option<&'static str> {
    let has = |which: &Which| match which {
        Only(names) => names.contains(&check),
        AllBut(names) => !names.contains(&check),
    };
    NOT_YET
        .iter()
        .find(|(k, which, _)| runtime == OURS && *k == kind && has(which))
        .map(|(_, _, reason)| *reason)
}

/// Entries for checks that are no more: they would stay for ever.
pub fn stale() -> Vec<String> {
    let mut found = Vec::new();
    for (kind, which, _) in NOT_YET {
        let (Only(names) | AllBut(names)) = which;
        for name in *names {
            let there = checks::ALL
                .iter()
                .any(|c| c.name == *name && c.on.contains(kind));
            if !there {
                found.push(format!("{kind} has no check {name:?}"));
            }
        }
    }
    found
}
