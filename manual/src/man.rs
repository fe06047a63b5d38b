//! The man pages: one of the program, one of each command.

use std::fmt::Write;

use runc_rs::cli::defs::{COMMANDS, Command, Count, GLOBAL, Kind, Opt, Support};
use runc_rs::cli::{VERSION, help};

use crate::prose::{self, ENVIRONMENT, FILES};
use crate::roff::{escape, paragraph, text};
use crate::{File, NAME, commands, shown};

/// The day of the last change, which a page must have: mandoc(1) and catalogues ask for it.
const DATE: &str = "2026-11-28";

/// All of them, by the names under which man(1) finds them.
pub fn pages() -> Vec<File> {
    let mut pages = vec![(format!("{NAME}.8"), program())];
    pages.extend(commands().map(|c| (format!("{NAME}-{}.8", c.name), command(c))));
    pages
}

fn head(page: &str, about: &str) -> String {
    format!(
        ".\\\" Made from the table of commands: `cargo run -p manual -- man DIR`.\n\
         .TH {} 8 {DATE} \"{NAME} {VERSION}\" \"System Manager's Manual\"\n\
         .SH NAME\n{} \\- {}\n",
        escape(&page.to_uppercase()),
        escape(page),
        escape(about)
    )
}

fn program() -> String {
    let mut out = head(NAME, "a low-level OCI container runtime");
    let name = escape(NAME);
    let _ = write!(
        out,
        ".SH SYNOPSIS\n\\fB{name}\\fR [\\fIglobal option\\fR ...] \\fIcommand\\fR [\\fIoption\\fR ...] \
         [\\fIargument\\fR ...]\n.SH DESCRIPTION\n{}",
        text(help::ABOUT)
    );
    let rule = "An option is written with one dash or two, its value behind \"=\" or as the next word; letters cannot \
                be put together. Where an option comes more than once the last one counts, unless its description says otherwise. \
                Options may follow the operands, but for exec and ps.";
    let _ = write!(out, ".PP\n{}.SH COMMANDS\n", paragraph(rule));
    for command in commands() {
        let body = format!(
            "{} See {NAME}-{}(8).",
            sentence(command.about),
            command.name
        );
        item(&mut out, &bold(command.name), &body);
    }
    item(
        &mut out,
        "\\fBhelp\\fR [\\fIcommand\\fR], \\fBh\\fR",
        "Show the help, or a command's.",
    );
    let later: Vec<&str> = COMMANDS
        .iter()
        .filter(|c| c.status == Support::NotYet)
        .map(|c| c.name)
        .collect();
    if !later.is_empty() {
        let words = format!(
            "Of runc's commands, not supported yet: {}.",
            later.join(", ")
        );
        let _ = write!(out, ".PP\n{}", paragraph(&words));
    }
    out.push_str(".SH GLOBAL OPTIONS\n");
    options(&mut out, GLOBAL);
    exit_status(&mut out, "");
    out.push_str(".SH ENVIRONMENT\n");
    for (name, _, body) in ENVIRONMENT {
        item(&mut out, &bold(name), body);
    }
    out.push_str(".SH FILES\n");
    for (name, body) in FILES {
        item(&mut out, &format!("\\fI{}\\fR", escape(name)), body);
    }
    let mut pages: Vec<String> = commands().map(|c| format!("{NAME}-{}", c.name)).collect();
    pages.sort();
    see_also(&mut out, &pages);
    out
}

fn command(command: &Command) -> String {
    let page = format!("{NAME}-{}", command.name);
    let mut out = head(&page, command.about);
    out.push_str(".SH SYNOPSIS\n");
    // The usage of `exec` is two lines.
    for (at, operands) in command.operands.split(" || ").enumerate() {
        if at > 0 {
            out.push_str(".br\n");
        }
        let _ = write!(
            out,
            "\\fB{} {}\\fR [\\fIoption\\fR ...]",
            escape(NAME),
            escape(command.name)
        );
        if command.count != Count::Exactly(0) && !operands.is_empty() {
            let _ = write!(out, " {}", synopsis(operands));
        }
        out.push('\n');
    }
    let _ = write!(
        out,
        ".SH DESCRIPTION\n{}",
        text(&format!("{}{}", command.preface(), command.text).replace("{name}", NAME))
    );
    out.push_str(".SH OPTIONS\n");
    options(&mut out, command.options);
    exit_status(&mut out, command.name);
    let concerned: Vec<_> = ENVIRONMENT
        .iter()
        .filter(|(_, commands, _)| commands.contains(&command.name))
        .collect();
    if !concerned.is_empty() {
        out.push_str(".SH ENVIRONMENT\n");
        for (name, _, body) in concerned {
            item(&mut out, &bold(name), body);
        }
    }
    let others = prose::see_also(command.name);
    let mut pages = vec![NAME.to_owned()];
    pages.extend(others.iter().map(|c| format!("{NAME}-{c}")));
    see_also(&mut out, &pages);
    out
}

/// Operands as the usage line has them: what stands for something else is in italics.
fn synopsis(operands: &str) -> String {
    let mut out = String::new();
    for (at, word) in operands.split(' ').enumerate() {
        if at > 0 {
            out.push(' ');
        }
        if let Some(inner) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
            let _ = write!(out, "\\fI{}\\fR", escape(inner));
        } else if word.starts_with('-') {
            out.push_str(&bold(word));
        } else if word.starts_with('[') || word.ends_with(']') {
            let inner = word.trim_start_matches('[').trim_end_matches(']');
            let open = if word.starts_with('[') { "[" } else { "" };
            let close = if word.ends_with(']') { "]" } else { "" };
            let _ = write!(out, "{open}\\fI{}\\fR{close}", escape(inner));
        } else {
            let _ = write!(out, "\\fI{}\\fR", escape(word));
        }
    }
    out
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

fn item(out: &mut String, tag: &str, body: &str) {
    let _ = write!(out, ".TP\n{tag}\n{}", paragraph(body));
}

/// A line of help as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

fn options(out: &mut String, list: &'static [Opt]) {
    for option in shown(list) {
        let value = option
            .kind
            .word()
            .map_or(String::new(), |word| format!(" \\fI{}\\fR", escape(word)));
        let mut tag = format!("{}{value}", bold(&format!("--{}", option.long)));
        if let Some(short) = option.short {
            let _ = write!(tag, ", {}{value}", bold(&format!("-{short}")));
        }
        let mut body = sentence(option.help);
        if let Kind::OneOf(_, words) = option.kind {
            let _ = write!(body, " One of {}.", words.join(", "));
        }
        if option.repeated {
            body.push_str(" May come more than once.");
        }
        if let Some(default) = option.default {
            let _ = write!(body, " Default: {default}.");
        }
        if let Some(variable) = option.env {
            let _ = write!(body, " {variable} can change that, see ENVIRONMENT.");
        }
        item(out, &tag, &body);
    }
}

fn exit_status(out: &mut String, command: &str) {
    out.push_str(".SH EXIT STATUS\n");
    for (status, when) in prose::exit_status(command) {
        item(out, &bold(status), when);
    }
}

fn see_also(out: &mut String, pages: &[String]) {
    out.push_str(".SH SEE ALSO\n");
    for (at, page) in pages.iter().enumerate() {
        let comma = if at + 1 < pages.len() { " ," } else { "" };
        let _ = writeln!(out, ".BR {} (8){comma}", escape(page));
    }
}
