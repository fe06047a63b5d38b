//! A [`Profile`] becomes a [`Filter`].
//!
//! The program asks for the audit architecture, and then where the number lies on one line of all 2^32: between two
//! numbers that a profile treats alike there is no cut, so a list of 400 names becomes some 60 stretches, found by six
//! comparisons. What is newer than the profile is a stretch too, and x32 is the upper part of x86_64's line.

use super::args::{Key, cases};
use super::code::{Code, Target, Test};
use super::rules::{Decision, Table};
use super::tree::{Stretch, append, tree};
use super::{Action, Arch, Filter, Flags, Profile, Syscall};

/// Why there is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// libseccomp says EEXIST here.
    #[error(
        "error adding seccomp rule for syscall {syscall}: another rule has the same conditions, or more of them, and a different action"
    )]
    Conflict {
        /// The system call.
        syscall: &'static str,
    },
    /// More than [`Filter::MAX`] instructions.
    #[error(
        "the seccomp profile needs a filter of {0} instructions, and the kernel takes 4096: give it fewer rules with args, or fewer architectures"
    )]
    TooLong(usize),
}

/// x32 sets this bit in its numbers.
const X32_BIT: u32 = 0x4000_0000;

/// `seccomp_data.nr` and `.arch`.
const NR: u32 = 0;
const ARCH: u32 = 4;

/// What runc's libseccomp answers to an architecture that the profile does not name.
const BAD_ARCH: Target = Target::Ret(Action::KillThread.ret());

/// Compiles.
///
/// # Errors
/// A profile that contradicts itself, or is too long.
pub fn compile(profile: &Profile) -> Result<Filter, Error> {
    let mut code: Code<Key> = Code::new();
    let mut next = BAD_ARCH;
    let mut done: Vec<u32> = Vec::with_capacity(profile.architectures.len());
    for arch in profile.architectures.iter().rev() {
        let audit = arch.audit();
        if done.contains(&audit) {
            continue;
        }
        done.push(audit);
        let here = line(&mut code, profile, audit)?;
        next = code.branch(Test::Eq, audit, here, next);
    }
    code.load(ARCH, next);
    let program = code.finish();
    if program.len() > Filter::MAX {
        return Err(Error::TooLong(program.len()));
    }
    let notifies = profile
        .rules
        .iter()
        .any(|rule| rule.action == Action::Notify);
    let listener = if notifies { Flags::NEW_LISTENER } else { 0 };
    Ok(Filter {
        flags: Flags(profile.flags.0 | listener),
        program,
    })
}

/// No program for `profile` is longer than this; cheap to know.
pub fn at_most(profile: &Profile) -> usize {
    let (mut cuts, mut tests) = (0_usize, 0_usize);
    for rule in &profile.rules {
        cuts += rule.syscalls.len();
        tests += rule.syscalls.len() * rule.conditions.len();
    }
    // A number alone among others is asked for by one comparison, and three of them are found by one more; no table has
    // more than 512 numbers. A test takes two halves with a mask each, on both ways to a multiplexed call.
    let line = cuts.min(512) * 3 / 2 + profile.rules.len() + tests * 16 + 32;
    16 + profile.architectures.len() * line
}

/// May [`compile`] refuse it? Cheap to know: such a profile is compiled before anything is made, all others beside init's work.
pub fn may_be_refused(profile: &Profile) -> bool {
    at_most(profile) > Filter::MAX || may_contradict(profile)
}

/// A contradiction is between two actions for one system call.
fn may_contradict(profile: &Profile) -> bool {
    let mut actions: Vec<Option<Action>> = vec![None; Syscall::all().count()];
    let multiplexers = profile.architectures.contains(&Arch::X86);
    let rules = profile.rules.iter();
    for rule in rules.filter(|rule| rule.action != profile.default_action) {
        for syscall in &rule.syscalls {
            // Its first argument may be another system call's, and have that one's action.
            let stands_for_others =
                || !rule.conditions.is_empty() && ["socketcall", "ipc"].contains(&syscall.name());
            match actions.get_mut(syscall.index()) {
                Some(Some(action)) if *action != rule.action => return true,
                Some(action) => *action = Some(rule.action),
                None => {}
            }
            if multiplexers && stands_for_others() {
                return true;
            }
        }
    }
    false
}

