//! The crash and errno matrix: each system call of the processes of a command is replaced by SIGKILL or by an errno, and after it nothing
//! may hang, lie, run with less isolation than asked for, or be left over.
//!
//! `a_sample_of_the_matrix` is part of every run; `the_whole_matrix` is ignored by default. `MATRIX_CASE` repeats one
//! case, or all with this in their names, `MATRIX_STEP` takes every n-th of the whole, `MATRIX_SEED` is where a sample
//! begins, `MATRIX_BUNDLE` is the only bundle, `MATRIX_COMMANDS` are the only commands (`exec,pause`).

mod bundle;
mod case;
mod falsified;
mod given;
mod running;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use integration::tracer::{Action, Call};
use integration::{is_ours, need_root, skip};

use bundle::Variation;
use case::{Row, Verdict};
use running::RUNNING;
use table::{Figures, Table};

const ACTIONS: [Action; 7] = [
    Action::Kill,
    Action::Errno(12),
    Action::Errno(1),
    Action::Errno(4),
    Action::Errno(5),
    Action::Errno(28),
    Action::Errno(24),
];

/// From nothing to nothing; those on a container that runs are [`RUNNING`].
const COMMANDS: [&str; 6] = ["run", "create", "start", "kill", "delete", "delete-force"];

const VARIATIONS: [(&str, Variation); 2] =
    [("plain", Variation::Plain), ("mapped", Variation::Mapped)];

/// As many cases at a time (`MATRIX_WORKERS`): they wait for each other's processes more than for a processor.
const WORKERS: usize = 2;

/// What one row of the table is about: what the command does when nothing is broken.
struct Whole {
    bundle: &'static str,
    variation: Variation,
    command: &'static str,
    calls: Vec<Call>,
    /// Up to here it is the C library's start, which can end the program but has no words of its own.
    main: Option<usize>,
}

