//! Strict parsers of the kernel's tables: pure functions from bytes.
//!
//! proc_pid_cgroup(5) and proc_pid_mountinfo(5). Lines that are not as documented are errors, but a parser is only
//! ever asked about lines that it can know: fields that later kernels may add stay allowed where the format says so.

/// What is wrong, and on which line (from 1).
pub type ParseError = (usize, &'static str);

/// One line of /proc/PID/cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership<'a> {
    /// Hierarchy number; 0 is v2.
    pub id: u32,
    /// "cpu,cpuacct", "name=systemd", or empty on v2.
    pub controllers: &'a str,
    /// The group, from the hierarchy's root (or the cgroup namespace's); starts with '/'.
    pub path: &'a str,
}

/// /proc/PID/cgroup.
///
/// # Errors
/// The first line that is not `ID:CONTROLLERS:/PATH`.
pub fn memberships(bytes: &[u8]) -> Result<Vec<Membership<'_>>, ParseError> {
    lines(bytes)
        .map(|(number, line)| {
            let line = std::str::from_utf8(line).map_err(|_| (number, "not UTF-8"))?;
            let (id, rest) = line.split_once(':').ok_or((number, "no ':'"))?;
            // A controller list has no ':', a path may.
            let (controllers, path) = rest.split_once(':').ok_or((number, "only one ':'"))?;
            if !path.starts_with('/') {
                return Err((number, "the path does not start with '/'"));
            }
            let id = decimal(id).ok_or((number, "the hierarchy is not a number"))?;
            if (id == 0) != controllers.is_empty() {
                return Err((number, "hierarchy 0, and only it, has no controllers"));
            }
            Ok(Membership {
                id,
                controllers,
                path,
            })
        })
        .collect()
}

/// What we need of one line of /proc/PID/mountinfo. Escapes are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount<'a> {
    /// The mount's own number.
    pub id: u32,
    /// That of the mount that it is on.
    pub parent: u32,
    /// Which directory of the file system is mounted.
    pub root: Vec<u8>,
    /// Where.
    pub mount_point: Vec<u8>,
    /// "cgroup", "tmpfs".
    pub fstype: &'a [u8],
    /// Options of the superblock: "rw,cpu,cpuacct".
    pub super_options: &'a [u8],
}

/// One line of /proc/PID/mountinfo, without its newline.
///
/// # Errors
/// What is missing or malformed.
pub fn mount(line: &[u8]) -> Result<Mount<'_>, &'static str> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mut next = |what| fields.next().filter(|field| !field.is_empty()).ok_or(what);
    let number = |field: &[u8]| std::str::from_utf8(field).ok().and_then(decimal);
    let id = number(next("no mount id")?).ok_or("the mount id is not a number")?;
    let parent = number(next("no parent id")?).ok_or("the parent id is not a number")?;
    let device = next("no device")?;
    let colon = device.iter().position(|&byte| byte == b':');
    let (major, minor) = device.split_at(colon.ok_or("the device has no ':'")?);
    number(major).ok_or("the major number is not a number")?;
    number(&minor[1..]).ok_or("the minor number is not a number")?;
    let root = unescape(next("no root")?)?;
    let mount_point = unescape(next("no mount point")?)?;
    if mount_point.first() != Some(&b'/') {
        return Err("the mount point does not start with '/'");
    }
    next("no mount options")?;
    // Zero or more optional fields, then "-".
    while next("no separator '-'")? != b"-" {}
    let fstype = next("no file system type")?;
    // The source can be an empty string: `mount -t tmpfs "" /x`.
    let _source = fields.next().ok_or("no source")?;
    let super_options = fields.next().ok_or("no superblock options")?;
    if fields.next().is_some() {
        return Err("more fields than documented");
    }
    Ok(Mount {
        id,
        parent,
        root,
        mount_point,
        fstype,
        super_options,
    })
}

