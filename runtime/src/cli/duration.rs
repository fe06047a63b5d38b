//! Go's durations: "1h15m30.5s", "100ms", "0".

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Go's `time.ParseDuration`; what is negative, or more than Go's 292 years, as `Err` of its sign. `None`: it is no duration.
pub fn parse(text: &str) -> Option<Parsed> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(Parsed::Positive(Duration::ZERO));
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, behind) = element(rest)?;
        total = total.checked_add(nanos)?;
        rest = behind;
    }
    // Go's are signed, and reach one further below zero.
    if total > i64::MAX.unsigned_abs() + u64::from(negative) {
        return None;
    }
    Some(match negative && total != 0 {
        true => Parsed::Negative,
        false => Parsed::Positive(Duration::from_nanos(total)),
    })
}

/// A duration, as Go has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// From zero on.
    Positive(Duration),
    /// Less: nobody needs to know how much.
    Negative,
}

/// A number and its unit, in nanoseconds, and what follows.
fn element(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let (integer, mut rest) = text.split_at(whole);
    let mut fraction = "";
    if let Some(behind) = rest.strip_prefix('.') {
        let count = digits(behind);
        (fraction, rest) = behind.split_at(count);
    }
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, behind) = rest.split_at(end);
    let unit: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        _ => return None,
    };
    let integer: u64 = if integer.is_empty() {
        0
    } else {
        integer.parse().ok()?
    };
    // Digits beyond what u64 holds are less than a nanosecond.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().ok()? * u128::from(unit) / scale
    };
    let nanos = integer
        .checked_mul(unit)?
        .checked_add(u64::try_from(part).ok()?)?;
    Some((nanos, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_gos() {
        let nanos = |n| Some(Parsed::Positive(Duration::from_nanos(n)));
        for (text, wanted) in [
            ("0", nanos(0)),
            ("+0", nanos(0)),
            ("5s", nanos(5 * SECOND)),
            ("100ms", nanos(100_000_000)),
            ("1h15m30.918273645s", nanos(4_530_918_273_645)),
            (".5s", nanos(SECOND / 2)),
            ("1.s", nanos(SECOND)),
            ("5us", nanos(5_000)),
            ("5µs", nanos(5_000)),
            ("5μs", nanos(5_000)),
            ("9007199254.740993s", nanos(9_007_199_254_740_993_000)),
            ("9223372036854775807ns", nanos(9_223_372_036_854_775_807)),
            ("-1s", Some(Parsed::Negative)),
            ("-0s", nanos(0)),
            ("-9223372036854775808ns", Some(Parsed::Negative)),
            ("", None),
            ("3", None),
            ("-", None),
            ("s", None),
            (".", None),
            (".s", None),
            ("1x", None),
            ("1 s", None),
            ("1s ", None),
            ("3000000h", None),
            ("9223372036854775808ns", None),
            ("99999999999999999999999s", None),
            ("1S", None),
        ] {
            assert_eq!(parse(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[-+.0-9a-zµ]{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn the_sum_of_its_parts(h in 0..1000_u64, m in 0..1000_u64, s in 0..1000_u64, ms in 0..1000_u64) {
            let wanted = Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + ms);
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}s{ms}ms")), Some(Parsed::Positive(wanted)));
        }
    }
}
