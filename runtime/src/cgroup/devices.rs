//! Device rules: from a list of rules that is evaluated in order to what a cgroup can say.
//!
//! The v1 controller knows a default and exceptions from it, and drops the exceptions when the default changes. So the
//! rules are played through first ([`Policy`]), and only the outcome is written, in runc's order.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::fd::AsFd;

use nix::fcntl::OFlag;

use super::error::{Error, Result};
use super::{ebpf, file};
use crate::plan::{DeviceKind, DeviceRule};
use crate::sys::bpf::{self, Instruction};
use crate::sys::close::Batch;

/// What one exception is about. Derived order is runc's: major, minor, type; a wildcard comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Device {
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) block_first: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Block,
    Char,
}

/// Bits.
pub(super) type Access = u8;
pub(super) const READ: Access = 1;
pub(super) const WRITE: Access = 2;
pub(super) const MKNOD: Access = 4;
const ALL: Access = READ | WRITE | MKNOD;

/// A default and its exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Policy {
    allow: bool,
    exceptions: BTreeMap<Device, Access>,
}

/// What every container may use, as runc: mknod of anything, and null, zero, full, random, urandom, tty, ptmx, pts and
/// net/tun.
const DEFAULTS: [(Kind, Option<u32>, Option<u32>, Access); 11] = [
    (Kind::Char, None, None, MKNOD),
    (Kind::Block, None, None, MKNOD),
    (Kind::Char, Some(1), Some(3), ALL),
    (Kind::Char, Some(1), Some(8), ALL),
    (Kind::Char, Some(1), Some(7), ALL),
    (Kind::Char, Some(5), Some(0), ALL),
    (Kind::Char, Some(1), Some(5), ALL),
    (Kind::Char, Some(1), Some(9), ALL),
    (Kind::Char, Some(136), None, ALL),
    (Kind::Char, Some(5), Some(2), ALL),
    (Kind::Char, Some(10), Some(200), ALL),
];

impl Policy {
    /// The outcome of: deny all; the config's rules, in order; runc's default allows.
    ///
    /// # Errors
    /// [`Error::DeviceHole`]: a rule takes away part of what a wildcard rule gives, which v1 would silently ignore.
    pub(super) fn of(rules: &[DeviceRule]) -> Result<Self> {
        let mut policy = Self::default();
        for rule in rules {
            let kind = match rule.kind {
                // As runc and the kernel: "a" is everything, whatever numbers and access stand beside it.
                None => {
                    policy = Self {
                        allow: rule.allow,
                        exceptions: BTreeMap::new(),
                    };
                    continue;
                }
                Some(DeviceKind::Char) => Kind::Char,
                Some(DeviceKind::Block) => Kind::Block,
                // No cgroup has a say in fifos.
                Some(DeviceKind::Fifo) => continue,
            };
            let access = if rule.read { READ } else { 0 }
                | if rule.write { WRITE } else { 0 }
                | if rule.mknod { MKNOD } else { 0 };
            policy.rule(rule.allow, kind, rule.major, rule.minor, access)?;
        }
        for (kind, major, minor, access) in DEFAULTS {
            policy.rule(true, kind, major, minor, access)?;
        }
        Ok(policy)
    }

    /// Everything is allowed: nothing to enforce.
    pub(super) fn allows_all(&self) -> bool {
        self.allow && self.exceptions.is_empty()
    }

    /// For v2.
    pub(super) fn program(&self) -> Vec<Instruction> {
        let exceptions = self.exceptions.iter();
        ebpf::program(
            self.allow,
            exceptions.map(|(device, &access)| (*device, access)),
        )
    }

