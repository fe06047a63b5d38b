//! The figures: a row for each command, a column for each verdict.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use super::case::{Seen, VERDICTS, Verdict};

/// A row.
#[derive(Debug, Default)]
pub struct Figures {
    pub bundle: &'static str,
    pub command: &'static str,
    /// System calls of the unbroken command.
    pub calls: usize,
    pub cases: u32,
    /// Cases whose call was made.
    pub reached: u32,
    /// Cases with this verdict.
    pub bad: BTreeMap<Verdict, u32>,
    /// Cases with any verdict.
    pub wrong: u32,
    /// Cases that were bad once and not again.
    pub once: u32,
    /// The C library ended the command, which had no words.
    pub in_library: u32,
    pub taken: Duration,
}

#[derive(Debug)]
pub struct Table {
    rows: Vec<Figures>,
    pub failures: Vec<String>,
}

impl Table {
    pub fn new(rows: impl Iterator<Item = Figures>) -> Self {
        Self {
            rows: rows.collect(),
            failures: Vec::new(),
        }
    }

    /// Adds a case, and says what is wrong with it as it comes.
    pub fn add(
        &mut self,
        row: usize,
        name: &str,
        seen: &Seen,
        in_library: bool,
        again: bool,
        taken: Duration,
    ) {
        let row = &mut self.rows[row];
        row.cases += 1;
        row.reached += u32::from(seen.trace.fired);
        row.in_library += u32::from(in_library);
        row.taken += taken;
        if seen.verdicts.is_empty() {
            return;
        }
        let once = if again { "" } else { "ONCE " };
        for (verdict, why) in &seen.verdicts {
            println!("MATRIX_CASE={name}: {once}{verdict:?}: {why}");
        }
        let stderr = seen.stderr.trim();
        println!("  exit code {}, {stderr:?}", seen.trace.code);
        if !again {
            row.once += 1;
            return;
        }
        row.wrong += 1;
        for verdict in VERDICTS {
            if seen.verdicts.iter().any(|(it, _)| *it == verdict) {
                *row.bad.entry(verdict).or_default() += 1;
            }
        }
        let (verdict, why) = &seen.verdicts[0];
        self.failures.push(format!("{name}: {verdict:?}: {why}"));
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| bundle | command | calls | cases | reached | wrong |")?;
        for verdict in VERDICTS {
            write!(f, " {verdict:?} |")?;
        }
        writeln!(f, " once | C library | ms a case |")?;
        writeln!(f, "|---|---|{}", "--:|".repeat(VERDICTS.len() + 7))?;
        for row in &self.rows {
            write!(f, "| {} | {} | {} |", row.bundle, row.command, row.calls)?;
            write!(f, " {} | {} | {} |", row.cases, row.reached, row.wrong)?;
            for verdict in VERDICTS {
                write!(f, " {} |", row.bad.get(&verdict).unwrap_or(&0))?;
            }
            let each = row.taken.as_secs_f64() * 1000.0 / f64::from(row.cases.max(1));
            writeln!(f, " {} | {} | {each:.0} |", row.once, row.in_library)?;
        }
        let sum = |of: fn(&Figures) -> u32| self.rows.iter().map(of).sum::<u32>();
        let calls: usize = self.rows.iter().map(|row| row.calls).sum();
        write!(f, "| | all | {calls} | {} |", sum(|row| row.cases))?;
        write!(
            f,
            " {} | {} |",
            sum(|row| row.reached),
            sum(|row| row.wrong)
        )?;
        for verdict in VERDICTS {
            let all: u32 = (self.rows.iter())
                .map(|row| row.bad.get(&verdict).unwrap_or(&0))
                .sum();
            write!(f, " {all} |")?;
        }
        let taken: f64 = self.rows.iter().map(|row| row.taken.as_secs_f64()).sum();
        let each = taken * 1000.0 / f64::from(sum(|row| row.cases).max(1));
        writeln!(
            f,
            " {} | {} | {each:.0} |",
            sum(|row| row.once),
            sum(|row| row.in_library)
        )
    }
}
