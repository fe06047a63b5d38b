//! The command line: from words to one call into `container`, and from its result to text and exit status.
//!
//! `defs` is the table of commands, `lowargs` reads a line by it, `cmd` turns what was read into arguments that are
//! valid, and `output` prints what runc prints.

mod busybox;
mod bytes;
mod cmd;
pub mod defs;
mod duration;
pub mod help;
pub mod lowargs;
mod output;
mod root;
mod signal;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::container::{Globals, LogFormat, Rootless};
use crate::log;
use defs::{Command, Count, GLOBAL, Support};
use lowargs::{LowArgs, Order};

pub use signal::Signal;

/// The version that this runtime reports.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, if the builder says it.
pub(crate) const COMMIT: Option<&str> = option_env!("RUNC_RS_COMMIT");
/// The newest version of the runtime specification that it follows.
pub const SPEC_VERSION: &str = crate::spec::VERSION;

/// A command that failed: its exit status, and the error line.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: i32,
    text: String,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self {
            code: 1,
            text: text.into(),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// What a command gives: its exit status, or why it failed.
type Outcome = Result<i32, Failure>;

/// How the program was called.
#[derive(Debug, Clone)]
struct Program {
    /// `argv[0]`, which starts the lines on operands.
    argv0: String,
    /// What the program calls itself.
    name: &'static str,
}

impl Program {
    /// A link `runc` to this program makes it print what runc prints, name included.
    fn new(argv0: &OsStr) -> Self {
        let base = Path::new(argv0).file_name();
        Self {
            argv0: argv0.to_string_lossy().into_owned(),
            name: if base == Some(OsStr::new("runc")) {
                "runc"
            } else {
                "runc-rs"
            },
        }
    }
}

/// Runs the command line `args` (the first is the program's name). Returns the exit status.
pub fn main(mut args: impl Iterator<Item = OsString>) -> i32 {
    let program = Program::new(&args.next().unwrap_or_else(|| "runc-rs".into()));
    match dispatch(&program, args) {
        Ok(code) => code,
        Err(failure) => {
            log::fatal(&failure.text);
            failure.code
        }
    }
}

fn dispatch(program: &Program, words: impl Iterator<Item = OsString>) -> Outcome {
    let low = match LowArgs::parse(GLOBAL, Order::Strict, words) {
        Ok(low) => low,
        Err(text) => {
            output::print(&format!(
                "Incorrect Usage. {text}\n\n{}",
                help::program(program.name)
            ))?;
            return Err(Failure::new(text));
        }
    };
    if low.flag("help") {
        return output::print(&help::program(program.name));
    }
    if low.flag("version") {
        return output::print(&output::version(program.name));
    }
    let globals = globals(&low)?;
    log::init(globals.log.as_deref(), globals.log_format, globals.debug)?;
    if globals.own_root {
        root::make(&globals.root)?;
    }
    let mut operands = low.operands.into_iter();
    let word = operands.next().unwrap_or_default();
    match word.as_bytes() {
        b"" => output::print(&help::program(program.name)),
        b"help" | b"h" => match operands.next() {
            None => output::print(&help::program(program.name)),
            Some(topic) => output::print(&help::command(program.name, find(&topic)?)),
        },
        _ => command(program, &globals, find(&word)?, operands),
    }
}

fn find(word: &OsStr) -> Result<&'static Command, Failure> {
    Command::find(word.as_bytes()).ok_or_else(|| Failure {
        code: 3,
        // runc's line ends in a newline too.
        text: format!("No help topic for '{}'\n", word.to_string_lossy()),
    })
}

