//! The reference: what one side may say or hear, told from the list of a conversation's messages alone.

use crate::msg::{Features, Kind};
use crate::table::{Direction, Role};

/// What is said when a container is made, and all goes well.
pub(super) fn container(features: Features) -> Vec<Kind> {
    let mut script = vec![Kind::Bootstrap];
    script.push(Kind::Config);
    if features.has(Features::HOOKS) {
        script.extend([Kind::Hooks, Kind::Resume]);
    }
    script.extend([Kind::Ready, Kind::Run]);
    if features.has(Features::SECCOMP_FD) {
        script.extend([Kind::SeccompFd, Kind::SeccompFdTaken]);
    }
    script.push(Kind::AtGate);
    if features.has(Features::START_ON_WIRE) {
        script.extend([Kind::Start, Kind::Starting]);
    }
    script
}

/// What is said by `exec`, when all goes well.
pub(super) fn exec(features: Features) -> Vec<Kind> {
    let mut script = vec![Kind::Bootstrap, Kind::Config, Kind::Ready, Kind::Run];
    if features.has(Features::SECCOMP_FD) {
        script.extend([Kind::SeccompFd, Kind::SeccompFdTaken]);
    }
    script.push(Kind::Starting);
    script
}

/// What one side may say or hear next, told from the list of all messages alone.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) role: Role,
    pub(super) script: Vec<Kind>,
    pub(super) at: usize,
    pub(super) over: bool,
}

impl Reference {
    pub(super) fn new(role: Role, script: Vec<Kind>) -> Reference {
        Reference {
            role,
            script,
            at: 0,
            over: false,
        }
    }

    pub(super) fn allows(&self, direction: Direction, kind: Kind) -> bool {
        let from_init = direction == self.role.init_speaks();
        if self.over || from_init != kind.is_from_init() {
            return false;
        }
        let next = self.script.get(self.at).copied();
        kind == Kind::Log || kind == Kind::Error || next == Some(kind) || self.is_other_way(kind)
    }

    /// Not the next of the list, and legal all the same.
    pub(super) fn is_other_way(&self, kind: Kind) -> bool {
        match (self.script.get(self.at), kind) {
            // `run` may queue the start before init is at its gate.
            (Some(Kind::AtGate), Kind::Start) => {
                self.role == Role::Creator && self.script.get(self.at + 1) == Some(&Kind::Start)
            }
            // Who may start may abort instead; the gate takes either.
            (Some(Kind::Start), Kind::Abort) => self.role != Role::Starter,
            (Some(Kind::Abort), Kind::Start) => self.role == Role::Gate,
            _ => false,
        }
    }

    pub(super) fn pass(&mut self, kind: Kind) {
        match kind {
            Kind::Log => return,
            Kind::Error => {
                self.over = true;
                return;
            }
            _ => {}
        }
        match (self.script.get(self.at), kind) {
            (Some(Kind::AtGate), Kind::Start) => self.script.swap(self.at, self.at + 1),
            (_, Kind::Abort) => {
                self.script.truncate(self.at);
                self.script.extend([Kind::Abort, Kind::Aborting]);
            }
            (Some(Kind::Abort), Kind::Start) => {
                self.script.truncate(self.at);
                self.script.extend([Kind::Start, Kind::Starting]);
            }
            _ => {}
        }
        self.at += 1;
        let said_all = self.at == self.script.len();
        let is_init = self.role.init_speaks() == Direction::Send;
        self.over = said_all && (kind == Kind::AtGate || (is_init && kind == Kind::Aborting));
    }

    /// The last message of the list, if it has been said.
    pub(super) fn said_all(&self) -> Option<Kind> {
        if self.at == self.script.len() {
            self.script.last().copied()
        } else {
            None
        }
    }
}
