//! The table as text and as diagrams. Nothing here knows a message or a state by name.

use std::fmt::Write as _;

use crate::msg::{Features, Kind};
use crate::table::{Class, Direction, Role, Row, StateId, rows};

/// Two roles that talk to each other: the one that opens the conversation, and the side of init.
pub const CONVERSATIONS: &[(Role, Role, &str)] = &[
    (Role::Creator, Role::Init, "create and run"),
    (Role::Starter, Role::Gate, "start of a created container"),
    (Role::Deleter, Role::Gate, "delete of a created container"),
    (Role::ExecCreator, Role::ExecInit, "exec"),
];

const SINGLE: &[Features] = &[
    Features::HOOKS,
    Features::SECCOMP_FD,
    Features::START_ON_WIRE,
];

/// One message of a conversation that goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// Who says it.
    pub sender: Role,
    /// To whom.
    pub receiver: Role,
    /// What.
    pub kind: Kind,
    /// What the sender was in; if it acts there, this is the work that the message concludes.
    pub before: StateId,
    /// What the receiver is in afterwards.
    pub after: StateId,
}

/// The messages of a conversation that goes well, found by letting both tables run against each other. Also returns
/// the states in which the two sides end.
pub fn walk(opener: Role, answerer: Role, features: Features) -> (Vec<Exchange>, [StateId; 2]) {
    let mut at = [
        StateId {
            role: opener,
            index: 0,
        },
        StateId {
            role: answerer,
            index: 0,
        },
    ];
    let mut exchanges = Vec::new();
    loop {
        let step = [0, 1].into_iter().find_map(|side| {
            let (sender, receiver) = (at[side], at[1 - side]);
            if sender.class() != Some(Class::Act) {
                return None;
            }
            sender.role.rows().iter().find_map(|row| {
                if row.from != sender || row.direction != Direction::Send {
                    return None;
                }
                let to = row.next(features)?;
                let after = receiver.next(Direction::Receive, row.kind, features)?;
                let (from, kind) = (sender, row.kind);
                let exchange = Exchange {
                    sender: from.role,
                    receiver: receiver.role,
                    kind,
                    before: from,
                    after,
                };
                Some((side, to, exchange))
            })
        });
        let Some((side, to, exchange)) = step else {
            return (exchanges, at);
        };
        at[side] = to;
        at[1 - side] = exchange.after;
        exchanges.push(exchange);
    }
}

/// The whole table as text; the snapshot test compares it with the one that is checked in.
pub fn text() -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "In every state that is not an end, init may send Log (no change) and Error (the end: Failed).\n"
    );
    for kind in Kind::ALL {
        let _ = writeln!(out, "{:>3} {kind:15} {}", kind.number(), kind.label());
    }
    for role in Role::ALL {
        let _ = writeln!(out, "\n{role}");
        for state in role.states() {
            let class = match state.class() {
                Some(Class::Act) => "acts",
                Some(Class::Await) => "awaits",
                Some(Class::Ask) => "asks",
                Some(Class::AwaitExec) => "awaits exec",
                Some(Class::AwaitExit) => "awaits exit",
                Some(Class::End) | None => "ends",
            };
            let _ = writeln!(out, "  {state} [{class}] {}", state.doing());
            for row in rows().filter(|row| row.from == state) {
                let verb = match row.direction {
                    Direction::Send => "send",
                    Direction::Receive => "recv",
                };
                let _ = writeln!(out, "    {verb} {:15} -> {}", row.kind, target(row));
            }
        }
    }
    out
}

fn target(row: &Row) -> String {
    match (row.guard, row.otherwise) {
        (None, _) => row.to.to_string(),
        (Some(guard), None) => format!("{} (only with {})", row.to, guard.name()),
        (Some(guard), Some(otherwise)) => {
            format!("{} with {}, else {otherwise}", row.to, guard.name())
        }
    }
}

