//! Bad input: one clear error that names the field or the path, exit code 1, and nothing was created.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;

use integration::{Container, Output, copy_program, is_ours, need_root, skip};
use serde_json::{Value, json};

/// The bytes as config.json, for `create` and `run`: refused, one line on standard error, nothing made.
#[track_caller]
fn refused_bytes(bytes: &[u8]) -> Output {
    let c = Container::unsaved();
    c.bundle.save_raw(bytes);
    let out = c.create().exits(1);
    nothing_was_made(&c, &out);
    let out = c.run().exits(1);
    nothing_was_made(&c, &out);
    out
}

/// The default config with one field changed: refused.
#[track_caller]
fn refused_field(pointer: &str, value: Value) -> Output {
    let c = Container::new(|g| {
        g.set(pointer, value);
    });
    let out = c.create();
    assert_eq!(out.code, 1, "{pointer}: {out}");
    nothing_was_made(&c, &out);
    out
}

#[track_caller]
fn nothing_was_made(c: &Container, out: &Output) {
    let errors = out
        .stderr
        .lines()
        .filter(|l| !l.contains("level=warning"))
        .count();
    assert_eq!(errors, 1, "one line: {out}");
    assert!(!out.stderr.contains("panic"), "{out}");
    c.nothing_left();
}

fn valid() -> Vec<u8> {
    serde_json::to_vec(&integration::Config::default().0).unwrap()
}

#[test]
fn a_missing_config() {
    need_root!();
    let c = Container::unsaved();
    let out = c.create().refused("config.json");
    nothing_was_made(&c, &out);
}

#[test]
fn a_missing_bundle() {
    need_root!();
    let c = Container::unsaved();
    let out = c
        .runtime
        .run(&["create", "--bundle", "/nonexistent/bundle", &c.id])
        .refused("/nonexistent/bundle");
    nothing_was_made(&c, &out);
}

#[test]
fn an_empty_config() {
    need_root!();
    refused_bytes(b"");
    refused_bytes(b"   \n");
}

#[test]
fn a_truncated_config() {
    need_root!();
    let all = valid();
    for len in [1, 2, all.len() / 2, all.len() - 1] {
        refused_bytes(&all[..len]);
    }
}

#[test]
fn a_binary_config() {
    need_root!();
    refused_bytes(&std::fs::read("/bin/busybox").unwrap()[..4096]);
    refused_bytes(&[0; 100]);
    refused_bytes(b"\xff\xfe{\x00}\x00");
}

#[test]
fn other_json_than_an_object() {
    need_root!();
    for text in ["[]", "1", "\"x\"", "true"] {
        refused_bytes(text.as_bytes());
    }
}

#[test]
fn a_huge_config() {
    need_root!();
    if !is_ours() {
        return skip("a_huge_config", "runc reads a config.json of any size");
    }
    let mut bytes = valid();
    bytes.resize(100 << 20, b' ');
    let out = refused_bytes(&bytes);
    assert!(
        out.stderr.contains("config.json") && out.stderr.contains("large"),
        "{out}"
    );
}

#[test]
fn a_deeply_nested_config() {
    need_root!();
    let depth = 200_000;
    let text = format!(
        "{{\"annotations\": {}{}}}",
        "[".repeat(depth),
        "]".repeat(depth)
    );
    refused_bytes(text.as_bytes());
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    need_root!();
    for (pointer, value, name) in [
        ("/process/args", json!("sh"), "args"),
        ("/process/cwd", json!(7), "cwd"),
        ("/process/user/uid", json!("root"), "uid"),
        ("/process/user/uid", json!(-1), "uid"),
        ("/process/env", json!({"A": "1"}), "env"),
        ("/process/terminal", json!("no"), "terminal"),
        ("/root", json!("rootfs"), "root"),
        ("/root/readonly", json!(1), "readonly"),
        ("/mounts", json!({}), "mounts"),
        ("/linux/namespaces", json!("pid"), "namespaces"),
        ("/linux/resources/pids/limit", json!("many"), "limit"),
        ("/linux/resources/memory/limit", json!(1.5), "limit"),
    ] {
        let out = refused_field(pointer, value);
        assert!(out.stderr.contains(name), "{pointer}: {out}");
    }
}

#[test]
fn an_element_of_the_wrong_type_is_named_with_its_index() {
    need_root!();
    let out = refused_field("/process/args", json!(["sh", "-c", 7]));
    assert!(out.stderr.contains("args"), "{out}");
    if is_ours() {
        assert!(out.stderr.contains("process.args[2]"), "{out}");
    }
}

#[test]
fn required_fields() {
    need_root!();
    refused_field("/process/args", json!([])).says("args");
    refused_field("/process/cwd", json!("relative")).says("wd");
    refused_field("/process/cwd", json!("")).says("wd");
    refused_field("/root", Value::Null).says("oot");
    if is_ours() {
        refused_field("/ociVersion", Value::Null).says("ociVersion");
        refused_field("/ociVersion", json!("banana")).says("ociVersion");
        refused_field("/process/args", json!([""])).says("executable file not found");
    }
}

