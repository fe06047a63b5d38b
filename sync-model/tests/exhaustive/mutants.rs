//! The defects of others, and ours: each one is the same world with one rule bent, and the search must find it.

use crate::exec;
use crate::rules::{Bend, Mutant};
use crate::search::{Property, search};
use crate::setups::{base, run};
use crate::world::{Command, Setup, World};
use sync_model::msg::Features;

use Command::{Delete, ForceDelete, Janitor, Start, State};

/// A mutant, where it was seen, and the smallest of worlds in which it shows.
struct Case {
    seen: &'static str,
    bend: Bend,
    adapt: fn(&mut Setup<Mutant>),
}

fn on_run(setup: &mut Setup<Mutant>) {
    *setup = Setup {
        name: setup.name,
        ..run(setup.rules)
    };
}

fn clients(setup: &mut Setup<Mutant>, clients: &[Command]) {
    setup.clients = clients.iter().copied().chain([Janitor]).collect();
}

const fn case(seen: &'static str, bend: Bend, adapt: fn(&mut Setup<Mutant>)) -> Case {
    Case { seen, bend, adapt }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("runc #1697, #2586, #2828: start blocks for ever, init died first", Bend::StarterWaitsForMessageOnly, |_| {}),
    case("runc #1697, #2586, #2828: init waits for ever, its creator died", Bend::InitKeepsCreatorEnd, |_| {}),
    case("runc #5087: init killed by its own filter after Run, the creator waits for ever", Bend::CreatorWaitsForMessageOnly, |s| s.kills = 0),
    case("runc #2530: init's error larger than the pipe", Bend::DrainAfterDeath, |s| { s.pieces = 3; s.kills = 0; }),
    case("runc #2828/#2871: pipes shrunk, and nobody reads before the death", Bend::DrainAfterDeath, |s| { s.room = 1; s.log = true; s.faults = false; s.kills = 0; }),
    case("runc #4534: creator killed before Ready, no record to delete by", Bend::RecordAtReady, |_| {}),
    case("runc start: killed after the byte, before the fifo is gone: running is called created", Bend::StatusFromStarter, |_| {}),
    case("crun start: killed between unlink and write: created is called running", Bend::StatusBeforeStart, |_| {}),
    case("crun start: init spins when its peer is gone", Bend::InitSpins, |_| {}),
    case("crun create: killed before the status file, init waits, delete -f removes nothing", Bend::PidAfterRun, |_| {}),
    case("runc before #2575: the state is saved after Run", Bend::PidAfterRun, |s| { on_run(s); s.kills = 0; s.faults = false; s.stalls = false; }),
    case("crun: creator killed anywhere, the cgroup stays", Bend::FailureLeavesCgroup, |_| {}),
    case("youki: a message overtakes another", Bend::Overtaking, |_| {}),
    case("youki: a torn record", Bend::TornRecord, |_| {}),
    case("youki: a pid that is another's by now", Bend::PidAlone, |s| { s.reuse = true; s.faults = false; s.stalls = false; s.kills = 1; clients(s, &[Start]); }),
    case("youki: both starters succeed", Bend::GateAcceptsAll, |s| { clients(s, &[Start, Start]); s.kills = 0; s.faults = false; s.stalls = false; }),
    case("a program executed without the gate", Bend::NoGate, |_| {}),
    case("the cgroup's processes signalled by number", Bend::CgroupByNumber, |s| { s.reuse = true; s.pid_ns = false; s.kills = 0; s.faults = false; s.stalls = false; clients(s, &[Start, ForceDelete]); }),
    case("an end of the wire taken for success", Bend::EofIsSuccess, |_| {}),
    case("crun 1.8.1: goes on after a step that isolates has failed", Bend::GoOnAfterFailure, |_| {}),
    case("goes on without limits", Bend::CreatorGoesOn, on_run),
    case("a hook that keeps the creator's end of the wire", Bend::HookKeepsWire, |s| s.features = Features::HOOKS),
    case("hooks waited for without a look at init", Bend::HookUnwatched, |s| s.features = Features::HOOKS),
    case("the hooks run twice", Bend::HooksTwice, |s| s.features = Features::HOOKS),
    case("delete kills a created container by pid", Bend::DeleteKillsCreated, |s| { clients(s, &[Start, Delete]); s.kills = 0; s.faults = false; s.stalls = false; }),
    case("the gate read after the process", Bend::GateReadLast, |s| { clients(s, &[State]); s.stalls = false; s.faults = false; s.kills = 1; }),
    case("a process on its way out called alive", Bend::DyingIsAlive, |_| {}),
    case("delete without the lock", Bend::DeleteUnlocked, |s| { s.reuse = true; s.faults = false; s.stalls = false; s.kills = 1; clients(s, &[ForceDelete]); }),
    case("delete asks again and again", Bend::AskForEver, |s| { on_run(s); s.queue_start = false; s.faults = false; s.stalls = false; s.kills = 1; clients(s, &[Delete]); }),
    case("the creator's own failed call told instead of init's cause", Bend::OwnCauseFirst, |s| s.user_ns = true),
    case("the id maps written when init is at work already", Bend::MapsLate, |s| { s.user_ns = true; s.kills = 0; }),
    case("a dead init is never collected", Bend::NoReap, |_| {}),
    case("a directory without a record taken for nothing", Bend::EmptyDirIsNothing, |_| {}),
    case("a vanished program taken for a failed start", Bend::VanishedIsFailure, |s| s.faults = false),
    case("a vanished init, asked to leave, taken for a program", Bend::VanishedIsProgram, |s| { clients(s, &[Delete]); s.kills = 0; s.faults = false; s.stalls = false; }),
    case("log lines written to a reader that has stopped", Bend::BlockingLog, |s| s.log = true),
    case("delete -f waits for a creator without looking again", Bend::WaitsBlindly, |s| { s.features = Features::HOOKS; s.kills = 0; s.faults = false; clients(s, &[ForceDelete]); }),
    case("delete -f does not thaw what it kills", Bend::NoThaw, |s| { s.pause = true; s.faults = false; s.stalls = false; }),
];