    /// Has the kernel enforce the policy in a v2 group, from now on and as long as the group is there.
    pub(super) fn attach_v2(&self, directory: &str) -> Result<()> {
        if self.allows_all() {
            return Ok(());
        }
        let program = bpf::load_device_program(&self.program())?;
        let group = file::open_file(directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        Ok(bpf::attach_device_program(group.as_fd(), program.as_fd())?)
    }

    fn rule(
        &mut self,
        allow: bool,
        kind: Kind,
        major: Option<u32>,
        minor: Option<u32>,
        access: Access,
    ) -> Result<()> {
        let device = Device {
            major,
            minor,
            block_first: kind,
        };
        if allow != self.allow {
            let now = self.exceptions.entry(device).or_default();
            *now |= access;
            if *now == 0 {
                self.exceptions.remove(&device);
            }
            return Ok(());
        }
        // Back to the default. v1 compares exceptions by their numbers: it cannot cut one out of a wider one.
        for (major, minor) in [(None, minor), (major, None), (None, None)] {
            let wider = Device {
                major,
                minor,
                ..device
            };
            let theirs = self.exceptions.get(&wider).copied().unwrap_or_default();
            if wider != device && theirs & access != 0 {
                return Err(Error::DeviceHole {
                    rule: device.text(access),
                    wildcard: wider.text(theirs),
                });
            }
        }
        if let Some(now) = self.exceptions.get_mut(&device) {
            *now &= !access;
            if *now == 0 {
                self.exceptions.remove(&device);
            }
        }
        Ok(())
    }

    /// Writes the policy to a v1 group: one write for the default, one for each exception, which is the kernel's own
    /// unit. Two descriptors at most, and no look at what is there: a group that has no child groups yet takes any
    /// default.
    pub(super) fn write_v1(&self, directory: &str, batch: &mut Batch) -> Result<()> {
        let names = if self.allow {
            ["devices.allow", "devices.deny"]
        } else {
            ["devices.deny", "devices.allow"]
        };
        let [default, exception] = names.map(|name| format!("{directory}/{name}"));
        let fd = file::open_file(&default, OFlag::O_WRONLY)?;
        file::write_to(&fd, &default, "a *:* rwm")?;
        batch.push(fd);
        if self.exceptions.is_empty() {
            return Ok(());
        }
        let fd = file::open_file(&exception, OFlag::O_WRONLY)?;
        for (device, &access) in &self.exceptions {
            file::write_to(&fd, &exception, &device.text(access))?;
        }
        batch.push(fd);
        Ok(())
    }
}

impl Device {
    /// As the kernel and runc write it: "c 1:3 rwm".
    fn text(self, access: Access) -> String {
        let mut text = String::with_capacity(24);
        text.push_str(match self.block_first {
            Kind::Block => "b ",
            Kind::Char => "c ",
        });
        for (number, end) in [(self.major, ':'), (self.minor, ' ')] {
            match number {
                // Writing to a String cannot fail.
                Some(number) => _ = write!(text, "{number}{end}"),
                None => text.extend(['*', end]),
            }
        }
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
            if access & bit != 0 {
                text.push(letter);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(allow: bool, text: &str) -> DeviceRule {
        let mut parts = text.split([' ', ':']);
        let kind = match parts.next().unwrap() {
            "a" => None,
            "b" => Some(DeviceKind::Block),
            "c" => Some(DeviceKind::Char),
            _ => Some(DeviceKind::Fifo),
        };
        let mut number = || parts.next().unwrap().parse().ok();
        let (major, minor) = (number(), number());
        let access = parts.next().unwrap();
        DeviceRule {
            allow,
            kind,
            major,
            minor,
            read: access.contains('r'),
            write: access.contains('w'),
            mknod: access.contains('m'),
        }
    }

    fn outcome(rules: &[DeviceRule]) -> (bool, Vec<String>) {
        let policy = Policy::of(rules).unwrap();
        let texts = policy.exceptions.iter();
        (
            policy.allow,
            texts.map(|(device, &access)| device.text(access)).collect(),
        )
    }

    const DEFAULT: [&str; 11] = [
        "b *:* m",
        "c *:* m",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
        "c 10:200 rwm",
        "c 136:* rwm",
    ];

    #[test]
    fn the_default_is_what_runc_writes_in_its_order() {
        let (allow, texts) = outcome(&[]);
        assert!(!allow);
        assert_eq!(texts, DEFAULT);
        assert_eq!(outcome(&[rule(false, "a *:* rwm")]).1, DEFAULT);
    }

    #[test]
    fn rules_merge_and_the_last_of_all_wins() {
        let (_, texts) = outcome(&[
            rule(true, "b 8:0 r"),
            rule(true, "b 8:0 w"),
            rule(false, "b 8:0 r"),
        ]);
        assert!(texts.contains(&"b 8:0 w".to_owned()));
        let all = [rule(true, "b 8:0 r"), rule(true, "a *:* rwm")];
        assert!(Policy::of(&all).unwrap().allows_all());
        // An "a" with fewer rights is still everything, to the kernel and to runc.
        assert!(Policy::of(&[rule(true, "a 1:1 r")]).unwrap().allows_all());
        let (allow, texts) = outcome(&[rule(true, "a *:* rwm"), rule(false, "b 8:0 rw")]);
        assert!(allow);
        assert_eq!(texts, ["b 8:0 rw"]);
    }

    #[test]
    fn defaults_cannot_be_denied_as_in_runc() {
        let (_, texts) = outcome(&[rule(false, "c 1:3 rwm")]);
        assert_eq!(texts, DEFAULT);
        let (allow, texts) = outcome(&[rule(true, "a *:* rwm"), rule(false, "c 1:3 rwm")]);
        assert!(allow && texts.is_empty());
    }

    #[test]
    fn a_hole_in_a_wildcard_is_refused() {
        let rules = [rule(true, "c 10:* rw"), rule(false, "c 10:229 r")];
        let error = Policy::of(&rules).unwrap_err().to_string();
        assert_eq!(
            error,
            "requested rule [c 10:229 r] not supported by devices cgroupv1 (cannot punch hole in existing wildcard rule [c 10:* rw])"
        );
        // No overlap of rights, no hole; another type, no hole.
        Policy::of(&[rule(true, "c 10:* rw"), rule(false, "c 10:229 m")]).unwrap();
        Policy::of(&[rule(true, "c 10:* rw"), rule(false, "b 10:229 r")]).unwrap();
        // Deny all mknod below an allow of all: the default rules would punch holes into it.
        let rules = [rule(true, "a *:* rwm"), rule(false, "c 1:* r")];
        assert!(Policy::of(&rules).is_err());
    }

    #[test]
    fn rules_without_rights_leave_no_exception() {
        let (_, texts) = outcome(&[rule(true, "b 8:0 -")]);
        assert_eq!(texts, DEFAULT);
    }
}
