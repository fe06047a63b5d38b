//! The completion for zsh, by its own `_arguments`.

use std::fmt::Write;

use runc_rs::cli::Signal;
use runc_rs::cli::defs::{Command, GLOBAL, HELP, Kind, Operand, Opt};

use crate::{commands, has_value, origin, shown};

/// Inside single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What stands between brackets or colons of a specification.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '[' | ']' | ':') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// One specification of `_arguments`.
fn spec(option: &Opt) -> String {
    let mut names = vec![format!("--{}", option.long)];
    names.extend(option.short.map(|s| format!("-{s}")));
    let action = match option.kind {
        Kind::Flag => None,
        Kind::File => Some("_files".to_owned()),
        Kind::Dir => Some("_directories".to_owned()),
        Kind::OneOf(_, words) => Some(format!("({})", words.join(" "))),
        Kind::Text(_) | Kind::Number(_) | Kind::Duration(_) => Some(" ".to_owned()),
    };
    let value = action.map_or(String::new(), |action| {
        format!(
            ":{}:{action}",
            escaped(option.kind.word().unwrap_or_default())
        )
    });
    let before = if option.repeated {
        "*".to_owned()
    } else if option.long == HELP.long {
        "(- *)".to_owned()
    } else {
        format!("({})", names.join(" "))
    };
    let equals = if has_value(option) { "=" } else { "" };
    names
        .iter()
        .map(|name| {
            quoted(&format!(
                "{before}{name}{equals}[{}]{value}",
                escaped(option.help)
            ))
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn operands(command: &Command) -> Vec<String> {
    let mut out = Vec::new();
    for (at, operand) in command.takes.iter().enumerate() {
        let at = at + 1;
        out.push(match operand {
            Operand::NewId => format!("{at}: :_runc-rs_new"),
            Operand::Id => format!("{at}:container:_runc-rs_containers"),
            Operand::Signal => format!("{at}::signal:_runc-rs_signals"),
            Operand::Line => "*:: : ".to_owned(),
        });
    }
    out
}

/// The script.
pub fn script() -> String {
    let list = |out: &mut String, indent: &str, specs: &[String]| {
        for (at, spec) in specs.iter().enumerate() {
            let more = if at + 1 < specs.len() { " \\" } else { "" };
            let _ = writeln!(out, "{indent}{spec}{more}");
        }
    };
    let mut out = format!("#compdef runc-rs\n{}\n", origin());
    out.push_str("_runc-rs_commands() {\n    local -a commands=(\n");
    for command in commands() {
        let about = command.about.replace(':', "\\:");
        let _ = writeln!(
            out,
            "        {}",
            quoted(&format!("{}:{about}", command.name))
        );
    }
    let signals: Vec<&str> = Signal::names().collect();
    out.push_str(&HELPERS.replace("@SIGNALS@", &signals.join(" ")));
    let mut specs: Vec<String> = shown(GLOBAL).map(spec).collect();
    specs.push("'1: :_runc-rs_commands'".to_owned());
    specs.push("'*:: :->command'".to_owned());
    out.push_str("    _arguments -C -S -A '-*' \\\n");
    list(&mut out, "        ", &specs);
    out.push_str("    ret=$?\n    [[ $state == command ]] || return ret\n");
    out.push_str(
        "    root=${${(Q)opt_args[--root]}//\\\\:/:}\n    root=${root/#\\~/$HOME}\n    curcontext=${curcontext%:*:*}:runc-rs-$words[1]:\n    case $words[1] in\n",
    );
    for command in commands() {
        let _ = writeln!(out, "        {})", command.name);
        // What follows the first operand is then no option of ours.
        let strict = if command.is_strict() { " -A '-*'" } else { "" };
        let _ = writeln!(out, "            _arguments -S{strict} \\");
        let mut specs: Vec<String> = shown(command.options).map(spec).collect();
        specs.extend(operands(command).iter().map(|s| quoted(s)));
        list(&mut out, "                ", &specs);
        out.push_str("            ;;\n");
    }
    out.push_str(
        "        help | h) _arguments '1: :_runc-rs_commands' ;;\n    esac\n}\n\n_runc-rs \"$@\"\n",
    );
    out
}

const HELPERS: &str = r#"    )
    [[ $words[1] == (help|h) ]] || commands+=('help:show the help, or that of a command')
    _describe -t commands command commands
}

_runc-rs_containers() {
    local -a ids=(${(f)"$($program ${root:+--root} ${root:+$root} list --quiet 2>/dev/null)"})
    local expl
    _wanted containers expl container compadd -a ids
}

# A message keeps zsh from taking the one option that matches.
_runc-rs_new() {
    [[ $PREFIX == -* ]] || _message 'name of the new container'
}

_runc-rs_signals() {
    local -a signals=(@SIGNALS@)
    local expl
    [[ $PREFIX != SIG* ]] || signals=(SIG$^signals)
    _wanted signals expl signal compadd -a signals
}

_runc-rs() {
    local curcontext=$curcontext state line ret=1 root
    local program=${${(Q)words[1]}/#\~/$HOME}
    typeset -A opt_args
"#;