/// Resolves `\NNN`, three octal digits, as the kernel writes blanks and backslashes.
fn unescape(field: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let mut value = 0_u32;
        for _ in 0..3 {
            match bytes.next() {
                Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                _ => return Err("a '\\' without three octal digits"),
            }
        }
        out.push(u8::try_from(value).map_err(|_| "an octal escape above \\377")?);
    }
    Ok(out)
}

/// The process ids of a `cgroup.procs`: one a line. 0 stands for a process of another pid namespace, which has no
/// number here.
///
/// # Errors
/// The first line that is not a number.
pub fn pids(bytes: &[u8]) -> Result<Vec<i32>, ParseError> {
    lines(bytes)
        .map(|(number, line)| {
            std::str::from_utf8(line)
                .ok()
                .and_then(decimal)
                .and_then(|pid| i32::try_from(pid).ok())
                .ok_or((number, "not a process id"))
        })
        .collect()
}

/// The number behind `key` in a file of `KEY NUMBER` lines.
pub fn flat_keyed(bytes: &[u8], key: &str) -> Option<u64> {
    lines(bytes).find_map(|(_, line)| {
        std::str::from_utf8(line)
            .ok()?
            .strip_prefix(key)?
            .strip_prefix(' ')?
            .parse()
            .ok()
    })
}