impl Whole {
    fn new((bundle, variation): (&'static str, Variation), command: &'static str) -> Self {
        let seen = Row::new(command, variation).case(None);
        assert!(
            seen.trace.code == 0 && seen.verdicts.is_empty(),
            "{bundle}/{command}, unbroken: {} {:?}\n{}\n{}",
            seen.trace.code,
            seen.verdicts,
            seen.stderr,
            seen.trace.record
        );
        let calls = seen.trace.calls;
        let main = Call {
            process: 0,
            name: "getrandom".to_owned(),
            nth: 1,
        };
        let main = calls
            .iter()
            .position(|call| *call == main)
            .filter(|_| is_ours());
        Self {
            bundle,
            variation,
            command,
            calls,
            main,
        }
    }

    fn name(&self, index: usize, action: Action) -> String {
        let call = &self.calls[index];
        format!(
            "{}/{}/{}/{}#{}/{action:?}",
            self.bundle, self.command, call.process, call.name, call.nth
        )
    }

    /// The C library may end the command: while it starts, and when the heap's end cannot be moved.
    fn is_tolerated(&self, index: usize, verdict: Verdict) -> bool {
        let call = &self.calls[index];
        let in_library = self
            .main
            .is_some_and(|main| index <= main || call.name == "brk");
        call.process == 0 && in_library && verdict == Verdict::MUTE
    }
}

/// A case: which row, which of its calls, what instead.
type Case = (usize, usize, Action);

/// Every `step`-th of the wanted cases from the `seed`-th on; the failures.
fn matrix(
    step: usize,
    seed: usize,
    variations: &[(&'static str, Variation)],
    pick: impl Fn(&Call, Action) -> bool,
) -> Vec<String> {
    let only = std::env::var("MATRIX_CASE").ok();
    let bundle = std::env::var("MATRIX_BUNDLE").ok();
    let commands = std::env::var("MATRIX_COMMANDS").ok();
    let wanted = |bundle_: &str, command: &str| {
        let prefix = format!("{bundle_}/{command}/");
        // One that is given whole names its row.
        let row = only.as_ref().filter(|only| only.matches('/').count() == 4);
        row.is_none_or(|only| only.starts_with(&prefix))
            && bundle.as_ref().is_none_or(|bundle| bundle == bundle_)
            && (commands.as_ref())
                .is_none_or(|commands| commands.split(',').any(|it| it == command))
    };
    let rows = variations.iter().flat_map(|variation| {
        // What the rest do to a container is the same in both bundles.
        let of_both = |command: &&str| {
            (variation.1 == Variation::Plain || command.starts_with("exec"))
                && given::is_possible(command)
        };
        COMMANDS
            .iter()
            .chain(RUNNING.iter().filter(move |it| of_both(it)))
            .filter(move |command| wanted(variation.0, command))
            .map(|command| Whole::new(*variation, command))
    });
    let rows: Vec<Whole> = rows.collect();
    assert!(!rows.is_empty(), "no such row");
    let mut cases: Vec<Case> = Vec::new();
    let mut count = 0;
    for (row, whole) in rows.iter().enumerate() {
        for index in 0..whole.calls.len() {
            for action in ACTIONS {
                let call = &whole.calls[index];
                if !action.is_possible(call) || !pick(call, action) {
                    continue;
                }
                count += 1;
                if only.as_ref().map_or(count % step == seed % step, |only| {
                    whole.name(index, action).contains(only.as_str())
                }) {
                    cases.push((row, index, action));
                }
            }
        }
    }
    let table = Mutex::new(Table::new(rows.iter().map(|whole| Figures {
        bundle: whole.bundle,
        command: whole.command,
        calls: whole.calls.len(),
        ..Figures::default()
    })));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..number("MATRIX_WORKERS", WORKERS).min(cases.len()) {
            scope.spawn(|| worker(&rows, &cases, &next, &table));
        }
    });
    let table = table.into_inner().unwrap();
    println!("every {step}. of {count} cases\n{table}");
    table.failures
}

fn worker(rows: &[Whole], cases: &[Case], next: &AtomicUsize, table: &Mutex<Table>) {
    let own: Vec<OnceLock<Row>> = rows.iter().map(|_| OnceLock::new()).collect();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some((row, index, action)) = cases.get(number).copied() else {
            return;
        };
        if number > 0 && number.is_multiple_of(1000) {
            println!("{number} of {} cases", cases.len());
        }
        let whole = &rows[row];
        let own = own[row].get_or_init(|| Row::new(whole.command, whole.variation));
        let look = || {
            let mut seen = own.case(Some((&whole.calls[index], action)));
            let tolerated = |(verdict, _): &(Verdict, String)| whole.is_tolerated(index, *verdict);
            let mute = seen.verdicts.iter().any(tolerated);
            seen.verdicts.retain(|it| !tolerated(it));
            (seen, mute)
        };
        let started = std::time::Instant::now();
        // Where not even the way to the command can be gone the case has no result, and the others have theirs.
        let Ok((seen, mute)) = catch_unwind(AssertUnwindSafe(look)) else {
            let name = whole.name(index, action);
            println!("MATRIX_CASE={name}: no result");
            table
                .lock()
                .unwrap()
                .failures
                .push(format!("{name}: no result"));
            continue;
        };
        let taken = started.elapsed();
        // Others use this machine, and a case that was late once is not one that hangs: both are told.
        let again = !seen.verdicts.is_empty()
            && (0..2).any(|_| {
                let again = catch_unwind(AssertUnwindSafe(look))
                    .map_or_else(|_| vec![], |it| it.0.verdicts);
                again
                    .iter()
                    .any(|(it, _)| seen.verdicts.iter().any(|(first, _)| first == it))
            });
        let mut table = table.lock().unwrap();
        table.add(row, &whole.name(index, action), &seen, mute, again, taken);
    }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn a_sample_of_the_matrix() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_sample_of_the_matrix",
            "runc 1.1 hangs, lies and leaks in some cases: the whole matrix counts them",
        );
    }
    let failures = matrix(197, number("MATRIX_SEED", 11), &VARIATIONS, |_, _| true);
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The model's killer, let loose on the real commands: all of these deaths, not a sample.
#[test]
fn a_command_killed_at_every_system_call() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_command_killed_at_every_system_call",
            "runc 1.1 leaves cgroups and frozen inits, and reports `created` for what runs",
        );
    }
    let failures = matrix(1, 0, &VARIATIONS[..1], |call, action| {
        call.process == 0 && action == Action::Kill
    });
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
#[ignore = "minutes: cargo test -p integration -- --ignored --nocapture the_whole_matrix"]
fn the_whole_matrix() {
    need_root!();
    let (step, seed) = (number("MATRIX_STEP", 1), number("MATRIX_SEED", 0));
    let failures = matrix(step, seed, &VARIATIONS, |_, _| true);
    assert!(failures.is_empty(), "{} failures", failures.len());
}