/// The numbers of everything that has this audit architecture.
fn line(code: &mut Code<Key>, profile: &Profile, audit: u32) -> Result<Target, Error> {
    let mut line = Line {
        stretches: Vec::with_capacity(256),
        default: Target::Ret(profile.default_action.ret()),
        newer: newer(profile),
    };
    let mut same = Arch::ALL
        .into_iter()
        .filter(|arch| arch.audit() == audit && profile.architectures.contains(arch));
    if audit == Arch::X86_64.audit() {
        let table = |arch: Arch| {
            let wanted = profile.architectures.contains(&arch);
            wanted.then(|| Table::new(profile, arch)).transpose()
        };
        line.x86_64(code, table(Arch::X86_64)?, table(Arch::X32)?);
    } else if let Some(arch) = same.next() {
        let table = Table::new(profile, arch)?;
        line.part(code, &table, arch.is_64bit(), 0);
    }
    let tree = tree(code, &line.stretches);
    Ok(match line.stretches.as_slice() {
        [only] => only.target,
        _ => Target::At(code.load(NR, tree)),
    })
}

/// What a number gets that is larger than all that the profile knows of: a program must see that the kernel does not have
/// the system call, and take the older one. `None`: the default action does no harm, or says so already.
fn newer(profile: &Profile) -> Option<Target> {
    // An errno fits: the kernel's largest is 4095.
    #[allow(clippy::cast_possible_truncation)]
    const ENOSYS: Action = Action::Errno(libc::ENOSYS as u16);
    match profile.default_action {
        Action::Allow | Action::Log | Action::Trace(_) => None,
        _ => Some(Target::Ret(ENOSYS.ret())),
    }
}

struct Line {
    stretches: Vec<Stretch>,
    default: Target,
    newer: Option<Target>,
}

impl Line {
    /// A table's numbers, all of which are at or above `start`, and everything between and behind them.
    fn part(&mut self, code: &mut Code<Key>, table: &Table, is_64bit: bool, start: u32) {
        append(&mut self.stretches, start, self.default);
        for (number, decision) in &table.decisions {
            let target = match decision {
                Decision::Always(action) => Target::Ret(action.ret()),
                Decision::Cases(list) => cases(code, list, is_64bit, self.default),
            };
            append(&mut self.stretches, *number, target);
            if let Some(following) = number.checked_add(1) {
                append(&mut self.stretches, following, self.default);
            }
        }
        if let (Some(newer), Some(newest)) = (self.newer, table.newest) {
            self.cut(newest);
            append(&mut self.stretches, newest.saturating_add(1), newer);
        }
    }

    /// Nothing of the line goes on behind `last`.
    fn cut(&mut self, last: u32) {
        while self
            .stretches
            .last()
            .is_some_and(|end| end.start > last.saturating_add(1))
        {
            self.stretches.pop();
        }
    }

    /// x86_64 below bit 30, x32 above. What of the two the profile does not name is a bad architecture, but for the
    /// number -1: with that a tracer says that the call is to be skipped.
    fn x86_64(&mut self, code: &mut Code<Key>, x86_64: Option<Table>, x32: Option<Table>) {
        let newer = |table: &Option<Table>| {
            let known = table.as_ref().and_then(|table| table.newest);
            known.and(self.newer)
        };
        // The upper end of the line, where bit 30 alone says whose number it is.
        let (newer_64, newer_32) = (newer(&x86_64), newer(&x32));
        match &x86_64 {
            Some(table) => self.part(code, table, Arch::X86_64.is_64bit(), 0),
            None => append(&mut self.stretches, 0, BAD_ARCH),
        }
        match &x32 {
            Some(table) => self.part(code, table, Arch::X32.is_64bit(), X32_BIT),
            None => append(&mut self.stretches, X32_BIT, BAD_ARCH),
        }
        let unknown = match x32 {
            Some(_) => self.default,
            None => BAD_ARCH,
        };
        append(
            &mut self.stretches,
            0x8000_0000,
            newer_64.unwrap_or(unknown),
        );
        append(
            &mut self.stretches,
            0xc000_0000,
            newer_32.unwrap_or(unknown),
        );
        if x32.is_none() {
            append(&mut self.stretches, u32::MAX, self.default);
        }
    }
}
