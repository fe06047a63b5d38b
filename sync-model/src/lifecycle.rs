//! A container's status, and what the commands may do about it: pure functions of the evidence.
//!
//! The evidence is read from the kernel and from the durable record, never from what some process managed to write
//! before it died. The deciding fact is the *gate*: init holds it by a close-on-exec descriptor, so `execve` lets go of
//! it in the very moment in which the program begins. The commands execute exactly what is decided here.

use std::fmt;

use crate::variation::{Lawful, Variation};

/// The status of a container, as `state` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// A creator is at work; init has not reached the gate, as far as can be known.
    Creating,
    /// Init holds the gate.
    Created,
    /// The user's program is executed and lives.
    Running,
    /// Created or running, and frozen.
    Paused,
    /// Init is dead, or there never will be one.
    Stopped,
}

impl Status {
    /// The name, as `state` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the state directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// There is none: the container does not exist.
    Missing,
    /// The container is begun: its init is not recorded, and perhaps nothing is. A directory without a record counts:
    /// `delete --force` must remove it, or the name stays taken.
    WithoutInit,
    /// Init's pid and start time are recorded.
    WithInit,
}

/// What is known of a container at one moment.
///
/// It cannot be read at one moment. Read in this order, what it shows was true between the first look and the last:
/// the creator's lock, the record, the gate, init. Init last: a gate that was free before init was seen alive was let
/// go by execve; read the other way round, an init that is killed at its gate between the two is called running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// What the state directory says.
    pub record: Record,
    /// The creator holds the container's lock. Read before the others: a creator that ends in between has then
    /// left its last word in the record.
    pub creator_alive: bool,
    /// The recorded init lives: same pid, same start time, neither a zombie nor on its way out (`PF_EXITING` in the
    /// flags of `/proc/PID/stat`: a dying process lets go of the gate before it is a zombie). `false` if none is
    /// recorded.
    pub init_alive: bool,
    /// Somebody holds the gate.
    pub gate_held: bool,
    /// The container's cgroup is frozen.
    pub frozen: bool,
}

/// The status that the evidence shows.
pub fn status(evidence: &Evidence) -> Status {
    status_with(evidence, Lawful)
}

/// [`status`] with one rule bent, for the checker's mutants.
#[doc(hidden)]
pub fn status_with<V: Variation>(evidence: &Evidence, variation: V) -> Status {
    let lawful = match evidence.record {
        Record::Missing => Status::Stopped,
        Record::WithoutInit if evidence.creator_alive => Status::Creating,
        Record::WithoutInit => Status::Stopped,
        Record::WithInit if !evidence.init_alive => Status::Stopped,
        // `create` has not finished: init holds the gate, but is not at it yet.
        Record::WithInit if evidence.gate_held && evidence.creator_alive => Status::Creating,
        Record::WithInit if evidence.frozen => Status::Paused,
        Record::WithInit if evidence.gate_held => Status::Created,
        Record::WithInit => Status::Running,
    };
    variation.status(evidence, lawful)
}

/// Why a command does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no such container.
    DoesNotExist,
    /// `start` of a stopped container.
    StartStopped,
    /// `start` of a running container.
    StartRunning,
    /// `start` in any other state.
    Start(Status),
    /// `kill` of a container without a process.
    NotRunning,
    /// `delete` without `--force` of a container that is not stopped.
    DeleteNotStopped(Status),
    /// `resume` of a container that is not paused.
    NotPaused,
    /// `events` of a container without a process.
    NoEvents,
}

impl Refusal {
    /// The text, in runc's words, which engines look for.
    pub fn text(self, id: &str) -> String {
        match self {
            Refusal::DoesNotExist => "container does not exist".to_owned(),
            Refusal::StartStopped => "cannot start a container that has stopped".to_owned(),
            Refusal::StartRunning => "cannot start an already running container".to_owned(),
            Refusal::Start(status) => format!("cannot start a container in the {status} state"),
            Refusal::NotRunning => "container not running".to_owned(),
            Refusal::DeleteNotStopped(status) => {
                format!("cannot delete container {id} that is not stopped: {status}")
            }
            Refusal::NotPaused => "container not paused".to_owned(),
            Refusal::NoEvents => format!("container with id {id} is not running"),
        }
    }
}

/// What `start` does: connect to the gate and be a [`crate::Starter`].
///
/// If that ends with [`crate::Outcome::NotAccepted`], read the evidence anew and decide again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StartPlan;

/// Decides `start`.
///
/// # Errors
/// [`Refusal`] unless init holds the gate.
pub fn start(evidence: &Evidence) -> Result<StartPlan, Refusal> {
    start_with(evidence, Lawful)
}

/// [`start`] with one rule bent.
#[doc(hidden)]
pub fn start_with<V: Variation>(evidence: &Evidence, variation: V) -> Result<StartPlan, Refusal> {
    if evidence.record == Record::Missing {
        return Err(Refusal::DoesNotExist);
    }
    match status_with(evidence, variation) {
        Status::Created => Ok(StartPlan),
        Status::Stopped => Err(Refusal::StartStopped),
        Status::Running => Err(Refusal::StartRunning),
        other => Err(Refusal::Start(other)),
    }
}

