//! `update`: from options, or a file, to limits.

use std::ffi::OsStr;
use std::path::Path;

use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome, bytes};
use crate::container::{self, Globals};
use crate::log::quoted;
use crate::plan::{BlockIo, Cpu, Memory, Resources};
use crate::spec;
use crate::state::Id;
use crate::sys;

pub(super) fn update(globals: &Globals, id: &Id, low: &LowArgs) -> Outcome {
    // That there is no such container is said first, as runc does; and nothing is read for it.
    container::state(globals, id)?;
    let resources = match low.text("resources").filter(|file| !file.is_empty()) {
        Some(file) => {
            let (resources, warnings) = spec::limits(&read(file)?)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            resources
        }
        None => options(low)?,
    };
    for (option, what) in [
        ("l3-cache-schema", "CAT: l3 cache schema"),
        ("mem-bw-schema", "MBA: memory bandwidth schema"),
    ] {
        if low.text(option).is_some_and(|schema| !schema.is_empty()) {
            let there = Path::new("/sys/fs/resctrl/schemata").exists();
            let why = if there { "supported yet" } else { "enabled" };
            return Err(Failure::new(format!("Intel RDT/{what} is not {why}")));
        }
    }
    container::update(globals, id, &resources)?;
    Ok(0)
}

/// The file's text, or what standard input has up to its end.
fn read(name: &OsStr) -> Result<Vec<u8>, Failure> {
    if name == "-" {
        let text = spec::text(std::io::stdin().lock());
        return text.map_err(|error| sys::Error::io("read", "-", &error).into());
    }
    spec::text_of(Path::new(name)).map_err(Failure::from)
}

/// The limits that the options name. A 0, and an empty text, are "not given", as in runc.
fn options(low: &LowArgs) -> Result<Resources, Failure> {
    let value = |option| Value::of(low, option);
    for option in ["kernel-memory", "kernel-memory-tcp"] {
        if value(option)?.bytes()?.is_some_and(|size| size != 0) {
            tracing::warn!("Kernel memory settings are ignored and will be removed");
        }
    }
    let text = |option| Ok::<_, Failure>(value(option)?.text.map(str::to_owned));
    let weight = match low.number("blkio-weight").unwrap_or(0) {
        0 => None,
        weight => Some(u16::try_from(weight).map_err(|_| {
            Failure::new(format!(
                "invalid value for blkio-weight: {weight} is not from 1 to 65535"
            ))
        })?),
    };
    let nonzero = |value: Option<i64>| value.filter(|&value| value != 0);
    let natural = |value: Option<u64>| value.filter(|&value| value != 0);
    Ok(Resources {
        memory: Memory {
            limit: nonzero(value("memory")?.bytes()?),
            reservation: nonzero(value("memory-reservation")?.bytes()?),
            swap: nonzero(value("memory-swap")?.bytes()?),
            ..Memory::default()
        },
        cpu: Cpu {
            shares: natural(value("cpu-share")?.natural()?),
            quota: nonzero(value("cpu-quota")?.integer()?),
            burst: value("cpu-burst")?.natural()?,
            period: natural(value("cpu-period")?.natural()?),
            realtime_runtime: nonzero(value("cpu-rt-runtime")?.integer()?),
            realtime_period: natural(value("cpu-rt-period")?.natural()?),
            cpus: text("cpuset-cpus")?,
            mems: text("cpuset-mems")?,
            idle: value("cpu-idle")?.integer()?,
        },
        pids_limit: nonzero(low.number("pids-limit")),
        block_io: BlockIo {
            weight,
            ..BlockIo::default()
        },
        ..Resources::default()
    })
}

/// An option's text; empty is the same as not given.
struct Value<'a> {
    option: &'static str,
    text: Option<&'a str>,
}

impl<'a> Value<'a> {
    fn of(low: &'a LowArgs, option: &'static str) -> Result<Self, Failure> {
        let text = match low.text(option).filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.to_str().ok_or_else(|| {
                Failure::new(format!("invalid value for {option}: not UTF-8 text"))
            })?),
        };
        Ok(Self { option, text })
    }

    fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let wrong = |why| Failure::new(format!("invalid value for {}: {why}", self.option));
        self.text.map(parse).transpose().map_err(wrong)
    }

    /// -1 is "no limit".
    fn bytes(&self) -> Result<Option<i64>, Failure> {
        self.parsed(|text| match text {
            "-1" => Ok(-1),
            text => bytes::parse(text),
        })
    }

    fn integer(&self) -> Result<Option<i64>, Failure> {
        self.parsed(|text| {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            number(text, digits, "ParseInt")
        })
    }

    fn natural(&self) -> Result<Option<u64>, Failure> {
        self.parsed(|text| number(text, text, "ParseUint"))
    }
}

/// A decimal number, and Go's words for what is none.
fn number<T: std::str::FromStr>(text: &str, digits: &str, call: &str) -> Result<T, String> {
    let wrong = |why| format!("strconv.{call}: parsing {}: {why}", quoted(text));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("invalid syntax"));
    }
    text.parse().map_err(|_| wrong("value out of range"))
}
