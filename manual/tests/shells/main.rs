//! The completions in the shells themselves: a line is typed, and what the shell offers is read.
#![allow(clippy::unwrap_used)]

mod bash;
mod editor;
mod fish;
mod zsh;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration::{Container, TempDir, need_root, runtime_binary};
use manual::{commands, shown};
use runc_rs::cli::Signal;
use runc_rs::cli::defs::{GLOBAL, Kind, Operand, Opt};

/// A shell with the checked-in completion.
trait Shell {
    fn name(&self) -> &'static str;

    /// What it offers for the last word of `line`.
    fn offers(&mut self, line: &str) -> BTreeSet<String>;
}

/// Where the shell is: a directory with a few files, and in its `PATH` the runtime under the name that is completed.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new("shell");
        let at = |name: &str| dir.path().join(name);
        for sub in [
            "bin",
            "here",
            "here/adir",
            "here/adir/inner",
            "here/adir/with a blank",
        ] {
            std::fs::create_dir(at(sub)).unwrap();
        }
        std::fs::write(at("here/afile"), "").unwrap();
        std::os::unix::fs::symlink(runtime_binary(), at("bin/runc-rs")).unwrap();
        Self { dir }
    }

    fn here(&self) -> PathBuf {
        self.dir.path().join("here")
    }

    /// `program` in this place; it sees nothing of the caller's configuration.
    fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env(
                "PATH",
                format!("{}:{path}", self.dir.path().join("bin").display()),
            )
            .env("HOME", self.dir.path())
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.here());
        command
    }
}

/// Where the scripts are.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")
}

fn have(shell: &str) {
    let there = Command::new(shell).arg("--version").output().is_ok();
    assert!(there, "missing: {shell} (run: ci/run deps)");
}

fn each(test: impl Fn(&mut dyn Shell)) {
    let place = Place::new();
    test(&mut bash::Bash::new(&place));
    test(&mut zsh::Zsh::new(&place));
    test(&mut fish::Fish::new(&place));
}

fn set<S: Into<String>>(words: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    words.into_iter().map(Into::into).collect()
}

#[track_caller]
fn offers(shell: &mut dyn Shell, line: &str, words: &BTreeSet<String>) {
    let mut offered = shell.offers(line);
    if line.ends_with(' ') {
        // zsh shows the options where nothing else can stand.
        offered.retain(|word| !word.starts_with('-'));
    }
    // Some put a slash behind a directory when it is shown, others when it is taken.
    let offered = set(offered.iter().map(|word| word.trim_end_matches('/')));
    assert_eq!(&offered, words, "{}: {line:?}", shell.name());
}

fn names() -> BTreeSet<String> {
    set(commands().map(|c| c.name))
}

fn tables() -> impl Iterator<Item = (String, &'static [Opt])> {
    [("runc-rs ".to_owned(), GLOBAL)]
        .into_iter()
        .chain(commands().map(|c| (format!("runc-rs {} ", c.name), c.options)))
}

#[test]
fn every_command_is_offered() {
    each(|shell| {
        let mut all = names();
        all.insert("help".to_owned());
        for before in ["", "--debug ", "--root /x ", "--root=/x --log-format json "] {
            offers(shell, &format!("runc-rs {before}"), &all);
        }
        offers(shell, "runc-rs sta", &set(["start", "state"]));
        offers(shell, "runc-rs --log start upd", &set(["update"]));
        offers(shell, "runc-rs help re", &set(["resume"]));
        offers(shell, "runc-rs help ", &names());
        offers(shell, "runc-rs nonsense x", &set::<&str>([]));
    });
}

/// All that are in the help, and no other.
#[test]
fn every_option_is_offered() {
    each(|shell| {
        for (line, options) in tables() {
            let long = set(shown(options).map(|o| format!("--{}", o.long)));
            let short = set(shown(options).filter_map(|o| Some(format!("-{}", o.short?))));
            offers(shell, &format!("{line}--"), &long);
            let both = long.union(&short).cloned().collect();
            offers(shell, &format!("{line}-"), &both);
        }
        offers(shell, "runc-rs run --no-p", &set(["--no-pivot"]));
        // Options may come after operands, but not in another program's line.
        offers(shell, "runc-rs kill nobody --al", &set(["--all"]));
        offers(shell, "runc-rs --root /x delete --f", &set(["--force"]));
        offers(shell, "runc-rs exec nobody --t", &set::<&str>([]));
        offers(shell, "runc-rs ps nobody --f", &set::<&str>([]));
        offers(shell, "runc-rs create -- --b", &set::<&str>([]));
        // A value is no command and no operand.
        offers(
            shell,
            "runc-rs exec --env A=B --cwd / --tt",
            &set(["--tty"]),
        );
        offers(shell, "runc-rs exec --user 1:2 --tt", &set(["--tty"]));
    });
}

