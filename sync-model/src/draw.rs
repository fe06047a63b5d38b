//! The table as text and as diagrams.

use std::fmt::Write as _;

use crate::table::{Direction, Role, rows};

/// The whole table as text, a row a line; the snapshot test compares it with the one checked in.
pub fn text() -> String {
    let mut out = String::new();
    for role in Role::ALL {
        let _ = writeln!(out, "{role}");
        for state in role.states() {
            let _ = writeln!(out, "  {state} ({:?}): {}", state.class(), state.doing());
            for row in rows().filter(|row| row.from == state) {
                let verb = match row.direction {
                    Direction::Send => "send",
                    Direction::Receive => "recv",
                };
                let _ = writeln!(out, "    {verb} {} -> {:?}", row.kind, row.to);
            }
        }
    }
    out
}
