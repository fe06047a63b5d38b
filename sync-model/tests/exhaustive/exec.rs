//! `exec`: its own pair of machines, the container that may end meanwhile, and a killer.

mod steps;

use sync_model::exec::{ExecCreatorState, ExecInitState};
use sync_model::machine::Turn;
use sync_model::msg::{Features, Kind};
use sync_model::outcome::{Death, Fate, Outcome};

use crate::creator::name;
use crate::kernel::{CREATOR, Cause, INIT, Life, Unit, Wire, cause_of};
use crate::port::{Did, Ends, Port};
use crate::rules::{Bend, Rules};
use crate::search::{self, Broken, Label, Next, Parts, Property};
use crate::world::Report;

/// What one search is about.
#[derive(Debug, Clone)]
pub struct Setup<V> {
    pub name: &'static str,
    pub rules: V,
    pub features: Features,
    pub room: usize,
    pub pieces: usize,
    pub log: bool,
}

/// Where `exec` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Clone,
    CloseEnds,
    Join,
    Talk,
    AwaitAgent,
    Look,
    Kill,
    Reap,
    Foreground,
    Left(Report),
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Outer<V> {
    at: At,
    port: Port<ExecCreatorState, V>,
    own: Option<Cause>,
    report: Option<Report>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Inner<V> {
    port: Port<ExecInitState, V>,
    exits: bool,
    logged: bool,
    filtered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kernel {
    wire: Wire,
    life: Life,
    death: Option<Death>,
    /// The container's own init lives.
    container: bool,
    stalled: bool,
    failed: Option<Cause>,
    told: bool,
    own: Option<Cause>,
    executed: u8,
    unisolated: bool,
    wrong_isolation: bool,
    unexpected: bool,
    wrong: Option<&'static str>,
    left: bool,
}

/// `exec`, its process, and what is around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World<V> {
    outer: Outer<V>,
    inner: Inner<V>,
    kernel: Kernel,
}

pub struct Store<V> {
    outers: Parts<Outer<V>>,
    inners: Parts<Inner<V>>,
    kernels: Parts<Kernel>,
}

impl<V> Default for Store<V> {
    fn default() -> Store<V> {
        Store {
            outers: Parts::default(),
            inners: Parts::default(),
            kernels: Parts::default(),
        }
    }
}

impl Kernel {
    fn lives(&self) -> bool {
        matches!(self.life, Life::PreExec | Life::Init | Life::Program)
    }

    fn close(&mut self, who: u16) {
        self.wire.outer &= !who;
        self.wire.inner &= !who;
        if self.wire.inner == 0 {
            self.wire.down.clear();
        }
        if self.wire.outer == 0 {
            self.wire.up.clear();
        }
    }

    fn die(&mut self, death: Death) {
        if self.lives() {
            self.life = Life::Exiting;
            self.death = Some(death);
            self.close(INIT);
        }
    }
}

struct Steps<'a, V> {
    world: &'a World<V>,
    out: &'a mut Vec<Next<World<V>>>,
    who: &'static str,
}

impl<V: Rules> Steps<'_, V> {
    fn add(
        &mut self,
        progress: bool,
        what: &'static str,
        change: impl FnOnce(&mut World<V>) -> Option<&'static str>,
    ) {
        let mut world = self.world.clone();
        if let Some(about) = change(&mut world) {
            let who = self.who;
            let label = Label { who, what, about };
            self.out.push(Next {
                label,
                progress,
                world,
            });
        }
    }

    fn go(&mut self, what: &'static str, change: impl FnOnce(&mut World<V>)) {
        self.add(true, what, |world| {
            change(world);
            Some("")
        });
    }

    fn may(&mut self, what: &'static str, change: impl FnOnce(&mut World<V>)) {
        self.add(false, what, |world| {
            change(world);
            Some("")
        });
    }
}