/// Files, directories and words where they are asked for, as the next word and behind `=`; nothing for free text.
#[test]
fn every_value_is_offered() {
    each(|shell| {
        for (line, options) in tables() {
            for option in shown(options).filter(|o| o.kind != Kind::Flag) {
                let (prefix, words) = match option.kind {
                    Kind::File => ("a", set(["adir", "afile"])),
                    Kind::Dir => ("a", set(["adir"])),
                    Kind::OneOf(_, words) => ("", set(words.iter().copied())),
                    _ => ("a", set::<&str>([])),
                };
                let mut forms = vec![format!("--{} ", option.long), format!("--{}=", option.long)];
                forms.extend(option.short.map(|s| format!("-{s} ")));
                for form in forms {
                    offers(shell, &format!("{line}{form}{prefix}"), &words);
                }
            }
        }
        offers(shell, "runc-rs --log-format js", &set(["json"]));
        offers(shell, "runc-rs list --format=t", &set(["table"]));
        offers(shell, "runc-rs run --bundle adir/in", &set(["adir/inner"]));
    });
}

/// One name, whatever the shell puts around its blanks.
#[test]
fn a_name_with_blanks_is_one() {
    each(|shell| {
        let offered = shell.offers("runc-rs run --bundle adir/wi");
        let words = offered.iter().flat_map(|name| name.split(' '));
        let plain = set(words.map(|word| word.trim_end_matches(['\\', '/'])));
        let blank = set(["adir/with", "a", "blank"]);
        assert_eq!(plain, blank, "{}: {offered:?}", shell.name());
        // An unquoted one would be three.
        let quoted = offered.len() == 1 || offered.iter().any(|word| word.ends_with('\\'));
        assert!(quoted, "{}: {offered:?}", shell.name());
    });
}

#[test]
fn signals_are_offered() {
    each(|shell| {
        offers(shell, "runc-rs kill nobody ", &set(Signal::names()));
        offers(shell, "runc-rs kill nobody KI", &set(["KILL"]));
        let full = set(Signal::names().map(|name| format!("SIG{name}")));
        offers(shell, "runc-rs kill nobody SIG", &full);
        offers(
            shell,
            "runc-rs kill --all nobody SIGU",
            &set(["SIGUSR1", "SIGUSR2", "SIGURG"]),
        );
        offers(shell, "runc-rs kill nobody KILL ", &set::<&str>([]));
        offers(shell, "runc-rs delete nobody K", &set::<&str>([]));
    });
}

#[test]
fn containers_are_offered() {
    need_root!();
    let one = Container::sleeping();
    one.create().ok();
    let two = Container::sleeping();
    two.create().ok();
    let root = |c: &Container| c.runtime.root().to_str().unwrap().to_owned();
    each(|shell| {
        for command in commands() {
            let name = command.name;
            let (ids, others) = match command.takes.first() {
                Some(Operand::Id) => (set([&*one.id]), set([&*two.id])),
                _ => (set::<&str>([]), set::<&str>([])),
            };
            offers(
                shell,
                &format!("runc-rs --root {} {name} ", root(&one)),
                &ids,
            );
            offers(
                shell,
                &format!("runc-rs --root={} {name} rr", root(&two)),
                &others,
            );
        }
        let line = format!(
            "runc-rs --debug --root {} --log-format json kill --all r",
            root(&one)
        );
        offers(shell, &line, &set([&*one.id]));
        // The first operand alone is a container; and no root, no container.
        let line = format!("runc-rs --root {} state {} ", root(&one), one.id);
        offers(shell, &line, &set::<&str>([]));
        offers(
            shell,
            "runc-rs --root /nonexistent/root state ",
            &set::<&str>([]),
        );
        // What is quoted on the line is not executed.
        offers(
            shell,
            "runc-rs --root '$(touch executed)' state ",
            &set::<&str>([]),
        );
    });
}
