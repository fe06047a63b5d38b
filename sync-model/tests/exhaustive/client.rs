//! `start`, `delete`, `delete --force` and `state`: they read the evidence piece by piece, and do what
//! `sync_model::lifecycle` decides.

use sync_model::lifecycle::{DeletePlan, Record, Status, delete_with, start_with, status_with};
use sync_model::machine::Turn;
use sync_model::msg::Kind;
use sync_model::outcome::{Death, Fate, Outcome};
use sync_model::table::States;

use crate::creator::name;
use crate::kernel::{Disk, INIT, Kernel, Life, Unit, Wire, cause_of};
use crate::port::{Did, Ends, Port};
use crate::properties;
use crate::rules::{Bend, Rules};
use crate::world::{Client, ClientAt, Command, Report, Setup, Steps, Talk, World, bit, status_bit};

/// It ends, one way or another, and holds nothing any more.
pub fn leave<V: Rules>(world: &mut World<V>, index: usize, at: ClientAt) {
    world.kernel.close_all(bit(index));
    let client = &mut world.clients[index];
    client.at = at;
    client.window = 0;
    client.talk = Talk::Nothing;
    client.again = false;
    client.thaw = false;
    client.listed = false;
    client.seen = World::<V>::nothing_seen();
    client.wire.outer = 0;
    client.wire.up.clear();
}

fn finish<V: Rules>(world: &mut World<V>, setup: &Setup<V>, index: usize, report: Report) {
    properties::judge_client(world, setup, index, report);
    leave(world, index, ClientAt::Left(report));
}

