//! `create` and `run`, as the runtime drives the creator's machine.

use sync_model::creator::CreatorState;
use sync_model::machine::Turn;
use sync_model::msg::{Features, Kind};
use sync_model::outcome::{Death, Fate, Outcome};

use crate::kernel::{CREATOR, Cause, Disk, HOOK, Life, Unit, cause_of};
use crate::port::{Did, Ends};
use crate::rules::{Bend, Rules};
use crate::world::{CreatorAt, Hook, Report, Setup, Steps, World, clone_init, hook_executes};

pub fn steps<V: Rules>(steps: &mut Steps<'_, V>) {
    hook(steps);
    let (world, setup) = (steps.world, steps.setup);
    let run = setup.features.has(Features::START_ON_WIRE);
    let rules = setup.rules;
    let kernel = &world.kernel;
    match world.creator.at {
        CreatorAt::MakeDir => steps.go("makes the state directory", |world| {
            world.kernel.dir = true;
            world.creator.at = CreatorAt::Lock;
        }),
        // Whoever found the empty directory may hold the lock, and may have removed it by now.
        CreatorAt::Lock if kernel.lock != 0 || !kernel.dir => {
            steps.go("does not get the lock of the state directory", |world| {
                world.creator.at = CreatorAt::Left(Report::Refused);
            });
        }
        CreatorAt::Lock => steps.go("locks the state directory", |world| {
            world.kernel.lock = CREATOR;
            world.creator.at = CreatorAt::WriteRecord;
        }),
        CreatorAt::WriteRecord => steps.go("writes the record, without init", |world| {
            if !rules.bent(Bend::RecordAtReady) {
                world.kernel.record = Disk::WithoutInit;
            }
            world.creator.at = CreatorAt::MakeGate;
        }),
        CreatorAt::MakeGate => steps.go("makes the start gate, held", |world| {
            world.kernel.gate |= CREATOR;
            if !run {
                world.kernel.listener |= CREATOR;
            }
            world.creator.at = CreatorAt::MakeCgroup;
        }),
        CreatorAt::MakeCgroup => {
            steps.go("makes the cgroup", |world| {
                world.kernel.cgroup = true;
                world.creator.at = CreatorAt::Clone;
            });
            fault(steps, "cannot make the cgroup", Cause::Cgroup);
        }
        CreatorAt::Clone => steps.go("clones init", |world| {
            clone_init(world, setup);
            world.creator.at = CreatorAt::CloseEnds;
        }),
        CreatorAt::CloseEnds => steps.go("closes what is init's", |world| {
            world.kernel.gate &= !CREATOR;
            world.kernel.listener &= !CREATOR;
            world.kernel.wire.inner &= !CREATOR;
            world.creator.at = CreatorAt::WritePid;
        }),
        CreatorAt::WritePid => steps.go(
            "writes the record, with init's pid and start time",
            |world| {
                if !rules.bent(Bend::RecordAtReady) && !rules.bent(Bend::PidAfterRun) {
                    world.kernel.record = Disk::WithInit;
                }
                world.creator.at = CreatorAt::Join;
            },
        ),
        CreatorAt::Join => {
            if !setup.born_in_cgroup {
                if kernel.init_lives() {
                    steps.go("puts init into the cgroup", |world| {
                        world.kernel.init_in_cgroup = true;
                        world.creator.at = after_join(setup);
                    });
                } else {
                    steps.go("cannot put the dead init into the cgroup", |world| {
                        own(world, setup, Cause::Cgroup)
                    });
                }
                fault(steps, "cannot put init into the cgroup", Cause::Cgroup);
            } else {
                steps.go("goes on: init is in its cgroup", |world| {
                    world.creator.at = after_join(setup)
                });
            }
        }
        CreatorAt::MapIds => {
            if kernel.init_lives() {
                steps.go("writes the id maps", |world| {
                    world.kernel.truth.mapped = true;
                    world.creator.at = CreatorAt::Talk;
                });
            } else {
                steps.go("cannot write the id maps of a dead init", |world| {
                    own(world, setup, Cause::IdMap)
                });
            }
            fault(steps, "cannot write the id maps", Cause::IdMap);
        }
        CreatorAt::Talk => talk(steps),
        CreatorAt::AwaitHook | CreatorAt::AwaitAgent
            if matches!(kernel.init, Life::Zombie | Life::Reaped)
                && !rules.bent(Bend::HookUnwatched) =>
        {
            steps.go("sees init dead, and waits for nobody else", |world| {
                world.creator.hook = Hook::None;
                world.kernel.close_all(HOOK);
                world.creator.at = CreatorAt::Look;
            });
        }
        CreatorAt::AwaitHook | CreatorAt::AwaitAgent => {}
        CreatorAt::Blocked => {}
        CreatorAt::Created => steps.go("leaves: created", |world| leave(world, Report::Success)),
        CreatorAt::Look => look(steps),
        CreatorAt::Kill => steps.go("kills init by its pidfd", |world| {
            world.kernel.thaw();
            world.kernel.kill_init();
            world.creator.at = CreatorAt::Reap;
        }),
        CreatorAt::Reap if matches!(kernel.init, Life::Unborn | Life::Zombie | Life::Reaped) => {
            steps.go("collects init", |world| {
                if world.kernel.init == Life::Zombie && !rules.bent(Bend::NoReap) {
                    world.kernel.init = Life::Reaped;
                }
                world.creator.at = CreatorAt::RemoveCgroup;
            });
        }
        CreatorAt::Reap => {}
        CreatorAt::Poststart => {
            steps.go("runs the poststart hooks", |world| {
                world.kernel.begin_hook(3);
                world.kernel.lock &= !CREATOR;
                if setup.detach {
                    leave(world, Report::Success);
                } else {
                    world.creator.at = CreatorAt::Foreground;
                }
            });
        }
        CreatorAt::Foreground if kernel.init == Life::Zombie => {
            steps.go("collects the program", |world| {
                world.kernel.init = Life::Reaped;
                world.creator.at = CreatorAt::Relock;
            })
        }
        CreatorAt::Foreground => {}
        CreatorAt::Relock if kernel.lock == 0 => {
            steps.go("locks the state directory again", |world| {
                if !world.kernel.dir || world.kernel.reborn {
                    leave(world, Report::Success);
                } else {
                    world.kernel.lock = CREATOR;
                    world.creator.at = CreatorAt::KillLeft;
                }
            })
        }
        CreatorAt::Relock => {}
        CreatorAt::KillLeft => steps.go("kills what is left in the cgroup", |world| {
            world.kernel.thaw();
            world.kernel.child = false;
            world.creator.report = Some(Report::Success);
            world.creator.at = CreatorAt::RemoveCgroup;
        }),
        CreatorAt::RemoveCgroup => steps.go("removes the cgroup", |world| {
            if !rules.bent(Bend::FailureLeavesCgroup) {
                world.kernel.cgroup = false;
            }
            world.creator.at = CreatorAt::RemoveRecord;
        }),
        CreatorAt::RemoveRecord => steps.go("removes the record", |world| {
            world.kernel.record = Disk::Missing;
            world.creator.at = CreatorAt::RemoveDir;
        }),
        CreatorAt::RemoveDir => steps.go(
            "removes the state directory, runs the poststop hooks, and reports",
            |world| {
                world.kernel.dir = false;
                // Those of a container that never was, too.
                world.kernel.begin_hook(4);
                let report = world.creator.report.unwrap_or(Report::Closed);
                leave(world, report);
            },
        ),
        CreatorAt::Left(_) | CreatorAt::Dead => {}
    }
}

