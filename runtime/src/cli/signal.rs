//! Signals by name or number, as `kill` takes them.

use crate::log::quoted;

/// A signal of Linux: 1 to 64, or 0, which only asks whether the process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

/// The names by number, from 1; signal(7) for x86, ARM and most others.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Second names.
const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];
/// The first real-time signal that programs see: glibc keeps 32 and 33.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl Signal {
    /// `SIGTERM`
    pub const TERM: Self = Self(15);
    /// `SIGKILL`
    pub const KILL: Self = Self(9);

    /// The kernel's number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The names, for who offers them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter()
    }

    /// Parses a number, or a name with or without `SIG`, in any case. Beyond runc: `RTMIN+n`, `RTMAX-n`.
    ///
    /// # Errors
    /// runc's words for a signal that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown signal {}", quoted(text));
        if let Ok(number) = text.parse::<i32>() {
            return if (0..=RTMAX).contains(&number) {
                Ok(Self(number))
            } else {
                Err(unknown())
            };
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(at) = NAMES.iter().position(|n| *n == name) {
            return i32::try_from(at + 1).map(Self).map_err(|_| unknown());
        }
        if let Some((_, number)) = ALIASES.iter().find(|(n, _)| *n == name) {
            return Ok(Self(*number));
        }
        real_time(name).map(Self).ok_or_else(unknown)
    }
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text.strip_prefix(sign) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<i32>().ok(),
        None if text.is_empty() => Some(0),
        _ => None,
    };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        RTMIN.checked_add(offset(rest, '+')?)?
    } else {
        RTMAX.checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)?
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}
