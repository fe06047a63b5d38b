//! AppArmor profile and SELinux label of the process.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use integration::{Container, is_ours, need_root, skip, this_test};
use serde_json::json;

const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";

fn apparmor() -> bool {
    std::fs::read_to_string(ENABLED).is_ok_and(|text| text.starts_with('Y'))
}

fn with_profile(name: &str, script: &str) -> Container {
    Container::new(|g| {
        g.set("/process/apparmorProfile", name).sh(script);
    })
}

#[test]
fn a_profile_where_there_is_no_apparmor_is_an_error() {
    need_root!();
    if apparmor() {
        skip(&this_test(), "AppArmor is enabled here");
        return;
    }
    for name in ["docker-default", "unconfined"] {
        let c = with_profile(name, "true");
        let out = c.create().refused(
            "error during container init: unable to apply apparmor profile: apparmor failed to apply profile: ",
        );
        assert!(
            !is_ours() || out.stderr.contains("AppArmor is not enabled here"),
            "{out}"
        );
        c.nothing_left();
    }
}

#[test]
fn a_profile_that_is_not_loaded_is_an_error() {
    need_root!();
    if !apparmor() {
        skip(&this_test(), "no AppArmor in this kernel");
        return;
    }
    let c = with_profile("rrt-no-such-profile", "true");
    let out = c.create().refused(
        "error during container init: unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: no such file or directory",
    );
    assert!(
        !is_ours() || out.stderr.contains("no such profile is loaded"),
        "{out}"
    );
    c.nothing_left();
    let c = with_profile("unconfined", "cat /proc/self/attr/apparmor/current");
    assert_eq!(c.run().ok().text(), "unconfined");
}

/// A profile that allows all but writing to /tmp/no.
#[test]
fn a_profile_confines_the_program_and_no_hook_of_create() {
    need_root!();
    let given = std::env::var("APPARMOR_PARSER").unwrap_or_default();
    let parser = ["/sbin/apparmor_parser", &given]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let (true, Some(parser)) = (apparmor(), parser) else {
        skip(
            &this_test(),
            "no AppArmor, or no apparmor_parser to load a profile with",
        );
        return;
    };
    let name = format!("rrt-profile-{}", std::process::id());
    let load = |option: &str| {
        let mut child = Command::new(parser)
            .args([option, "-K", "-q"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!(
            "profile {name} flags=(attach_disconnected,mediate_deleted) {{\n file, capability, network, mount, umount, pivot_root, signal, ptrace, unix,\n deny /tmp/no w,\n}}\n"
        );
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
    };
    load("-r");
    for no_new_privileges in [false, true] {
        let c = with_profile(
            &name,
            "cat /proc/self/attr/apparmor/current; echo x >/tmp/yes && echo yes; echo x >/tmp/no || echo denied",
        );
        let seen = c.bundle.path().join("seen");
        let hook = c.bundle.path().join("hook");
        std::fs::write(
            &hook,
            format!(
                "#!/bin/sh\ncat /proc/self/attr/apparmor/current >{}\n",
                seen.display()
            ),
        )
        .unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let c = c.with_config(|g| {
            g.set("/process/noNewPrivileges", no_new_privileges)
                .set("/root/readonly", false)
                .set("/hooks", json!({"createContainer": [{"path": hook}]}));
        });
        let out = c.run().ok();
        assert_eq!(
            out.lines(),
            [format!("{name} (enforce)").as_str(), "yes", "denied"]
        );
        assert_eq!(std::fs::read_to_string(seen).unwrap().trim(), "unconfined");
    }
    load("-R");
}

#[test]
fn a_label_where_there_is_no_selinux_is_an_error() {
    need_root!();
    if Path::new("/sys/fs/selinux/enforce").exists() {
        skip(&this_test(), "SELinux is enabled here");
        return;
    }
    let c = Container::new(|g| {
        g.set("/process/selinuxLabel", "system_u:system_r:container_t:s0");
    });
    c.create()
        .refused("selinux label is specified in config, but selinux is disabled or not supported");
    c.nothing_left();
}
