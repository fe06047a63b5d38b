//! Fail closed: whatever step fails, the container does not run.

use std::fs;
use std::process::Command;

use super::*;
use libc::{MS_NODEV, MS_RDONLY};

/// Runs an ignored test of this file in a process of its own, below `program`.
fn inner(program: &str, args: &[&str], test: &str, source: &str) -> (bool, String) {
    let output = Command::new(program)
        .args(args)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            &format!("rootfs::tests::closed::{test}"),
        ])
        .env("ROOTFS_TEST_SOURCE", source)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

fn source() -> Option<String> {
    std::env::var("ROOTFS_TEST_SOURCE").ok()
}

#[test]
#[ignore = "run by every_failing_call_aborts"]
fn enters_the_default_root() {
    if source().is_none() {
        return;
    }
    in_namespace(|place| {
        let file = place.file("file", "x");
        let mut plan = default_plan(place);
        let mut bound = bind_mount(&file, "/etc/file", false, MS_RDONLY);
        bound.propagation = vec![libc::MS_PRIVATE | libc::MS_REC];
        plan.mounts.push(bound);
        plan.mounts.push(filesystem("tmpfs", "/tmp", MS_RDONLY, ""));
        if enter(&plan).is_ok() {
            println!("ENTERED");
        }
    });
}

/// Each system call of the sequence fails once; then the root is not entered.
#[test]
fn every_failing_call_aborts() {
    if Command::new("strace").arg("-V").output().is_err() || !nix::unistd::geteuid().is_root() {
        crate::testing::skip("needs strace and root");
        return;
    }
    let (ok, text) = inner("env", &[], "enters_the_default_root", "-");
    assert!(ok && text.contains("ENTERED"), "{text}");
    let calls = [
        "mount",
        "mount_setattr",
        "move_mount",
        "open_tree",
        "openat2",
        "pivot_root",
        "umount2",
        "fchdir",
        "mknodat",
        "symlinkat",
        "mkdirat",
        "chdir",
    ];
    let mut injected = 0;
    for call in calls {
        for nth in 1.. {
            let inject = format!("inject={call}:error=EIO:when={nth}");
            let trace = format!("trace={call}");
            let (_, text) = inner(
                "strace",
                &["-f", "-e", &trace, "-e", &inject],
                "enters_the_default_root",
                "-",
            );
            if !text.contains("(INJECTED)") {
                assert!(nth > 1, "{call} is never called: {text}");
                assert!(text.contains("ENTERED"), "{text}");
                break;
            }
            assert!(
                !text.contains("ENTERED"),
                "it runs although {call} number {nth} failed:\n{text}"
            );
            injected += 1;
        }
    }
    println!("{injected} calls failed, one at a time; the container never ran");
    assert!(injected > 60);
}

/// A root that cannot be made read-only.
#[test]
fn readonly_root_with_a_writer() {
    in_namespace(|place| {
        let plan = RootfsPlan {
            readonly: true,
            ..bare(place)
        };
        let prepared = prepare(&plan, &CgroupView::default()).unwrap();
        let _writer = File::create(place.path("rootfs/held")).unwrap();
        prepared.pivot().unwrap();
        let text = finish(&plan).unwrap_err().to_string();
        assert_eq!(
            text,
            "error remounting / read-only: mount_setattr /: device or resource busy"
        );
    });
}

#[test]
#[ignore = "run by locked_flags"]
fn in_a_user_namespace() {
    let Some(source) = source() else { return };
    let bound = |flags, cleared| MountPlan {
        cleared,
        ..bind_mount(&source, "/tmp", true, flags)
    };
    let seen = |mount: MountPlan| {
        let mut seen = String::new();
        in_namespace(|place| {
            let mut plan = bare(place);
            plan.mounts = vec![filesystem("proc", "/proc", 0, ""), mount];
            seen = match enter(&plan) {
                Ok(()) => {
                    mounts()
                        .into_iter()
                        .rfind(|mount| mount.0 == "/tmp")
                        .unwrap()
                        .1
                }
                Err(error) => error.to_string(),
            };
        });
        seen
    };
    assert_eq!(seen(bound(0, 0)), "rw,nosuid,nodev,noexec,noatime");
    assert_eq!(seen(bound(MS_RDONLY, 0)), "ro,nosuid,nodev,noexec,noatime");
    assert_eq!(
        seen(bound(libc::MS_NOATIME, 0)),
        "rw,nosuid,nodev,noexec,noatime"
    );
    for refused in [
        bound(0, MS_NODEV),
        bound(MS_RDONLY, libc::MS_NOEXEC),
        bound(libc::MS_STRICTATIME, 0),
    ] {
        let text = seen(refused);
        assert!(
            text.ends_with(&format!("mount_setattr {source}: operation not permitted")),
            "{text}"
        );
    }
    // Nobody may make device nodes here: the host's are bound.
    in_namespace(|place| {
        let mut plan = default_plan(place);
        plan.mounts
            .retain(|mount| mount.destination == "/proc" || mount.destination == "/dev");
        enter(&plan).unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!(
            fs::metadata("/dev/zero").unwrap().rdev(),
            libc::makedev(1, 5)
        );
        fs::write("/dev/null", "x").unwrap();
    });
    println!("INSIDE");
}

/// Flags that the kernel has locked are kept; asking for the opposite is refused.
#[test]
fn locked_flags() {
    in_namespace(|place| {
        let none: Option<&str> = None;
        let source = place.path("locked");
        fs::create_dir(&source).unwrap();
        let flags =
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        mount(Some("tmpfs"), &source, Some("tmpfs"), flags, none).unwrap();
        let unshare = ["--user", "--map-root-user", "--mount", "--pid", "--fork"];
        let (ok, text) = inner(
            "unshare",
            &unshare,
            "in_a_user_namespace",
            source.to_str().unwrap(),
        );
        assert!(ok && text.contains("INSIDE"), "{text}");
    });
}

#[test]
#[ignore = "run by no_handle_is_left"]
fn counts_its_descriptors() {
    if source().is_none() {
        return;
    }
    in_namespace(|place| {
        let file = place.file("file", "x");
        let mut plan = default_plan(place);
        plan.mounts
            .push(bind_mount(&file, "/etc/file", false, MS_RDONLY));
        plan.mounts.push(MountPlan {
            tmpcopyup: true,
            ..filesystem("tmpfs", "/etc", MS_RDONLY, "")
        });
        plan.mounts
            .extend((0..200).map(|number| bind_mount(&file, &format!("/tmp/{number}"), false, 0)));
        let list = || -> Vec<String> {
            let mut open: Vec<_> = fs::read_dir("/proc/self/fd")
                .unwrap()
                .map(|fd| fd.unwrap().file_name().into_string().unwrap())
                .collect();
            open.sort();
            open
        };
        let before = list();
        enter(&plan).unwrap();
        assert_eq!(list(), before);
    });
    println!("NONE LEFT");
}

/// CVE-2024-21626: a handle that is left open is a way around the mounts and masks, by a working directory like /proc/self/fd/7.
#[test]
fn no_handle_is_left() {
    let (ok, text) = inner("env", &[], "counts_its_descriptors", "-");
    assert!(ok && text.contains("NONE LEFT"), "{text}");
}
