//! What is refused, and in which words.

use serde_json::{Value, json};

use super::*;

#[test]
fn what_runc_refuses_is_refused_in_its_words() {
    for (pointer, value, words) in [
        (
            "/process",
            Value::Null,
            "process property must not be empty",
        ),
        ("/process/args", json!([]), "args must not be empty"),
        (
            "/process/args",
            json!([""]),
            "exec: \"\": executable file not found in $PATH",
        ),
        ("/process/cwd", json!("x"), "Cwd must be an absolute path"),
        (
            "/process/cwd",
            Value::Null,
            "Cwd property must not be empty",
        ),
        ("/root", Value::Null, "root must be specified"),
        (
            "/process/rlimits/0/type",
            json!("RLIMIT_X"),
            "wrong rlimit value: RLIMIT_X",
        ),
        (
            "/linux/namespaces/-",
            json!({"type": "pid"}),
            "malformed spec file: duplicated ns {\"pid\" \"\"}",
        ),
        (
            "/linux/namespaces/-",
            json!({"type": "foo", "path": "/x"}),
            "namespace {\"foo\" \"/x\"} does not exist",
        ),
        (
            "/linux/rootfsPropagation",
            json!("foo"),
            "rootfsPropagation=foo is not supported",
        ),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "z"}]),
            "invalid device type \"z\"",
        ),
        (
            "/linux/resources/devices",
            json!([{"allow": true, "access": "r", "type": "p"}]),
            "invalid cgroup device type \"p\"",
        ),
        (
            "/linux/resources/devices",
            json!([{"allow": true, "access": "r"}, {"allow": true}]),
            "device access at 1 field cannot be empty",
        ),
        (
            "/linux/resources/unified",
            json!({"../memory.max": "1"}),
            "unified resource \"../memory.max\" must be a file name (no slashes)",
        ),
        (
            "/linux/sysctl",
            json!({"vm.swappiness": "1"}),
            "sysctl \"vm.swappiness\" is not in a separate kernel namespace",
        ),
        (
            "/linux/sysctl",
            json!({"kernel/hostname": "1"}),
            "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field",
        ),
    ] {
        refused(at(pointer, value), words);
    }
    for (kind, words) in [
        (
            "uts",
            "unable to set hostname without a private UTS namespace",
        ),
        (
            "mount",
            "unable to restrict sys entries without a private MNT namespace",
        ),
    ] {
        refused(with(|config| drop_namespaces(config, &[kind])), words);
    }
    refused(
        with(|config| {
            drop_namespaces(config, &["uts"]);
            config["hostname"] = Value::Null;
            config["domainname"] = "d".into();
        }),
        "unable to set domainname without a private UTS namespace",
    );
    for (key, kind, words) in [
        (
            "kernel.sem",
            "ipc",
            "sysctl \"kernel.sem\" is not allowed in the hosts ipc namespace",
        ),
        (
            "net/ipv4/conf/eth0.1/forwarding",
            "network",
            "sysctl \"net.ipv4.conf.eth0/1.forwarding\" not allowed in host network namespace",
        ),
    ] {
        refused(
            with(|config| {
                drop_namespaces(config, &[kind]);
                config["linux"]["sysctl"] = json!({key: "1"});
            }),
            words,
        );
    }
}

#[test]
fn options_of_the_caller_are_checked_against_the_config() {
    let tty = |detach, console_socket| {
        with_options(
            &LoadOptions {
                detach,
                console_socket,
                ..LoadOptions::default()
            },
            |config| config["process"]["terminal"] = true.into(),
        )
    };
    assert!(tty(false, false).is_ok() && tty(true, true).is_ok());
    refused(
        tty(true, false),
        "cannot allocate tty if runc will detach without setting console socket",
    );
    let unused = "cannot use console socket if runc will not detach or allocate tty";
    refused(tty(false, true), unused);
    let options = LoadOptions {
        console_socket: true,
        detach: true,
        ..LoadOptions::default()
    };
    refused(with_options(&options, |_| {}), unused);

    let options = LoadOptions {
        no_pivot: true,
        ..LoadOptions::default()
    };
    assert!(with_options(&options, |_| {}).unwrap().init.rootfs.no_pivot);
    refused(
        with_options(&options, |config| {
            config["linux"]["rootfsPropagation"] = "rprivate".into();
        }),
        "rootfsPropagation of [r]private is not safe without pivot_root",
    );

    let options = LoadOptions {
        systemd_cgroup: true,
        ..LoadOptions::default()
    };
    let path = |path: &str| {
        with_options(&options, |config| {
            config["linux"]["cgroupsPath"] = path.into()
        })
    };
    assert!(path("system.slice:runc:x").is_ok());
    refused(
        path("/x"),
        "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/x\" instead",
    );

    let options = LoadOptions {
        rootless: true,
        ..LoadOptions::default()
    };
    refused(
        with_options(&options, |_| {}),
        "rootless container requires user namespaces",
    );
}

