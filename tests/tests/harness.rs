//! The harness finds what it is there to find: here with runtimes that hang and that leave things behind.

use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use integration::{Container, Runtime, TempDir, need_root};

fn fake(dir: &TempDir, script: &str) -> Runtime {
    let path = dir.path().join("fake");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    Runtime::with_binary(path, dir.path())
}

fn message(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("must fail");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_hang_is_found_and_ended() {
    need_root!();
    let dir = TempDir::new("fake");
    let runtime = fake(&dir, "sleep 1000 & echo $! > ${0}.pid; wait");
    let said = message(|| {
        runtime.run(&["state", "x"]);
    });
    assert!(
        said.starts_with("hang:") && said.contains("sleep"),
        "{said}"
    );
    let child: u32 = std::fs::read_to_string(dir.path().join("fake.pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    integration::wait_gone(child);
}

#[test]
fn a_left_over_state_directory_is_found() {
    need_root!();
    let dir = TempDir::new("fake");
    let said = message(|| {
        let mut c = Container::sleeping();
        c.runtime = fake(&dir, "mkdir -p \"$2/left\"");
    });
    assert!(
        said.contains("left over") && said.contains("state directory entry left"),
        "{said}"
    );
}

#[test]
fn a_left_over_cgroup_is_found() {
    need_root!();
    let dir = TempDir::new("fake");
    let Some((_, mount)) = integration::cgroup_mounts()
        .into_iter()
        .find(|(c, _)| c == "pids" || c.is_empty())
    else {
        return integration::skip(
            "a_left_over_cgroup_is_found",
            "no cgroup hierarchy with pids",
        );
    };
    let mut left = std::path::PathBuf::new();
    let said = message(|| {
        let mut c = Container::sleeping();
        c.runtime = fake(&dir, "exit 0");
        left = mount.join(&c.id);
        std::fs::create_dir(&left).unwrap();
    });
    std::fs::remove_dir(&left).unwrap();
    assert!(
        said.contains("left over") && said.contains("cgroup /"),
        "{said}"
    );
}
