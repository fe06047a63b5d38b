//! `process.env`.

use std::collections::BTreeSet;

use super::error::{Error, Result};
use super::json::Str;

/// Up to this many, comparing each with each is faster than a set.
const FEW: usize = 64;

/// The environment; of a name that comes twice the last stays, at its place, as in runc.
pub(super) fn plan(env: Option<Vec<Str<'_>>>) -> Result<Vec<String>> {
    let env = env.unwrap_or_default();
    for (index, entry) in env.iter().enumerate() {
        let why = match entry.find('=') {
            Some(0) => "environment variable name can't be empty",
            None => "invalid environment variable",
            Some(_) => continue,
        };
        return Err(Error::invalid(
            format!("process.env[{index}]"),
            format!("{why}: {:?}", &**entry),
        ));
    }
    let mut later = BTreeSet::new();
    let keep: Vec<bool> = if env.len() <= FEW {
        (0..env.len())
            .map(|index| {
                !env[index + 1..]
                    .iter()
                    .any(|other| name(other) == name(&env[index]))
            })
            .collect()
    } else {
        let mut keep: Vec<bool> = env
            .iter()
            .rev()
            .map(|entry| later.insert(name(entry)))
            .collect();
        keep.reverse();
        keep
    };
    drop(later);
    Ok(env
        .into_iter()
        .zip(keep)
        .filter(|(_, keep)| *keep)
        .map(|(entry, _)| entry.into_string())
        .collect())
}

fn name(entry: &str) -> &str {
    entry.split('=').next().unwrap_or(entry)
}