#[test]
fn what_is_not_there_yet_is_refused_by_name_and_nothing_of_it_is_not() {
    refused(
        at("/linux/intelRdt", json!({})),
        "linux.intelRdt: not supported yet",
    );
    assert!(at("/linux/intelRdt", Value::Null).is_ok());
    for hook in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ] {
        assert!(at("/hooks", json!({"prestart": null, hook: []})).is_ok());
        let wrong = |one: Value| at("/hooks", json!({hook: [{"path": "/x"}, one]}));
        let field = format!("hooks.{hook}[1]");
        refused(
            wrong(json!({})),
            &format!("{field}.path: must be an absolute path, not \"\""),
        );
        refused(
            wrong(json!({"path": "bin/x"})),
            &format!("{field}.path: must be an absolute path, not \"bin/x\""),
        );
        for timeout in [0, -1] {
            refused(
                wrong(json!({"path": "/x", "timeout": timeout})),
                &format!("{field}.timeout: must be greater than 0, not {timeout}"),
            );
        }
        assert!(wrong(json!({"path": "/x", "timeout": i64::MAX, "env": null})).is_ok());
    }
    assert!(at("/linux/namespaces/1/path", json!("")).is_ok());
    let mount = |more: Value| {
        let mut mount = json!({"destination": "/m", "source": "/s", "options": ["bind"]});
        mount
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        at("/mounts/-", mount)
    };
    let both =
        "invalid mount \"/m\": id-mapped mounts must have both uid and gid mappings specified";
    for option in ["idmap", "ridmap"] {
        refused(mount(json!({"options": ["rbind", option]})), both);
    }
    let one = json!([{"containerID": 0, "hostID": 7, "size": 1}]);
    for field in ["uidMappings", "gidMappings"] {
        refused(mount(json!({field: one.clone()})), both);
        assert!(mount(json!({field: []})).is_ok());
        for bad in [
            json!([{"size": 0}]),
            json!([{"size": 1, "hostID": 4_294_967_295_u32}]),
            json!([{"size": 2, "containerID": 4_294_967_294_u32}]),
        ] {
            refused(
                mount(json!({field: bad})),
                &format!(
                    "mounts[7].{field}[0]: must have a size of at least 1 and end below 4294967296"
                ),
            );
        }
        refused(
            mount(json!({field: vec![json!({"size": 1}); 341]})),
            &format!("mounts[7].{field}: 341 mappings, the kernel takes at most 340"),
        );
    }
    refused(
        mount(
            json!({"type": "tmpfs", "options": [], "uidMappings": one.clone(), "gidMappings": one.clone()}),
        ),
        "invalid mount \"/m\": id-mapped mounts are only supported for bind-mounts",
    );
    assert!(mount(json!({"uidMappings": one.clone(), "gidMappings": one})).is_ok());
    assert!(at("/linux/mountLabel", json!("system_u:object_r:t:s0:c1,c2")).is_ok());
    for bad in ["a\",size=1", "a\\", "a\nb"] {
        refused(
            at("/linux/mountLabel", json!(bad)),
            &format!("linux.mountLabel: {bad:?} is not an SELinux label"),
        );
    }
    refused(
        with(|config| {
            drop_namespaces(config, &["mount"]);
            config["linux"]["maskedPaths"] = Value::Null;
            config["linux"]["readonlyPaths"] = json!([]);
        }),
        "linux.namespaces: a container without a new mount namespace: not supported yet",
    );
}