#[test]
fn unknown_names() {
    need_root!();
    refused_field("/linux/namespaces/0/type", json!("galaxy")).says("galaxy");
    refused_field("/process/rlimits/0/type", json!("RLIMIT_NOSUCH")).says("RLIMIT_NOSUCH");
    refused_field("/linux/rootfsPropagation", json!("sideways")).says("sideways");
    refused_field(
        "/linux/devices",
        json!([{"path": "/dev/x", "type": "q", "major": 1, "minor": 1}]),
    )
    .says("q");
}

#[test]
fn a_soft_limit_above_the_hard_one() {
    need_root!();
    let out = refused_field(
        "/process/rlimits",
        json!([{"type": "RLIMIT_NOFILE", "soft": 2000, "hard": 1000}]),
    );
    assert!(
        out.stderr.contains("invalid argument") || out.stderr.contains("rlimits"),
        "{out}"
    );
}

#[test]
fn nul_bytes_are_refused() {
    need_root!();
    if !is_ours() {
        return skip(
            "nul_bytes_are_refused",
            "runc 1.1 finds out in the kernel, or not at all",
        );
    }
    for pointer in ["/process/cwd", "/hostname", "/process/args/0"] {
        let out = refused_field(pointer, json!("/a\u{0}b"));
        assert!(
            out.stderr.to_lowercase().contains("nul"),
            "{pointer}: {out}"
        );
    }
}

#[test]
fn a_missing_rootfs() {
    need_root!();
    refused_field("/root/path", json!("nosuch")).says("nosuch");
    refused_field("/root/path", json!("/nonexistent/rootfs")).says("/nonexistent/rootfs");
}

#[test]
fn a_rootfs_that_is_a_file() {
    need_root!();
    let out = refused_field("/root/path", json!("config.json"));
    assert!(out.stderr.contains("not a directory"), "{out}");
    assert!(
        out.stderr.contains("config.json") || !is_ours(),
        "names the path: {out}"
    );
}

#[test]
fn a_rootfs_that_is_a_link() {
    need_root!();
    let c = Container::unsaved();
    symlink("rootfs", c.bundle.path().join("link")).unwrap();
    let c = c.with_config(|g| {
        g.set("/root/path", "link");
    });
    let out = c.create().refused("link");
    nothing_was_made(&c, &out);
}

#[test]
fn impossible_ids() {
    need_root!();
    let c = Container::sleeping();
    let bundle = c.bundle.path().to_str().unwrap();
    let long = "x".repeat(1025);
    for id in [
        "a/b", "../up", "/etc", ".", "..", "a b", "ä", "a:b", "", "-", &long,
    ] {
        if id.starts_with('-') {
            continue;
        }
        let out = c.runtime.run(&["create", "--bundle", bundle, id]).exits(1);
        assert!(!out.stderr.contains("panic"), "{out}");
        if is_ours() || !matches!(id, "" | "." | "..") && id.len() < 1025 {
            assert!(
                out.stderr.contains("invalid")
                    || out.stderr.contains("id")
                    || out.stderr.contains("name too long"),
                "{out}"
            );
        }
        assert_eq!(c.state_entries(), [""; 0], "{id:?}");
        for command in ["state", "start", "delete", "kill"] {
            let out = c.runtime.run(&[command, id]).exits(1);
            let empty = "container id cannot be empty";
            assert_eq!(out.stderr.contains(empty), id.is_empty(), "{out}");
        }
    }
    c.nothing_left();
}

#[test]
fn a_missing_id() {
    need_root!();
    let c = Container::sleeping();
    for command in ["create", "run", "start", "state", "delete"] {
        let out = c.runtime.run(&[command]).exits(1);
        assert!(out.stderr.contains("argument"), "{out}");
    }
    c.nothing_left();
}

#[test]
fn unknown_commands_and_options() {
    need_root!();
    let c = Container::sleeping();
    let out = c.call(&["state", "--nosuch"]).exits(1);
    assert!(
        format!("{}{}", out.stdout, out.stderr).contains("nosuch"),
        "{out}"
    );
    let out = c.runtime.run(&["nosuch-command"]);
    assert!(!out.stderr.contains("panic"), "{out}");
    c.nothing_left();
}

/// Runs `create` in a private mount namespace, where `mount` has made the state root what it should be.
fn with_state_root(mount: &str) -> (Container, Output) {
    let c = Container::sleeping();
    std::fs::create_dir_all(c.runtime.root()).unwrap();
    let args = [
        "create",
        "--bundle",
        c.bundle.path().to_str().unwrap(),
        &c.id,
    ];
    let root = c.runtime.root().display();
    let script = format!("ROOT={root}; {mount} && exec \"$@\"");
    let result = c.runtime.with_own_mounts(&script).run(&args);
    (c, result)
}

