//! `linux.seccomp`: the section's rules, in runc's meaning.
//!
//! Names of system calls become numbers of the table while they are read: an engine's profile has 400 of them, and none
//! is copied. What runc takes and what it refuses is the same here, but for a number that the kernel would cut off.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::error::{self, Error};
use super::json::{Str, object};
use crate::seccomp::{
    Action, Arch, Condition, Flags, Listed, Listener, Op, Profile, Rule, Syscall,
};

/// `defaultAction`, `syscalls[].action`. In the order of their names, as `features` prints them.
pub const ACTIONS: &str = "SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD \
    SCMP_ACT_LOG SCMP_ACT_NOTIFY SCMP_ACT_TRACE SCMP_ACT_TRAP";
/// `syscalls[].args[].op`.
pub const OPERATORS: &str = "SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_LE SCMP_CMP_LT SCMP_CMP_MASKED_EQ \
    SCMP_CMP_NE";
/// `flags`. The first is not of the specification, but engines write it.
pub const FLAGS: &str = "SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_SPEC_ALLOW SECCOMP_FILTER_FLAG_LOG \
    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
/// The errno of an action that names none.
const EPERM: u16 = 1;
/// The kernel's largest: it makes this of all that are larger.
const MAX_ERRNO: u16 = 4095;

object! {
    /// The section.
    Seccomp<'de> {
        default_action: Str<'de> = "defaultAction",
        default_errno_ret: u32 = "defaultErrnoRet",
        architectures: Vec<Str<'de>> = "architectures",
        flags: Vec<Str<'de>> = "flags",
        listener_path: Str<'de> = "listenerPath",
        listener_metadata: Str<'de> = "listenerMetadata",
        syscalls: Vec<Entry<'de>> = "syscalls",
    }
}

object! {
    Entry<'de> {
        names: Names = "names",
        action: Str<'de> = "action",
        errno_ret: u32 = "errnoRet",
        args: Vec<Arg<'de>> = "args",
    }
}

object! {
    Arg<'de> {
        index: u64 = "index",
        value: u64 = "value",
        value_two: u64 = "valueTwo",
        op: Str<'de> = "op",
    }
}

/// `names`: those that the table has.
#[derive(Debug)]
pub(super) struct Names {
    known: Vec<Syscall>,
    /// `write` is among them.
    has_write: bool,
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Names {
                    known: Vec::new(),
                    has_write: false,
                };
                while let Some(Name { syscall, is_write }) = seq.next_element()? {
                    names.has_write |= is_write;
                    names.known.extend(syscall);
                }
                Ok(names)
            }
        }
        from.deserialize_seq(V)
    }
}

/// One of `names`.
struct Name {
    syscall: Option<Syscall>,
    is_write: bool,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                if name.is_empty() {
                    return Err(E::custom("empty string is not a valid syscall"));
                }
                let syscall = Syscall::from_name(name);
                if syscall.is_none() {
                    // runc's words and level: profiles name calls of kernels to come.
                    tracing::debug!("unknown seccomp syscall {name:?} ignored");
                }
                Ok(Name {
                    syscall,
                    is_write: name == "write",
                })
            }
        }
        from.deserialize_str(V)
    }
}

/// What the section means; `None`: it asks for nothing.
pub(super) fn plan(
    section: Option<Seccomp<'_>>,
    warnings: &mut Vec<String>,
) -> error::Result<Option<Profile>> {
    let Some(section) = section else {
        return Ok(None);
    };
    let entries = section.syscalls.unwrap_or_default();
    let default = section.default_action.as_deref().unwrap_or("");
    if default.is_empty() && entries.is_empty() {
        return Ok(None);
    }
    let flags = flags(section.flags)?;
    let architectures = architectures(section.architectures)?;
    let default_action = action("defaultErrnoRet", default, section.default_errno_ret)?;
    if default_action == Action::Notify {
        // It would ask the listener about the very calls that hand the descriptor to it.
        return Err(Error::refused(
            "SCMP_ACT_NOTIFY cannot be used as default action",
        ));
    }
    let mut rules = Rules {
        default_action,
        rules: Vec::with_capacity(entries.len()),
        notifies: false,
        has_alternatives: false,
    };
    for (index, entry) in entries.into_iter().enumerate() {
        rules.add(index, entry)?;
    }
    if rules.has_alternatives {
        warnings.push(
            "linux.seccomp: conditions of one entry that test the same argument are alternatives: any of them is enough"
                .to_owned(),
        );
    }
    let listener = match section.listener_path {
        Some(path) if rules.notifies && !path.is_empty() => Some(Listener {
            path: path.into_string(),
            metadata: section
                .listener_metadata
                .map(Str::into_string)
                .unwrap_or_default(),
        }),
        // runc's words.
        _ if rules.notifies => return Err(Error::refused("listenerPath is not set")),
        _ => None,
    };
    if flags.0 & Flags::WAIT_KILLABLE_RECV != 0 && !rules.notifies {
        return Err(Error::invalid(
            "linux.seccomp.flags",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY",
        ));
    }
    Ok(Some(Profile {
        default_action,
        architectures,
        flags,
        rules: rules.rules,
        listener,
    }))
}

/// The rules, as they are found.
struct Rules {
    default_action: Action,
    rules: Vec<Rule>,
    /// A rule asks the listener.
    notifies: bool,
    /// An entry was taken apart.
    has_alternatives: bool,
}

