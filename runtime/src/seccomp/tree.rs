//! A line of 32-bit numbers, cut into stretches that each go somewhere: as a balanced tree of comparisons.

use super::code::{Code, Target, Test};

/// From `start` up to the next stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first number.
    pub start: u32,
    /// Where it goes.
    pub target: Target,
}

/// So many single numbers are asked for one by one; for more, halving is quicker.
const FEW: usize = 3;

/// Writes the tree for the number in the accumulator. `line` is ascending and begins at 0.
pub fn tree<K: Ord>(code: &mut Code<K>, line: &[Stretch]) -> Target {
    match line {
        // A line without stretches does not occur; it would end nowhere, so: the safe end.
        [] => Target::Ret(0),
        [only] => only.target,
        _ => match dots(line) {
            Some(base) => {
                let mut next = base;
                for index in (1..line.len()).step_by(2).rev() {
                    next = code.branch(Test::Eq, line[index].start, line[index].target, next);
                }
                next
            }
            None => {
                let middle = line.len() / 2;
                let right = tree(code, &line[middle..]);
                let left = tree(code, &line[..middle]);
                code.branch(Test::Ge, line[middle].start, right, left)
            }
        },
    }
}

/// Where the line goes but for a few single numbers in it; `None`: it is not of that kind.
fn dots(line: &[Stretch]) -> Option<Target> {
    let base = line.first()?.target;
    let odd = line.len() % 2 == 1 && line.len() / 2 <= FEW;
    let mut pairs = line.get(1..)?.chunks_exact(2);
    (odd && pairs
        .all(|pair| pair[1].target == base && pair[0].start.checked_add(1) == Some(pair[1].start)))
    .then_some(base)
}

/// Appends to a line that is being built in ascending order; a stretch that goes where the one before goes is none.
pub fn append(line: &mut Vec<Stretch>, start: u32, target: Target) {
    if let Some(last) = line.last_mut() {
        if last.start == start {
            last.target = target;
            if line.len() >= 2 && line[line.len() - 2].target == target {
                line.pop();
            }
            return;
        }
        if last.target == target {
            return;
        }
    }
    line.push(Stretch { start, target });
}