pub fn steps<V: Rules>(steps: &mut Steps<'_, V>, index: usize) {
    let (world, setup) = (steps.world, steps.setup);
    let rules = setup.rules;
    let kernel = &world.kernel;
    let command = setup.clients[index];
    let client = &world.clients[index];
    match client.at {
        ClientAt::Idle => {
            let begins = command != Command::Janitor
                && !kernel.truth.closing
                && !kernel.reborn
                && (!setup.late || !world.creator_works());
            steps.may(begins, "begins", |world| {
                world.clients[index].window = world.truth();
                world.clients[index].at = ClientAt::ReadLock;
                if rules.bent(Bend::StatusBeforeStart) && command == Command::Start {
                    world.kernel.stored_running = true;
                }
            });
        }
        ClientAt::ReadLock => steps.go("looks at the lock", |world| {
            world.clients[index].seen.creator_alive = world.kernel.lock != 0;
            world.clients[index].at = ClientAt::ReadRecord;
        }),
        ClientAt::ReadRecord => steps.go("reads the record", |world| {
            world.clients[index].seen.record = if world.kernel.reborn {
                Record::Missing
            } else {
                world.record_seen()
            };
            world.clients[index].at = match rules.bent(Bend::GateReadLast) {
                false => ClientAt::ReadGate,
                true => ClientAt::ReadProcess,
            };
        }),
        ClientAt::ReadGate => steps.go("looks at the gate", |world| {
            world.clients[index].seen.gate_held = world.gate_seen(setup);
            world.clients[index].at = ClientAt::ReadProcess;
            if rules.bent(Bend::GateReadLast) {
                decide(world, setup, index);
            }
        }),
        ClientAt::ReadProcess => steps.go("looks at init", |world| {
            let seen = &world.clients[index].seen;
            let alive = seen.record == Record::WithInit && world.init_seen_alive(setup);
            let frozen = world.kernel.frozen;
            let client = &mut world.clients[index];
            client.seen.init_alive = alive;
            client.seen.frozen = frozen;
            if rules.bent(Bend::GateReadLast) {
                client.at = ClientAt::ReadGate;
            } else {
                decide(world, setup, index);
            }
        }),
        ClientAt::Knock if kernel.listener == 0 => steps.go("finds nobody at the gate", |world| {
            not_accepted(world, setup, index);
        }),
        ClientAt::Knock => steps.go("connects to the gate", |world| {
            let client = &mut world.clients[index];
            client.wire = Wire {
                outer: bit(index),
                inner: INIT,
                ..Wire::default()
            };
            client.talk = match command {
                Command::Start => Talk::Start(Port::new(rules)),
                _ => Talk::Abort(Port::new(rules)),
            };
            client.at = ClientAt::Talk;
        }),
        ClientAt::Talk => talk(steps, index),
        ClientAt::Poststart => {
            steps.go("runs the poststart hooks", |world| {
                world.kernel.begin_hook(3);
                finish(world, setup, index, Report::Success);
            });
            steps.may(
                setup.stalls,
                "starts a poststart hook that never ends",
                |world| {
                    world.kernel.begin_hook(3);
                    world.kernel.truth.stalled = true;
                    world.clients[index].at = ClientAt::Stalled;
                },
            );
        }
        ClientAt::Kill => steps.go("kills init, by pidfd and start time", |world| {
            let started = world.kernel.init == Life::Program;
            let plain = command == Command::Delete;
            world.kernel.truth.plain_signalled |= plain && started;
            if rules.bent(Bend::PidAlone) {
                world.kernel.kill_number();
            } else {
                world.kernel.kill_init();
            }
            // Whatever was seen before: somebody may have frozen it since, and then nothing in it dies.
            if world.clients[index].thaw {
                world.kernel.thaw();
            }
            world.clients[index].at = ClientAt::Lock;
        }),
        ClientAt::Lock if rules.bent(Bend::DeleteUnlocked) => {
            steps.go("goes on without the lock", |world| {
                world.clients[index].at = ClientAt::AwaitDeath;
            })
        }
        ClientAt::Lock if kernel.lock == 0 => {
            steps.go("takes the lock, and looks again", |world| {
                world.kernel.lock = bit(index);
                again(world, setup, index);
            })
        }
        // Its creator has recorded an init meanwhile, and may itself be waiting for that.
        ClientAt::Lock
            if command != Command::Delete
                && world.init_seen_alive(setup)
                && !rules.bent(Bend::WaitsBlindly) =>
        {
            steps.go(
                "sees a recorded init while it waits for the lock",
                |world| {
                    world.clients[index].thaw = !rules.bent(Bend::NoThaw);
                    world.clients[index].at = ClientAt::Kill;
                },
            );
        }
        ClientAt::AwaitDeath if !waits_for_death(kernel) => {
            steps.go("sees init dead, lists the cgroup", |world| {
                world.clients[index].listed = world.kernel.child;
                world.clients[index].at = ClientAt::KillCgroup;
            })
        }
        ClientAt::KillCgroup => steps.go("kills what is still in the cgroup", |world| {
            let kernel = &mut world.kernel;
            let listed = world.clients[index].listed;
            kernel.truth.foreign_signalled |= kernel.reborn;
            kernel.truth.foreign_signalled |=
                rules.bent(Bend::CgroupByNumber) && listed && !kernel.child && kernel.child_reused;
            kernel.child = false;
            if kernel.init_in_cgroup {
                kernel.kill_init();
                if !rules.bent(Bend::NoThaw) {
                    kernel.thaw();
                }
            }
            world.clients[index].at = ClientAt::RemoveCgroup;
        }),
        ClientAt::RemoveCgroup if !populated(kernel) => steps.go("removes the cgroup", |world| {
            world.kernel.truth.other_removed |= world.kernel.reborn;
            world.kernel.cgroup = false;
            world.clients[index].at = ClientAt::RemoveRecord;
        }),
        ClientAt::RemoveRecord => steps.go("removes the record", |world| {
            world.kernel.record = Disk::Missing;
            world.clients[index].at = ClientAt::RemoveDir;
        }),
        ClientAt::RemoveDir => steps.go("removes the state directory", |world| {
            world.kernel.truth.other_removed |= world.kernel.reborn;
            world.kernel.dir = false;
            world.clients[index].at = ClientAt::Poststop;
        }),
        ClientAt::Poststop => steps.go("runs the poststop hooks, and reports", |world| {
            world.kernel.begin_hook(4);
            finish(world, setup, index, Report::Success);
        }),
        // Waiting for a lock, a death, an empty cgroup; or over.
        _ => {}
    }
}