fn after_join<V: Rules>(setup: &Setup<V>) -> CreatorAt {
    if setup.user_ns && !setup.rules.bent(Bend::MapsLate) {
        CreatorAt::MapIds
    } else {
        CreatorAt::Talk
    }
}

/// A hook goes on by itself, whoever has started it.
fn hook<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let waited = world.creator.at == CreatorAt::AwaitHook;
    match world.creator.hook {
        Hook::None | Hook::Stalled => {}
        Hook::Forked => steps.go("its hook executes", |world| {
            hook_executes(world, setup.rules)
        }),
        Hook::Running => {
            steps.go("its createRuntime hooks succeed", |world| {
                world.creator.hook = Hook::None;
                world.kernel.wire.outer &= !HOOK;
                if waited {
                    say(world, setup, Kind::Resume);
                    world.creator.at = CreatorAt::Talk;
                }
            });
            steps.may(
                setup.faults && waited,
                "its createRuntime hook fails",
                |world| {
                    world.creator.hook = Hook::None;
                    world.kernel.truth.hook_failed = true;
                    own(world, setup, Cause::CreateRuntimeHook);
                },
            );
            steps.may(setup.stalls, "its createRuntime hook never ends", |world| {
                world.creator.hook = Hook::Stalled;
                world.kernel.truth.stalled = true;
            });
        }
    }
}

