//! How a container ends: its processes killed wherever they are, its groups removed.

use std::fs;

use super::{Groups, eventually};
use crate::cgroup::*;
use crate::plan::{Memory, Resources};

/// Nested groups, frozen, with processes in them, and one process that root has moved out of the v2 group.
#[test]
fn kill_reaches_nested_frozen_and_moved_processes() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let nested = format!("{}/in/ner", groups.paths.get("freezer").unwrap());
    fs::create_dir_all(&nested).unwrap();
    let one = groups.spawn("exec sleep 1000");
    let mut two = groups.spawn("exec sleep 1000");
    fs::write(format!("{nested}/cgroup.procs"), two.0.id().to_string()).unwrap();
    if let Some(layout) = groups
        .layout
        .hierarchies
        .iter()
        .find(|one| one.controllers.is_empty())
    {
        let own = if layout.own == "/" { "" } else { &layout.own };
        fs::write(
            format!("{}{own}/cgroup.procs", layout.mount_point),
            two.0.id().to_string(),
        )
        .unwrap();
    }
    assert_eq!(processes(&groups.paths).unwrap().len(), 2);
    freeze(&groups.paths).unwrap();
    fs::write(format!("{nested}/freezer.state"), "FROZEN").unwrap();
    kill_all(&groups.paths).unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(two.0.wait().unwrap().signal(), Some(libc::SIGKILL));
    drop(one);
    destroy(&groups.paths).unwrap();
}

/// `cgroup.kill` alone does not wake what a v1 freezer holds.
#[test]
fn a_paused_container_dies_at_once() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let mut running = groups.spawn("exec sleep 1000");
    freeze(&groups.paths).unwrap();
    kill_all(&groups.paths).unwrap();
    let dead = eventually(|| running.0.try_wait().unwrap().is_some());
    // Or the test could not even fail: its process would never end.
    thaw(&groups.paths).unwrap();
    assert!(dead);
    destroy(&groups.paths).unwrap();
}

/// Processes that fork without end: some that stay and make children, some that are followed by their child and exit,
/// so that no list of numbers is true for long. The pids limit keeps the machine usable.
#[test]
fn a_fork_bomb_is_killed_and_removed() {
    let bounded = Resources {
        pids_limit: Some(100),
        ..Resources::default()
    };
    let Some(groups) = Groups::make(&bounded) else {
        return;
    };
    let bomb = r#"
        export hop='sh -c "$hop" & exit'
        for i in 1 2 3 4 5 6; do sh -c "$hop" & done
        for i in 1 2 3 4 5 6 7 8 9 10; do while :; do /bin/true; done & done
        wait; exec sleep 1000"#;
    for with_v2 in [true, false] {
        let bomb = groups.spawn(bomb);
        assert!(eventually(|| processes(&groups.paths).unwrap().len() >= 15));
        let mut paths = groups.paths.clone();
        if !with_v2 {
            // As on a host without a v2 hierarchy: the freezer has to do.
            let mut map = paths.as_map().clone();
            map.remove("");
            paths = CgroupPaths::from_map(map);
        }
        kill_all(&paths).unwrap();
        drop(bomb);
        assert!(eventually(|| processes(&groups.paths).unwrap().is_empty()));
    }
    destroy(&groups.paths).unwrap();
}

#[test]
fn deep_nests_are_removed_without_deep_paths() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let top = fs::File::open(groups.paths.get("freezer").unwrap()).unwrap();
    let name = "n".repeat(200);
    let mut level = std::os::fd::OwnedFd::from(top);
    for _ in 0..40 {
        nix::sys::stat::mkdirat(&level, name.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        level = nix::fcntl::openat(
            &level,
            name.as_str(),
            nix::fcntl::OFlag::O_DIRECTORY,
            nix::sys::stat::Mode::empty(),
        )
        .unwrap();
    }
    drop(level);
    assert!(processes(&groups.paths).unwrap().is_empty());
    destroy(&groups.paths).unwrap();
    assert!(!fs::exists(groups.paths.get("freezer").unwrap()).unwrap());
}

#[test]
fn a_living_process_is_named_by_a_destroy_that_gives_up() {
    let Some(groups) = Groups::make(&Resources::default()) else {
        return;
    };
    let running = groups.spawn("exec sleep 1000");
    let error = destroy(&groups.paths).unwrap_err().to_string();
    assert!(
        error.contains("rmdir") && error.contains(&running.0.id().to_string()),
        "{error}"
    );
}

#[test]
fn an_oom_kill_is_counted() {
    let small = Resources {
        memory: Memory {
            limit: Some(4 << 20),
            swap: Some(4 << 20),
            ..Memory::default()
        },
        ..Resources::default()
    };
    let Some(groups) = Groups::make(&small) else {
        return;
    };
    assert_eq!(oom_kills(&groups.paths), Some(0));
    let mut running = groups.spawn("x=x; while :; do x=$x$x; done");
    let _ = running.0.wait().unwrap();
    assert!(oom_kills(&groups.paths).unwrap() >= 1);
}