/// Lines with their numbers, from 1. The last newline ends a line, it does not start one.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let none = bytes.is_empty();
    body.split(|&byte| byte == b'\n')
        .filter(move |_| !none)
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Digits only: `str::parse` would take a sign.
fn decimal(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Body of the fuzz target of the same name: no input panics, and what is accepted means one thing.
#[doc(hidden)]
pub fn fuzz_mountinfo(bytes: &[u8]) {
    for (_, line) in lines(bytes) {
        assert!(!line.contains(&b'\n'));
        if let Ok(parsed) = mount(line) {
            assert!(parsed.mount_point.starts_with(b"/"));
            assert!(parsed.root.len() <= line.len() && parsed.mount_point.len() <= line.len());
            assert!(!parsed.fstype.is_empty() && !parsed.super_options.contains(&b' '));
            assert_eq!(mount(line).as_ref(), Ok(&parsed));
        }
    }
    if let Ok(found) = memberships(bytes) {
        for one in &found {
            assert!(one.path.starts_with('/') && !one.controllers.contains(':'));
            assert_eq!(one.id == 0, one.controllers.is_empty());
            let again = format!("{}:{}:{}\n", one.id, one.controllers, one.path);
            assert_eq!(
                memberships(again.as_bytes()).as_deref(),
                Ok(&[one.clone()][..])
            );
        }
    }
    if let Ok(found) = pids(bytes) {
        assert!(found.iter().all(|&pid| pid >= 0));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// As the kernel's `mangle` writes a name in mountinfo.
    fn escape(name: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in name {
            if b" \t\n\\#".contains(&byte) {
                out.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            } else {
                out.push(byte);
            }
        }
        out
    }

    fn path() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => any::<u8>().prop_filter("no NUL", |byte| *byte != 0), 1 => prop::sample::select(&b" \t\n\\#/"[..])];
        prop::collection::vec(byte, 0..40).prop_map(|mut rest| {
            rest.insert(0, b'/');
            rest
        })
    }

    proptest! {
        #[test]
        fn mountinfo_round_trip(
            root in path(),
            mount_point in path(),
            optional in prop::collection::vec("(shared|master|propagate_from):[0-9]{1,4}|unbindable", 0..4),
            fstype in "[a-z0-9.]{1,8}",
            source in "[a-z0-9/]{0,8}",
            options in "[a-z0-9=,]{1,20}",
        ) {
            let mut line = b"36 35 98:0 ".to_vec();
            line.extend(escape(&root));
            line.push(b' ');
            line.extend(escape(&mount_point));
            line.extend(b" rw,noatime ");
            for field in &optional {
                line.extend(field.as_bytes());
                line.push(b' ');
            }
            line.extend(format!("- {fstype} {source} {options}").as_bytes());
            let found = mount(&line).unwrap();
            prop_assert_eq!(found.root, root);
            prop_assert_eq!(found.mount_point, mount_point);
            prop_assert_eq!(found.fstype, fstype.as_bytes());
            prop_assert_eq!(found.super_options, options.as_bytes());
            // No proper part of a line, cut at a blank, is a line.
            for (at, _) in line.iter().enumerate().filter(|(_, byte)| **byte == b' ') {
                prop_assert!(mount(&line[..at]).is_err(), "{:?}", String::from_utf8_lossy(&line[..at]));
            }
        }

        #[test]
        fn memberships_round_trip(
            lines in prop::collection::vec((1u32..200, "[a-z=]{1,8}(,[a-z_]{1,8}){0,2}", "/[^\n\0]{0,30}"), 0..12),
            own in "/[^\n\0]{0,30}",
        ) {
            let mut text = String::new();
            for (id, controllers, path) in &lines {
                text.push_str(&format!("{id}:{controllers}:{path}\n"));
            }
            text.push_str(&format!("0::{own}\n"));
            let found = memberships(text.as_bytes()).unwrap();
            prop_assert_eq!(found.len(), lines.len() + 1);
            for (one, (id, controllers, path)) in found.iter().zip(&lines) {
                prop_assert_eq!((one.id, one.controllers, one.path), (*id, controllers.as_str(), path.as_str()));
            }
            prop_assert_eq!(found.last().unwrap().path, own.as_str());
        }

        #[test]
        fn junk_is_survived(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"0:/ -\\17\n,"[..])], 0..200)) {
            fuzz_mountinfo(&bytes);
        }

        #[test]
        fn pids_round_trip(numbers in prop::collection::vec(0..i32::MAX, 0..50)) {
            let text: String = numbers.iter().map(|pid| format!("{pid}\n")).collect();
            prop_assert_eq!(pids(text.as_bytes()).unwrap(), numbers);
        }
    }

    #[test]
    fn this_machine() {
        let table = std::fs::read("/proc/self/mountinfo").unwrap();
        for (number, line) in lines(&table) {
            mount(line).unwrap_or_else(|what| panic!("line {number}: {what}"));
        }
        memberships(&std::fs::read("/proc/self/cgroup").unwrap()).unwrap();
    }

    #[test]
    fn malformed_lines_are_named() {
        for (line, what) in [
            ("", "no mount id"),
            ("x 1 0:1 / /a rw - t s o", "the mount id is not a number"),
            ("+1 1 0:1 / /a rw - t s o", "the mount id is not a number"),
            ("1 1 01 / /a rw - t s o", "the device has no ':'"),
            (
                "1 1 0:1 / a rw - t s o",
                "the mount point does not start with '/'",
            ),
            (
                "1 1 0:1 / /a\\04 rw - t s o",
                "a '\\' without three octal digits",
            ),
            (
                "1 1 0:1 / /a\\777 rw - t s o",
                "an octal escape above \\377",
            ),
            ("1 1 0:1 / /a rw shared:1", "no separator '-'"),
            (
                "1 1 0:1 / /a rw - t s o more",
                "more fields than documented",
            ),
        ] {
            assert_eq!(mount(line.as_bytes()), Err(what), "{line}");
        }
        for (text, line) in [
            ("0::x", 1),
            ("1:cpu:/\n2:/\n", 2),
            ("-1:cpu:/", 1),
            ("0:cpu:/", 1),
            ("7::/", 1),
            ("1:cpu:/\n\n", 2),
        ] {
            assert_eq!(
                memberships(text.as_bytes()).unwrap_err().0,
                line,
                "{text:?}"
            );
        }
        assert_eq!(pids(b"1\n-2\n"), Err((2, "not a process id")));
        assert_eq!(
            flat_keyed(b"oom_kill_disable 1\noom_kill 7\n", "oom_kill"),
            Some(7)
        );
        assert_eq!(flat_keyed(b"oom_kill_disable 1\n", "oom_kill"), None);
    }
}
