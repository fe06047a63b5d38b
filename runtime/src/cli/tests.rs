//! The table, the grammar, and what is printed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::defs::{COMMANDS, Kind, Opt};
use super::*;
use crate::container::{StateView, Status};

fn parse(options: &'static [Opt], order: Order, words: &[&str]) -> Result<LowArgs, String> {
    LowArgs::parse(options, order, words.iter().map(OsString::from))
}

fn options(name: &str) -> &'static [Opt] {
    Command::find(name.as_bytes()).unwrap().options
}

fn tables() -> impl Iterator<Item = (&'static str, &'static [Opt])> {
    [("", GLOBAL)]
        .into_iter()
        .chain(COMMANDS.iter().map(|c| (c.name, c.options)))
}

#[test]
fn names_are_unique() {
    for (at, command) in COMMANDS.iter().enumerate() {
        assert!(
            COMMANDS[..at].iter().all(|c| c.name != command.name),
            "{}",
            command.name
        );
    }
    for (command, options) in tables() {
        let mut seen = vec!["help".to_owned(), "h".to_owned()];
        for option in options {
            for name in
                std::iter::once(option.long.to_owned()).chain(option.short.map(String::from))
            {
                assert!(!seen.contains(&name), "{command}: {name} twice");
                seen.push(name);
            }
        }
    }
}

#[test]
fn every_option_parses_in_every_form() {
    for (command, options) in tables() {
        for option in options {
            let names =
                std::iter::once(option.long.to_owned()).chain(option.short.map(String::from));
            for name in names {
                for dashes in ["-", "--"] {
                    let (value, forms) = match option.kind {
                        Kind::Flag => ("true", vec![vec![format!("{dashes}{name}")]]),
                        Kind::Text(_)
                        | Kind::File
                        | Kind::Dir
                        | Kind::OneOf(..)
                        | Kind::Number(_) => {
                            ("7", vec![vec![format!("{dashes}{name}"), "7".to_owned()]])
                        }
                        Kind::Duration(_) => (
                            "7ms",
                            vec![vec![format!("{dashes}{name}"), "7ms".to_owned()]],
                        ),
                    };
                    for words in forms
                        .into_iter()
                        .chain([vec![format!("{dashes}{name}={value}")]])
                    {
                        let low =
                            LowArgs::parse(options, Order::Free, words.iter().map(OsString::from))
                                .unwrap();
                        let given = match option.kind {
                            Kind::Flag => low.flag(option.long),
                            Kind::Text(_) | Kind::File | Kind::Dir | Kind::OneOf(..) => {
                                low.text(option.long) == Some(OsStr::new("7"))
                            }
                            Kind::Number(_) => low.number(option.long) == Some(7),
                            Kind::Duration(_) => {
                                low.duration(option.long)
                                    == Some(duration::Parsed::Positive(
                                        std::time::Duration::from_millis(7),
                                    ))
                            }
                        };
                        assert!(given && low.operands.is_empty(), "{command} {words:?}");
                    }
                }
            }
        }
    }
}

/// A command in the table that is supported must be carried out by `cmd::call`.
#[test]
fn every_command_is_there() {
    let text = include_str!("cmd/mod.rs");
    for command in COMMANDS.iter().filter(|c| c.status == Support::Yes) {
        assert!(
            text.contains(&format!("\"{}\" =>", command.name)),
            "{}",
            command.name
        );
    }
}

/// What the table says may come more than once is what `cmd` asks for all values of.
#[test]
fn repeated_options_are_read_whole() {
    let text = [
        include_str!("cmd/create.rs"),
        include_str!("cmd/exec.rs"),
        include_str!("cmd/mod.rs"),
        include_str!("cmd/update.rs"),
        include_str!("cmd/watch.rs"),
    ]
    .concat();
    for (command, options) in tables() {
        for option in options {
            let all = ["texts", "numbers"]
                .iter()
                .any(|all| text.contains(&format!("{all}(\"{}\")", option.long)));
            assert_eq!(option.repeated, all, "{command} --{}", option.long);
        }
    }
}

