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
        _ if is_few(line) => few(code, line),
        _ => {
            let mut middle = line.len() / 2;
            if is_single(line, middle) {
                // Not between a single number and what is around it: on both sides that would be a stretch.
                middle += 1;
            }
            let right = tree(code, &line[middle..]);
            let left = tree(code, &line[..middle]);
            code.branch(Test::Ge, line[middle].start, right, left)
        }
    }
}

/// Is this stretch one number, with the same before and behind it?
fn is_single(line: &[Stretch], index: usize) -> bool {
    match line.get(index.wrapping_sub(1)..=index + 1) {
        Some([before, one, behind]) => {
            before.target == behind.target && one.start.checked_add(1) == Some(behind.start)
        }
        _ => false,
    }
}

/// Is all of the line one thing, but for a few single numbers, and perhaps its end?
fn is_few(line: &[Stretch]) -> bool {
    line.len() / 2 <= FEW
        && (1..line.len().saturating_sub(1))
            .step_by(2)
            .all(|odd| is_single(line, odd))
}

fn few<K: Ord>(code: &mut Code<K>, line: &[Stretch]) -> Target {
    let [first, .., last] = line else {
        return Target::Ret(0);
    };
    let mut next = first.target;
    if line.len().is_multiple_of(2) {
        next = code.branch(Test::Ge, last.start, last.target, next);
    }
    for odd in (1..line.len() - 1).step_by(2).rev() {
        next = code.branch(Test::Eq, line[odd].start, line[odd].target, next);
    }
    next
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::code::{Code, Target};
    use super::super::interpret::{Data, Program};
    use super::*;

    /// A line of stretches, each of which returns something; few different things, so that ways meet.
    fn lines() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let start = prop_oneof![0..2000_u32, any::<u32>()];
        prop::collection::vec((start, 0..5_u32), 0..900)
    }

    fn build(cuts: Vec<(u32, u32)>) -> Vec<Stretch> {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut line = vec![Stretch {
            start: 0,
            target: Target::Ret(9),
        }];
        for (start, value) in cuts {
            append(&mut line, start, Target::Ret(value));
        }
        line
    }

    fn linear(line: &[Stretch], number: u32) -> Target {
        let stretch = line.iter().rev().find(|stretch| stretch.start <= number);
        stretch.map_or(Target::Ret(9), |stretch| stretch.target)
    }

    proptest! {
        #[test]
        fn a_tree_finds_what_a_walk_finds(cuts in lines(), others in prop::collection::vec(any::<u32>(), 10)) {
            let line = build(cuts);
            prop_assert!(line.windows(2).all(|pair| pair[0].start < pair[1].start && pair[0].target != pair[1].target));
            let mut code: Code<()> = Code::new();
            let tree = tree(&mut code, &line);
            code.load(0, tree);
            let program = code.finish();
            let program = Program::new(&program).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let edges = line.iter().flat_map(|stretch| {
                [stretch.start.wrapping_sub(1), stretch.start, stretch.start.wrapping_add(1)]
            });
            for nr in edges.chain(others) {
                let (found, steps) = program.run(&Data { nr, ..Data::default() });
                prop_assert_eq!(Target::Ret(found), linear(&line, nr), "of {}", nr);
                // Balanced: a load, a return, the halvings, and now and then a stepping stone.
                let halvings = line.len().ilog2() as usize + 1;
                prop_assert!(steps <= 2 + 2 * halvings + FEW, "{} steps for {} stretches", steps, line.len());
            }
        }
    }

    #[test]
    fn single_numbers_cost_one_comparison_each() {
        let line = build([(5, 1), (6, 9), (8, 1), (9, 9), (20, 2), (21, 9)].into());
        let mut code: Code<()> = Code::new();
        let tree = tree(&mut code, &line);
        code.load(0, tree);
        // The load, three comparisons, three returns.
        assert_eq!(code.finish().len(), 7);
    }
}
