//! The commands: each makes valid arguments from what was read, calls `container`, prints.

mod create;
mod exec;
mod spec;
mod update;
mod watch;

use std::ffi::{OsStr, OsString};

use super::lowargs::LowArgs;
use super::{Failure, Outcome, Program, Signal, output};
use crate::container::{self, Globals};
use crate::state::{self, Id};

/// Carries out the command `name`.
pub(super) fn call(program: &Program, globals: &Globals, name: &str, low: &LowArgs) -> Outcome {
    match name {
        "create" => create::create(program, globals, low),
        "run" => create::run(program, globals, low),
        "exec" => exec::exec(globals, low),
        "start" => {
            container::start(globals, &id(low)?, notify_socket().as_deref())?;
            Ok(0)
        }
        "state" => output::print(&output::state(&container::state(globals, &id(low)?)?)),
        "kill" => {
            let id = id(low)?;
            // An empty word is none, as in runc.
            let signal = match low.operands.get(1).filter(|word| !word.is_empty()) {
                None => Signal::TERM,
                Some(word) => match Signal::parse(&word.to_string_lossy()) {
                    Ok(signal) => signal,
                    Err(text) => {
                        // That there is no such container is said first, as runc does.
                        container::state(globals, &id)?;
                        return Err(Failure::new(text));
                    }
                },
            };
            container::kill(globals, &id, signal, low.flag("all"))?;
            Ok(0)
        }
        "delete" => {
            container::delete(globals, &id(low)?, low.flag("force"))?;
            Ok(0)
        }
        "list" => list(globals, low),
        "pause" => {
            container::pause(globals, &id(low)?)?;
            Ok(0)
        }
        "resume" => {
            container::resume(globals, &id(low)?)?;
            Ok(0)
        }
        "ps" => watch::ps(globals, &id(low)?, low),
        "events" => watch::events(globals, &id(low)?, low),
        "update" => update::update(globals, &id(low)?, low),
        "spec" => spec::spec(low),
        "features" => output::print(&output::features()),
        // The table has no other command that is supported; a test says so.
        _ => Err(Failure::new(format!("no command {name:?}"))),
    }
}

/// Who is to hear of the container's readiness: sd_notify(3).
fn notify_socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
}

/// The first operand, a container's name.
fn id(low: &LowArgs) -> Result<Id, Failure> {
    let word = low
        .operands
        .first()
        .map_or(OsStr::new(""), |w| w.as_os_str());
    let text = word.to_str().ok_or(state::Error::InvalidId)?;
    Ok(Id::parse(text)?)
}

fn list(globals: &Globals, low: &LowArgs) -> Outcome {
    if low.flag("quiet") {
        let listed = container::names(globals)?;
        name_broken(&listed.broken);
        return output::print(&output::names(&listed.found));
    }
    let listed = container::list(globals)?;
    name_broken(&listed.broken);
    match low.text("format").map_or(Some("table"), OsStr::to_str) {
        Some("table") => output::print(&output::table(&listed.found)),
        Some("json") => output::print(&output::list_json(&listed.found)),
        _ => Err(Failure::new("invalid format option")),
    }
}

/// The containers that cannot be listed do not keep the others from being so.
fn name_broken(broken: &[(Id, container::Error)]) {
    for (id, error) in broken {
        crate::log::Sink::stderr().write(format!("load container {id}: {error}\n").as_bytes());
    }
}