#[test]
fn a_read_only_state_directory() {
    need_root!();
    let (c, out) = with_state_root("mount -t tmpfs -o ro none \"$ROOT\"");
    let out = out.refused("read-only file system");
    nothing_was_made(&c, &out);
}

#[test]
fn a_full_state_directory() {
    need_root!();
    let (c, out) = with_state_root("mount -t tmpfs -o nr_inodes=1 none \"$ROOT\"");
    let out = out.refused("no space left on device");
    nothing_was_made(&c, &out);
}

/// The directory can be made, but the record in it cannot be written.
#[test]
fn a_state_directory_that_fills_up() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_state_directory_that_fills_up",
            "runc 1.1 leaves the container's cgroup and init behind",
        );
    }
    let (c, out) = with_state_root(
        "mount -t tmpfs -o size=4k none \"$ROOT\" && head -c 4096 /dev/zero > \"$ROOT/filler\"",
    );
    let out = out.refused("no space left on device");
    nothing_was_made(&c, &out);
}

#[test]
fn a_state_root_that_is_a_file() {
    need_root!();
    let c = Container::sleeping();
    std::fs::write(c.runtime.root(), "").unwrap();
    let out = c.create().exits(1);
    assert!(out.stderr.contains("not a directory"), "{out}");
    std::fs::remove_file(c.runtime.root()).unwrap();
    c.nothing_left();
}

#[test]
fn not_root() {
    need_root!();
    let c = Container::sleeping();
    // A copy that everybody can reach.
    let binary = c.bundle.path().join("runtime");
    copy_program(c.runtime.binary(), &binary);
    let runtime = integration::Runtime::with_binary(binary, c.bundle.path());
    std::fs::create_dir(runtime.root()).unwrap();
    std::os::unix::fs::chown(runtime.root(), Some(65534), Some(65534)).unwrap();
    let args = [
        "create",
        "--bundle",
        c.bundle.path().to_str().unwrap(),
        &c.id,
    ];
    let (mut command, out, err) = runtime.command(&args);
    command.uid(65534).gid(65534);
    let out = runtime.finish(command, &args, out, err).exits(1);
    assert!(
        out.stderr.contains("rootless")
            || out.stderr.contains("root")
            || out.stderr.contains("not permitted"),
        "{out}"
    );
    assert!(!out.stderr.contains("panic"), "{out}");
    assert_eq!(
        std::fs::read_dir(runtime.root()).unwrap().count(),
        0,
        "nothing is left in the state directory"
    );
    c.nothing_left();
}

/// What is not there yet is refused by name: never ignored, and nothing is made.
#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    need_root!();
    if !is_ours() {
        return skip("what_is_not_there_yet_is_refused_by_name", "runc has these");
    }
    refused_field("/linux/intelRdt", json!({"closID": "x"})).says("intelRdt");
    let c = Container::new(|g| {
        g.push("/linux/namespaces", json!({"type": "user"}));
    });
    let out = c.create().refused("user");
    nothing_was_made(&c, &out);
}

/// Engines write empty values for what they do not use.
#[test]
fn what_asks_for_nothing_is_accepted() {
    need_root!();
    let c = Container::new(|g| {
        g.set("/linux/seccomp", Value::Null)
            .set("/hooks", json!({}))
            .set("/process/apparmorProfile", "")
            .set("/process/selinuxLabel", "")
            .set("/linux/mountLabel", "")
            .set("/linux/uidMappings", json!([]))
            .set("/linux/sysctl", json!({}))
            .set("/annotations", json!({}))
            .set("/unknownField", json!({"deep": [1, 2]}))
            .sh("echo fine");
    });
    assert_eq!(c.run().ok().text(), "fine");
}

#[test]
fn newer_versions_of_the_specification_are_accepted() {
    need_root!();
    for version in ["1.0.0", "1.0.2-dev", "1.1.0", "1.2.0", "1.2.1", "1.3.0"] {
        let c = Container::new(|g| {
            g.set("/ociVersion", version);
        });
        c.run().ok();
    }
}

/// A state directory that something else has damaged: clear errors, no panic, and `delete --force` is still possible.
#[test]
fn a_damaged_state_record() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_damaged_state_record",
            "runc 1.1 crashes on an empty object",
        );
    }
    for junk in [&b""[..], b"{", b"null", b"\x00\x01\x02", b"{\"id\": 7}"] {
        let c = Container::sleeping();
        let dir = c.runtime.root().join(&c.id);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("state.json"), junk).unwrap();
        let out = c.call(&["state"]);
        assert!(out.code == 1 && !out.stderr.contains("panic"), "{out}");
        for list in [&["list"][..], &["list", "-q"]] {
            let out = c.runtime.run(list);
            assert!(!out.stderr.contains("panic"), "{out}");
            assert_eq!(out.code, 0, "{out}");
            let broken = format!("load container {}: ", c.id);
            assert!(out.stderr.contains(&broken), "{out}");
        }
        let _ = std::fs::remove_dir_all(&dir);
    }
}