/// What `kill` does: signal init through a descriptor that is proved to be its.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KillPlan {
    /// Thaw the cgroup afterwards: a frozen process (cgroup v1) dies of SIGKILL only when it runs again.
    pub thaw: bool,
}

/// Number of SIGKILL.
const SIGKILL: i32 = 9;

/// Decides `kill` with this signal.
///
/// # Errors
/// [`Refusal`] if there is no live init.
pub fn kill(evidence: &Evidence, signal: i32) -> Result<KillPlan, Refusal> {
    if evidence.record == Record::Missing {
        return Err(Refusal::DoesNotExist);
    }
    match status(evidence) {
        Status::Created | Status::Running => Ok(KillPlan { thaw: false }),
        Status::Paused => Ok(KillPlan {
            thaw: signal == SIGKILL,
        }),
        Status::Creating | Status::Stopped => Err(Refusal::NotRunning),
    }
}

/// Decides `pause`. A container that is being made is not paused: its creator would wait for a frozen init.
///
/// # Errors
/// [`Refusal`] unless it is created or running.
pub fn pause(evidence: &Evidence) -> Result<(), Refusal> {
    match (evidence.record, status(evidence)) {
        (Record::Missing, _) => Err(Refusal::DoesNotExist),
        (_, Status::Created | Status::Running) => Ok(()),
        _ => Err(Refusal::NotRunning),
    }
}

/// Decides `resume`.
///
/// # Errors
/// [`Refusal`] unless it is paused.
pub fn resume(evidence: &Evidence) -> Result<(), Refusal> {
    match (evidence.record, status(evidence)) {
        (Record::Missing, _) => Err(Refusal::DoesNotExist),
        (_, Status::Paused) => Ok(()),
        _ => Err(Refusal::NotPaused),
    }
}

/// Decides `update`: a container that is being made still gets the limits of its config.
///
/// # Errors
/// [`Refusal`] unless it has an init that is at its gate or beyond.
pub fn update(evidence: &Evidence) -> Result<(), Refusal> {
    match (evidence.record, status(evidence)) {
        (Record::Missing, _) => Err(Refusal::DoesNotExist),
        (_, Status::Created | Status::Running | Status::Paused) => Ok(()),
        _ => Err(Refusal::NotRunning),
    }
}

/// Decides `events`.
///
/// # Errors
/// [`Refusal`] if there is no live init.
pub fn events(evidence: &Evidence) -> Result<(), Refusal> {
    match evidence.record {
        Record::Missing => Err(Refusal::DoesNotExist),
        Record::WithInit if evidence.init_alive => Ok(()),
        _ => Err(Refusal::NoEvents),
    }
}

/// What `delete` does before it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeletePlan {
    /// Nothing: there is no such container, and that is not an error (`--force`).
    Nothing,
    /// Remove what is left: every process that is still in the container's cgroup, the cgroup, the state directory.
    Remove,
    /// Be a [`crate::Deleter`]; remove if that ends with [`crate::Outcome::Aborted`] or
    /// [`crate::Outcome::PeerDied`]. If it is [`crate::Outcome::NotAccepted`], read the evidence anew and decide
    /// again. Nothing is signalled: a start may be ahead of us.
    AskToLeave,
    /// Kill init and everything in the container's cgroup, then remove. A creator that is still at work fails for it
    /// and lets go of the lock, which is waited for; it may record an init meanwhile, and wait for that itself: look
    /// again while waiting. Remove under the lock, after a last look: the name may be another container's by now.
    KillThenRemove {
        /// It is seen frozen: thaw the cgroup at once, or nothing in it dies. If it is not, and somebody freezes it just then,
        /// who does not die is thawed all the same.
        thaw: bool,
    },
}

/// Decides `delete`.
///
/// # Errors
/// [`Refusal`] without `force`, if the container is neither stopped nor created or does not exist.
pub fn delete(evidence: &Evidence, force: bool) -> Result<DeletePlan, Refusal> {
    delete_with(evidence, force, Lawful)
}

