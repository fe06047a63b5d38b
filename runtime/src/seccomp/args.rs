//! The cases of one system call, as code.

use super::Op;
use super::code::{Code, Target, Test as Compare};
use super::order::{Test, halves};
use super::rules::Case;
use super::tree::{Stretch, append, tree};

/// What code is shared by: the cases themselves, and the width of their arguments.
pub type Key = (Vec<Case>, bool);

/// More cases than this on one argument are asked for one by one: laying them out takes a time that grows with their square.
const LAID_OUT: usize = 512;

/// Writes the cases: the first that holds, else `default`.
pub fn cases(code: &mut Code<Key>, cases: &[Case], is_64bit: bool, default: Target) -> Target {
    let key = (cases.to_vec(), is_64bit);
    code.block(key, |code| {
        let mut next = default;
        let mut left = cases;
        while let Some(last) = left.last() {
            let run = run(left);
            let (before, these) = left.split_at(left.len() - run);
            next = if run > 1 {
                line(code, these, is_64bit, next)
            } else {
                one(code, last, is_64bit, next)
            };
            left = before;
        }
        next
    })
}

/// How many cases, at the end of these, ask about one argument only, and the same one, in a way that makes ranges of it.
fn run(cases: &[Case]) -> usize {
    let ranged = |case: &Case| match case.tests.as_slice() {
        [only] if only.op != Op::MaskedEq => Some(only.index),
        _ => None,
    };
    let Some(argument) = cases.last().and_then(ranged) else {
        return 1;
    };
    cases
        .iter()
        .rev()
        .take(LAID_OUT)
        .take_while(|case| ranged(case) == Some(argument))
        .count()
}

/// One case: its tests one after the other.
fn one(code: &mut Code<Key>, case: &Case, is_64bit: bool, no: Target) -> Target {
    let mut yes = Target::Ret(case.action.ret());
    for test in case.tests.iter().rev() {
        yes = holds(code, test, is_64bit, yes, no);
    }
    yes
}

/// Where the halves of an argument are in `struct seccomp_data`.
fn low(index: u8) -> u32 {
    16 + 8 * u32::from(index)
}

fn high(index: u8) -> u32 {
    low(index) + 4
}

/// Is the test true?
fn holds(code: &mut Code<Key>, test: &Test, is_64bit: bool, yes: Target, no: Target) -> Target {
    let (compare, yes, no) = match test.op {
        Op::Eq | Op::MaskedEq => (Compare::Eq, yes, no),
        Op::Ne => (Compare::Eq, no, yes),
        Op::Gt => (Compare::Gt, yes, no),
        Op::Le => (Compare::Gt, no, yes),
        Op::Ge => (Compare::Ge, yes, no),
        Op::Lt => (Compare::Ge, no, yes),
    };
    let ((high_value, value), (high_mask, mask)) = (halves(test.value), halves(test.mask));
    let lower = if mask == 0 {
        // All that is asked is asked of the high half.
        yes
    } else {
        half(code, low(test.index), mask, compare, value, yes, no)
    };
    if !is_64bit {
        return lower;
    }
    let (value, mask) = (high_value, high_mask);
    if mask == 0 {
        return lower;
    }
    if compare == Compare::Eq {
        return half(code, high(test.index), mask, compare, value, lower, no);
    }
    // The low halves count where the high ones are equal.
    let above = if value == 0 {
        yes
    } else {
        code.branch(Compare::Gt, value, yes, no)
    };
    let equal = code.branch(Compare::Eq, value, lower, above);
    Target::At(code.load(high(test.index), equal))
}

fn half(
    code: &mut Code<Key>,
    offset: u32,
    mask: u32,
    compare: Compare,
    value: u32,
    yes: Target,
    no: Target,
) -> Target {
    let branch = code.branch(compare, value, yes, no);
    let masked = if mask == u32::MAX {
        branch
    } else {
        Target::At(code.and(mask, branch))
    };
    Target::At(code.load(offset, masked))
}

