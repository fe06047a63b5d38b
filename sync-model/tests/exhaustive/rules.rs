//! Which rule is bent, if any. [`Lawful`] bends none and is what the proof runs on; [`Mutant`] bends one.

use sync_model::lifecycle::{DeletePlan, Evidence, Record, Refusal, Status};
use sync_model::msg::{Features, Kind};
use sync_model::outcome::{Fate, Outcome};
use sync_model::table::{Direction, Role, StateId};
use sync_model::variation::{Lawful, Variation};

/// Everything that a mutant can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bend {
    /// The creator waits for messages alone, never for init's death.
    CreatorWaitsForMessageOnly,
    /// The starter waits for messages alone.
    StarterWaitsForMessageOnly,
    /// The creator reads nothing before init has exited.
    DrainAfterDeath,
    /// `exec` reads nothing before its process has exited.
    ExecDrainsAfterDeath,
    /// The record is written only when init is ready.
    RecordAtReady,
    /// The record with init's pid is written only after `Run`.
    PidAfterRun,
    /// The status is a file that the starter changes after init has accepted the start.
    StatusFromStarter,
    /// The starter changes that file before it asks.
    StatusBeforeStart,
    /// A record that is half written is taken for no init.
    TornRecord,
    /// Processes are found by pid alone, and signalled by number.
    PidAlone,
    /// The processes of the cgroup are signalled by number.
    CgroupByNumber,
    /// The gate takes every start that comes.
    GateAcceptsAll,
    /// `AtGate` overtakes `Ready`.
    Overtaking,
    /// An end of the wire while waiting for `AtGate` is a success.
    EofIsSuccess,
    /// Init does not stop when a step that isolates fails.
    GoOnAfterFailure,
    /// The creator does not stop when the limits cannot be set.
    CreatorGoesOn,
    /// Init keeps the creator's end of the wire open.
    InitKeepsCreatorEnd,
    /// A hook keeps the creator's end of the wire open.
    HookKeepsWire,
    /// Init spins when its creator's wire has ended.
    InitSpins,
    /// The creator runs hooks without watching init.
    HookUnwatched,
    /// `delete` without `--force` kills a created container by its pid.
    DeleteKillsCreated,
    /// The gate is read after the process.
    GateReadLast,
    /// A process on its way out counts as alive.
    DyingIsAlive,
    /// `delete` works without the lock, from what it read first.
    DeleteUnlocked,
    /// `delete` asks again and again while it is not accepted.
    AskForEver,
    /// The id maps are written after the first word, when init is at work already.
    MapsLate,
    /// The creator reports its own failed call, although init failed first.
    OwnCauseFirst,
    /// The creator forgets the cgroup when it fails.
    FailureLeavesCgroup,
    /// The creator never collects a dead init.
    NoReap,
    /// The hooks run again after init's own.
    HooksTwice,
    /// Init goes to exec without waiting at the gate.
    NoGate,
    /// `delete --force` takes a directory without a record for nothing.
    EmptyDirIsNothing,
    /// The starter takes a vanished init for a failed one.
    VanishedIsFailure,
    /// A client takes a vanished init for one that became the program, also when it had accepted to leave.
    VanishedIsProgram,
    /// The creator writes init's log lines to a reader that may have stopped.
    BlockingLog,
    /// `delete --force` waits for the creator's lock without looking again.
    WaitsBlindly,
    /// `delete --force` does not thaw what it kills.
    NoThaw,
}

/// The rules of one search: the handshake's own, and those of everything around it.
pub trait Rules: Variation {
    fn bent(self, bend: Bend) -> bool;
}

impl Rules for Lawful {
    fn bent(self, _: Bend) -> bool {
        false
    }
}

/// One rule is bent, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mutant(pub Bend);

impl Rules for Mutant {
    fn bent(self, bend: Bend) -> bool {
        self.0 == bend
    }
}

impl Variation for Mutant {
    fn next(
        &self,
        from: StateId,
        direction: Direction,
        kind: Kind,
        _: Features,
        lawful: Option<StateId>,
    ) -> Option<StateId> {
        let state = |role, name: &str| StateId::role_state(role, name);
        match (self.0, from.role, from.name(), direction, kind) {
            // Two writers on one channel: the second one's word may come first, and init does not wait for its turn.
            (Bend::Overtaking, Role::Init, "BuildContainer", Direction::Send, Kind::AtGate) => {
                state(Role::Init, "AwaitRun")
            }
            (Bend::HooksTwice, Role::Creator, "AwaitReady", Direction::Receive, Kind::Hooks) => {
                state(Role::Creator, "RunHooks")
            }
            (Bend::HooksTwice, Role::Init, "BuildContainer", Direction::Send, Kind::Hooks) => {
                state(Role::Init, "AwaitResume")
            }
            _ => lawful,
        }
    }

    fn ending(&self, at: StateId, fate: Fate, lawful: Outcome) -> Outcome {
        match (self.0, at.role, at.name(), fate) {
            (Bend::EofIsSuccess, Role::Creator, "AwaitAtGate", _) => Outcome::Created,
            _ => lawful,
        }
    }

    fn accepts_again(&self) -> bool {
        self.0 == Bend::GateAcceptsAll
    }

    fn status(&self, evidence: &Evidence, lawful: Status) -> Status {
        match self.0 {
            Bend::TornRecord if evidence.record == Record::WithoutInit => Status::Stopped,
            _ => lawful,
        }
    }

    fn delete(
        &self,
        evidence: &Evidence,
        force: bool,
        lawful: Result<DeletePlan, Refusal>,
    ) -> Result<DeletePlan, Refusal> {
        match (self.0, &lawful) {
            (Bend::DeleteKillsCreated, Ok(DeletePlan::AskToLeave)) => {
                Ok(DeletePlan::KillThenRemove {
                    thaw: evidence.frozen,
                })
            }
            (Bend::EmptyDirIsNothing, _) if force && evidence.record == Record::WithoutInit => {
                Ok(DeletePlan::Nothing)
            }
            _ => lawful,
        }
    }
}

trait ByName {
    fn role_state(role: Role, name: &str) -> Option<StateId>;
}

impl ByName for StateId {
    fn role_state(role: Role, name: &str) -> Option<StateId> {
        role.states().find(|state| state.name() == name)
    }
}
