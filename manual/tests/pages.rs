//! What is checked in is what the table gives, and the man pages are well-formed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use manual::{ENVIRONMENT, File, NAME, commands, completions, man, shown};
use runc_rs::cli::defs::{GLOBAL, Kind};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `dir` has these files and no other. `UPDATE=1 cargo test -p manual --test pages` writes them.
fn same(dir: &str, files: &[File]) {
    let dir = top().join(dir);
    if std::env::var_os("UPDATE").is_some() {
        for (name, text) in files {
            fs::write(dir.join(name), text).unwrap();
        }
    }
    let there: BTreeSet<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    let names: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(there, names, "{dir:?}");
    for (name, text) in files {
        let written = fs::read_to_string(dir.join(name)).unwrap();
        let first = text.lines().zip(written.lines()).find(|(a, b)| a != b);
        assert!(
            &written == text,
            "{dir:?}: {name} is not what the table gives, first at {first:?}; UPDATE=1 writes it"
        );
    }
}

#[test]
fn what_is_checked_in_is_what_the_table_gives() {
    same("man", &man::pages());
    same("completions", &completions());
}

/// Neither of the two programs that show man pages has anything to say about them.
#[test]
fn man_pages_are_well_formed() {
    let pages: Vec<PathBuf> = fs::read_dir(top().join("man"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let run = |program: &str, args: &[&str], page: &Path| {
        let out = Command::new(program)
            .args(args)
            .arg(page)
            .env("MANROFFSEQ", "")
            .stdin(Stdio::null())
            .output();
        let out = out.unwrap_or_else(|e| panic!("{program}: {e} (run: ci/run deps)"));
        let said = [
            &out.stderr[..],
            if program == "mandoc" {
                &out.stdout
            } else {
                b""
            },
        ]
        .concat();
        assert!(
            out.status.success() && said.is_empty(),
            "{program} {page:?}: {}\n{}",
            out.status,
            String::from_utf8_lossy(&said)
        );
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(pages.len(), commands().count() + 1);
    for page in &pages {
        run("mandoc", &["-T", "lint"], page);
        let shown = run("man", &["--warnings", "-E", "UTF-8", "-Tutf8", "-l"], page);
        assert!(
            shown.contains("EXIT STATUS") || shown.contains('\u{8}'),
            "{page:?} is empty"
        );
    }
}

/// As a reader sees them.
fn rendered(page: &str) -> String {
    let out = Command::new("mandoc")
        .args(["-T", "ascii", "-O", "width=1000"])
        .arg(top().join("man").join(page))
        .output()
        .unwrap_or_else(|e| panic!("mandoc: {e} (run: ci/run deps)"));
    // Bold and underlined letters are letters struck over others.
    let text = String::from_utf8(out.stdout).unwrap();
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\u{8}' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    plain
}

#[test]
fn each_page_has_its_sections_and_every_option() {
    let pages = commands().map(|c| (format!("{NAME}-{}.8", c.name), c.about, c.options));
    let program = (
        format!("{NAME}.8"),
        "a low-level OCI container runtime",
        GLOBAL,
    );
    for (page, about, options) in pages.chain([program]) {
        let text = rendered(&page);
        let mut sections = vec!["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"];
        match page == "runc-rs.8" {
            true => sections.extend(["COMMANDS", "GLOBAL OPTIONS", "ENVIRONMENT", "FILES"]),
            false => sections.push("OPTIONS"),
        }
        for section in sections {
            assert!(
                text.contains(&format!("\n{section}\n")),
                "{page}: no {section}\n{text}"
            );
        }
        assert!(text.contains(&format!(" - {about}\n")), "{page}: {about}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for option in shown(options) {
            let value = option
                .kind
                .word()
                .map_or(String::new(), |w| format!(" {w}"));
            let mut want = format!(" --{}{value}", option.long);
            if let Some(short) = option.short {
                want += &format!(", -{short}{value}");
            }
            let (first, rest) = option.help.split_at(1);
            want += &format!(" {}{rest}.", first.to_uppercase());
            if let Kind::OneOf(_, words) = option.kind {
                want += &format!(" One of {}.", words.join(", "));
            }
            if option.repeated {
                want += " May come more than once.";
            }
            if let Some(default) = option.default {
                want += &format!(" Default: {default}.");
            }
            if let Some(variable) = option.env {
                want += &format!(" {variable} can");
            }
            assert!(text.contains(&want), "{page}: no {want:?}\n{text}");
        }
        let hidden = options.iter().filter(|o| o.hidden);
        for option in hidden {
            assert!(
                !text.contains(&format!("--{} ", option.long)),
                "{page}: {}",
                option.long
            );
        }
    }
}

/// Every variable that the program asks for is in the page.
#[test]
fn every_variable_is_described() {
    fn visit(dir: &Path, seen: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" && name != "oracle" {
                visit(&path, seen);
            } else if path.extension().is_some_and(|e| e == "rs") && name != "tests.rs" {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                for call in ["env::var(\"", "env::var_os(\"", "number(\"LISTEN"] {
                    for (at, _) in code.match_indices(call) {
                        let name = &code[code[at..].find('"').unwrap() + at + 1..];
                        seen.insert(name[..name.find('"').unwrap()].to_owned());
                    }
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    visit(&top().join("../runtime/src"), &mut seen);
    let described: BTreeSet<&str> = ENVIRONMENT
        .iter()
        .flat_map(|(names, ..)| names.split(", "))
        .collect();
    assert!(seen.len() >= 5, "{seen:?}");
    for name in seen {
        assert!(described.contains(&*name), "{name} is not in the man page");
    }
}
