//! The properties of the design, each one a function with its own words.

use sync_model::lifecycle::status_with;
use sync_model::outcome::Death;

use crate::kernel::{Disk, INIT, Life};
use crate::rules::Rules;
use crate::search::{Broken, Property};
use crate::world::{ClientAt, Command, CreatorAt, Hook, InitAt, Report, Setup, World, status_bit};

type Verdict = Result<(), &'static str>;

fn holds(holds: bool, otherwise: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// What every reachable state must satisfy.
pub fn always<V: Rules>(world: &World<V>, setup: &Setup<V>) -> Result<(), Broken> {
    s1(world).map_err(|how| (Property::S1, how))?;
    s2(world).map_err(|how| (Property::S2, how))?;
    s3(world, setup).map_err(|how| (Property::S3, how))?;
    s4(world).map_err(|how| (Property::S4, how))?;
    s5(world).map_err(|how| (Property::S5, how))?;
    s6(world).map_err(|how| (Property::S6, how))?;
    s7(world).map_err(|how| (Property::S7, how))?;
    s8(world).map_err(|how| (Property::S8, how))?;
    s9(world).map_err(|how| (Property::S9, how))
}

/// What must hold where everybody has gone as far as he can.
pub fn at_rest<V: Rules>(world: &World<V>, setup: &Setup<V>) -> Result<(), Broken> {
    l2(world).map_err(|how| (Property::L2, how))?;
    l1(world, setup).map_err(|how| (Property::L1, how))?;
    l3(world).map_err(|how| (Property::L3, how))?;
    s8_at_rest(world, setup).map_err(|how| (Property::S8, how))
}

/// S1: the user's program is executed at most once, and never before a start request; no two commands both claim to
/// have started it.
fn s1<V: Rules>(world: &World<V>) -> Verdict {
    let truth = &world.kernel.truth;
    holds(truth.executed <= 1, "the program is executed twice")?;
    holds(
        !truth.executed_unrequested,
        "the program is executed before a start was asked for",
    )?;
    let started = world
        .clients
        .iter()
        .filter(|client| client.at == ClientAt::Poststart)
        .count();
    let claims = started + usize::from(truth.hooks >> 3 & 1 != 0);
    holds(claims <= 1, "two commands have started one program")
}

/// S2: the program is never executed before the record names init: from then on `delete` can find and kill it.
fn s2<V: Rules>(world: &World<V>) -> Verdict {
    holds(
        !world.kernel.truth.executed_unrecorded,
        "the program is executed, and no record names init",
    )
}

/// S3: what `state` reports was true at some moment between its beginning and its end, whatever has died meanwhile; and
/// the status that the evidence shows at any one moment is true in it.
fn s3<V: Rules>(world: &World<V>, setup: &Setup<V>) -> Verdict {
    holds(
        !world.kernel.truth.wrong_status,
        "the reported status was at no moment true",
    )?;
    let evidence = world.evidence(setup, 0);
    let status = world
        .kernel
        .dir
        .then(|| status_with(&evidence, setup.rules));
    holds(
        world.truth() & status_bit(status) != 0,
        "the evidence shows a status that is not true",
    )
}

/// S4: `delete` without `--force` never signals a started container; no signal ever reaches a process that is not this
/// container's, and no file of another container is removed.
fn s4<V: Rules>(world: &World<V>) -> Verdict {
    let truth = &world.kernel.truth;
    holds(
        !truth.plain_signalled,
        "delete without --force signals a started container",
    )?;
    holds(
        !truth.foreign_signalled,
        "a signal reaches a process that is not the container's",
    )?;
    holds(
        !truth.other_removed,
        "what belongs to another container is removed",
    )
}

/// S5: hooks run in the spec's order, each at most once; after a failed createRuntime or createContainer hook the program
/// is never executed.
fn s5<V: Rules>(world: &World<V>) -> Verdict {
    let truth = &world.kernel.truth;
    holds(!truth.hooks_broken, "a hook runs twice or out of order")?;
    holds(
        !truth.executed_after_failed_hook,
        "the program is executed although a hook has failed",
    )
}

/// S6: if init fails and the creator lives, the creator reports init's cause; a success that is reported is one, and so
/// is a failure. An end of the wire alone is neither.
fn s6<V: Rules>(world: &World<V>) -> Verdict {
    match world.kernel.truth.wrong_report {
        Some(how) => Err(how),
        None => Ok(()),
    }
}

/// S7: no interleaving gives an unexpected message.
fn s7<V: Rules>(world: &World<V>) -> Verdict {
    holds(
        !world.kernel.truth.unexpected,
        "a message that the table does not allow",
    )
}

/// S8: when a creator has reported a failure, or `delete` a success, nothing of the container is left but what is
/// certain to go by itself.
fn s8<V: Rules>(world: &World<V>) -> Verdict {
    holds(
        !world.kernel.truth.leftover,
        "something is left behind by a command that says it is gone",
    )
}

/// S8, the other half: after whatever deaths, one `delete --force` that is left alone removes everything.
fn s8_at_rest<V: Rules>(world: &World<V>, setup: &Setup<V>) -> Verdict {
    let janitor = setup
        .clients
        .iter()
        .position(|command| *command == Command::Janitor);
    let Some(janitor) = janitor else {
        return Ok(());
    };
    if !matches!(world.clients[janitor].at, ClientAt::Left(_)) || world.kernel.reborn {
        return Ok(());
    }
    let kernel = &world.kernel;
    holds(!kernel.init_lives(), "delete --force leaves init alive")?;
    holds(
        !kernel.child,
        "delete --force leaves a process of the container alive",
    )?;
    holds(!kernel.cgroup, "delete --force leaves the cgroup")?;
    holds(
        !kernel.dir && kernel.record == Disk::Missing,
        "delete --force leaves the state directory",
    )
}

/// S9: if any step that isolates fails, the program is never executed.
fn s9<V: Rules>(world: &World<V>) -> Verdict {
    holds(
        !world.kernel.truth.executed_unisolated,
        "the program is executed although it is not isolated",
    )
}

/// L1: every command ends if its peers end; `delete --force` ends even if they do not. A command that may rest is one
/// that has ended, one whose hook or agent has stalled, and `run` in the foreground while its program runs.
fn l1<V: Rules>(world: &World<V>, setup: &Setup<V>) -> Verdict {
    let stalled = world.kernel.truth.stalled;
    // A frozen container answers when it is thawed: whoever froze it decides.
    let patience = (stalled || world.kernel.frozen) && !world.kernel.truth.closing;
    match world.creator.at {
        CreatorAt::Left(_) | CreatorAt::Dead => {}
        CreatorAt::Foreground if world.kernel.init == Life::Program => {}
        CreatorAt::Blocked => {
            return Err("the creator waits for a reader of its log that has stopped");
        }
        _ => holds(patience, "the creator waits for ever")?,
    }
    for (client, command) in world.clients.iter().zip(&setup.clients) {
        match (client.at, command) {
            (ClientAt::Idle | ClientAt::Left(_) | ClientAt::Dead, _) => {}
            // Its own hook never ends.
            (ClientAt::Stalled, Command::Start) => {}
            (_, Command::Start | Command::Delete) if patience => {}
            (_, Command::Start) => return Err("start waits for ever"),
            (_, Command::Delete) => return Err("delete waits for ever"),
            (_, Command::State) => return Err("state waits for ever"),
            (_, Command::ForceDelete | Command::Janitor) => {
                return Err("delete --force waits for ever");
            }
        }
    }
    Ok(())
}

/// L2: if the creator dies before the record names init, init exits by itself; after that it lives only at its gate, in
/// the program, or while its own hook stalls, and the record names it.
fn l2<V: Rules>(world: &World<V>) -> Verdict {
    if world.creator_works() || !matches!(world.kernel.init, Life::PreExec | Life::Init) {
        return Ok(());
    }
    holds(
        world.kernel.record == Disk::WithInit,
        "the creator is gone, no record names init, and init lives",
    )?;
    let waits = matches!(world.init.at, InitAt::Gate | InitAt::Stalled) || world.kernel.frozen;
    let stalled_hook = world.creator.hook == Hook::Stalled && world.kernel.wire.outer == 0;
    holds(
        waits || stalled_hook,
        "the creator is gone, and init waits for it for ever",
    )
}

/// L3: no zombie that nobody collects. (No busy loop: the search itself finds any cycle of steps. No wait for a stopped
/// reader: L1 knows no such excuse.)
fn l3<V: Rules>(world: &World<V>) -> Verdict {
    let stuck = world.kernel.init == Life::Zombie && !world.kernel.truth.stalled;
    holds(!stuck, "a zombie is left")
}

/// Judges what the creator says when it leaves.
pub fn judge_creator<V: Rules>(world: &mut World<V>, report: Report) {
    let kernel = &world.kernel;
    let truth = &kernel.truth;
    let killed = kernel.death;
    let wrong = match report {
        Report::Success => (!truth.at_gate)
            .then_some("the creator reports success, and init never was at its gate"),
        Report::Init(cause) => (truth.init_failed != Some(cause))
            .then_some("the creator reports a cause that is not init's"),
        Report::Died(death) => {
            (killed != Some(death)).then_some("the creator reports a death that was another")
        }
        Report::Own(cause) => (truth.creator_failed != Some(cause))
            .then_some("the creator reports its own failed call, and init had failed before"),
        Report::Refused => None,
        Report::Closed => Some("the creator reports the end of the wire, and no cause"),
        Report::Broken => Some("the creator reports a broken handshake"),
    };
    let told = truth.told_cause && matches!(report, Report::Died(_));
    let wrong =
        wrong.or(told.then_some("the creator reports a death, and init has told the cause"));
    let failed = !matches!(report, Report::Success | Report::Refused);
    let left = kernel.dir || kernel.cgroup || kernel.init_lives() || kernel.init == Life::Zombie;
    world.kernel.truth.leftover |= failed && left;
    if wrong.is_some() {
        world.kernel.truth.wrong_report = wrong;
    }
}

/// Judges what another command says when it leaves.
pub fn judge_client<V: Rules>(
    world: &mut World<V>,
    setup: &Setup<V>,
    index: usize,
    report: Report,
) {
    let kernel = &world.kernel;
    let truth = &kernel.truth;
    let accepted = world.init.gate.accepted() == u32::try_from(index).ok();
    let executed = truth.executed > 0;
    // Nothing is left to tell whether a signal came before or after execve, once somebody else has collected init.
    let untold = kernel.init == Life::Reaped && matches!(kernel.death, Some(Death::Killed(_)));
    let wrong = match (setup.clients[index], report) {
        (Command::Start, Report::Success) => {
            (!(executed || untold)).then_some("start reports success, and nothing was executed")
        }
        (Command::Start, _) if accepted && executed => {
            Some("start reports a failure, and its program was executed")
        }
        (Command::Start, Report::Init(cause)) => {
            (truth.init_failed != Some(cause)).then_some("start reports a cause that is not init's")
        }
        (_, Report::Closed) => Some("a command reports the end of its connection, and no cause"),
        _ => None,
    };
    // It has gone all the way, and did not merely find nothing when it looked.
    let removed = world.clients[index].at == ClientAt::Poststop && !kernel.reborn;
    // An init whose creator is gone, and whom no record names, is leaving already.
    let leaving =
        kernel.wire.outer & !INIT == 0 && matches!(world.init.at, InitAt::Talk | InitAt::Exit(_));
    let left = kernel.cgroup || kernel.dir || kernel.child || (kernel.init_lives() && !leaving);
    // Somebody may be creating it just now, when there was nothing yet to find.
    let fresh = world.creator_works();
    world.kernel.truth.leftover |= removed && left && !fresh;
    if wrong.is_some() {
        world.kernel.truth.wrong_report = wrong;
    }
}