impl<V: Rules> World<V> {
    pub fn new(setup: &Setup<V>) -> World<V> {
        World {
            outer: Outer {
                at: At::Clone,
                port: Port::new(setup.rules),
                own: None,
                report: None,
            },
            inner: Inner {
                port: Port::new(setup.rules),
                exits: false,
                logged: false,
                filtered: false,
            },
            kernel: Kernel {
                wire: Wire::default(),
                life: Life::Unborn,
                death: None,
                container: true,
                stalled: false,
                failed: None,
                told: false,
                own: None,
                executed: 0,
                unisolated: false,
                wrong_isolation: false,
                unexpected: false,
                wrong: None,
                left: false,
            },
        }
    }

    fn say(&mut self, setup: &Setup<V>, kind: Kind) {
        self.kernel.unexpected |= !self.outer.port.send(Unit::Of(kind), 0, setup.features);
        self.converse(setup);
    }

    fn converse(&mut self, setup: &Setup<V>) -> Option<&'static str> {
        let kernel = &mut self.kernel;
        let mut ends = Ends {
            open: kernel.wire.inner != 0,
            incoming: &mut kernel.wire.up,
            outgoing: &mut kernel.wire.down,
            dead: match kernel.life {
                Life::Zombie => kernel.death,
                _ => None,
            },
            room: setup.room,
            features: setup.features,
        };
        let did = self.outer.port.step(&mut ends)?;
        kernel.unexpected |= matches!(did, Did::Broken(_));
        self.settle();
        Some(name(did))
    }

    fn settle(&mut self) {
        let Some(outcome) = self.outer.port.outcome() else {
            return;
        };
        let report = match outcome {
            Outcome::Executed => {
                self.outer.at = At::Foreground;
                return;
            }
            Outcome::Failed(error) => Report::Init(cause_of(error)),
            Outcome::PeerDied { death, .. } => Report::Died(*death),
            Outcome::Violated(_) => Report::Broken,
            _ => Report::Closed,
        };
        self.outer.report = Some(report);
        self.outer.at = At::Kill;
    }

    fn own(&mut self, cause: Cause) {
        if self.kernel.failed.is_none() && self.kernel.death.is_none() {
            self.kernel.own = Some(cause);
        }
        self.outer.own = Some(cause);
        self.outer.at = At::Look;
    }

    fn inner_say(&mut self, setup: &Setup<V>, kind: Kind) {
        self.kernel.unexpected |= !self.inner.port.send(Unit::Of(kind), 0, setup.features);
        self.inner_converse(setup);
    }

    fn inner_converse(&mut self, setup: &Setup<V>) -> Option<&'static str> {
        let kernel = &mut self.kernel;
        let mut ends = Ends {
            open: kernel.wire.outer != 0,
            incoming: &mut kernel.wire.down,
            outgoing: &mut kernel.wire.up,
            dead: None,
            room: setup.room,
            features: setup.features,
        };
        let did = self.inner.port.step(&mut ends)?;
        kernel.unexpected |= matches!(did, Did::Broken(_));
        kernel.told |= did == Did::Wrote && self.inner.exits && self.inner.port.out.is_empty();
        // Its creator is gone: it leaves.
        self.inner.exits |= did == Did::Eof;
        Some(name(did))
    }

    fn fail(&mut self, setup: &Setup<V>, cause: Cause) {
        self.kernel.failed.get_or_insert(cause);
        self.kernel.unexpected |=
            !self
                .inner
                .port
                .send(Unit::Error(cause), setup.pieces, setup.features);
        self.inner.exits = true;
    }

    fn leave(&mut self, report: Report) {
        let kernel = &mut self.kernel;
        kernel.wrong = match report {
            Report::Success => {
                (kernel.executed == 0).then_some("exec reports success, and nothing was executed")
            }
            Report::Init(cause) => (kernel.failed != Some(cause))
                .then_some("exec reports a cause that is not its process's"),
            Report::Died(death) if kernel.death == Some(death) && !kernel.told => None,
            Report::Own(cause) if kernel.own == Some(cause) => None,
            _ => Some("exec reports something else than the cause"),
        };
        kernel.left =
            report != Report::Success && !matches!(kernel.life, Life::Unborn | Life::Reaped);
        kernel.close(CREATOR);
        self.outer.at = At::Left(report);
    }
}