/// Cases that cut the values of one argument into stretches.
fn line(code: &mut Code<Key>, cases: &[Case], is_64bit: bool, no: Target) -> Target {
    let Some(index) = cases
        .first()
        .and_then(|case| case.tests.first())
        .map(|test| test.index)
    else {
        return no;
    };
    let ranges: Vec<(u64, u64, Target)> = cases
        .iter()
        .flat_map(|case| case.tests.iter().map(|test| (test, case.action.ret())))
        .flat_map(|(test, ret)| {
            ranges(test, is_64bit)
                .into_iter()
                .flatten()
                .map(move |(from, to)| (from, to, Target::Ret(ret)))
        })
        .collect();
    let mut starts: Vec<u64> = ranges
        .iter()
        .flat_map(|&(from, to, _)| [Some(from), to.checked_add(1)])
        .flatten()
        .chain([0])
        .collect();
    starts.sort_unstable();
    starts.dedup();
    let mut stretches: Vec<(u64, Target)> = Vec::with_capacity(starts.len());
    for start in starts {
        if !is_64bit && start > u64::from(u32::MAX) {
            break;
        }
        let found = ranges
            .iter()
            .find(|(from, to, _)| (*from..=*to).contains(&start));
        let target = found.map_or(no, |range| range.2);
        if stretches.last().is_none_or(|last| last.1 != target) {
            stretches.push((start, target));
        }
    }
    if is_64bit {
        wide(code, index, &stretches)
    } else {
        narrow(code, index, &stretches)
    }
}

/// The values for which a test holds, both ends included.
fn ranges(test: &Test, is_64bit: bool) -> [Option<(u64, u64)>; 2] {
    let top = if is_64bit {
        u64::MAX
    } else {
        u64::from(u32::MAX)
    };
    let value = test.value;
    let below = value.checked_sub(1).map(|last| (0, last));
    let above = (value < top).then(|| (value + 1, top));
    match test.op {
        Op::Eq | Op::MaskedEq => [Some((value, value)), None],
        Op::Ne => [below, above],
        Op::Lt => [below, None],
        Op::Le => [Some((0, value)), None],
        Op::Gt => [above, None],
        Op::Ge => [Some((value, top)), None],
    }
}

/// By the low half alone.
fn narrow(code: &mut Code<Key>, index: u8, stretches: &[(u64, Target)]) -> Target {
    let line: Vec<Stretch> = stretches
        .iter()
        .map(|&(start, target)| Stretch {
            start: halves(start).1,
            target,
        })
        .collect();
    if let [only] = line.as_slice() {
        return only.target;
    }
    let tree = tree(code, &line);
    Target::At(code.load(low(index), tree))
}

/// By the high half, and by the low one where stretches meet within one high half.
fn wide(code: &mut Code<Key>, index: u8, stretches: &[(u64, Target)]) -> Target {
    let mut line: Vec<Stretch> = Vec::new();
    // What the values before the current high half's last stretch go to.
    let mut before: Option<Target> = None;
    for same in stretches.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32) {
        let (Some(first), Some(last)) = (same.first(), same.last()) else {
            continue;
        };
        let (start, low) = halves(first.0);
        let mut within: Vec<(u64, Target)> = Vec::with_capacity(same.len() + 1);
        if low != 0 {
            within.extend(before.map(|target| (0, target)));
        }
        within.extend(
            same.iter()
                .map(|&(from, target)| (from & u64::from(u32::MAX), target)),
        );
        let target = narrow(code, index, &within);
        append(&mut line, start, target);
        if let Some(following) = start.checked_add(1) {
            append(&mut line, following, last.1);
        }
        before = Some(last.1);
    }
    if let [only] = line.as_slice() {
        return only.target;
    }
    let tree = tree(code, &line);
    Target::At(code.load(high(index), tree))
}