/// [`delete`] with one rule bent, for the checker's mutants.
#[doc(hidden)]
pub fn delete_with<V: Variation>(
    evidence: &Evidence,
    force: bool,
    variation: V,
) -> Result<DeletePlan, Refusal> {
    let status = status_with(evidence, variation);
    let lawful = match (evidence.record, status) {
        (Record::Missing, _) if force => Ok(DeletePlan::Nothing),
        (Record::Missing, _) => Err(Refusal::DoesNotExist),
        (_, Status::Stopped) => Ok(DeletePlan::Remove),
        (_, _) if force => Ok(DeletePlan::KillThenRemove {
            thaw: evidence.frozen,
        }),
        (_, Status::Created) => Ok(DeletePlan::AskToLeave),
        (_, other) => Err(Refusal::DeleteNotStopped(other)),
    };
    variation.delete(evidence, force, lawful)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Evidence> {
        let mut all = Vec::new();
        for record in [Record::Missing, Record::WithoutInit, Record::WithInit] {
            for bits in 0..16_u8 {
                all.push(Evidence {
                    record,
                    creator_alive: bits & 1 != 0,
                    init_alive: bits & 2 != 0,
                    gate_held: bits & 4 != 0,
                    frozen: bits & 8 != 0,
                });
            }
        }
        all
    }

    /// Over every evidence there is.
    #[test]
    fn no_decision_contradicts_the_status() {
        for evidence in all() {
            let status = status(&evidence);
            if status == Status::Running {
                assert!(evidence.init_alive && !evidence.gate_held);
            }
            assert_eq!(
                start(&evidence).is_ok(),
                status == Status::Created,
                "{evidence:?}"
            );
            if let Ok(plan) = kill(&evidence, 9) {
                assert!(
                    evidence.init_alive,
                    "a signal with nobody to get it: {evidence:?}"
                );
                assert_eq!(plan.thaw, evidence.frozen);
            }
            assert_eq!(
                pause(&evidence).is_ok(),
                matches!(status, Status::Created | Status::Running),
                "{evidence:?}"
            );
            assert_eq!(resume(&evidence).is_ok(), status == Status::Paused);
            // Each is undone by the other, and nothing is both.
            let frozen = |frozen| Evidence { frozen, ..evidence };
            if pause(&evidence).is_ok() {
                assert!(resume(&frozen(true)).is_ok(), "{evidence:?}");
            }
            for (allowed, what) in [
                (update(&evidence).is_ok(), "update"),
                (events(&evidence).is_ok(), "events"),
            ] {
                assert!(!allowed || evidence.init_alive, "{what}: {evidence:?}");
            }
            // S4: without force nothing that may be started is killed or removed.
            match delete(&evidence, false) {
                Ok(DeletePlan::Remove) => assert_eq!(status, Status::Stopped),
                Ok(DeletePlan::AskToLeave) => assert_eq!(status, Status::Created),
                Ok(other) => panic!("delete without force: {other:?}"),
                Err(_) => assert!(evidence.record == Record::Missing || status != Status::Stopped),
            }
            // S8: force always has a way.
            let forced = delete(&evidence, true);
            assert!(forced.is_ok(), "{evidence:?}");
            if evidence.record == Record::WithInit && evidence.init_alive {
                assert_eq!(
                    forced,
                    Ok(DeletePlan::KillThenRemove {
                        thaw: evidence.frozen
                    })
                );
            }
        }
    }

    /// What each crash leaves behind, and what is then said of it.
    #[test]
    fn a_crash_is_told_as_it_is() {
        let nothing = Evidence {
            record: Record::WithoutInit,
            creator_alive: false,
            init_alive: false,
            gate_held: false,
            frozen: false,
        };
        let creator = Evidence {
            creator_alive: true,
            ..nothing
        };
        assert_eq!(status(&creator), Status::Creating);
        assert_eq!(
            delete(&creator, false),
            Err(Refusal::DeleteNotStopped(Status::Creating))
        );
        // The creator died before it had an init: nothing goes on, so nothing is `creating`.
        assert_eq!(status(&nothing), Status::Stopped);
        assert_eq!(delete(&nothing, false), Ok(DeletePlan::Remove));
        let init = Evidence {
            record: Record::WithInit,
            init_alive: true,
            ..nothing
        };
        let waiting = Evidence {
            gate_held: true,
            ..init
        };
        assert_eq!(status(&waiting), Status::Created);
        assert_eq!(status(&init), Status::Running);
        // Init died at its gate; a hook that it left behind may still hold a descriptor of it.
        assert_eq!(
            status(&Evidence {
                init_alive: false,
                ..waiting
            }),
            Status::Stopped
        );
        let frozen = Evidence {
            frozen: true,
            ..init
        };
        assert_eq!(status(&frozen), Status::Paused);
        assert_eq!(kill(&frozen, 15), Ok(KillPlan { thaw: false }));
        assert_eq!(kill(&frozen, 9), Ok(KillPlan { thaw: true }));
    }

    #[test]
    fn refusals_are_in_runcs_words() {
        assert_eq!(
            Refusal::StartStopped.text("c"),
            "cannot start a container that has stopped"
        );
        assert_eq!(
            Refusal::StartRunning.text("c"),
            "cannot start an already running container"
        );
        assert_eq!(
            Refusal::Start(Status::Paused).text("c"),
            "cannot start a container in the paused state"
        );
        assert_eq!(
            Refusal::DeleteNotStopped(Status::Running).text("c"),
            "cannot delete container c that is not stopped: running"
        );
        assert_eq!(Refusal::NotPaused.text("c"), "container not paused");
        assert_eq!(
            Refusal::NoEvents.text("c"),
            "container with id c is not running"
        );
    }
}
