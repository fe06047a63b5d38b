//! cgroup v2: device rules. There is no file to read them back from: a program of the group answers each open and mknod.

use integration::{Config, Container, is_ours, this_test};
use serde_json::{Value, json};

use crate::cgroups_v2::{Disk, disk, need_v2};
use crate::differential::with_runc;

/// Tries each device in each way: "kmsg r, disk rw" is what can be opened.
const TRY: &str = r#"
for device in kmsg $NAME full; do
    name=$device
    [ $name != $NAME ] || name=disk
    (exec 3<"/dev/$device") 2>/dev/null && echo "$name r"
    (exec 3>"/dev/$device") 2>/dev/null && echo "$name w"
    (exec 3<>"/dev/$device") 2>/dev/null && echo "$name rw"
done
mknod /tmp/c c 1 11 2>/dev/null && echo "kmsg m"
mknod /tmp/b b $DISK 2>/dev/null && echo "disk m"
true"#;

/// A container with /dev/kmsg and the machine's disk, and with these rules behind "deny all".
fn config(g: &mut Config, disk: &Disk, rules: &[Value]) {
    let device = |path: &str, kind: &str, major: u32, minor: u32| json!({"path": path, "type": kind, "major": major, "minor": minor, "fileMode": 438});
    // /dev/kmsg asks for CAP_SYSLOG as well.
    g.caps(&["CAP_MKNOD", "CAP_SYSLOG"])
        .mount("/tmp", "tmpfs", "tmpfs", &[])
        .push(
            "/process/env",
            json!(format!("DISK={} {}", disk.major, disk.minor)),
        )
        // A node that init may not make is bound from the host, where it has this name.
        .push("/process/env", json!(format!("NAME={}", disk.name)))
        .set(
            "/linux/devices",
            json!([
                device("/dev/kmsg", "c", 1, 11),
                device(&format!("/dev/{}", disk.name), "b", disk.major, disk.minor),
            ]),
        )
        .sh(TRY);
    for rule in rules {
        g.push("/linux/resources/devices", rule.clone());
    }
}

fn rule(allow: bool, kind: &str, major: Option<u32>, minor: Option<u32>, access: &str) -> Value {
    let mut rule = json!({"allow": allow, "type": kind, "access": access});
    if let Some(major) = major {
        rule["major"] = json!(major);
    }
    if let Some(minor) = minor {
        rule["minor"] = json!(minor);
    }
    rule
}

/// What can be opened under these rules, but for /dev/full, which always can be.
#[track_caller]
fn opens(disk: &Disk, rules: &[Value]) -> Vec<String> {
    let c = Container::new(|g| config(g, disk, rules));
    let out = c.run().ok();
    let lines = out.lines();
    for way in ["full r", "full w", "full rw"] {
        assert!(lines.contains(&way), "{way}: {rules:?}: {out}");
    }
    let rest = lines.into_iter().filter(|line| !line.starts_with("full"));
    rest.map(str::to_owned).collect()
}

const KMSG: (Option<u32>, Option<u32>) = (Some(1), Some(11));
const MKNOD: [&str; 2] = ["kmsg m", "disk m"];

#[test]
fn only_what_is_allowed() {
    need_v2!();
    let Some(disk) = disk() else {
        return;
    };
    let (major, minor) = (Some(disk.major), Some(disk.minor));
    // mknod of everything is among the defaults.
    assert_eq!(opens(&disk, &[]), MKNOD);
    for (rules, extra) in [
        (
            vec![rule(true, "c", KMSG.0, KMSG.1, "rw")],
            &["kmsg r", "kmsg w", "kmsg rw"][..],
        ),
        (vec![rule(true, "c", KMSG.0, KMSG.1, "r")], &["kmsg r"]),
        // Another kind of the same numbers.
        (vec![rule(true, "b", KMSG.0, KMSG.1, "rwm")], &[]),
        (vec![rule(true, "b", major, minor, "r")], &["disk r"]),
        (vec![rule(true, "b", major, None, "w")], &["disk w"]),
        (
            vec![rule(true, "b", None, None, "rw")],
            &["disk r", "disk w", "disk rw"],
        ),
        (vec![rule(true, "c", None, Some(11), "r")], &["kmsg r"]),
        // Taken back.
        (
            vec![
                rule(true, "b", major, minor, "rwm"),
                rule(false, "b", major, minor, "w"),
            ],
            &["disk r"],
        ),
        (
            vec![
                rule(true, "b", major, minor, "rw"),
                json!({"allow": false, "access": "rwm"}),
            ],
            &[],
        ),
        // What one rule does not give whole, two do not either.
        (
            vec![
                rule(true, "b", major, minor, "r"),
                rule(true, "b", major, None, "w"),
            ],
            &["disk r", "disk w"],
        ),
    ] {
        let wanted: Vec<&str> = extra.iter().chain(&MKNOD).copied().collect();
        assert_eq!(opens(&disk, &rules), wanted, "{rules:?}");
    }
}

