//! Command lines, by the grammar that runc's users write.
//!
//! That is the grammar of Go's `flag`, not getopt's: one dash is as good as two (`-no-pivot`), letters do not bundle,
//! a value is `--name=value` or the next word, a flag takes a value only after `=`. A library for getopt lines
//! cannot read it; the whole of it is this file. On top of it, options may follow operands; after the first operand a
//! word that is no option of the command is an operand, whatever it begins with (`kill ID -9`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::defs::{HELP, Kind, Opt};
use super::duration;
use crate::log::quoted;

/// A value, as its option's kind says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of a flag.
    Bool(bool),
    /// Of a text option.
    Text(OsString),
    /// Of a number option.
    Number(i64),
    /// Of a duration option.
    Duration(duration::Parsed),
}

/// A command line, read but not yet understood.
#[derive(Debug, Default)]
pub struct LowArgs {
    options: Vec<(&'static str, Value)>,
    /// The words that are no options.
    pub operands: Vec<OsString>,
}

/// Where operands end the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The first operand ends them: what follows is another command's line.
    Strict,
    /// Options may follow operands.
    Free,
}

impl LowArgs {
    /// Reads `words`.
    ///
    /// # Errors
    /// The text that Go prints.
    pub fn parse(
        defs: &'static [Opt],
        order: Order,
        words: impl Iterator<Item = OsString>,
    ) -> Result<Self, String> {
        let mut low = Self::default();
        let mut forms: Vec<(&'static str, bool)> = Vec::new();
        let mut words = words;
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            if bytes == b"--" {
                low.operands.extend(words);
                break;
            }
            if bytes.len() < 2 || bytes[0] != b'-' {
                low.operands.push(word);
                if order == Order::Strict {
                    low.operands.extend(words);
                    break;
                }
                continue;
            }
            let name_value = bytes.strip_prefix(b"--").unwrap_or(&bytes[1..]);
            if matches!(name_value.first(), None | Some(b'-' | b'=')) {
                return Err(format!("bad flag syntax: {}", word.to_string_lossy()));
            }
            let equals = name_value.iter().position(|&b| b == b'=');
            let (name, value) = match equals {
                Some(at) => (&name_value[..at], Some(&name_value[at + 1..])),
                None => (name_value, None),
            };
            let Some((def, long)) = find(defs, name) else {
                if !low.operands.is_empty() {
                    low.operands.push(word);
                    continue;
                }
                return Err(format!(
                    "flag provided but not defined: -{}",
                    String::from_utf8_lossy(name)
                ));
            };
            if let (Some(short), true) = (def.short, forms.contains(&(def.long, !long))) {
                return Err(format!(
                    "Cannot use two forms of the same flag: {short} {}",
                    def.long
                ));
            }
            forms.push((def.long, long));
            let name = String::from_utf8_lossy(name);
            let value = match (def.kind, value) {
                (Kind::Flag, None) => Value::Bool(true),
                (Kind::Flag, Some(text)) => Value::Bool(go_bool(text).ok_or_else(|| {
                    let text = quoted(&String::from_utf8_lossy(text));
                    format!("invalid boolean value {text} for -{name}: parse error")
                })?),
                (_, value) => {
                    let text = match value {
                        Some(text) => OsString::from_vec(text.to_vec()),
                        None => words
                            .next()
                            .ok_or_else(|| format!("flag needs an argument: -{name}"))?,
                    };
                    let parsed = match def.kind {
                        Kind::Number(_) => go_int(&text).map(Value::Number),
                        Kind::Duration(_) => {
                            text.to_str().and_then(duration::parse).map(Value::Duration)
                        }
                        _ => Some(Value::Text(text.clone())),
                    };
                    parsed.ok_or_else(|| {
                        let text = quoted(&text.to_string_lossy());
                        format!("invalid value {text} for flag -{name}: parse error")
                    })?
                }
            };
            low.options.push((def.long, value));
        }
        Ok(low)
    }

    /// The last value of an option.
    fn get(&self, long: &str) -> Option<&Value> {
        self.options
            .iter()
            .rev()
            .find(|(name, _)| *name == long)
            .map(|(_, value)| value)
    }

    fn all(&self, long: &str) -> impl Iterator<Item = &Value> {
        let options = self.options.iter();
        options.filter_map(move |(name, value)| (*name == long).then_some(value))
    }

    /// The texts of an option that may come more than once.
    pub fn texts(&self, long: &str) -> Vec<&OsStr> {
        (self.all(long))
            .filter_map(|value| match value {
                Value::Text(text) => Some(text.as_os_str()),
                _ => None,
            })
            .collect()
    }

    /// The numbers of an option that may come more than once.
    pub fn numbers(&self, long: &str) -> Vec<i64> {
        (self.all(long))
            .filter_map(|value| match value {
                Value::Number(number) => Some(*number),
                _ => None,
            })
            .collect()
    }

    /// A flag, if it is given.
    pub fn given(&self, long: &str) -> Option<bool> {
        match self.get(long) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A flag: false when not given.
    pub fn flag(&self, long: &str) -> bool {
        matches!(self.get(long), Some(Value::Bool(true)))
    }

    /// A text.
    pub fn text(&self, long: &str) -> Option<&OsStr> {
        match self.get(long) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, long: &str) -> Option<i64> {
        match self.get(long) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

impl LowArgs {
    /// A duration.
    pub fn duration(&self, long: &str) -> Option<duration::Parsed> {
        match self.get(long) {
            Some(Value::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }
}

/// The option of this name, and whether the name is the long one.
fn find(defs: &'static [Opt], name: &[u8]) -> Option<(&'static Opt, bool)> {
    let is = |def: &Opt| {
        if def.long.as_bytes() == name {
            return Some(true);
        }
        let mut buffer = [0; 4];
        let short = def.short?.encode_utf8(&mut buffer).as_bytes();
        (short == name).then_some(false)
    };
    defs.iter()
        .chain([&HELP])
        .find_map(|def| is(def).map(|long| (def, long)))
}

/// Go's `strconv.ParseBool`.
fn go_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseInt(s, 0, 64)`, but for underscores.
fn go_int(text: &OsStr) -> Option<i64> {
    let text = text.to_str()?;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}
