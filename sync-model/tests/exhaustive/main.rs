//! The exhaustive search: creator, init, starters, deleters, `state`, and a killer, over the machines of production.
#![allow(clippy::unwrap_used)]

mod actors;
mod client;
mod creator;
mod exec;
mod init;
mod kernel;
mod mutants;
mod port;
mod properties;
mod rules;
mod search;
mod setups;
mod world;

use sync_model::variation::Lawful;

use crate::search::{World, search};

/// What several searches have seen.
#[derive(Default)]
struct Total {
    states: usize,
    transitions: usize,
    configurations: usize,
}

impl Total {
    /// Searches one configuration completely, prints what was seen, and fails at a violation.
    fn prove<W: World>(&mut self, name: &str, start: &W, setup: &W::Setup) {
        let begun = std::time::Instant::now();
        let found = search(start, setup, 400_000_000);
        self.states += found.states;
        self.transitions += found.transitions;
        self.configurations += 1;
        println!(
            "states: {:>8}, transitions: {:>9}, violations: {}  ({:.1} s)  {name}",
            found.states,
            found.transitions,
            u8::from(found.violation.is_some()),
            begun.elapsed().as_secs_f32(),
        );
        if let Some(((property, how), trace)) = found.violation {
            panic!("{name}: {property:?}: {how}\n{}", trace.join("\n"));
        }
    }

    fn print(&self) {
        println!(
            "states: {}, transitions: {}, violations: 0  in {} configurations",
            self.states, self.transitions, self.configurations
        );
    }
}

#[test]
fn every_property_holds_in_every_reachable_state() {
    let mut total = Total::default();
    for setup in setups::all(Lawful) {
        total.prove(setup.name, &world::World::new(&setup), &setup);
    }
    for setup in exec::setups(Lawful) {
        total.prove(setup.name, &exec::World::new(&setup), &setup);
    }
    total.print();
}

#[test]
#[ignore = "takes minutes and gigabytes"]
fn every_property_holds_in_the_large() {
    let mut total = Total::default();
    for setup in setups::large(Lawful) {
        total.prove(setup.name, &world::World::new(&setup), &setup);
    }
    total.print();
}
