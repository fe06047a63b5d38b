//! What `exec` and its process do next.

use super::*;

impl<V: Rules> World<V> {
    pub(super) fn outer_steps(steps: &mut Steps<'_, V>, setup: &Setup<V>) {
        let world = steps.world;
        let life = world.kernel.life;
        let rules = setup.rules;
        match world.outer.at {
            At::Clone => steps.go("clones its process", |world| {
                world.kernel.life = Life::PreExec;
                world.kernel.wire.outer = CREATOR | INIT;
                world.kernel.wire.inner = CREATOR | INIT;
                world.outer.at = At::CloseEnds;
            }),
            At::CloseEnds => steps.go("closes what is its process's", |world| {
                world.kernel.wire.inner &= !CREATOR;
                world.outer.at = At::Join;
            }),
            At::Join if world.kernel.lives() && world.kernel.container => {
                steps.go("puts its process into the container's cgroup", |world| {
                    world.outer.at = At::Talk
                });
                steps.may("cannot put its process into the cgroup", |world| {
                    world.own(Cause::Cgroup)
                });
            }
            At::Join => steps.go("finds no process, or no cgroup, to join", |world| {
                world.own(Cause::Cgroup)
            }),
            At::Talk if !world.outer.port.out.is_empty() => {
                steps.add(true, "writes", |world| world.converse(setup))
            }
            At::Talk => match world.outer.port.machine.turn() {
                Turn::Await(_)
                    if rules.bent(Bend::ExecDrainsAfterDeath) && life != Life::Zombie => {}
                Turn::Await(_) => steps.add(true, "receives", |world| world.converse(setup)),
                Turn::AskFate if life == Life::Exiting => {}
                Turn::AskFate => {
                    let fate = match life {
                        _ if world.kernel.executed > 0 => Fate::Executed,
                        Life::Zombie => Fate::Died(world.kernel.death.unwrap_or(Death::Unknown)),
                        _ => Fate::Unknown,
                    };
                    steps.go("asks for its process's fate", |world| {
                        world.outer.port.machine = world.outer.port.machine.clone().on_fate(fate);
                        world.settle();
                    });
                }
                Turn::Act(kinds) => {
                    let kind = kinds[0];
                    steps.go(kind.name(), |world| world.say(setup, kind));
                    match kind {
                        Kind::Run => steps.may("cannot write the pid file", |world| {
                            world.own(Cause::PidFile)
                        }),
                        Kind::SeccompFdTaken => {
                            steps.may("the agent refuses the descriptor", |world| {
                                world.own(Cause::Agent)
                            });
                            steps.may("the agent does not answer", |world| {
                                world.kernel.stalled = true;
                                world.outer.at = At::AwaitAgent;
                            });
                        }
                        _ => {}
                    }
                }
                Turn::Ended(_) => {}
            },
            At::AwaitAgent if life == Life::Zombie => {
                steps.go(
                    "sees its process dead, and waits for nobody else",
                    |world| world.outer.at = At::Look,
                );
            }
            At::Look if world.kernel.wire.inner == 0 && life == Life::Exiting => {}
            At::Look => steps.go("looks for what its process has to say", |world| {
                let mut report = match (world.kernel.life, world.kernel.death, world.outer.own) {
                    (Life::Zombie, Some(death), _) => Report::Died(death),
                    (_, _, Some(cause)) => Report::Own(cause),
                    _ => Report::Closed,
                };
                for mut queue in [world.outer.port.inbox, world.kernel.wire.up] {
                    while let Some(unit) = queue.pop() {
                        if let Unit::Error(cause) = unit {
                            report = Report::Init(cause);
                        }
                    }
                }
                world.outer.report = Some(report);
                world.outer.at = At::Kill;
            }),
            At::Kill => steps.go("kills its process by its pidfd", |world| {
                world.kernel.die(Death::Killed(9));
                world.outer.at = At::Reap;
            }),
            At::Reap | At::Foreground if life == Life::Zombie => {
                steps.go("collects its process, and reports", |world| {
                    world.kernel.life = Life::Reaped;
                    let report = world.outer.report.unwrap_or(Report::Success);
                    world.leave(report);
                })
            }
            _ => {}
        }
        if !matches!(world.outer.at, At::Left(_) | At::Dead) {
            steps.who = "killer";
            steps.may("SIGKILL to exec", |world| {
                world.kernel.close(CREATOR);
                world.outer.at = At::Dead;
            });
        }
    }

    pub(super) fn inner_steps(steps: &mut Steps<'_, V>, setup: &Setup<V>) {
        let world = steps.world;
        match world.kernel.life {
            Life::PreExec => {
                return steps.go(
                    "executes itself: its copies of exec's descriptors close",
                    |world| {
                        world.kernel.wire.outer &= !INIT;
                        world.kernel.life = Life::Init;
                    },
                );
            }
            Life::Init => {}
            _ => return,
        }
        if world.inner.filtered {
            steps.may("is killed by its own seccomp filter (SIGSYS)", |world| {
                world.kernel.die(Death::Killed(31))
            });
        }
        if !world.inner.port.out.is_empty() {
            return steps.add(true, "writes", |world| world.inner_converse(setup));
        }
        if world.inner.exits {
            return steps.go("exits", |world| world.kernel.die(Death::Exited(1)));
        }
        let isolates = |steps: &mut Steps<'_, V>, cause| {
            if setup.rules.bent(Bend::GoOnAfterFailure) {
                steps.may("fails, and goes on all the same", |world| {
                    world.kernel.unisolated = true
                });
            } else {
                steps.may("fails in a step that isolates", |world| {
                    world.fail(setup, cause)
                });
            }
        };
        let state = world.inner.port.machine.state();
        match (world.inner.port.machine.turn(), state) {
            (Turn::Await(_), _) => steps.add(true, "receives", |world| world.inner_converse(setup)),
            (_, Some(ExecInitState::EnterContainer)) if setup.log && !world.inner.logged => steps
                .go("logs", |world| {
                    world.inner.logged = true;
                    world.inner_say(setup, Kind::Log);
                    world.inner_say(setup, Kind::Log);
                }),
            (_, Some(ExecInitState::EnterContainer)) => {
                steps.go("enters the container, sends Ready", |world| {
                    world.inner_say(setup, Kind::Ready)
                });
                isolates(steps, Cause::Namespaces);
            }
            (_, Some(ExecInitState::LoadSeccomp)) => {
                steps.go("loads its filter, sends SeccompFd", |world| {
                    world.inner.filtered = true;
                    world.inner_say(setup, Kind::SeccompFd);
                });
                isolates(steps, Cause::Privileges);
            }
            (_, Some(ExecInitState::DropPrivileges)) if !world.inner.filtered => {
                steps.go("loads its filter", |world| world.inner.filtered = true);
            }
            (_, Some(ExecInitState::DropPrivileges)) => {
                steps.go("drops its privileges, sends Starting", |world| {
                    world.inner_say(setup, Kind::Starting)
                });
                isolates(steps, Cause::Privileges);
            }
            (_, Some(ExecInitState::Execute)) => {
                steps.go("executes the program", |world| {
                    world.kernel.executed += 1;
                    world.kernel.wrong_isolation = world.kernel.unisolated;
                    world.kernel.life = Life::Program;
                    world.kernel.close(INIT);
                });
                steps.may("cannot execute the program", |world| {
                    world.fail(setup, Cause::Exec)
                });
            }
            _ => {}
        }
    }
}