/// A recorded init that lives, or is on its way out.
fn waits_for_death(kernel: &Kernel) -> bool {
    kernel.record == Disk::WithInit && (kernel.init_lives() || kernel.init == Life::Exiting)
}

fn populated(kernel: &Kernel) -> bool {
    kernel.child || (kernel.init_in_cgroup && (kernel.init_lives() || kernel.init == Life::Exiting))
}

/// What was seen decides.
fn decide<V: Rules>(world: &mut World<V>, setup: &Setup<V>, index: usize) {
    let seen = world.clients[index].seen;
    let rules = setup.rules;
    let next = match setup.clients[index] {
        Command::State => {
            let status = (seen.record != Record::Missing).then(|| status_with(&seen, rules));
            world.kernel.truth.wrong_status |=
                world.clients[index].window & status_bit(status) == 0;
            Err(Report::Success)
        }
        Command::Start => match start_with(&seen, rules) {
            Ok(_) => Ok(ClientAt::Knock),
            Err(_) => Err(Report::Refused),
        },
        command => match delete_with(&seen, command != Command::Delete, rules) {
            Err(_) => Err(Report::Refused),
            Ok(DeletePlan::Nothing) => Err(Report::Success),
            Ok(DeletePlan::Remove) => Ok(ClientAt::Lock),
            Ok(DeletePlan::AskToLeave) => Ok(ClientAt::Knock),
            Ok(DeletePlan::KillThenRemove { .. }) => {
                world.clients[index].thaw = !rules.bent(Bend::NoThaw);
                Ok(if seen.record == Record::WithInit {
                    ClientAt::Kill
                } else {
                    ClientAt::Lock
                })
            }
        },
    };
    match next {
        Ok(at) => world.clients[index].at = at,
        Err(report) => finish(world, setup, index, report),
    }
    // What was seen has done its work.
    world.clients[index].seen = World::<V>::nothing_seen();
}

/// Its request was not the one: it looks once more, and if that changes nothing, it says so.
fn not_accepted<V: Rules>(world: &mut World<V>, setup: &Setup<V>, index: usize) {
    let client = &mut world.clients[index];
    client.wire.outer = 0;
    client.talk = Talk::Nothing;
    if client.again {
        finish(world, setup, index, Report::Refused);
    } else {
        client.again = !setup.rules.bent(Bend::AskForEver);
        client.at = ClientAt::ReadLock;
    }
}

/// Under the lock nobody else removes or creates: what is seen now decides.
fn again<V: Rules>(world: &mut World<V>, setup: &Setup<V>, index: usize) {
    if !world.kernel.dir || world.kernel.reborn {
        return finish(world, setup, index, Report::Success);
    }
    let seen = world.evidence(setup, bit(index));
    let force = setup.clients[index] != Command::Delete;
    if !force && status_with(&seen, setup.rules) != Status::Stopped {
        return finish(world, setup, index, Report::Refused);
    }
    if world.kernel.record == Disk::Missing {
        // Only the record names the cgroup; it was there before the cgroup was, and longer.
        world.clients[index].at = ClientAt::RemoveDir;
        return;
    }
    if force && seen.init_alive {
        world.kernel.kill_init();
        if !setup.rules.bent(Bend::NoThaw) {
            world.kernel.thaw();
        }
    }
    world.clients[index].at = ClientAt::AwaitDeath;
}

fn talk<V: Rules>(steps: &mut Steps<'_, V>, index: usize) {
    let world = steps.world;
    match &world.clients[index].talk {
        Talk::Start(port) => machine(steps, index, port, |client| match &mut client.talk {
            Talk::Start(port) => port,
            _ => unreachable!("it is a start"),
        }),
        Talk::Abort(port) => machine(steps, index, port, |client| match &mut client.talk {
            Talk::Abort(port) => port,
            _ => unreachable!("it is a delete"),
        }),
        Talk::Nothing => {}
    }
}

