//! The engines: Podman, Docker and containerd of Debian, each driven through the runtime under test and through Debian's runc.
//!
//! `cargo test -p integration --test engines -- [WORD...]` (the verb `engines` of `ci/run`). With words only those
//! checks run whose line `engine runtime check` has all of them (`pause|limits`: either). `ENGINES_JOBS` is how many
//! engines run at the same time; `ENGINES_RUNTIMES` which runtimes they get ("runc runc-rs"; there is "crun", too).
//!
//! An engine with one runtime is a job. A job has a sandbox of its own ([`sandbox`]), in which nothing of the machine can be written and from
//! which nothing survives; there it starts the engine, goes through its checks ([`checks`]) and writes down how each one ended. Here the
//! results are put together. It fails if
//! - a check fails with runc: then the check is wrong;
//! - a check fails with ours that is not in [`known::NOT_YET`], or passes that is.
#![allow(clippy::unwrap_used)]

mod checks;
mod configure;
mod cri;
mod ctr;
mod engine;
mod image;
mod job;
mod known;
mod page;
mod sandbox;
mod table;

use std::sync::Mutex;
use std::time::Instant;

use engine::Kind;
use job::{Job, Result};

/// Ours is called so whatever the file's name: it is copied under this name into the sandbox.
const OURS: &str = "runc-rs";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        // Inside, as the first process of the sandbox; and its only child.
        Some("--sandbox") => sandbox::first_process(&args[1..]),
        Some("--job") => job::run(&args[1..]),
        // Inside a container.
        Some("--tell-ready") => tell_ready(),
        _ => outside(&args),
    }
}

fn outside(args: &[String]) {
    let words: Vec<String> = args
        .iter()
        .filter(|a| !a.starts_with('-'))
        .cloned()
        .collect();
    if args.iter().any(|a| a == "--table") {
        print!("{}\n{}", table::markdown(), table::of_crun());
        return;
    }
    if args.iter().any(|a| a == "--list") {
        for check in checks::ALL {
            for kind in Kind::ALL.into_iter().filter(|kind| check.on.has(*kind)) {
                println!("{kind} {}: test", check.name);
            }
        }
        return;
    }
    if !integration::is_root() {
        eprintln!("the engines need root, and namespaces and cgroups of their own");
        std::process::exit(1);
    }
    let began = Instant::now();
    let images = image::Images::make();
    let runtimes = runtimes();
    let jobs: Vec<Job> = Kind::ALL
        .iter()
        .flat_map(|kind| runtimes.iter().map(|runtime| (*kind, *runtime)))
        .filter(|(kind, runtime)| !checks::chosen(*kind, runtime, &words).is_empty())
        .map(|(kind, runtime)| Job { kind, runtime })
        .collect();
    let parallel = std::env::var("ENGINES_JOBS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3usize);
    let todo = Mutex::new(jobs.into_iter().collect::<std::collections::VecDeque<_>>());
    let results: Mutex<Vec<Result>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                while let Some(job) = { todo.lock().unwrap().pop_front() } {
                    let found = job.start(&images, &words);
                    results.lock().unwrap().extend(found);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    drop(images);
    let bad = table::print(&results, began.elapsed());
    std::process::exit(i32::from(bad));
}

/// Those that `ENGINES_RUNTIMES` names, else Debian's runc and ours.
fn runtimes() -> Vec<&'static str> {
    let chosen = std::env::var("ENGINES_RUNTIMES").unwrap_or(format!("runc {OURS}"));
    let known = ["runc", "crun", OURS];
    chosen
        .split_whitespace()
        .map(|name| {
            known
                .into_iter()
                .find(|k| *k == name)
                .unwrap_or_else(|| panic!("ENGINES_RUNTIMES: {name} is none of {known:?}"))
        })
        .collect()
}

/// What a service says to its manager, by the socket that it was given.
fn tell_ready() {
    let socket = std::env::var("NOTIFY_SOCKET").expect("NOTIFY_SOCKET");
    let own = std::os::unix::net::UnixDatagram::unbound().unwrap();
    own.send_to(b"READY=1", &socket)
        .unwrap_or_else(|e| panic!("{socket}: {e}"));
}
