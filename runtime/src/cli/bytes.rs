//! Sizes as runc's users write them: "512", "64m", "1.5 GiB".

use crate::log::quoted;

/// Bytes: digits, perhaps with a fraction, perhaps one blank, a unit of 1024 (`k`, `m`, `g`, `t`, `p`, with or without `i` and
/// `b`, in any case). The error is the text that runc prints.
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let end = text
        .find(|c: char| c != '.' && !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.split('.').any(str::is_empty) {
        return Err(invalid());
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let power = match unit.strip_suffix('i').unwrap_or(unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(invalid()),
    };
    let number: f64 = number.parse().map_err(|_| {
        let number = quoted(number);
        format!("strconv.ParseFloat: parsing {number}: invalid syntax")
    })?;
    let size = number * 1024_f64.powi(power);
    // 2^63: the first that is too large.
    if size < 9_223_372_036_854_775_808.0 {
        #[allow(clippy::cast_possible_truncation)] // a fraction of a byte is dropped
        Ok(size as i64)
    } else {
        Err(format!("'{text}' is more than 2^63-1 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What runc 1.1.5 was seen to do with each.
    #[test]
    fn as_runc() {
        for (text, size) in [
            ("0", 0),
            ("33554432", 33_554_432),
            ("33554432b", 33_554_432),
            ("32m", 32 << 20),
            ("32MB", 32 << 20),
            ("32MiB", 32 << 20),
            ("32mib", 32 << 20),
            ("32 m", 32 << 20),
            ("32ki", 32 << 10),
            ("32.5m", 34_078_720),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
        ] {
            assert_eq!(parse(text), Ok(size), "{text}");
        }
        for text in [
            "", "32  m", "32x", ".5g", "5.", "5e7", "-2", "-5m", "abc", "m", "9e", "0x10", "1e3m",
            "+5m", " 32m", "32m ", "1_0", "inf", "nan", "20Mbb", "1..2m",
        ] {
            assert_eq!(
                parse(text),
                Err(format!("invalid size: '{text}'")),
                "{text}"
            );
        }
        assert_eq!(
            parse("1.2.3m"),
            Err("strconv.ParseFloat: parsing \"1.2.3\": invalid syntax".to_owned())
        );
        // runc makes -2^63 of it.
        assert!(parse("99999999999999999999").is_err() && parse("9000000p").is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[-+ .0-9a-zA-Z]{0,20}") {
            let _ = parse(&text);
        }

        #[test]
        fn whole_numbers_are_exact(number in 0..1_i64 << 50) {
            prop_assert_eq!(parse(&number.to_string()), Ok(number));
        }
    }
}