/// A conversation as a Mermaid sequence diagram.
pub fn sequence(opener: Role, answerer: Role) -> String {
    let mut out = String::from("sequenceDiagram\n");
    let (a, b) = (participant(opener), participant(answerer));
    let _ = writeln!(
        out,
        "    participant {a} as {opener}\n    participant {b} as {answerer}"
    );
    let (all, ends) = walk(opener, answerer, Features::ALL);
    // `run` is drawn without a box: it is the whole conversation, `create` is the one that stops earlier.
    let optional = |exchange: &Exchange| {
        SINGLE.iter().copied().find(|feature| {
            let (rest, _) = walk(opener, answerer, Features::ALL.without(*feature));
            !rest.iter().any(|other| other.kind == exchange.kind)
        })
    };
    let mut open: Option<Features> = None;
    for exchange in &all {
        let feature = optional(exchange);
        if open != feature {
            if open.is_some() {
                out.push_str("    end\n");
            }
            if let Some(feature) = feature {
                let _ = writeln!(out, "    opt {}", feature.name());
            }
            open = feature;
        }
        let (from, to) = (participant(exchange.sender), participant(exchange.receiver));
        let _ = writeln!(out, "    Note over {from}: {}", exchange.before.doing());
        let _ = writeln!(out, "    {from}->>{to}: {}", exchange.kind);
    }
    if open.is_some() {
        out.push_str("    end\n");
    }
    for end in [ends[1], ends[0]] {
        let _ = writeln!(
            out,
            "    Note over {}: {}",
            participant(end.role),
            end.doing()
        );
    }
    out
}

fn participant(role: Role) -> String {
    format!("{role:?}")
}

/// A machine as a Mermaid state diagram. `?` is received, `!` is sent.
pub fn state_diagram(role: Role) -> String {
    let mut out = String::from("stateDiagram-v2\n");
    for state in role.states().take(1) {
        let _ = writeln!(out, "    [*] --> {state}");
    }
    for state in role.states() {
        for row in rows().filter(|row| row.from == state) {
            let mark = match row.direction {
                Direction::Send => '!',
                Direction::Receive => '?',
            };
            let guard = row.guard.map(Features::name);
            let _ = match guard {
                None => writeln!(out, "    {state} --> {}: {mark}{}", row.to, row.kind),
                Some(guard) => writeln!(
                    out,
                    "    {state} --> {}: {mark}{} (with {guard})",
                    row.to, row.kind
                ),
            };
            if let (Some(guard), Some(otherwise)) = (guard, row.otherwise) {
                let _ = writeln!(
                    out,
                    "    {state} --> {otherwise}: {mark}{} (without {guard})",
                    row.kind
                );
            }
        }
        let _ = match state.class() {
            Some(Class::AwaitExec) => writeln!(
                out,
                "    {state} --> [*]: end of the wire, and the kernel says: executed"
            ),
            Some(Class::AwaitExit) => writeln!(
                out,
                "    {state} --> [*]: end of the wire, and the kernel says: dead"
            ),
            Some(Class::End) => writeln!(out, "    {state} --> [*]"),
            _ => Ok(()),
        };
    }
    out
}

/// The page with all diagrams; `docs/handshake.md` of this crate is this text, which a test sees to.
pub fn page() -> String {
    let mut out = String::from(
        "# The handshake\n\n\
         Drawn from the transition table by `sync_model::draw`; a test keeps this page equal to it\n\
         (`UPDATE_SNAPSHOTS=1 cargo test -p sync-model --test table_snapshot` writes it anew).\n\n\
         In every state that is not an end, init may send `Log` (nothing changes) and `Error{step, errno, path,\n\
         message}` (the end). Every wait ends with a message, the end of the wire, or the peer's death.\n",
    );
    for (opener, answerer, title) in CONVERSATIONS {
        let _ = write!(
            out,
            "\n## {title}\n\n```mermaid\n{}```\n",
            sequence(*opener, *answerer)
        );
    }
    out.push_str("\n## The machines\n\n`?` is received, `!` is sent.\n");
    for role in Role::ALL {
        let _ = write!(
            out,
            "\n### {role}\n\n```mermaid\n{}```\n",
            state_diagram(*role)
        );
    }
    out
}