#[test]
fn options_may_follow_operands() {
    let low = parse(
        options("create"),
        Order::Free,
        &["id", "--bundle", "/b", "-no-pivot"],
    )
    .unwrap();
    assert_eq!(low.operands, ["id"]);
    assert_eq!(low.text("bundle"), Some(OsStr::new("/b")));
    assert!(low.flag("no-pivot"));
    let low = parse(
        GLOBAL,
        Order::Strict,
        &["--debug", "run", "--debug", "--bogus"],
    )
    .unwrap();
    assert_eq!(low.operands, ["run", "--debug", "--bogus"]);
}

#[test]
fn two_dashes_end_the_options() {
    let low = parse(
        options("kill"),
        Order::Free,
        &["-a", "--", "id", "--all", "--"],
    )
    .unwrap();
    assert_eq!(low.operands, ["id", "--all", "--"]);
}

#[test]
fn an_unknown_word_after_an_operand_is_an_operand() {
    let low = parse(options("kill"), Order::Free, &["id", "-9"]).unwrap();
    assert_eq!(low.operands, ["id", "-9"]);
}

#[test]
fn the_last_of_an_option_wins() {
    let low = parse(
        options("create"),
        Order::Free,
        &["-b", "/a", "-b=/b", "--no-pivot", "--no-pivot=false"],
    )
    .unwrap();
    assert_eq!(low.text("bundle"), Some(OsStr::new("/b")));
    assert!(!low.flag("no-pivot"));
}