fn command(
    program: &Program,
    globals: &Globals,
    command: &'static Command,
    words: impl Iterator<Item = OsString>,
) -> Outcome {
    let name = command.name;
    match command.status {
        Support::Yes => {}
        Support::NotYet => {
            return Err(Failure::new(format!(
                "{}: {name:?} is not supported yet",
                program.argv0
            )));
        }
        Support::Internal => {
            return Err(Failure::new(format!(
                "{}: {name:?} is for this program itself",
                program.argv0
            )));
        }
    }
    let order = match command.is_strict() {
        true => Order::Strict,
        false => Order::Free,
    };
    let low = match LowArgs::parse(command.options, order, words) {
        Ok(low) => low,
        Err(text) => {
            output::print(&format!(
                "Incorrect Usage: {text}\n\n{}",
                help::command(program.name, command)
            ))?;
            return Err(Failure::new(text));
        }
    };
    if low.flag("help") {
        return output::print(&help::command(program.name, command));
    }
    if let Some(wrong) = count_error(command.count, low.operands.len()) {
        output::print(&format!(
            "Incorrect Usage.\n\n{}",
            help::command(program.name, command)
        ))?;
        return Err(Failure::new(format!(
            "{}: {name:?} requires {wrong} argument(s)",
            program.argv0
        )));
    }
    cmd::call(program, globals, name, &low)
}

/// What runc says of a wrong number of operands.
fn count_error(count: Count, given: usize) -> Option<String> {
    match count {
        Count::Exactly(n) if given != n => Some(format!("exactly {n}")),
        Count::Between(least, _) if given < least => Some(format!("a minimum of {least}")),
        Count::AtLeast(least) if given < least => Some(format!("a minimum of {least}")),
        Count::Between(_, most) if given > most => Some(format!("a maximum of {most}")),
        _ => None,
    }
}

fn globals(low: &LowArgs) -> Result<Globals, Failure> {
    let log_format = match low.text("log-format").map(OsStrExt::as_bytes) {
        None | Some(b"text") => LogFormat::Text,
        Some(b"json") => LogFormat::Json,
        Some(other) => {
            return Err(Failure::new(format!(
                "invalid log-format: {}",
                String::from_utf8_lossy(other)
            )));
        }
    };
    let rootless = match low.text("rootless").map(OsStrExt::as_bytes) {
        None | Some(b"auto" | b"") => Rootless::Auto,
        Some(b"true" | b"1" | b"t" | b"T" | b"TRUE" | b"True") => Rootless::Yes,
        Some(b"false" | b"0" | b"f" | b"F" | b"FALSE" | b"False") => Rootless::No,
        Some(other) => {
            let text = log::quoted(&String::from_utf8_lossy(other));
            return Err(Failure::new(format!(
                "invalid rootless {text}: not \"true\", \"false\" or \"auto\""
            )));
        }
    };
    let (root, own_root) = match low.text("root") {
        Some(root) if !root.is_empty() => (root_dir(root)?, false),
        _ => root::default()?,
    };
    Ok(Globals {
        root,
        own_root,
        debug: low.flag("debug"),
        log: low.text("log").filter(|p| !p.is_empty()).map(PathBuf::from),
        log_format,
        systemd_cgroup: low.flag("systemd-cgroup"),
        rootless,
    })
}

fn root_dir(root: &OsStr) -> Result<PathBuf, Failure> {
    let root = absolute(root)?;
    if root == Path::new("/") {
        return Err(Failure::new(
            "Option --root argument should not be set to \"/\"",
        ));
    }
    Ok(root)
}

/// `path`, absolute and lexically clean, as Go's `filepath.Abs`: `a/../b` is `b`, whatever `a` is.
fn absolute(path: &OsStr) -> Result<PathBuf, Failure> {
    let mut out = if path.as_bytes().starts_with(b"/") {
        PathBuf::from("/")
    } else {
        current_dir()?
    };
    for component in Path::new(path).components() {
        match component {
            std::path::Component::Normal(name) => out.push(name),
            std::path::Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    Ok(out)
}

fn current_dir() -> Result<PathBuf, Failure> {
    nix::unistd::getcwd().map_err(|errno| crate::sys::Error::new("getcwd", "", errno).into())
}
