//! The results, side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::Kind;
use crate::job::Result;
use crate::{OURS, checks, known};

/// The page that has [`markdown`].
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/engines.md");

/// Every check, and where runc-rs passes it.
pub fn markdown() -> String {
    let mut text = "| check |".to_owned();
    for kind in Kind::ALL {
        text += &format!(" {kind} |");
    }
    text += "\n|---|";
    text += &"---|".repeat(Kind::ALL.len());
    text.push('\n');
    let mut names: Vec<&str> = Vec::new();
    for check in checks::ALL {
        if !names.contains(&check.name) {
            names.push(check.name);
        }
    }
    for name in names {
        text += &format!("| {name} |");
        for kind in Kind::ALL {
            let of_this_name = checks::ALL.iter().filter(|c| c.name == name);
            let Some(on) = of_this_name
                .map(|c| c.on)
                .find(|on| on.any.contains(&kind) || on.v2.contains(&kind))
            else {
                text += "  |";
                continue;
            };
            let word = if !on.any.contains(&kind) {
                "on v2"
            } else if known::reason(kind, OURS, name).is_some() {
                "not yet"
            } else {
                "ok"
            };
            text += &format!(" {word} |");
        }
        text.push('\n');
    }
    text
}

/// Of the same checks, those that Debian's crun does not pass on version 1 controllers.
pub fn of_crun() -> String {
    let mut text =
        "| engine | checks | passed by crun 1.8.1 | not passed | why |\n|---|---|---|---|---|\n"
            .to_owned();
    for kind in Kind::ALL {
        let all = checks::ALL.iter().filter(|c| c.on.any.contains(&kind));
        let names: Vec<&str> = all.map(|c| c.name).collect();
        let mut whys: Vec<(&str, Vec<&str>)> = Vec::new();
        for name in &names {
            let Some(why) = known::of_crun(kind, name) else {
                continue;
            };
            match whys.iter_mut().find(|(w, _)| *w == why) {
                Some((_, checks)) => checks.push(name),
                None => whys.push((why, vec![name])),
            }
        }
        let failed: usize = whys.iter().map(|(_, checks)| checks.len()).sum();
        text += &format!("| {kind} | {} | {} |", names.len(), names.len() - failed);
        let mut first = true;
        for (why, checks) in whys {
            if !first {
                text += "\n| | | |";
            }
            first = false;
            text += &format!(" {} | {why} |", checks.join("; "));
        }
        text += if first { "  |  |\n" } else { "\n" };
    }
    text
}

/// Prints failures, the table and the totals; true if the whole has failed.
pub fn print(results: &[Result], took: Duration) -> bool {
    let (mut passed, mut failed, mut not_yet) = (0, 0, 0);
    for result in results {
        let reason = known::reason(result.kind, &result.runtime, &result.check);
        let name = format!("{} {} {}", result.kind, result.runtime, result.check);
        match (&result.failure, reason) {
            (None, None) => passed += 1,
            (None, Some(_)) => {
                failed += 1;
                println!("\n--- {name}: passes: take it off the list in tests/engines/known.rs");
            }
            (Some(why), None) => {
                failed += 1;
                println!("\n--- {name}: {why}");
            }
            (Some(why), Some(reason)) => {
                not_yet += 1;
                println!("\n--- {name}: not yet: {reason}: {}", first_words(why));
            }
        }
    }
    for stale in known::stale() {
        failed += 1;
        println!("\n--- tests/engines/known.rs: {stale}");
    }
    let docs = std::fs::read_to_string(DOCS).unwrap_or_default();
    for table in [markdown(), of_crun()] {
        if !docs.contains(&table) {
            failed += 1;
            println!("\n--- {DOCS} has another table; this is the one:\n\n{table}");
        }
    }
    let mut rows: BTreeMap<(String, usize), BTreeMap<&str, &Result>> = BTreeMap::new();
    for result in results {
        let at = checks::ALL
            .iter()
            .position(|c| c.name == result.check)
            .unwrap_or(0);
        rows.entry((result.kind.to_string(), at))
            .or_default()
            .insert(&result.runtime, result);
    }
    let mut runtimes: Vec<&str> = results.iter().map(|r| r.runtime.as_str()).collect();
    runtimes.sort_unstable_by(|a, b| b.cmp(a));
    runtimes.dedup();
    print!("\n{:<12} {:<48}", "engine", "check");
    for runtime in &runtimes {
        print!(" {runtime:>14}");
    }
    println!();
    for ((kind, at), row) in &rows {
        let cell = |which: &str| match row.get(which) {
            None => "-".to_owned(),
            Some(r) => {
                let word = match (&r.failure, known::reason(r.kind, &r.runtime, &r.check)) {
                    (None, None) => "ok",
                    (None, Some(_)) => "UNEXPECTED ok",
                    (Some(_), None) => "FAILED",
                    (Some(_), Some(_)) => "not yet",
                };
                format!("{word} {:.1} s", r.took.as_secs_f32())
            }
        };
        print!("{kind:<12} {:<48}", checks::ALL[*at].name);
        for runtime in &runtimes {
            print!(" {:>14}", cell(runtime));
        }
        println!();
    }
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    if let Ok(used) = used {
        println!(
            "\nprocessor time: {} s",
            used.user_time().tv_sec() + used.system_time().tv_sec()
        );
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; {not_yet} ignored; 0 measured; 0 filtered out; finished in {:.0} s",
        if failed == 0 { "ok" } else { "FAILED" },
        took.as_secs_f32()
    );
    failed > 0
}

/// The failure's own line that tells most: the engine's words, if there are any.
fn first_words(why: &str) -> String {
    let telling = why
        .lines()
        .find_map(|l| l.strip_prefix("stderr: ").filter(|l| !l.is_empty()))
        .or_else(|| why.lines().nth(1))
        .unwrap_or(why);
    telling.chars().take(300).collect()
}
