//! Text as Go writes it: quoted strings of `fmt` and of `encoding/json`, and RFC 3339 times.
//!
//! Engines compare and parse what runc prints, and runc prints with these.

use std::fmt::Write;

const HEX: &[u8; 16] = b"0123456789abcdef";

fn push_hex(out: &mut String, prefix: &str, value: u32, digits: u32) {
    out.push_str(prefix);
    for i in (0..digits).rev() {
        out.push(char::from(HEX[(value >> (4 * i) & 0xf) as usize]));
    }
}

/// Appends `text` as a JSON string, as `encoding/json` does with its default HTML escaping.
pub fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                push_hex(out, "\\u", c.into(), 4)
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Appends `text` as `%q` does.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\0'..='\x1f' | '\x7f' => push_hex(out, "\\x", c.into(), 2),
            _ if is_printable(c) => out.push(c),
            _ if u32::from(c) < 0x1_0000 => push_hex(out, "\\u", c.into(), 4),
            _ => push_hex(out, "\\U", c.into(), 8),
        }
    }
    out.push('"');
}

/// `%q` of a text.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// Go's `unicode.IsPrint`, by Rust's own table: `escape_debug` leaves a printable character as it is. The apostrophe
/// and combining marks are printable although `escape_debug` escapes them.
fn is_printable(c: char) -> bool {
    c.is_ascii() || c.is_alphanumeric() || c.escape_debug().len() == 1
}

/// Appends a logrus text field's value: quoted only where it needs to be.
pub fn push_field(out: &mut String, text: &str) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/@^+".contains(&b);
    if text.bytes().all(plain) {
        out.push_str(text);
    } else {
        push_quoted(out, text);
    }
}

/// A day of the calendar and a time of that day.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second: i64,
}

/// The proleptic Gregorian calendar from seconds after 1970 (Howard Hinnant's `civil_from_days`).
fn civil(seconds: i64) -> Civil {
    let days = seconds.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        second: seconds.rem_euclid(86_400),
    }
}

/// Appends a time as Go's `time.RFC3339` (`nanoseconds` = 0) or `time.RFC3339Nano` (trailing zeros cut) does.
/// `seconds` after 1970, `offset` from UTC in seconds.
pub fn push_rfc3339(out: &mut String, seconds: i64, nanoseconds: u32, offset: i32) {
    let c = civil(seconds + i64::from(offset));
    let (h, m, s) = (c.second / 3600, c.second / 60 % 60, c.second % 60);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{h:02}:{m:02}:{s:02}",
        c.year, c.month, c.day
    );
    if nanoseconds != 0 {
        let _ = write!(out, ".{nanoseconds:09}");
        out.truncate(out.trim_end_matches('0').len());
    }
    if offset == 0 {
        out.push('Z');
    } else {
        let minutes = offset.abs() / 60;
        let sign = if offset < 0 { '-' } else { '+' };
        let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    }
}
