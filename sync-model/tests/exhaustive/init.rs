//! Init, as the runtime drives its machine and its gate.

use sync_model::gate::{Answer, Duty};
use sync_model::init::InitState;
use sync_model::machine::Turn;
use sync_model::msg::{Features, Kind, Message};
use sync_model::outcome::{Death, Fate, Outcome};

use crate::creator::name;
use crate::kernel::{Cause, INIT, Life, Unit, error};
use crate::port::{Did, Ends};
use crate::rules::{Bend, Rules};
use crate::world::{InitAt, Setup, Steps, World};

/// Of init's own hooks: createContainer, startContainer.
const CREATE_CONTAINER: u8 = 1;
const START_CONTAINER: u8 = 2;

pub fn steps<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let frozen = world.kernel.frozen;
    match world.kernel.init {
        Life::PreExec if !frozen && setup.user_ns => in_user_namespace(steps),
        Life::PreExec if !frozen => steps.go(
            "executes itself: its copies of the creator's descriptors close",
            |world| {
                world.kernel.lock &= !INIT;
                if !setup.rules.bent(Bend::InitKeepsCreatorEnd) {
                    world.kernel.wire.outer &= !INIT;
                }
                world.kernel.init = Life::Init;
            },
        ),
        Life::Init if !frozen => {
            alive(steps);
            steps.may(
                setup.faults && world.init.filtered,
                "is killed by its own seccomp filter (SIGSYS)",
                |world| {
                    world.kernel.die(Death::Killed(31));
                },
            );
        }
        _ => {}
    }
}

/// Before its exec, with the creator's memory: it lets go of all that is not its own, and takes the first word for the news
/// that its maps are written.
fn in_user_namespace<V: Rules>(steps: &mut Steps<'_, V>) {
    let wire = &steps.world.kernel.wire;
    if wire.outer & INIT != 0 {
        steps.go("closes what is not its own", |world| {
            world.kernel.lock &= !INIT;
            world.kernel.wire.outer &= !INIT;
        });
    } else if !wire.down.is_empty() {
        steps.go(
            "has its first word, becomes root, executes itself",
            |world| {
                world.kernel.truth.unisolated |= !world.kernel.truth.mapped;
                world.kernel.init = Life::Init;
            },
        );
    } else if wire.outer == 0 {
        steps.go("finds its creator gone before its maps", |world| {
            world.kernel.die(Death::Exited(1));
        });
    }
}

fn alive<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    match world.init.at {
        InitAt::Talk => talk(steps),
        InitAt::AwaitHook(hook) => {
            steps.go("its hook succeeds", |world| {
                world.init.hooked |= 1 << hook;
                world.init.at = if hook == CREATE_CONTAINER {
                    InitAt::Talk
                } else {
                    InitAt::Execute
                };
            });
            steps.may(setup.faults, "its hook fails", |world| {
                if hook == CREATE_CONTAINER {
                    world.kernel.truth.hook_failed = true;
                    fail(world, setup, Cause::CreateContainerHook);
                } else {
                    fail(world, setup, Cause::StartContainerHook);
                }
            });
            steps.may(setup.stalls, "its hook never ends", |world| {
                world.init.at = InitAt::Stalled;
                world.kernel.truth.stalled = true;
            });
        }
        InitAt::Stalled => {}
        InitAt::Gate => gate(steps),
        InitAt::Execute => execute(steps),
        InitAt::Exit(code) => {
            if world.init.port.out.is_empty() {
                steps.go("exits", |world| world.kernel.die(Death::Exited(code)));
            } else {
                steps.go_if("writes", |world| converse(world, setup));
            }
        }
    }
}

fn talk<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let port = &world.init.port;
    if !port.out.is_empty() {
        return steps.go_if("writes", |world| converse(world, setup));
    }
    match port.machine.turn() {
        Turn::Await(_) => {
            let ended = world.kernel.wire.outer == 0
                && world.kernel.wire.down.is_empty()
                && !port.inbox.has_message();
            if ended && setup.rules.bent(Bend::InitSpins) {
                return steps.go("reads nothing, and tries again", |_| {});
            }
            steps.go_if("receives", |world| converse(world, setup));
        }
        Turn::AskFate => {}
        Turn::Act(_) => act(steps),
        Turn::Ended(Outcome::AtGate) if port.deaf => steps.go(
            "finds its creator gone before it was at the gate",
            |world| {
                world.init.at = InitAt::Exit(1);
            },
        ),
        Turn::Ended(Outcome::AtGate) => {
            steps.go("closes the wire, and waits at the gate", |world| {
                world.kernel.wire.inner &= !INIT;
                // It says no more on this wire.
                world.init.port = crate::port::Port::new(setup.rules);
                world.init.at = InitAt::Gate;
            })
        }
        Turn::Ended(_) => {}
    }
}

