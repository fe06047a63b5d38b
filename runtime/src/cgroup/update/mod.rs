//! Changing the limits of a container that is there: all of what is asked for, or nothing.
//!
//! What is asked for becomes a list of files and values ([`v1`], [`v2`]). A value that is there already is not written: lowering
//! a limit to itself would reclaim memory for nothing. The kernel checks each write against the other limits of the moment, so
//! that raising two of them wants one order and lowering them the other (memory and memory+swap, quota and period and
//! burst): what is refused as invalid is tried again after the rest, as long as that gets on.

mod v1;
mod v2;

use nix::errno::Errno;

use super::error::{Error, Result};
use super::file;
use super::path::CgroupPaths;
use crate::plan::Resources;

/// One file, and what is to be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    path: String,
    value: String,
    /// What is missing if the file is.
    needs: Needs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Needs {
    Controller(&'static str),
    /// A key of `unified`.
    Unified(String),
}

/// What was changed, and how it was.
#[derive(Debug, Default)]
#[must_use]
pub struct Updated(Vec<Was>);

#[derive(Debug)]
struct Was {
    path: String,
    /// `None`: the file could not be read.
    text: Option<String>,
}

/// Sets the limits that `resources` names, of those that [`crate::spec::limits`] reads; the others stay.
///
/// # Errors
/// What the kernel refused, or what cannot be; then the limits are as before, or the error says which are not.
pub fn update(paths: &CgroupPaths, resources: &Resources) -> Result<Updated> {
    let changes = match paths.get("") {
        Some(group) if paths.is_v2() => v2::changes(group, resources)?,
        _ => v1::changes(paths, resources)?,
    };
    let mut done = Updated::default();
    match carry_out(changes, &mut done) {
        Ok(()) => Ok(done),
        Err(cause) => Err(done.undo(cause)),
    }
}

/// The CPU weight of a container that is not idle: v1's shares, or v2's own measure. 0: it is idle, or nobody counts.
pub fn weight(paths: &CgroupPaths) -> u64 {
    let (group, name) = match paths.get("cpu") {
        Some(group) => (group, "cpu.shares"),
        None => (paths.get("").unwrap_or_default(), "cpu.weight"),
    };
    match number(&format!("{group}/cpu.idle")) {
        Some(1) => 0,
        _ => number(&format!("{group}/{name}")).unwrap_or(0),
    }
}

/// `resources`, and a [`weight`] from before.
pub fn with_weight(paths: &CgroupPaths, mut resources: Resources, weight: u64) -> Resources {
    if paths.is_v2() {
        let own = ("cpu.weight".to_owned(), weight.to_string());
        resources.unified.insert(0, own);
    } else {
        resources.cpu.shares = Some(weight);
    }
    resources
}

impl Updated {
    /// Sets everything back, because of `cause`. Returns it, with what could not be set back.
    pub fn undo(self, cause: Error) -> Error {
        match self.set_back() {
            None => cause,
            Some(left) => Error::Partly {
                cause: Box::new(cause),
                left,
            },
        }
    }

    /// Sets everything back. `Some`: the files that still have another value.
    pub fn set_back(self) -> Option<String> {
        let old = self.0.iter().rev().filter_map(|was| {
            let text = was.text.as_deref()?;
            // A table's first line is its default; and an empty write is none.
            let line = text.lines().next().unwrap_or_default();
            Some(Change {
                path: was.path.clone(),
                value: if line.is_empty() { "\n" } else { line }.to_owned(),
                needs: Needs::Controller(""),
            })
        });
        // What the kernel refuses is seen below.
        let _ = carry_out(old.collect(), &mut Updated::default());
        let left: Vec<String> = (self.0.iter())
            .filter_map(|was| {
                let now = file::read_line(&was.path).ok();
                (was.text.is_none() || was.text != now).then(|| {
                    let now = now.unwrap_or_default();
                    format!("{} is {:?}", was.path, now.trim_end())
                })
            })
            .collect();
        (!left.is_empty()).then(|| left.join(", "))
    }
}

fn carry_out(mut pending: Vec<Change>, done: &mut Updated) -> Result<()> {
    loop {
        let (count, mut refused) = (pending.len(), None);
        let mut again = Vec::new();
        for change in pending {
            match write(&change, done) {
                Err(Error::Write { source, value }) if source.errno == Errno::EINVAL => {
                    refused.get_or_insert(Error::Write { source, value });
                    again.push(change);
                }
                written => written?,
            }
        }
        match refused {
            None => return Ok(()),
            Some(error) if again.len() == count => return Err(error),
            Some(_) => pending = again,
        }
    }
}

fn write(change: &Change, done: &mut Updated) -> Result<()> {
    let path = &change.path;
    let text = file::read_line(path).ok();
    if text.as_deref().map(str::trim_end) == Some(change.value.as_str()) {
        return Ok(());
    }
    // Goes with being idle, and does not come back with it.
    let weight = path.strip_suffix("/cpu.idle").and_then(|group| {
        let names = ["cpu.shares", "cpu.weight"];
        let mut paths = names.iter().map(|name| format!("{group}/{name}"));
        paths.find_map(|path| {
            let text = file::read_line(&path).ok();
            text.is_some().then_some(Was { path, text })
        })
    });
    match file::write_file(path, &change.value) {
        Ok(()) => {
            done.0.extend(weight);
            done.0.push(Was {
                path: path.clone(),
                text,
            });
            Ok(())
        }
        Err(Error::Write { source, .. }) if source.errno == Errno::ENOENT => {
            Err(match &change.needs {
                Needs::Controller(controller) => Error::NoController { controller },
                Needs::Unified(key) => Error::UnifiedController {
                    controller: key.split('.').next().unwrap_or_default().to_owned(),
                    key: key.clone(),
                },
            })
        }
        Err(Error::Write { source, value })
            if source.errno == Errno::EBUSY && path.ends_with("/memory.limit_in_bytes") =>
        {
            let group = path.trim_end_matches("/memory.limit_in_bytes");
            let count = |name: &str| number(&format!("{group}/{name}")).unwrap_or(0);
            Err(Error::MemoryInUse {
                limit: value.parse().unwrap_or(0),
                usage: count("memory.usage_in_bytes"),
                peak: count("memory.max_usage_in_bytes"),
                source,
            })
        }
        refused => refused,
    }
}

/// The number in a file; `None`: no such file, or "max".
fn number(path: &str) -> Option<u64> {
    file::read_line(path).ok()?.trim_end().parse().ok()
}

/// A number that is not runc's "not set".
fn set<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// A text that is not empty.
fn given(value: Option<&String>) -> Option<&String> {
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