impl Rules {
    /// `syscalls[index]`
    fn add(&mut self, index: usize, entry: Entry<'_>) -> error::Result<()> {
        let errno_field = || format!("syscalls[{index}].errnoRet");
        let action = action(
            errno_field(),
            entry.action.as_deref().unwrap_or(""),
            entry.errno_ret,
        )?;
        let mut conditions = Vec::new();
        let mut is_alternative = false;
        for (number, arg) in entry.args.unwrap_or_default().into_iter().enumerate() {
            let condition = condition(index, number, &arg)?;
            is_alternative |= conditions
                .iter()
                .any(|other: &Condition| other.index == condition.index);
            conditions.push(condition);
        }
        let Some(names) = entry.names else {
            return Ok(());
        };
        if action == Action::Notify {
            if names.has_write {
                // Init tells its creator by this call where the descriptor is.
                return Err(Error::refused(
                    "SCMP_ACT_NOTIFY cannot be used for the write syscall",
                ));
            }
            self.notifies |= !names.known.is_empty();
        }
        if action == self.default_action || names.known.is_empty() {
            return Ok(());
        }
        if !is_alternative {
            self.rules.push(Rule {
                syscalls: names.known,
                action,
                conditions,
            });
            return Ok(());
        }
        self.has_alternatives = true;
        self.rules
            .extend(conditions.into_iter().map(|condition| Rule {
                syscalls: names.known.clone(),
                action,
                conditions: vec![condition],
            }));
        Ok(())
    }
}

/// An action by its name; `errno` is the number that goes with it, `field` its field in the section.
fn action(field: impl Into<String>, name: &str, errno: Option<u32>) -> error::Result<Action> {
    let field = field.into();
    let number = |largest: u16| match errno {
        None => Ok(EPERM),
        Some(number) => u16::try_from(number)
            .ok()
            .filter(|number| *number <= largest)
            .ok_or_else(|| {
                Error::invalid(
                    format!("linux.seccomp.{field}"),
                    format!("{number} is larger than {largest}"),
                )
            }),
    };
    Ok(match name.strip_prefix("SCMP_ACT_") {
        Some("KILL" | "KILL_THREAD") => Action::KillThread,
        Some("KILL_PROCESS") => Action::KillProcess,
        Some("TRAP") => Action::Trap,
        Some("ERRNO") => Action::Errno(number(MAX_ERRNO)?),
        Some("NOTIFY") => Action::Notify,
        Some("TRACE") => Action::Trace(number(u16::MAX)?),
        Some("LOG") => Action::Log,
        Some("ALLOW") => Action::Allow,
        // runc's words, here and below.
        _ => {
            return Err(Error::refused(format!(
                "string {name} is not a valid action for seccomp"
            )));
        }
    })
}

/// `syscalls[entry].args[number]`
fn condition(entry: usize, number: usize, arg: &Arg<'_>) -> error::Result<Condition> {
    let op = arg.op.as_deref().unwrap_or("");
    let op = match op.strip_prefix("SCMP_CMP_") {
        Some("NE") => Op::Ne,
        Some("LT") => Op::Lt,
        Some("LE") => Op::Le,
        Some("EQ") => Op::Eq,
        Some("GE") => Op::Ge,
        Some("GT") => Op::Gt,
        Some("MASKED_EQ") => Op::MaskedEq,
        _ => {
            return Err(Error::refused(format!(
                "string {op} is not a valid operator for seccomp"
            )));
        }
    };
    let index = arg.index.unwrap_or(0);
    let Some(index) = u8::try_from(index).ok().filter(|index| *index < 6) else {
        return Err(Error::invalid(
            format!("linux.seccomp.syscalls[{entry}].args[{number}].index"),
            format!("syscalls only have up to 6 arguments ({index} given)"),
        ));
    };
    Ok(Condition {
        index,
        op,
        value: arg.value.unwrap_or(0),
        value_two: arg.value_two.unwrap_or(0),
    })
}

/// The native one, then what is listed.
fn architectures(list: Option<Vec<Str<'_>>>) -> error::Result<Vec<Arch>> {
    let mut all = vec![Arch::NATIVE];
    for name in list.into_iter().flatten() {
        let arch = match Arch::from_oci(&name) {
            Some(Listed::Known(arch)) => arch,
            Some(Listed::Foreign) => {
                tracing::debug!(
                    "seccomp architecture {} ignored: no kernel here has it",
                    &*name
                );
                continue;
            }
            None => {
                return Err(Error::refused(format!(
                    "string {} is not a valid arch for seccomp",
                    &*name
                )));
            }
        };
        if !all.contains(&arch) {
            all.push(arch);
        }
    }
    Ok(all)
}

/// `flags`. A list that is missing is not an empty one: runc since 1.2 allows speculation then.
fn flags(list: Option<Vec<Str<'_>>>) -> error::Result<Flags> {
    let Some(list) = list else {
        return Ok(Flags(Flags::SPEC_ALLOW));
    };
    let mut flags = 0;
    for flag in list {
        flags |= match flag_bits(&flag) {
            Some(bits) => bits,
            None => {
                return Err(Error::refused(format!(
                    "seccomp flag {} is not known to runc",
                    &*flag
                )));
            }
        };
    }
    Ok(Flags(flags))
}

/// A flag by its name.
fn flag_bits(name: &str) -> Option<u32> {
    Some(match name.strip_prefix("SECCOMP_FILTER_FLAG_")? {
        // All threads of the process: init has but one.
        "TSYNC" => 0,
        "LOG" => Flags::LOG,
        "SPEC_ALLOW" => Flags::SPEC_ALLOW,
        "WAIT_KILLABLE_RECV" => Flags::WAIT_KILLABLE_RECV,
        _ => return None,
    })
}

/// Those of [`FLAGS`] that the running kernel takes.
pub fn supported_flags() -> impl Iterator<Item = &'static str> {
    FLAGS
        .split(' ')
        .filter(|name| flag_bits(name).is_some_and(|bits| Flags(bits).takes()))
}