/// The work of one state, and the message that ends it.
fn act<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    match world.init.port.machine.state() {
        Some(InitState::MountRootfs) => {
            work(steps, "mounts, sends Hooks", Kind::Hooks, Cause::Mounts)
        }
        Some(InitState::BuildContainer)
            if setup.rules.bent(Bend::HooksTwice) && world.init.hooked == 2 =>
        {
            steps.go("asks for the createRuntime hooks again", |world| {
                world.init.hooked |= 1;
                say(world, setup, Kind::Hooks);
            });
        }
        Some(InitState::BuildContainer) if has_hook(world, setup, CREATE_CONTAINER) => {
            steps.go("starts its createContainer hooks", |world| {
                begin_hook(world, CREATE_CONTAINER)
            });
        }
        Some(InitState::BuildContainer) if setup.log && !world.init.logged => {
            steps.go("logs", |world| {
                world.init.logged = true;
                say(world, setup, Kind::Log);
            })
        }
        Some(InitState::BuildContainer) if setup.rules.bent(Bend::Overtaking) => {
            steps.go("says AtGate before Ready", |world| {
                say(world, setup, Kind::AtGate);
            });
        }
        Some(InitState::BuildContainer) => work(
            steps,
            "builds the container, sends Ready",
            Kind::Ready,
            Cause::Mounts,
        ),
        Some(InitState::LoadSeccomp) => {
            work(
                steps,
                "loads its filter, sends SeccompFd",
                Kind::SeccompFd,
                Cause::Privileges,
            );
        }
        Some(InitState::DropPrivileges) if setup.rules.bent(Bend::NoGate) => {
            steps.go("executes the program without waiting", |world| {
                execute_now(world)
            });
        }
        Some(InitState::DropPrivileges) if !world.init.filtered => {
            steps.go("loads its filter", |world| world.init.filtered = true);
        }
        Some(InitState::DropPrivileges) => {
            work(
                steps,
                "drops its privileges, sends AtGate",
                Kind::AtGate,
                Cause::Privileges,
            );
        }
        Some(InitState::AcceptStart) => steps.go("accepts the start", |world| {
            say(world, setup, Kind::Starting)
        }),
        Some(InitState::AcceptAbort) => steps.go("accepts the abort", |world| {
            say(world, setup, Kind::Aborting)
        }),
        Some(InitState::Execute) => start(steps),
        _ => {}
    }
}

/// A step that isolates, and its message.
fn work<V: Rules>(steps: &mut Steps<'_, V>, what: &'static str, kind: Kind, cause: Cause) {
    let setup = steps.setup;
    let done = move |world: &mut World<V>| {
        world.init.filtered |= matches!(kind, Kind::SeccompFd | Kind::AtGate);
        world.kernel.truth.at_gate |= kind == Kind::AtGate;
        say(world, setup, kind);
    };
    steps.go(what, done);
    if setup.rules.bent(Bend::GoOnAfterFailure) {
        steps.may(
            setup.faults,
            "fails, and goes on all the same",
            move |world| {
                world.kernel.truth.unisolated = true;
                done(world);
            },
        );
    } else {
        steps.may(setup.faults, "fails in a step that isolates", |world| {
            world.kernel.truth.unisolated = true;
            fail(world, setup, cause);
        });
    }
}

fn has_hook<V: Rules>(world: &World<V>, setup: &Setup<V>, hook: u8) -> bool {
    setup.features.has(Features::HOOKS) && world.init.hooked >> hook & 1 == 0
}

fn begin_hook<V: Rules>(world: &mut World<V>, hook: u8) {
    world.kernel.begin_hook(hook);
    world.init.at = InitAt::AwaitHook(hook);
}

/// What comes after the start was accepted.
fn start<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    if has_hook(world, setup, START_CONTAINER) {
        steps.go("starts its startContainer hooks", |world| {
            begin_hook(world, START_CONTAINER)
        });
    } else {
        execute(steps);
    }
}

