//! The completion for fish.

use std::fmt::Write;

use runc_rs::cli::Signal;
use runc_rs::cli::defs::{GLOBAL, Kind, Operand, Opt};

use crate::{commands, has_value, known, origin, shown, taking};

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn option(out: &mut String, command: &str, option: &Opt) {
    let _ = write!(
        out,
        "complete -c runc-rs -n '__runc_rs_options \"{command}\"'"
    );
    if let Some(short) = option.short {
        let _ = write!(out, " -s {short}");
    }
    let value = match option.kind {
        Kind::Flag => String::new(),
        Kind::File => " -r -F".to_owned(),
        Kind::Dir => " -x -a '(__fish_complete_directories)'".to_owned(),
        Kind::OneOf(_, words) => format!(" -x -a '{}'", words.join(" ")),
        Kind::Text(_) | Kind::Number(_) | Kind::Duration(_) => " -x".to_owned(),
    };
    let _ = writeln!(out, " -l {}{value} -d {}", option.long, quoted(option.help));
}

/// The script.
pub fn script() -> String {
    let mut out = origin();
    out.push_str("\n# Does the option NAME of COMMAND (\"COMMAND/NAME\") stand before its value?\nfunction __runc_rs_has_value\n    switch $argv[1]\n        case");
    let tables = [("", GLOBAL)]
        .into_iter()
        .chain(commands().map(|c| (c.name, c.options)));
    for (command, options) in tables {
        for option in known(options).filter(|o| has_value(o)) {
            let _ = write!(out, " {command}/{}", option.long);
            if let Some(short) = option.short {
                let _ = write!(out, " {command}/{short}");
            }
        }
    }
    let strict: Vec<&str> = commands()
        .filter(|c| c.is_strict())
        .map(|c| c.name)
        .collect();
    out.push_str(&HELPERS.replace("@STRICT@", &strict.join(" ")));
    for opt in shown(GLOBAL) {
        option(&mut out, "", opt);
    }
    out.push('\n');
    for command in commands() {
        let _ = writeln!(
            out,
            "complete -c runc-rs -n '__runc_rs_operand 0 \"\"' -a {} -d {}",
            command.name,
            quoted(command.about)
        );
    }
    out.push_str("complete -c runc-rs -n '__runc_rs_operand 0 \"\"' -a help -d 'show the help, or that of a command'\n");
    let names: Vec<&str> = commands().map(|c| c.name).collect();
    let _ = writeln!(
        out,
        "complete -c runc-rs -n '__runc_rs_operand 0 help h' -a '{}'\n",
        names.join(" ")
    );
    let of = |operand, at| {
        taking(operand, at)
            .map(|c| c.name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let _ = writeln!(
        out,
        "complete -c runc-rs -n '__runc_rs_operand 0 {}' -a '(__runc_rs_containers)' -d container",
        of(Operand::Id, 0)
    );
    let signals: Vec<&str> = Signal::names().collect();
    let kill = of(Operand::Signal, 1);
    let _ = writeln!(
        out,
        "complete -c runc-rs -n '__runc_rs_operand 1 {kill}' -a '{}'",
        signals.join(" ")
    );
    let _ = writeln!(
        out,
        "complete -c runc-rs -n '__runc_rs_operand 1 {kill}; and string match -q \"SIG*\" -- (commandline -ct)' -a 'SIG{}'",
        signals.join(" SIG")
    );
    for command in commands() {
        out.push('\n');
        for opt in shown(command.options) {
            option(&mut out, command.name, opt);
        }
    }
    out
}

const HELPERS: &str = r#"
            return 0
    end
    return 1
end

# Prints what the line is up to the cursor: its command, how many operands that has, 1 if options have ended, and the root.
function __runc_rs_line
    set -l command ''
    set -l operands 0
    set -l ended 0
    set -l option ''
    set -l root ''
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test -n "$option"
            test "$command/$option" = /root; and set root $word
            set option ''
        else if test $ended = 0; and test "$word" = --
            set ended 1
        else if test $ended = 0; and string match -q -- '-?*' $word
            set word (string replace -r -- '^--?' '' $word)
            if string match -q -- '*=*' $word
                test -z "$command"; and string match -q -- 'root=*' $word
                and set root (string replace -- root= '' $word)
            else if __runc_rs_has_value "$command/$word"
                set option $word
            end
        else if test -z "$command"
            set command $word
            set ended 0
        else
            set operands (math $operands + 1)
            contains -- $command @STRICT@; and set ended 1
        end
    end
    printf '%s\n' "$command" $operands $ended $root
end

# May an option of COMMAND stand here?
function __runc_rs_options
    set -l line (__runc_rs_line)
    test "$line[1]" = "$argv[1]"; and test $line[3] = 0
end

# Is this operand number N of one of the COMMANDS?
function __runc_rs_operand
    set -l line (__runc_rs_line)
    contains -- "$line[1]" $argv[2..-1]; and test $line[2] = $argv[1]
end

function __runc_rs_containers
    set -l words (commandline -opc)
    set -l program (string replace -r -- '^~' $HOME $words[1])
    set -l root (string replace -r -- '^~' $HOME (__runc_rs_line)[4])
    if test -n "$root"
        $program --root $root list --quiet 2>/dev/null
    else
        $program list --quiet 2>/dev/null
    end
end

complete -c runc-rs -f
"#;
