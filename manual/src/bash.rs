//! The completion for bash: needs nothing of the package bash-completion, and works with it.

use std::fmt::Write;

use runc_rs::cli::Signal;
use runc_rs::cli::defs::{GLOBAL, Kind, Operand, Opt};

use crate::{commands, known, origin, shown, taking};

/// A word of a `case` for this option: `flag`, `file`, `dir`, `text`, or `words` and the words.
fn kind(option: &Opt) -> String {
    match option.kind {
        Kind::Flag => "flag".to_owned(),
        Kind::File => "file".to_owned(),
        Kind::Dir => "dir".to_owned(),
        Kind::OneOf(_, words) => format!("words {}", words.join(" ")),
        Kind::Text(_) | Kind::Number(_) | Kind::Duration(_) => "text".to_owned(),
    }
}

fn tables() -> impl Iterator<Item = (&'static str, &'static [Opt])> {
    [("", GLOBAL)]
        .into_iter()
        .chain(commands().map(|c| (c.name, c.options)))
}

/// The script.
pub fn script() -> String {
    let mut out = origin();
    out.push_str(
        "\n# The options that COMMAND ($1) shows; \"\" has those before the command.\n\
         _runc_rs_options() {\n    case $1 in\n",
    );
    for (command, options) in tables() {
        let mut names = Vec::new();
        for option in shown(options) {
            names.push(format!("--{}", option.long));
            names.extend(option.short.map(|s| format!("-{s}")));
        }
        let _ = writeln!(out, "        '{command}') echo '{}' ;;", names.join(" "));
    }
    out.push_str(
        "    esac\n}\n\n# Sets kind to what the value of the option NAME ($2) of COMMAND ($1) is.\n\
         _runc_rs_kind() {\n    case $1:$2 in\n",
    );
    for (command, options) in tables() {
        for option in known(options) {
            let short = option
                .short
                .map_or(String::new(), |s| format!(" | {command}:{s}"));
            let _ = writeln!(
                out,
                "        {command}:{}{short}) kind='{}' ;;",
                option.long,
                kind(option)
            );
        }
    }
    out.push_str("        *) kind='' ;;\n    esac\n}\n\n# Sets kind to what operand number $2 of COMMAND ($1) is.\n_runc_rs_operand() {\n    case $1:$2 in\n");
    let names = |operand, at| -> Option<String> {
        let names: Vec<String> = taking(operand, at)
            .map(|c| format!("{}:{at}", c.name))
            .collect();
        (!names.is_empty()).then(|| names.join(" | "))
    };
    if let Some(names) = names(Operand::Id, 0) {
        let _ = writeln!(out, "        {names}) kind=id ;;");
    }
    if let Some(names) = names(Operand::Signal, 1) {
        let _ = writeln!(out, "        {names}) kind=signal ;;");
    }
    let list: Vec<&str> = commands().map(|c| c.name).collect();
    let strict: Vec<&str> = commands()
        .filter(|c| c.is_strict())
        .map(|c| c.name)
        .collect();
    let signals: Vec<&str> = Signal::names().collect();
    out.push_str(
        &BODY
            .replace("@COMMANDS@", &list.join(" "))
            .replace("@STRICT@", &strict.join(" | "))
            .replace("@SIGNALS@", &signals.join(" ")),
    );
    out
}

const BODY: &str = r#"        help:0 | h:0) kind='words @COMMANDS@' ;;
        :0) kind='words @COMMANDS@ help' ;;
        *) kind='' ;;
    esac
}

_runc_rs() {
    local program=${1/#\~/$HOME} cur=$2 command='' operands=0 option='' ended='' root='' kind=''
    local word rest=$COMP_LINE i words=() signals
    # The words up to the cursor; what COMP_WORDBREAKS has taken apart, as --root=DIR, is put together.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 0)) && [[ $rest != [[:space:]]* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
            rest=${rest#"${rest%%[![:space:]]*}"}
        fi
        rest=${rest#"$word"}
    done
    local last=${words[${#words[@]} - 1]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ $option ]]; then
            [[ $command:$option != :root ]] || root=$word
            option=''
        elif [[ ! $ended && $word == -- ]]; then
            ended=1
        elif [[ ! $ended && $word == -?* ]]; then
            word=${word#-}
            word=${word#-}
            _runc_rs_kind "$command" "${word%%=*}"
            if [[ $word == *=* ]]; then
                [[ $command:$word != :root=* ]] || root=${word#*=}
            elif [[ $kind && $kind != flag ]]; then
                option=$word
            fi
        elif [[ ! $command ]]; then
            command=$word
            ended=''
        else
            ((operands++))
            case $command in @STRICT@) ended=1 ;; esac
        fi
    done
    [[ $cur != = ]] || cur=''
    local prefix=''
    if [[ $option ]]; then
        _runc_rs_kind "$command" "$option"
    elif [[ ! $ended && $last == -*=* ]]; then
        word=${last#-}
        word=${word#-}
        _runc_rs_kind "$command" "${word%%=*}"
        cur=${last#*=}
        # Else readline replaces the whole word.
        [[ $COMP_WORDBREAKS == *=* ]] || prefix=${last%%=*}=
    elif [[ ! $ended && $last == -* ]]; then
        kind="words $(_runc_rs_options "$command")"
    else
        _runc_rs_operand "$command" "$operands"
    fi
    case $kind in
        id)
            root=${root//[\"\'\\]/}
            root=${root/#\~/$HOME}
            kind="words $("$program" ${root:+--root "$root"} list --quiet 2>/dev/null)"
            ;;
        signal)
            signals='@SIGNALS@'
            [[ $cur != SIG* ]] || signals="SIG${signals// / SIG}"
            kind="words $signals"
            ;;
    esac
    COMPREPLY=()
    case $kind in
        words*) mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "${kind#words}" -- "$cur") ;;
        file)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -P "$prefix" -f -- "$cur")
            ;;
        dir)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -P "$prefix" -d -- "$cur")
            ;;
    esac
}

complete -F _runc_rs runc-rs
"#;