fn execute<V: Rules>(steps: &mut Steps<'_, V>) {
    let setup = steps.setup;
    steps.go("executes the user's program", |world| execute_now(world));
    steps.may(setup.faults, "cannot execute the user's program", |world| {
        fail(world, setup, Cause::Exec)
    });
}

fn execute_now<V: Rules>(world: &mut World<V>) {
    world.kernel.execute();
    forget(world);
}

/// Nothing of init's memory is left.
fn forget<V: Rules>(world: &mut World<V>) {
    let rules = world.init.rules;
    world.init.port = crate::port::Port::new(rules);
}

fn gate<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let accepted = world.init.gate.accepted().is_some();
    let duty = world.init.gate.duty();
    let mut asked = false;
    for index in 0..world.clients.len() {
        let client = &world.clients[index];
        if client.wire.inner & INIT == 0 || !client.wire.down.has_message() {
            continue;
        }
        asked = true;
        if accepted && !setup.rules.bent(Bend::GateAcceptsAll) {
            continue;
        }
        steps.go_if("hears at its gate", |world| {
            let wire = &mut world.clients[index].wire;
            let message = wire.down.message(setup.features)?;
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let (gate, answer) = world.init.gate.clone().on_message(number, &message);
            world.init.gate = gate;
            match answer {
                Answer::Accept(reply) => wire.up.push(Unit::Of(reply.kind())),
                Answer::TooLate => wire.inner = 0,
                Answer::Broken(_) => {
                    wire.inner = 0;
                    world.kernel.truth.unexpected = true;
                }
            }
            Some(message.kind().name())
        });
    }
    match duty {
        Duty::Wait => {}
        Duty::Execute if setup.rules.bent(Bend::GateAcceptsAll) && asked => {}
        Duty::Execute => start(steps),
        Duty::Leave => steps.go("leaves as asked", |world| world.init.at = InitAt::Exit(0)),
    }
}

fn say<V: Rules>(world: &mut World<V>, setup: &Setup<V>, kind: Kind) {
    if !world.init.port.send(Unit::Of(kind), 0, setup.features) {
        world.kernel.truth.unexpected = true;
    }
    // What nobody else can see is one step with what follows.
    converse(world, setup);
}

/// Init says why, to the one who listens, and leaves.
fn fail<V: Rules>(world: &mut World<V>, setup: &Setup<V>, cause: Cause) {
    world.kernel.truth.init_failed.get_or_insert(cause);
    if let Some(client) = world.init.gate.accepted() {
        let message: Message = error(cause);
        match world.init.gate.clone().tell(&message) {
            Ok(gate) => {
                world.init.gate = gate;
                let wire = &mut world.clients[client as usize].wire;
                wire.up.push(Unit::Error(cause));
            }
            Err(_) => world.kernel.truth.unexpected = true,
        }
    } else if !world
        .init
        .port
        .send(Unit::Error(cause), setup.pieces, setup.features)
    {
        world.kernel.truth.unexpected = true;
    }
    world.init.at = InitAt::Exit(1);
}

/// Reads and writes.
fn converse<V: Rules>(world: &mut World<V>, setup: &Setup<V>) -> Option<&'static str> {
    let wire = &mut world.kernel.wire;
    let mut ends = Ends {
        open: wire.outer != 0,
        incoming: &mut wire.down,
        outgoing: &mut wire.up,
        dead: None,
        room: setup.room,
        features: setup.features,
    };
    let did = world.init.port.step(&mut ends)?;
    match did {
        Did::Broken(_) => world.kernel.truth.unexpected = true,
        Did::Wrote if world.init.at == InitAt::Exit(1) && world.init.port.out.is_empty() => {
            world.kernel.truth.told_cause = true;
        }
        // It knows nothing of its creator's fate, and needs not.
        Did::Eof => {
            world.init.port.machine = world.init.port.machine.clone().on_fate(Fate::Unknown)
        }
        _ => {}
    }
    match world.init.port.outcome() {
        None | Some(Outcome::AtGate | Outcome::Failed(_)) => {}
        Some(Outcome::Aborted) => world.init.at = InitAt::Exit(0),
        Some(_) => world.init.at = InitAt::Exit(1),
    }
    Some(name(did))
}