/// It knows the outcome, if there is one.
fn settle<V: Rules>(world: &mut World<V>, setup: &Setup<V>, index: usize) {
    let outcome = match &world.clients[index].talk {
        Talk::Start(port) => port.outcome(),
        Talk::Abort(port) => port.outcome(),
        Talk::Nothing => None,
    };
    let Some(outcome) = outcome.cloned() else {
        return;
    };
    {
        world.clients[index].wire.outer = 0;
        let report = match (&outcome, setup.clients[index]) {
            (Outcome::Executed, _) => {
                if setup.rules.bent(Bend::StatusFromStarter) {
                    world.kernel.stored_running = true;
                }
                world.clients[index].talk = Talk::Nothing;
                world.clients[index].at = ClientAt::Poststart;
                return;
            }
            (Outcome::NotAccepted, _) => return not_accepted(world, setup, index),
            (Outcome::Aborted | Outcome::PeerDied { .. }, Command::Delete) => {
                world.clients[index].talk = Talk::Nothing;
                world.clients[index].at = ClientAt::Lock;
                return;
            }
            (Outcome::Failed(error), _) => Report::Init(cause_of(error)),
            (Outcome::PeerDied { death, .. }, _) => Report::Died(*death),
            (Outcome::Violated(_), _) => Report::Broken,
            _ => Report::Closed,
        };
        finish(world, setup, index, report);
    }
}

/// One step of the machine that talks to the gate.
fn machine<V: Rules, S: States>(
    steps: &mut Steps<'_, V>,
    index: usize,
    port: &Port<S, V>,
    own: impl Fn(&mut Client<V>) -> &mut Port<S, V>,
) {
    let setup = steps.setup;
    let kernel = &steps.world.kernel;
    if !port.out.is_empty() || matches!(port.machine.turn(), Turn::Await(_)) {
        return steps.go_if("at the gate:", |world| converse(world, setup, index, &own));
    }
    match port.machine.turn() {
        Turn::Act(kinds) => {
            let Some(kind) = kinds.first().copied() else {
                return;
            };
            steps.go(
                if kind == Kind::Start {
                    "says Start"
                } else {
                    "says Abort"
                },
                |world| {
                    world.kernel.truth.requested |= kind == Kind::Start;
                    if !own(&mut world.clients[index]).send(Unit::Of(kind), 0, setup.features) {
                        world.kernel.truth.unexpected = true;
                    }
                    // What nobody else can see is one step with what follows.
                    converse(world, setup, index, &own);
                },
            );
        }
        Turn::AskFate => {
            let executed = kernel.truth.executed > 0;
            let fate = match kernel.init {
                // It can be waited for.
                Life::Exiting => return,
                // The kernel keeps the name of the last executed file until it is collected.
                Life::Zombie | Life::Program if executed => Fate::Executed,
                Life::Zombie => Fate::Died(Death::Unknown),
                // Somebody else has collected it, and nothing is left to ask about.
                Life::Reaped if setup.rules.bent(Bend::VanishedIsFailure) => {
                    Fate::Died(Death::Unknown)
                }
                Life::Reaped if setup.rules.bent(Bend::VanishedIsProgram) => Fate::Executed,
                Life::Reaped => Fate::Gone,
                _ => Fate::Unknown,
            };
            steps.go("asks for init's fate", |world| {
                let port = own(&mut world.clients[index]);
                port.machine = port.machine.clone().on_fate(fate);
                settle(world, setup, index);
            });
        }
        _ => {}
    }
}

/// Reads and writes.
fn converse<V: Rules, S: States>(
    world: &mut World<V>,
    setup: &Setup<V>,
    index: usize,
    own: impl Fn(&mut Client<V>) -> &mut Port<S, V>,
) -> Option<&'static str> {
    let patient = setup.rules.bent(Bend::StarterWaitsForMessageOnly);
    let client = &mut world.clients[index];
    let mut wire = client.wire;
    let mut ends = Ends {
        open: wire.inner != 0 || patient,
        incoming: &mut wire.up,
        outgoing: &mut wire.down,
        dead: None,
        room: setup.room,
        features: setup.features,
    };
    let did = own(client).step(&mut ends)?;
    client.wire = wire;
    if let Did::Broken(_) = did {
        world.kernel.truth.unexpected = true;
    }
    settle(world, setup, index);
    Some(name(did))
}
