//! Id maps that the caller itself may not write: the tools of uidmap(1), and one's own group alone.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use integration::{Container, Output, is_ours, need_root, skip, this_test};
use serde_json::json;

use crate::userns::{BASE, mapped};

/// `run` by a root without the capability `lacking`; programs in `path` come first.
fn run_without(c: &Container, lacking: &str, path: &str) -> Output {
    let bundle = c.bundle.path().to_str().unwrap();
    let args = ["run", "--bundle", bundle, &c.id];
    c.runtime
        .behind(&[
            "setpriv",
            &format!("--bounding-set=-{lacking}"),
            &format!("--inh-caps=-{lacking}"),
        ])
        .behind(&["env", &format!("PATH={path}:/usr/sbin:/usr/bin:/sbin:/bin")])
        .run(&args)
}

macro_rules! need_setpriv {
    () => {
        need_root!();
        if !is_ours() {
            skip(
                &this_test(),
                "runc looks for the tools for a caller that is not root only",
            );
            return;
        }
        if Command::new("setpriv").arg("--version").output().is_err() {
            skip(&this_test(), "no setpriv");
            return;
        }
    };
}

/// A program `name` in the bundle that asks this test for `answer`'s work, and the directory that it is in.
fn tool(c: &Container, name: &str, script: &str) -> String {
    let dir = c.bundle.path().join("tools");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn a_tool_maps_what_the_caller_may_not() {
    need_setpriv!();
    for (lacking, name, file) in [
        ("setuid", "newuidmap", "uid_map"),
        ("setgid", "newgidmap", "gid_map"),
    ] {
        let c = mapped(|g| {
            g.sh("cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -G");
        });
        let mut asked = c.fifo("asked");
        let mut done = c.fifo("done");
        let dir = c.bundle.rootfs("/").to_str().unwrap().to_owned();
        // It has no more privilege than its caller here: this test does what it would do.
        let path = tool(
            &c,
            name,
            &format!("echo \"$@\" >{dir}/asked; read x <{dir}/done"),
        );
        let helper = std::thread::spawn(move || {
            let line = asked.line();
            let (pid, map) = line.split_once(' ').unwrap();
            std::fs::write(format!("/proc/{pid}/{file}"), map).unwrap();
            done.say("done");
            // Open until the tool has read it.
            (map.to_owned(), done)
        });
        let out = run_without(&c, lacking, &path).ok();
        let map = format!("0 {BASE} 65536");
        assert_eq!(helper.join().unwrap().0, map);
        assert_eq!(out.text(), format!("{map}\n {map}\n0"), "{lacking}");
    }
}

#[test]
fn a_tool_that_does_not_is_quoted_and_none_is_said() {
    need_setpriv!();
    let c = mapped(|_| {});
    let path = tool(&c, "newgidmap", "echo newgidmap: not you >&2; exit 1");
    run_without(&c, "setgid", &path).refused(
        "gid_map (and newgidmap did not help: newgidmap: not you): operation not permitted",
    );
    c.nothing_left();
    let c = mapped(|_| {});
    let out = run_without(&c, "setuid", "/nonexistent").refused("operation not permitted");
    assert!(
        out.stderr.contains("(and newuidmap did not help: "),
        "{out}"
    );
    c.nothing_left();
}

/// The caller's own group, alone: allowed to anybody who gives setgroups(2) up.
fn own_group_only(groups: &[u32]) -> Container {
    Container::new(|g| {
        g.user_namespace(0, 65536)
            .set("/linux/gidMappings/0/size", 1)
            .set("/process/user/additionalGids", json!(groups))
            .sh("cat /proc/self/setgroups; tr -s ' ' </proc/self/gid_map");
        for mount in g.0.pointer_mut("/mounts").unwrap().as_array_mut().unwrap() {
            if let Some(options) = mount
                .pointer_mut("/options")
                .and_then(|it| it.as_array_mut())
            {
                options.retain(|it| it != "gid=5");
            }
        }
    })
}

#[test]
fn ones_own_group_needs_no_privilege_but_setgroups_is_denied() {
    need_setpriv!();
    let out = run_without(&own_group_only(&[]), "setgid", "/nonexistent").ok();
    assert_eq!(out.lines(), ["deny", " 0 0 1"]);
    let c = own_group_only(&[0]);
    run_without(&c, "setgid", "/nonexistent")
        .refused("unable to setup user: setgroups: operation not permitted (denied in this user namespace: no additionalGids)");
    c.nothing_left();
    // Who has the privilege keeps setgroups(2).
    let out = own_group_only(&[0]).run().ok();
    assert_eq!(out.lines(), ["allow", " 0 0 1"]);
}