#[test]
fn everything_but_what_is_denied() {
    need_v2!();
    let Some(disk) = disk() else {
        return;
    };
    let (major, minor) = (Some(disk.major), Some(disk.minor));
    let all = || json!({"allow": true, "access": "rwm"});
    let whole = ["kmsg r", "kmsg w", "kmsg rw", "disk r", "disk w", "disk rw"];
    let without = |gone: &[&str]| -> Vec<String> {
        let left = whole.iter().chain(&MKNOD).filter(|one| !gone.contains(one));
        left.map(|&one| one.to_owned()).collect()
    };
    let disks = ["disk r", "disk w", "disk rw"];
    for (denied, gone) in [
        (vec![], &[][..]),
        (vec![rule(false, "b", major, minor, "rw")], &disks),
        (vec![rule(false, "b", major, None, "rw")], &disks),
        (vec![rule(false, "b", None, None, "rw")], &disks),
        (
            vec![rule(false, "c", KMSG.0, KMSG.1, "rwm")],
            // A default gives mknod of everything, and denies nothing here.
            &["kmsg r", "kmsg w", "kmsg rw", "kmsg m"],
        ),
        // An allow within what is denied as a whole is refused; one before it is gone with it.
        (
            vec![
                rule(true, "b", major, minor, "rw"),
                rule(false, "b", major, None, "rw"),
            ],
            &disks,
        ),
    ] {
        let rules: Vec<Value> = std::iter::once(all()).chain(denied).collect();
        assert_eq!(opens(&disk, &rules), without(gone), "{rules:?}");
    }
}

/// A wildcard denies no more than what was allowed by the very same numbers: as on v1, and as runc.
#[test]
fn a_wildcard_deny_beside_a_narrower_allow() {
    need_v2!();
    let Some(disk) = disk() else {
        return;
    };
    let (major, minor) = (Some(disk.major), Some(disk.minor));
    for wildcard in [
        rule(false, "b", major, None, "rwm"),
        rule(false, "b", None, minor, "rw"),
        rule(false, "b", None, None, "rw"),
    ] {
        for first in [true, false] {
            let mut rules = vec![rule(true, "b", major, minor, "rw"), wildcard.clone()];
            if first {
                rules.reverse();
            }
            let wanted = ["disk r", "disk w", "disk rw", "kmsg m", "disk m"];
            assert_eq!(opens(&disk, &rules), wanted, "{rules:?}");
        }
    }
}

#[test]
fn a_hole_in_a_wildcard_is_refused() {
    need_v2!();
    let Some(disk) = disk() else {
        return;
    };
    for rules in [
        [
            rule(true, "c", Some(10), None, "rw"),
            rule(false, "c", Some(10), Some(229), "r"),
        ],
        [
            rule(true, "b", None, None, "r"),
            rule(false, "b", Some(8), Some(0), "r"),
        ],
    ] {
        let c = Container::new(|g| config(g, &disk, &rules));
        c.create()
            .refused("cannot punch hole in existing wildcard rule");
        c.nothing_left();
    }
}

/// Who may not read may not open for reading and writing, as v1 has it. runc's program lets that through.
#[test]
fn a_denied_right_is_denied_beside_others() {
    need_v2!();
    let Some(disk) = disk() else {
        return;
    };
    let rules = [
        json!({"allow": true, "access": "rwm"}),
        rule(false, "b", Some(disk.major), Some(disk.minor), "r"),
        rule(false, "c", KMSG.0, KMSG.1, "w"),
    ];
    let mut wanted = vec!["kmsg r", "kmsg rw", "disk w", "disk rw", "kmsg m", "disk m"];
    if is_ours() {
        wanted.retain(|way| !way.ends_with("rw"));
    }
    assert_eq!(opens(&disk, &rules), wanted);
}

/// The same rules through runc and through us, in the order of how unusual they are.
#[test]
fn what_opens_is_what_opens_with_runc() {
    need_v2!();
    let Some(disk) = disk() else {
        return;
    };
    let (major, minor) = (Some(disk.major), Some(disk.minor));
    let all = || json!({"allow": true, "access": "rwm"});
    for rules in [
        vec![],
        vec![all()],
        vec![
            all(),
            rule(false, "b", major, minor, "rwm"),
            rule(true, "b", major, minor, "rw"),
        ],
        vec![
            rule(true, "b", major, None, "r"),
            rule(true, "b", None, minor, "w"),
            rule(true, "c", None, None, "rw"),
        ],
        vec![
            rule(false, "c", None, None, "rwm"),
            rule(true, "c", KMSG.0, None, "r"),
            rule(false, "b", None, None, "m"),
        ],
        vec![rule(true, "a", KMSG.0, KMSG.1, "r")],
    ] {
        let Some((ours, theirs)) = with_runc(
            &this_test(),
            |g| config(g, &disk, &rules),
            |c| c.run().ok().stdout,
        ) else {
            return;
        };
        assert_eq!(ours, theirs, "{rules:?}: left: ours, right: runc's");
    }
}
