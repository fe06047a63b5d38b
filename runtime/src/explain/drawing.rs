//! The drawing: one line a message, in the terminal's width.
//!
//! ```text
//!       ms  run                                                  init
//!     0.93  starts init in its new namespaces   0.93 ── Bootstrap ─▶  waits for its first orders 0.93
//! ```

use std::time::Duration;

use super::timeline::{Doing, Entry, Side};
use crate::log::Sink;
use crate::sys;

/// Width of a drawing that nobody's terminal limits.
const WIDTH: usize = 120;
/// Below this the columns say nothing; the lines are then too long for the terminal.
const NARROWEST: usize = 72;
/// The arrow's column, with the longest name of a message in it.
const ARROW: usize = 20;
/// The time's column.
const TIME: usize = 9;

/// Draws on stderr.
#[derive(Debug)]
pub struct Drawing {
    out: Sink,
    column: usize,
    ascii: bool,
}

impl Drawing {
    /// As wide as the terminal on stderr.
    pub fn on_stderr() -> Self {
        let [_, _, stderr] = sys::tty::standard_streams();
        let width = sys::tty::size(stderr).map_or(WIDTH, |(_, columns)| usize::from(columns));
        Self::new(Sink::stderr(), width, !locale_is_utf8())
    }

    /// `width` in characters; `ascii` where the terminal may know nothing else.
    pub fn new(out: Sink, width: usize, ascii: bool) -> Self {
        let width = if width == 0 {
            WIDTH
        } else {
            width.max(NARROWEST)
        };
        Self {
            out,
            column: (width - TIME - ARROW - 5) / 2,
            ascii,
        }
    }

    pub fn head(&mut self) {
        let line = self.line("ms", "run", "", "init");
        self.write(&line);
    }

    pub fn message(&mut self, entry: &Entry) {
        let line = self.message_line(entry);
        self.write(&line);
    }

    /// A log line of init's.
    pub fn note(&mut self, at: Duration, text: &str) {
        let line = self.line(&ms(at), "", "", &format!("- {text}"));
        self.write(&line);
    }

    /// How it ended.
    pub fn tail(&mut self, last: &Entry, outcome: &str) {
        let (left, right) = (self.doing(&last.creator), self.doing(&last.init));
        // After a failure neither does anything any more.
        if !left.is_empty() || !right.is_empty() {
            let line = self.line(&ms(last.at), &left, "", &right);
            self.write(&line);
        }
        self.write(&format!("{:>width$}  {outcome}\n", "", width = TIME));
    }

    /// The line of one message.
    pub fn message_line(&self, entry: &Entry) -> String {
        let (left, right) = (self.doing(&entry.creator), self.doing(&entry.init));
        self.line(&ms(entry.at), &left, &self.arrow(entry), &right)
    }

    fn line(&self, time: &str, left: &str, arrow: &str, right: &str) -> String {
        let column = self.column;
        let text = format!(
            "{time:>TIME$}  {} {arrow:^ARROW$}  {}",
            fit(left, column, self.ascii),
            fit(right, column, self.ascii),
        );
        format!("{}\n", text.trim_end())
    }

    fn arrow(&self, entry: &Entry) -> String {
        let name = entry.kind.name();
        let dashes = ARROW.saturating_sub(name.len() + 3);
        let (dash, right, left) = if self.ascii {
            ("-", ">", "<")
        } else {
            ("─", "▶", "◀")
        };
        match entry.sender {
            Side::Creator => format!(
                "{dash} {name} {}{right}",
                dash.repeat(dashes.saturating_sub(1))
            ),
            Side::Init => format!(
                "{left}{} {name} {dash}",
                dash.repeat(dashes.saturating_sub(1))
            ),
        }
    }

    /// The words, cut so that the time behind them is seen.
    fn doing(&self, doing: &Doing) -> String {
        if doing.what.is_empty() {
            return String::new();
        }
        let time = format!("  {}", ms(doing.time));
        let room = self.column.saturating_sub(time.len());
        format!("{}{time}", cut(doing.what, room, self.ascii))
    }

    fn write(&mut self, text: &str) {
        self.out.write(text.as_bytes());
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// Padded or cut to `width` characters.
fn fit(text: &str, width: usize, ascii: bool) -> String {
    format!("{:<width$}", cut(text, width, ascii))
}

fn cut(text: &str, width: usize, ascii: bool) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mark = if ascii { "..." } else { "…" };
    let kept = width.saturating_sub(mark.chars().count());
    text.chars().take(kept).chain(mark.chars()).collect()
}

fn locale_is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_string_lossy().to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}