#[test]
fn the_search_finds_every_mutant() {
    let mut controls = 0;
    let shrunk = case(
        "runc #2828/#2871: exec on shrunk pipes reads nothing before the death",
        Bend::ExecDrainsAfterDeath,
        |_| {},
    );
    let mut found_by: Vec<(&Case, Option<Property>)> = Vec::new();
    for case in CASES {
        let mut setup = Setup {
            name: case.seen,
            ..base(Mutant(case.bend))
        };
        (case.adapt)(&mut setup);
        // The same world with no rule bent: there nothing may be found, or the find above says nothing.
        let control = setup.lawful();
        let innocent = search(&World::new(&control), &control, 4_000_000);
        assert!(
            innocent.violation.is_none(),
            "{}: {:?}",
            case.seen,
            innocent.violation
        );
        controls += innocent.states;
        let found = search(&World::new(&setup), &setup, 4_000_000);
        match &found.violation {
            Some(((property, how), trace)) => {
                println!(
                    "\n{:?} ({}) breaks {property:?}: {how}  [{} states]",
                    case.bend, case.seen, found.states
                );
                for line in trace {
                    println!("    {line}");
                }
            }
            None => println!(
                "\n{:?} ({}) is NOT FOUND in {} states",
                case.bend, case.seen, found.states
            ),
        }
        found_by.push((case, found.violation.map(|((property, _), _)| property)));
    }
    for setup in exec::setups(Mutant(shrunk.bend)) {
        let found = search(&exec::World::new(&setup), &setup, 4_000_000);
        if let Some(((property, how), trace)) = found.violation {
            println!(
                "\n{:?} ({}) breaks {property:?}: {how}  [{} states]",
                shrunk.bend, shrunk.seen, found.states
            );
            for line in trace {
                println!("    {line}");
            }
            found_by.push((&shrunk, Some(property)));
            break;
        }
    }
    println!();
    for (case, property) in &found_by {
        let columns: String = Property::ALL
            .iter()
            .map(|column| {
                if Some(*column) == *property {
                    format!(" {column:?}")
                } else {
                    "  .".to_owned()
                }
            })
            .collect();
        println!("{columns}  {}", case.seen);
    }
    let found = found_by
        .iter()
        .filter(|(_, property)| property.is_some())
        .count();
    println!(
        "{found} of {} mutants found (none in the same worlds unbent: {controls} states)",
        CASES.len() + 1
    );
    assert_eq!(found, CASES.len() + 1, "a mutant lives");
    for property in Property::ALL {
        assert!(
            found_by.iter().any(|(_, caught)| *caught == Some(property)),
            "no mutant shows that {property:?} can fail"
        );
    }
}
