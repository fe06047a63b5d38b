//! The help texts, from the table.

use std::borrow::Cow;
use std::fmt::Write;

use super::defs::{COMMANDS, Command, Count, GLOBAL, HELP, Opt, Support};

/// What the program is, in its help.
pub const ABOUT: &str = "A low-level OCI container runtime for Linux.\n\n\
    It makes and runs containers from bundles: directories with a config.json and a root filesystem, as\n\
    the Open Container Initiative specifies them. Commands, options and outputs are runc's, so that it\n\
    can take runc's place below containerd, Docker, Podman and CRI-O.";

fn left(option: &Opt) -> String {
    let value = option
        .kind
        .word()
        .map_or(String::new(), |word| format!(" {word}"));
    match option.short {
        Some(short) => format!("--{}{value}, -{short}{value}", option.long),
        None => format!("--{}{value}", option.long),
    }
}

fn right(option: &Opt) -> Cow<'static, str> {
    let more = if option.repeated {
        "; may come more than once"
    } else {
        ""
    };
    match option.default {
        None if more.is_empty() => option.help.into(),
        None => format!("{}{more}", option.help).into(),
        Some(default) => format!("{}{more} (default: {default})", option.help).into(),
    }
}

/// Two columns.
fn columns(out: &mut String, rows: &[(String, Cow<'static, str>)]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    for (left, right) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "   {left:width$}  {right}");
    }
}

fn options(list: &[Opt]) -> Vec<(String, Cow<'static, str>)> {
    let shown = list.iter().filter(|o| !o.hidden).chain([&HELP]);
    shown.map(|o| (left(o), right(o))).collect()
}

fn indent(out: &mut String, text: &str) {
    for line in text.lines() {
        out.push_str(if line.is_empty() { "" } else { "   " });
        out.push_str(line);
        out.push('\n');
    }
}

/// The program's help.
pub fn program(name: &str) -> String {
    let mut out = format!(
        "NAME:\n   {name} - a low-level OCI container runtime\n\nUSAGE:\n   {name} [global options] command [command options] [arguments...]\n\nDESCRIPTION:\n"
    );
    indent(&mut out, ABOUT);
    let of = |status| {
        let found = COMMANDS.iter().filter(move |c| c.status == status);
        found
            .map(|c| (c.name.to_owned(), c.about.into()))
            .collect::<Vec<_>>()
    };
    out.push_str("\nCOMMANDS:\n");
    let mut rows = of(Support::Yes);
    rows.push((
        "help, h".to_owned(),
        "show this help, or a command's".into(),
    ));
    columns(&mut out, &rows);
    out.push_str("\nCOMMANDS OF RUNC THAT ARE NOT SUPPORTED YET:\n");
    columns(&mut out, &of(Support::NotYet));
    out.push_str("\nGLOBAL OPTIONS:\n");
    columns(&mut out, &options(GLOBAL));
    out
}

/// A command's help.
pub fn command(name: &str, command: &Command) -> String {
    let mut out = format!(
        "NAME:\n   {name} {} - {}\n\nUSAGE:\n   {name} {}",
        command.name, command.about, command.name
    );
    if !command.options.is_empty() {
        out.push_str(" [command options]");
    }
    if command.count != Count::Exactly(0) && !command.operands.is_empty() {
        let _ = write!(out, " {}", command.operands);
    }
    out.push_str("\n\nDESCRIPTION:\n");
    indent(&mut out, command.preface());
    indent(&mut out, &command.text.replace("{name}", name));
    out.push_str("\nOPTIONS:\n");
    columns(&mut out, &options(command.options));
    out
}
