//! `ps` and `events`: what goes on in a container.

use std::ffi::OsStr;
use std::time::Duration;

use super::super::duration::Parsed;
use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome, output};
use crate::container::{self, Event, Globals};
use crate::state::Id;

/// How often `events` looks.
const INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn ps(globals: &Globals, id: &Id, low: &LowArgs) -> Outcome {
    match low.text("format").map_or(Some("table"), OsStr::to_str) {
        Some("table") => {
            let args = low.operands.get(1..).unwrap_or_default();
            output::print_bytes(&container::ps(globals, id, args)?)
        }
        Some("json") => output::print(&output::pids(&container::processes(globals, id)?)),
        _ => {
            container::processes(globals, id)?;
            Err(Failure::new("invalid format option"))
        }
    }
}

pub(super) fn events(globals: &Globals, id: &Id, low: &LowArgs) -> Outcome {
    let interval = match low.duration("interval") {
        None => INTERVAL,
        Some(Parsed::Positive(interval)) if !interval.is_zero() => interval,
        Some(_) => {
            // As for every command, that there is no such container is said first.
            container::state(globals, id)?;
            return Err(Failure::new("duration interval must be greater than 0"));
        }
    };
    let line = |event: &Event| output::event(id, event);
    if low.flag("stats") {
        let stats = container::stats(globals, id)?;
        return output::print(&line(&Event::Stats(Box::new(stats))));
    }
    container::events(globals, id, interval, line)?;
    Ok(0)
}
