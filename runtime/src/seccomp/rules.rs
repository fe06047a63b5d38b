//! A profile as one architecture sees it: for each number, what happens.
//!
//! The meaning is libseccomp's, which is what profiles are written against: a rule without conditions beats those with
//! some, the first of several without conditions wins, and of rules with conditions that overlap see [`super::order`].

use super::order::{self, Test};
use super::{Action, Arch, Condition, Error, Op, Profile, Rule, Syscall};

/// What happens at a system call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Always this.
    Always(Action),
    /// The first case whose tests all hold, else the default action.
    Cases(Vec<Case>),
}

/// Some tests of arguments, ascending by argument, and what happens when all hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// At least one.
    pub tests: Vec<Test>,
    /// What happens.
    pub action: Action,
}

/// A profile on one architecture.
#[derive(Debug)]
pub struct Table {
    /// By number, ascending; numbers with the default action are left out.
    pub decisions: Vec<(u32, Decision)>,
    /// The largest number that the profile knows of.
    pub newest: Option<u32>,
}

/// One rule's part in the table: the number, the rule's place, and the argument that a multiplexer wants.
type Part = (u32, u32, Option<u32>);

impl Table {
    /// What `profile` means on `arch`.
    ///
    /// # Errors
    /// [`Error::Conflict`]
    pub fn new(profile: &Profile, arch: Arch) -> Result<Self, Error> {
        let mut newest = None;
        let mut parts: Vec<Part> = Vec::with_capacity(512);
        for (place, rule) in (0..).zip(&profile.rules) {
            let counts = rule.action != profile.default_action;
            for syscall in &rule.syscalls {
                let number = syscall.number(arch);
                match syscall.multiplexed(arch) {
                    Some((through, call)) if counts => {
                        let through = through.number(arch);
                        parts.extend(through.map(|number| (number, place, Some(call))));
                    }
                    // libseccomp has no number of their own for these, so runc does not see them here.
                    Some(_) => {}
                    None => newest = newest.max(number),
                }
                if counts {
                    parts.extend(number.map(|number| (number, place, None)));
                }
            }
        }
        // The order of the rules stays what it is.
        parts.sort_unstable();
        let mut decisions = Vec::with_capacity(parts.len());
        for same in parts.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(number, ..)) = same.first() else {
                continue;
            };
            let decision = decide(&profile.rules, same, arch)
                .map_err(|place| conflict(profile, place, number, arch))?;
            decisions.push((number, decision));
        }
        Ok(Self {
            decisions,
            // runc cannot tell a profile that knows only of number 0 from one that knows of nothing.
            newest: newest.filter(|number| *number != 0),
        })
    }
}

/// The parts of one number. The error is the place of the rule that contradicts one before it.
fn decide(rules: &[Rule], parts: &[Part], arch: Arch) -> Result<Decision, u32> {
    let mut cases: Vec<(u32, Case)> = Vec::new();
    for &(_, place, call) in parts {
        let Some(rule) = rules.get(place as usize) else {
            continue;
        };
        let action = rule.action;
        if rule.conditions.is_empty() && call.is_none() && cases.is_empty() {
            // Nearly all.
            return Ok(Decision::Always(action));
        }
        let tests = tests(&rule.conditions, call, arch);
        if tests.is_empty() {
            // Whatever comes after it adds nothing. What came before must not contradict itself, though it is replaced.
            order::sort(cases, arch.is_64bit())?;
            return Ok(Decision::Always(action));
        }
        cases.push((place, Case { tests, action }));
    }
    // Between rules that do the same, no order can be told from another.
    if cases
        .windows(2)
        .all(|pair| pair[0].1.action == pair[1].1.action)
    {
        return Ok(Decision::Cases(
            cases.into_iter().map(|(_, case)| case).collect(),
        ));
    }
    order::sort(cases, arch.is_64bit()).map(Decision::Cases)
}

/// The conditions that can fail, by argument. A multiplexer's first argument is the call, whatever a rule wants of the call's own.
fn tests(conditions: &[Condition], call: Option<u32>, arch: Arch) -> Vec<Test> {
    let call = call.map(|call| Test {
        index: 0,
        op: Op::Eq,
        mask: u64::MAX,
        value: u64::from(call),
    });
    let own = conditions
        .iter()
        .filter(|condition| call.is_none() || condition.index != 0)
        .map(|condition| Test::new(condition, arch.is_64bit()))
        .filter(|test| test.mask != 0);
    let mut tests: Vec<Test> = call.into_iter().chain(own).collect();
    tests.sort_by_key(|test| test.index);
    tests
}

fn conflict(profile: &Profile, place: u32, number: u32, arch: Arch) -> Error {
    let rule = profile.rules.get(place as usize);
    let name = rule.and_then(|rule| {
        let of = |syscall: &&Syscall| {
            syscall.number(arch) == Some(number) || syscall.multiplexed(arch).is_some()
        };
        rule.syscalls.iter().find(of)
    });
    Error::Conflict {
        syscall: name.map_or("", |syscall| syscall.name()),
    }
}
