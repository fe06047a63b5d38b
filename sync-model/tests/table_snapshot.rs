//! Every change of the protocol is a visible change of a checked-in file.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use sync_model::draw;
use sync_model::table::{Class, Direction, Role, rows};
use sync_model::{Features, Kind};

fn check(path: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let then = std::fs::read_to_string(&path).unwrap_or_default();
    let at = then
        .lines()
        .zip(now.lines())
        .position(|(then, now)| then != now);
    let at = at.unwrap_or(then.lines().count().min(now.lines().count()));
    assert!(
        then == now,
        "{} differs from the table, first in line {}:\n  checked in: {}\n  table:      {}\n\
         If the change is meant, run with UPDATE_SNAPSHOTS=1 and read the diff.",
        path.display(),
        at + 1,
        then.lines().nth(at).unwrap_or("(end)"),
        now.lines().nth(at).unwrap_or("(end)"),
    );
}

#[test]
fn the_table_is_the_checked_in_one() {
    check("tests/snapshots/table.txt", &draw::text());
}

#[test]
fn the_docs_show_the_table() {
    check("docs/handshake.md", &draw::page());
}

/// The rows and the `match` come from one macro; this holds them against each other all the same, over everything.
#[test]
fn rows_and_match_agree() {
    use sync_model::table::States;
    fn compare<S: States>() -> usize {
        let mut compared = 0;
        for index in 0..=u8::MAX {
            let Some(state) = S::from_index(index) else {
                break;
            };
            for direction in [Direction::Send, Direction::Receive] {
                for kind in Kind::ALL {
                    for features in (0..=Features::ALL.bits()).filter_map(Features::from_bits) {
                        let from_match = state.next(direction, *kind, features).map(States::id);
                        let row = S::ROWS.iter().find(|row| {
                            row.from == state.id()
                                && row.direction == direction
                                && row.kind == *kind
                        });
                        assert_eq!(
                            from_match,
                            row.and_then(|row| row.next(features)),
                            "{state:?} {kind}"
                        );
                        compared += 1;
                    }
                }
            }
        }
        compared
    }
    let compared = compare::<sync_model::creator::CreatorState>()
        + compare::<sync_model::init::InitState>()
        + compare::<sync_model::exec::ExecCreatorState>()
        + compare::<sync_model::exec::ExecInitState>()
        + compare::<sync_model::gate::GateState>()
        + compare::<sync_model::gate::StarterState>()
        + compare::<sync_model::gate::DeleterState>();
    println!("{compared} (state, message, features) compared");
}

/// Each state can be reached and left, speaks only its own side's messages, and has its own row for each message.
#[test]
fn the_table_is_well_formed() {
    for role in Role::ALL {
        for state in role.states() {
            // Both would end a statement of the diagrams.
            assert!(
                !state.doing().contains([';', ':', '#']),
                "{state:?}: {}",
                state.doing()
            );
            let from: Vec<_> = rows().filter(|row| row.from == state).collect();
            let reached = state.index == 0
                || rows().any(|row| row.to == state || row.otherwise == Some(state));
            assert!(reached, "{state:?} cannot be reached");
            for (index, row) in from.iter().enumerate() {
                assert_eq!(row.role, *role);
                assert_eq!(
                    row.kind.is_from_init(),
                    row.direction == role.init_speaks(),
                    "{state:?} {}",
                    row.kind
                );
                assert!(
                    from[..index].iter().all(|other| other.kind != row.kind),
                    "{state:?}: two rows of {}",
                    row.kind
                );
                assert!(
                    !matches!(row.kind, Kind::Log | Kind::Error),
                    "{state:?}: {} is legal everywhere",
                    row.kind
                );
            }
            match state.class().unwrap() {
                Class::Act => assert!(from.iter().all(|row| row.direction == Direction::Send)),
                Class::Await | Class::Ask => {
                    assert!(from.iter().any(|row| row.direction == Direction::Receive))
                }
                Class::AwaitExec | Class::AwaitExit | Class::End => assert!(from.is_empty()),
            }
        }
    }
}

/// Whatever the features, both tables run against each other to the end, and use every kind but Log and Error.
#[test]
fn the_two_sides_fit_together() {
    let mut used = std::collections::BTreeSet::new();
    for (opener, answerer, title) in draw::CONVERSATIONS {
        for features in (0..=Features::ALL.bits()).filter_map(Features::from_bits) {
            let (exchanges, ends) = draw::walk(*opener, *answerer, features);
            used.extend(exchanges.iter().map(|exchange| exchange.kind));
            for end in ends {
                let sends = rows().any(|row| row.from == end);
                assert!(!sends, "{title}, {features:?}: {end:?} is not an end");
            }
        }
    }
    // Abort on the wire is the creator's second choice; the walk takes the first. It is in the deleter's walk.
    let unused: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| !used.contains(kind))
        .collect();
    assert_eq!(unused, [&Kind::Error, &Kind::Log]);
}
