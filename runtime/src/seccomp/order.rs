//! Rules for one system call whose conditions overlap and whose actions differ: which one wins.
//!
//! Nothing that is written says so; what profiles are tested against is libseccomp, which sorts the comparisons that it
//! makes: a later argument before an earlier one; on one argument equality, then "less", then "greater"; and larger values
//! first, but for "less", where smaller ones come first: so that the narrower of two ranges wins. The halves of a 64-bit
//! argument are compared one after the other, the high one first.
//!
//! What it refuses is refused here too: the same conditions twice with different actions, and fewer conditions with
//! another action after more of them. More conditions after fewer are never reached, as there.

use super::rules::Case;
use super::{Action, Condition, Op};

/// A [`Condition`] on an architecture: cut to the width of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// Which argument.
    pub index: u8,
    /// How.
    pub op: Op,
    /// All ones, but for [`Op::MaskedEq`]. 0: it always holds.
    pub mask: u64,
    /// With what; within the mask.
    pub value: u64,
}

impl Test {
    /// Of a 32-bit architecture, the low halves only: its arguments have no others.
    pub fn new(condition: &Condition, is_64bit: bool) -> Self {
        let width = if is_64bit {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        let (mask, value) = match condition.op {
            Op::MaskedEq => (condition.value, condition.value_two),
            _ => (u64::MAX, condition.value),
        };
        // The whole mask for the other operators, whatever the width: it stands for "no mask".
        let mask = if condition.op == Op::MaskedEq {
            mask & width
        } else {
            mask
        };
        Self {
            index: condition.index,
            op: condition.op,
            mask,
            value: value & mask & width,
        }
    }
}

/// The high and the low 32 bits: the kernel's program sees them one by one.
pub fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

/// A comparison of 32 bits, as libseccomp makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    /// The argument, and the high half above the low one.
    argument: u8,
    /// Equality above "less" above "greater".
    class: u8,
    /// 0 equal, 1 greater, 2 greater or equal, 3 equal behind a mask.
    kind: u8,
    mask: u32,
    value: u32,
    /// The way on is where the comparison fails.
    fails: bool,
}

impl Node {
    /// The same comparison, whatever is made of its answer.
    fn same(&self, other: &Self) -> bool {
        (self.argument, self.kind, self.mask, self.value)
            == (other.argument, other.kind, other.mask, other.value)
    }

    /// Does it come after `other`, among the comparisons that are made one after the other?
    fn after(&self, other: &Self) -> bool {
        let rank = |node: &Self| {
            // Of ranges with an upper end the smaller value first, of everything else the larger.
            let value = if node.class == 2 {
                !node.value
            } else {
                node.value
            };
            (node.argument, node.class, value)
        };
        rank(self) < rank(other)
    }
}

/// The comparisons of a test along its longest way.
fn nodes(test: &Test, is_64bit: bool, out: &mut Vec<Node>) {
    let (class, kind, fails) = match test.op {
        Op::Eq => (3, 0, false),
        Op::Ne => (3, 0, true),
        Op::MaskedEq => (3, 3, false),
        Op::Gt => (1, 1, false),
        Op::Ge => (1, 2, false),
        Op::Le => (2, 1, true),
        Op::Lt => (2, 2, true),
    };
    let ((high_mask, low_mask), (high_value, low_value)) = (halves(test.mask), halves(test.value));
    let half = |high: bool, kind: u8, fails: bool| Node {
        argument: test.index * 2 + u8::from(high),
        class,
        kind,
        mask: if high { high_mask } else { low_mask },
        value: if high { high_value } else { low_value },
        fails,
    };
    if is_64bit {
        if kind == 1 || kind == 2 {
            out.push(half(true, 1, true));
            out.push(half(true, 0, false));
        } else {
            out.push(half(true, kind, false));
        }
    }
    out.push(half(false, kind, fails));
}

/// A level of comparisons: each is made when the one before, and all behind it, came to nothing.
#[derive(Debug, Default)]
struct Level(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    node: Node,
    /// Where it holds, and where it fails.
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    case: Option<Case>,
    level: Level,
}

/// Sorts `cases` so that the first that holds is the one that wins. The error is the place of a case that contradicts one before it.
pub fn sort(cases: Vec<(u32, Case)>, is_64bit: bool) -> Result<Vec<Case>, u32> {
    let mut root = Level::default();
    let mut kept: Vec<Case> = Vec::with_capacity(cases.len());
    for (place, case) in cases {
        if kept.iter().any(|other| other.covers(&case)) {
            continue;
        }
        let before = kept.len();
        kept.retain(|other| !case.covers(other));
        if kept.len() != before {
            root = Level::default();
            for case in &kept {
                root.insert(&path(case, is_64bit), case.clone())
                    .map_err(|Contradiction| place)?;
            }
        }
        root.insert(&path(&case, is_64bit), case.clone())
            .map_err(|Contradiction| place)?;
        kept.push(case);
    }
    let mut sorted = Vec::new();
    root.collect(&mut sorted);
    Ok(sorted)
}

fn path(case: &Case, is_64bit: bool) -> Vec<Node> {
    let mut path = Vec::with_capacity(case.tests.len() * 3);
    for test in &case.tests {
        nodes(test, is_64bit, &mut path);
    }
    path
}

impl Case {
    /// Does this one hold wherever `other` does, and do the same there?
    fn covers(&self, other: &Self) -> bool {
        self.action == other.action && self.tests.iter().all(|test| other.tests.contains(test))
    }
}

#[derive(Debug)]
struct Contradiction;

impl Level {
    fn insert(&mut self, path: &[Node], case: Case) -> Result<(), Contradiction> {
        let Some((node, rest)) = path.split_first() else {
            return Ok(());
        };
        let mut index = self.0.len();
        for (at, entry) in self.0.iter().enumerate() {
            if entry.node.same(node) {
                index = at;
                break;
            }
            if entry.node.after(node) {
                index = at;
                break;
            }
        }
        if self.0.get(index).is_none_or(|entry| !entry.node.same(node)) {
            let sides = Default::default();
            self.0.insert(index, Entry { node: *node, sides });
        }
        let Some(entry) = self.0.get_mut(index) else {
            return Ok(());
        };
        let [holds, fails] = &mut entry.sides;
        let side = if node.fails { fails } else { holds };
        if let Some(shorter) = &side.case {
            // Never reached; but the same twice is one, or a contradiction.
            let differs = rest.is_empty() && shorter.action != case.action;
            return if differs { Err(Contradiction) } else { Ok(()) };
        }
        if !rest.is_empty() {
            return side.level.insert(rest, case);
        }
        if !side.level.all(case.action) {
            return Err(Contradiction);
        }
        side.level = Level::default();
        side.case = Some(case);
        Ok(())
    }

    /// Does everything here end in `action`?
    fn all(&self, action: Action) -> bool {
        self.0.iter().flat_map(|entry| &entry.sides).all(|side| {
            side.case.as_ref().is_none_or(|case| case.action == action) && side.level.all(action)
        })
    }

    fn collect(self, out: &mut Vec<Case>) {
        for entry in self.0 {
            for side in entry.sides {
                out.extend(side.case);
                side.level.collect(out);
            }
        }
    }
}