fn talk<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let rules = setup.rules;
    let port = &world.creator.port;
    let drain = rules.bent(Bend::DrainAfterDeath) && world.kernel.init != Life::Zombie;
    if !port.out.is_empty() {
        return steps.go_if("writes", |world| converse(world, setup));
    }
    // A queue that `Run` has filled may have had no room for it.
    let queued = port.machine.state() == Some(CreatorState::AwaitAtGate) && setup.queue_start;
    if queued && port.may_send(Kind::Start) {
        return steps.go("queues", |world| say(world, setup, Kind::Start));
    }
    match port.machine.turn() {
        Turn::Await(_) if drain => {}
        Turn::Await(_) => steps.go_if("receives", |world| converse(world, setup)),
        Turn::AskFate => {
            let fate = match world.kernel.init {
                // It is on its way out: its death can be waited for.
                Life::Exiting => return,
                _ if world.kernel.truth.executed > 0 => Fate::Executed,
                Life::Zombie | Life::Reaped => {
                    Fate::Died(world.kernel.death.unwrap_or(Death::Unknown))
                }
                _ => Fate::Unknown,
            };
            steps.go("asks for init's fate", |world| {
                world.creator.port.machine = world.creator.port.machine.clone().on_fate(fate);
                settle(world);
            });
        }
        Turn::Act(_) => act(steps),
        Turn::Ended(_) => {}
    }
}

/// The work of one state, and the message that ends it.
fn act<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let rules = setup.rules;
    match world.creator.port.machine.state() {
        Some(CreatorState::SendBootstrap) => {
            steps.go("sends Bootstrap", |world| {
                say(world, setup, Kind::Bootstrap)
            });
        }
        Some(CreatorState::SendConfig) => {
            steps.go("sends Config", |world| say(world, setup, Kind::Config));
            if rules.bent(Bend::CreatorGoesOn) {
                steps.may(
                    true,
                    "cannot apply the limits, and sends Config all the same",
                    |world| {
                        world.kernel.truth.unisolated = true;
                        say(world, setup, Kind::Config);
                    },
                );
            } else {
                fault(steps, "cannot apply the limits", Cause::Limits);
            }
        }
        Some(CreatorState::RunHooks) => steps.go("forks its createRuntime hooks", |world| {
            world.kernel.begin_hook(0);
            world.creator.hook = Hook::Forked;
            world.kernel.wire.outer |= HOOK;
            world.kernel.lock |= HOOK;
            world.creator.at = CreatorAt::AwaitHook;
        }),
        // Here, and not when init is at its gate: by then somebody may have started it.
        Some(CreatorState::SaveState) => {
            steps.go("writes the pid file, sends Run", |world| {
                world.kernel.truth.mapped |= setup.user_ns;
                if rules.bent(Bend::RecordAtReady) {
                    world.kernel.record = Disk::WithInit;
                }
                say(world, setup, Kind::Run);
            });
            fault(steps, "cannot write the pid file", Cause::PidFile);
        }
        Some(CreatorState::PassSeccompFd) => {
            steps.go(
                "hands the descriptor to the agent, sends SeccompFdTaken",
                |world| {
                    say(world, setup, Kind::SeccompFdTaken);
                },
            );
            fault(steps, "the agent refuses the descriptor", Cause::Agent);
            steps.may(setup.stalls, "the agent does not answer", |world| {
                world.creator.at = CreatorAt::AwaitAgent;
                world.kernel.truth.stalled = true;
            });
        }
        Some(CreatorState::SendStart) => {
            steps.go("sends Start", |world| say(world, setup, Kind::Start))
        }
        _ => {}
    }
}

fn say<V: Rules>(world: &mut World<V>, setup: &Setup<V>, kind: Kind) {
    world.kernel.truth.requested |= kind == Kind::Start;
    if !world.creator.port.send(Unit::Of(kind), 0, setup.features) {
        world.kernel.truth.unexpected = true;
    }
    // What nobody else can see is one step with what follows.
    converse(world, setup);
}

