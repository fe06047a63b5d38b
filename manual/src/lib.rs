//! What is written for people from the runtime's table of commands (`runc_rs::cli::defs`): man pages, and completions
//! for bash, zsh and fish.
//!
//! The files are checked in, in `man/` and `completions/`, so that nobody needs this crate to install them; a test fails
//! when they are not what the table gives. The program itself has none of this.

pub mod bash;
pub mod fish;
pub mod man;
mod prose;
mod roff;
pub mod zsh;

use runc_rs::cli::defs::{COMMANDS, Command, HELP, Kind, Operand, Opt, Support};

pub use prose::ENVIRONMENT;

/// What the program is called.
pub const NAME: &str = "runc-rs";

/// A file's name and text.
pub type File = (String, String);

/// The commands that a person may give.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(|c| c.status == Support::Yes)
}

/// The options of a table that are shown, `--help` among them.
pub fn shown(options: &'static [Opt]) -> impl Iterator<Item = &'static Opt> {
    options.iter().filter(|o| !o.hidden).chain([&HELP])
}

/// All that are known, `--help` among them: those that are not shown may be on a line.
fn known(options: &'static [Opt]) -> impl Iterator<Item = &'static Opt> {
    options.iter().chain([&HELP])
}

/// Does the option stand before its value?
fn has_value(option: &Opt) -> bool {
    option.kind != Kind::Flag
}

/// The commands that take this as their operand number `at`.
fn taking(operand: Operand, at: usize) -> impl Iterator<Item = &'static Command> {
    commands().filter(move |c| c.takes.get(at) == Some(&operand))
}

/// The completions, by the names that the shells look for.
pub fn completions() -> Vec<File> {
    vec![
        (format!("{NAME}.bash"), bash::script()),
        (format!("_{NAME}"), zsh::script()),
        (format!("{NAME}.fish"), fish::script()),
    ]
}

/// How each of them begins, behind the shell's own first line.
fn origin() -> String {
    format!(
        "# Completions of {NAME}, made from its table of commands: `cargo run -p manual -- completions DIR`.\n\
         # Container names come from `{NAME} list`, of the --root that is on the line.\n"
    )
}