impl<V: Rules> search::World for World<V> {
    type Setup = Setup<V>;
    type Key = [u32; 3];
    type Store = Store<V>;

    fn pack(self, store: &mut Store<V>) -> [u32; 3] {
        [
            store.outers.number(self.outer),
            store.inners.number(self.inner),
            store.kernels.number(self.kernel),
        ]
    }

    fn unpack(key: &[u32; 3], store: &Store<V>) -> World<V> {
        World {
            outer: store.outers.part(key[0]),
            inner: store.inners.part(key[1]),
            kernel: store.kernels.part(key[2]),
        }
    }

    fn steps(&self, setup: &Setup<V>, out: &mut Vec<Next<World<V>>>) {
        let who = "exec";
        let mut steps = Steps {
            world: self,
            out,
            who,
        };
        World::outer_steps(&mut steps, setup);
        steps.who = "process";
        World::inner_steps(&mut steps, setup);
        steps.who = "kernel";
        let kernel = &self.kernel;
        match kernel.life {
            Life::Exiting => steps.go("the process can be waited for", |world| {
                world.kernel.life = Life::Zombie
            }),
            Life::Zombie if matches!(self.outer.at, At::Left(_) | At::Dead) => {
                steps.go("the host's reaper collects it", |world| {
                    world.kernel.life = Life::Reaped
                });
            }
            Life::Program => steps.may("the program ends", |world| {
                world.kernel.die(Death::Exited(0))
            }),
            _ => {}
        }
        steps.who = "killer";
        if kernel.lives() {
            steps.may("SIGKILL to the process", |world| {
                world.kernel.die(Death::Killed(9))
            });
        }
        if kernel.container {
            // Its pid namespace takes everybody in it along.
            steps.may("the container ends", |world| {
                world.kernel.container = false;
                world.kernel.die(Death::Killed(9));
            });
        }
    }

    fn check(&self, _: &Setup<V>) -> Result<(), Broken> {
        let kernel = &self.kernel;
        let broken =
            |broken: bool, property, how| if broken { Err((property, how)) } else { Ok(()) };
        broken(
            kernel.executed > 1,
            Property::S1,
            "the program is executed twice",
        )?;
        broken(
            kernel.unexpected,
            Property::S7,
            "a message that the table does not allow",
        )?;
        broken(
            kernel.left,
            Property::S8,
            "exec has failed, and its process is left",
        )?;
        broken(
            kernel.wrong_isolation,
            Property::S9,
            "the program is executed although it is not isolated",
        )?;
        match kernel.wrong {
            Some(how) => Err((Property::S6, how)),
            None => Ok(()),
        }
    }

    fn check_at_rest(&self, _: &Setup<V>) -> Result<(), Broken> {
        let kernel = &self.kernel;
        let over = matches!(self.outer.at, At::Left(_) | At::Dead);
        let runs = self.outer.at == At::Foreground && kernel.life == Life::Program;
        if !over && !runs && !kernel.stalled {
            return Err((Property::L1, "exec waits for ever"));
        }
        if over && matches!(kernel.life, Life::PreExec | Life::Init) {
            return Err((
                Property::L2,
                "exec is gone, and its process waits for it for ever",
            ));
        }
        if kernel.life == Life::Zombie && !kernel.stalled {
            return Err((Property::L3, "a zombie is left"));
        }
        Ok(())
    }
}

/// With and without a seccomp agent, with wide and narrow wires.
pub fn setups<V: Rules>(rules: V) -> Vec<Setup<V>> {
    let plain = Setup {
        name: "exec",
        rules,
        features: Features::NONE,
        room: 2,
        pieces: 0,
        log: false,
    };
    vec![
        plain.clone(),
        Setup {
            name: "exec with a seccomp agent",
            features: Features::SECCOMP_FD,
            ..plain.clone()
        },
        Setup {
            name: "exec with a seccomp agent, log lines, an error larger than a shrunk wire",
            features: Features::SECCOMP_FD,
            room: 1,
            pieces: 2,
            log: true,
            ..plain
        },
    ]
}