/// Reads and writes.
fn converse<V: Rules>(world: &mut World<V>, setup: &Setup<V>) -> Option<&'static str> {
    let kernel = &mut world.kernel;
    let patient = setup.rules.bent(Bend::CreatorWaitsForMessageOnly);
    let dead = match kernel.init {
        Life::Zombie | Life::Reaped if !patient => kernel.death,
        _ => None,
    };
    let mut ends = Ends {
        open: kernel.wire.inner != 0 || (patient && world.creator.port.out.is_empty()),
        incoming: &mut kernel.wire.up,
        outgoing: &mut kernel.wire.down,
        dead,
        room: setup.room,
        features: setup.features,
    };
    let did = world.creator.port.step(&mut ends)?;
    match did {
        Did::Broken(_) => world.kernel.truth.unexpected = true,
        Did::Heard(Kind::Log) if setup.rules.bent(Bend::BlockingLog) => {
            world.creator.at = CreatorAt::Blocked;
        }
        Did::Heard(Kind::Ready) if setup.rules.bent(Bend::PidAfterRun) => {}
        _ => {}
    }
    if setup.rules.bent(Bend::PidAfterRun) && did == Did::Heard(Kind::AtGate) {
        world.kernel.record = Disk::WithInit;
    }
    settle(world);
    Some(name(did))
}

pub fn name(did: Did) -> &'static str {
    match did {
        Did::Wrote => "what it has said",
        Did::Deaf => "to nobody",
        Did::Heard(kind) | Did::Broken(kind) => kind.name(),
        Did::Read => "a part of it",
        Did::Eof => "the end of the wire",
        Did::Died => "the news of a death",
    }
}

/// It knows the outcome, if there is one.
fn settle<V: Rules>(world: &mut World<V>) {
    if world.creator.at != CreatorAt::Talk {
        return;
    }
    let Some(outcome) = world.creator.port.outcome().cloned() else {
        return;
    };
    let report = match &outcome {
        Outcome::Created => {
            world.creator.at = CreatorAt::Created;
            return;
        }
        Outcome::Executed => {
            world.creator.at = CreatorAt::Poststart;
            return;
        }
        Outcome::Failed(error) => Report::Init(cause_of(error)),
        Outcome::PeerDied { death, .. } => Report::Died(*death),
        Outcome::Violated(_) => Report::Broken,
        _ => Report::Closed,
    };
    world.creator.report = Some(report);
    world.creator.at = CreatorAt::Kill;
}

/// The creator's own call fails. What init has said or suffered before that is the real cause.
fn own<V: Rules>(world: &mut World<V>, setup: &Setup<V>, cause: Cause) {
    world.creator.own = Some(cause);
    let init_first = world.kernel.truth.init_failed.is_some() || world.kernel.death.is_some();
    if !init_first {
        world.kernel.truth.creator_failed = Some(cause);
    }
    world.creator.at = CreatorAt::Look;
    if setup.rules.bent(Bend::OwnCauseFirst) || world.kernel.init == Life::Unborn {
        world.creator.report = Some(Report::Own(cause));
        world.creator.at = CreatorAt::Kill;
    }
}

/// Before it reports its own failure: has init said anything, or died?
fn look<V: Rules>(steps: &mut Steps<'_, V>) {
    if steps.world.kernel.wire.inner == 0 && steps.world.kernel.init == Life::Exiting {
        return;
    }
    steps.go("looks for what init has to say", |world| {
        let queues = [world.creator.port.inbox, world.kernel.wire.up];
        let mut report = None;
        for mut queue in queues {
            while let Some(unit) = queue.pop() {
                if let Unit::Error(cause) = unit {
                    report = Some(Report::Init(cause));
                }
            }
        }
        let report = report.unwrap_or(
            match (world.kernel.init, world.kernel.death, world.creator.own) {
                (Life::Zombie | Life::Reaped, Some(death), _) => Report::Died(death),
                (_, _, Some(cause)) => Report::Own(cause),
                _ => Report::Closed,
            },
        );
        world.creator.report = Some(report);
        world.creator.at = CreatorAt::Kill;
    });
}

fn fault<V: Rules>(steps: &mut Steps<'_, V>, what: &'static str, cause: Cause) {
    let setup = steps.setup;
    steps.may(setup.faults, what, |world| own(world, setup, cause));
}

fn leave<V: Rules>(world: &mut World<V>, report: Report) {
    world.creator.at = CreatorAt::Left(report);
    world.kernel.close_all(CREATOR);
    crate::properties::judge_creator(world, report);
    // What it knew goes with it.
    let rules = world.init.rules;
    world.creator.port = crate::port::Port::new(rules);
    world.creator.own = None;
    world.creator.report = None;
}