#[test]
fn numbers_are_gos() {
    for (text, number) in [
        ("0", 0),
        ("-3", -3),
        ("+3", 3),
        ("0x1F", 31),
        ("0b11", 3),
        ("010", 8),
        ("0o10", 8),
    ] {
        let low = parse(options("create"), Order::Free, &["--preserve-fds", text]).unwrap();
        assert_eq!(low.number("preserve-fds"), Some(number), "{text}");
    }
    for text in [
        "",
        "-",
        "x",
        "0x",
        "1.0",
        "0x-1",
        "08",
        "99999999999999999999",
        "9223372036854775808",
    ] {
        let error = parse(options("create"), Order::Free, &["--preserve-fds", text]).unwrap_err();
        assert!(
            error.ends_with("for flag -preserve-fds: parse error"),
            "{text}: {error}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_paths_all_the_same() {
    use std::os::unix::ffi::OsStringExt;
    let path = OsString::from_vec(b"/\xff".to_vec());
    let words = [
        OsString::from_vec(b"--bundle=/\xff".to_vec()),
        OsString::from_vec(b"\xff".to_vec()),
    ];
    let low = LowArgs::parse(options("create"), Order::Free, words.into_iter()).unwrap();
    assert_eq!(low.text("bundle"), Some(path.as_os_str()));
    assert_eq!(low.operands.len(), 1);
}

#[test]
fn signals() {
    let number = |text| Signal::parse(text).map(Signal::number);
    for (text, n) in [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigkill", 9),
        ("Hup", 1),
        ("9", 9),
        ("0", 0),
        ("64", 64),
        ("SYS", 31),
        ("PWR", 30),
        ("IOT", 6),
        ("CLD", 17),
        ("POLL", 29),
        ("RTMIN", 34),
        ("SIGRTMIN+1", 35),
        ("rtmax-30", 34),
        ("RTMAX", 64),
    ] {
        assert_eq!(number(text), Ok(n), "{text}");
    }
    for text in [
        "",
        "SIG",
        "BOGUS",
        "SIGSIGTERM",
        "65",
        "-1",
        "9 ",
        "RTMIN+31",
        "RTMAX-31",
        "RTMIN+",
        "RTMIN+-1",
        "x\"y",
    ] {
        assert_eq!(
            number(text),
            Err(format!("unknown signal {}", log::quoted(text))),
            "{text}"
        );
    }
}

/// By the kernel's headers, as libc has them.
#[test]
fn signal_names_are_the_kernels() {
    for number in 1..=31 {
        let name = nix::sys::signal::Signal::try_from(number).unwrap().as_str();
        assert_eq!(
            Signal::parse(name).map(Signal::number),
            Ok(number),
            "{name}"
        );
    }
}

#[test]
fn roots() {
    let abs = |path: &str| absolute(OsStr::new(path)).map_err(|f| f.text);
    assert_eq!(abs("/a/./b//../c/"), Ok(PathBuf::from("/a/c")));
    assert_eq!(abs("/../.."), Ok(PathBuf::from("/")));
    assert_eq!(
        abs("x").unwrap(),
        std::env::current_dir().unwrap().join("x")
    );
    for root in ["/", "//", "/a/..", "/."] {
        let error = root_dir(OsStr::new(root)).unwrap_err();
        assert_eq!(
            error.text,
            "Option --root argument should not be set to \"/\""
        );
    }
}

#[test]
fn the_program_takes_the_name_runc() {
    let name = |argv0: &str| Program::new(OsStr::new(argv0)).name;
    assert_eq!(name("runc"), "runc");
    assert_eq!(name("/usr/sbin/runc"), "runc");
    assert_eq!(name("runc-rs"), "runc-rs");
    assert_eq!(name("/x/runc.real"), "runc-rs");
    assert_eq!(name(""), "runc-rs");
}

fn view() -> StateView {
    StateView {
        oci_version: "1.0.2-dev".to_owned(),
        id: "t2".to_owned(),
        pid: 9048,
        status: Status::Created,
        bundle: "/b".to_owned(),
        rootfs: "/b/rootfs".to_owned(),
        created: "2026-11-23T18:10:01.925823338Z".to_owned(),
        annotations: BTreeMap::new(),
        owner: 0,
    }
}

#[test]
fn state_is_runcs() {
    let plain = output::state(&view());
    assert_eq!(
        plain,
        "{\n  \"ociVersion\": \"1.0.2-dev\",\n  \"id\": \"t2\",\n  \"pid\": 9048,\n  \"status\": \"created\",\n  \
         \"bundle\": \"/b\",\n  \"rootfs\": \"/b/rootfs\",\n  \"created\": \"2026-11-23T18:10:01.925823338Z\",\n  \
         \"owner\": \"\"\n}"
    );
    let annotations = [
        ("a".to_owned(), "<x>".to_owned()),
        ("b".to_owned(), String::new()),
    ]
    .into();
    let annotated = output::state(&StateView {
        annotations,
        ..view()
    });
    assert!(
        annotated.contains(",\n  \"annotations\": {\n    \"a\": \"\\u003cx\\u003e\",\n    \"b\": \"\"\n  },\n  \"owner\""),
        "{annotated}"
    );
}

#[test]
fn lists_are_runcs() {
    assert_eq!(
        output::table(&[]),
        "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    );
    let other = StateView {
        id: "a-name-é".to_owned(),
        pid: 0,
        status: Status::Stopped,
        owner: 4_000_000_000,
        ..view()
    };
    assert_eq!(
        output::table(&[view(), other.clone()]),
        "ID          PID         STATUS      BUNDLE      CREATED                          OWNER\n\
         t2          9048        created     /b          2026-11-23T18:10:01.925823338Z   root\n\
         a-name-é    0           stopped     /b          2026-11-23T18:10:01.925823338Z   #4000000000\n"
    );
    assert_eq!(output::list_json(&[]), "null\n");
    assert_eq!(
        output::list_json(&[view()]),
        "[{\"ociVersion\":\"1.0.2-dev\",\"id\":\"t2\",\"pid\":9048,\"status\":\"created\",\"bundle\":\"/b\",\
         \"rootfs\":\"/b/rootfs\",\"created\":\"2026-11-23T18:10:01.925823338Z\",\"owner\":\"root\"}]\n"
    );
    assert_eq!(output::names(&[view().id, other.id]), "t2\na-name-é\n");
}

/// Every text of the table, as it is shown: a change of the table is a change of this file.
/// `UPDATE=1 cargo test -p runc-rs help_is_as_written` writes it anew.
#[test]
fn help_is_as_written() {
    let mut all = help::program("runc-rs");
    for command in COMMANDS {
        all.push_str("\n----------------------------------------------------------------\n");
        all.push_str(&help::command("runc-rs", command));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/help.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &all).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let first = all
        .lines()
        .zip(written.lines())
        .find(|(new, old)| new != old);
    assert!(
        all == written,
        "{}: not what the table gives, first at {first:?}",
        path.display()
    );
    let long = all
        .lines()
        .filter(|l| l.chars().count() > 132)
        .collect::<Vec<_>>();
    assert!(long.is_empty(), "too long for a terminal: {long:?}");
}
