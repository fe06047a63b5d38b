//! Each published way out since 2019 that goes through mounts, tried for real.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// What must never be written, outside of the root.
fn outside(place: &Place) -> PathBuf {
    let dir = place.path("host");
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// CVE-2019-16884, CVE-2019-19921: a volume or a link where /proc should be, so that LSM labels are written to a fake.
#[test]
fn cve_2019_16884_proc_is_a_link() {
    for target in ["/fake", "../fake", "/proc2/../fake"] {
        in_namespace(|place| {
            fs::remove_dir(place.path("rootfs/proc")).unwrap();
            fs::create_dir_all(place.path("rootfs/fake")).unwrap();
            place.link(target, "rootfs/proc");
            assert_eq!(
                refusal(&default_plan(place)),
                r#"error mounting "proc" to rootfs at "/proc": filesystem "proc" must be mounted on ordinary directory"#
            );
        });
    }
    in_namespace(|place| {
        fs::remove_dir(place.path("rootfs/sys")).unwrap();
        place.link("/fake", "rootfs/sys");
        assert!(
            refusal(&default_plan(place))
                .ends_with(r#"filesystem "sysfs" must be mounted on ordinary directory"#)
        );
    });
    in_namespace(|place| {
        fs::remove_dir(place.path("rootfs/proc")).unwrap();
        place.file("rootfs/proc", "");
        assert!(
            refusal(&default_plan(place))
                .ends_with(r#"filesystem "proc" must be mounted on ordinary directory"#)
        );
    });
}

/// The same by mounting something else on /proc or inside it, spelt through links too (CVE-2023-27561).
#[test]
fn cve_2023_27561_mounts_over_proc() {
    let attempt = |dest: &str, bind: bool| {
        let mut text = String::new();
        in_namespace(|place| {
            place.link("/proc", "rootfs/p");
            place.link("proc/sys", "rootfs/s");
            let source = place.path("src").to_str().unwrap().to_owned();
            fs::create_dir(&source).unwrap();
            let mut plan = default_plan(place);
            let extra = if bind {
                bind_mount(&source, dest, true, 0)
            } else {
                filesystem("tmpfs", dest, 0, "")
            };
            plan.mounts.push(extra);
            text = refusal(&plan);
        });
        text
    };
    for bind in [false, true] {
        for dest in ["/proc", "/p"] {
            let text = attempt(dest, bind);
            assert!(
                text.ends_with(r#""/proc" cannot be mounted because it is not of type proc"#),
                "{dest} {text}"
            );
        }
        for dest in [
            "/proc/self",
            "/proc/missing",
            "/p/sys",
            "/proc/sys/kernel",
            "/s/kernel",
        ] {
            let text = attempt(dest, bind);
            assert!(
                text.ends_with("cannot be mounted because it is inside /proc"),
                "{dest} {text}"
            );
        }
    }
    // What is emulated by lxcfs may be.
    in_namespace(|place| {
        let file = place.file("uptime", "1 1\n");
        let mut plan = default_plan(place);
        plan.mounts
            .push(bind_mount(&file, "/proc/uptime", false, 0));
        enter(&plan).unwrap();
        assert_eq!(fs::read_to_string("/proc/uptime").unwrap(), "1 1\n");
    });
}

/// CVE-2021-30465 and CVE-2024-45310, without the race: mount targets that are links to the host.
#[test]
fn cve_2024_45310_targets_through_links() {
    in_namespace(|place| {
        let host = outside(place);
        let rootfs = place.rootfs();
        place.link(
            &format!("../../../../../../..{}", host.display()),
            "rootfs/dots",
        );
        place.link(host.to_str().unwrap(), "rootfs/absolute");
        place.link("absolute/more", "rootfs/chain");
        let file = place.file("file", "x");
        let mut plan = bare(place);
        plan.mounts = vec![
            bind_mount(&file, "/dots/a", false, 0),
            bind_mount(&file, "/absolute/b", false, 0),
            bind_mount(&file, "/chain/c", false, 0),
            filesystem("tmpfs", "/absolute/d", 0, ""),
        ];
        let prepared = prepare(&plan, &CgroupView::default()).unwrap();
        assert_eq!(
            fs::read_dir(&host).unwrap().count(),
            0,
            "something was made outside"
        );
        // Where the container itself would have found them.
        let inside = format!("{rootfs}{}", host.display());
        assert_eq!(fs::read_to_string(format!("{inside}/a")).unwrap(), "x");
        assert_eq!(fs::read_to_string(format!("{inside}/b")).unwrap(), "x");
        assert_eq!(fs::read_to_string(format!("{inside}/more/c")).unwrap(), "x");
        prepared.pivot().unwrap();
    });
}

/// Links of the procfs kind lead out of every root: they are not followed.
#[test]
fn magic_links_are_refused() {
    in_namespace(|place| {
        let host = outside(place);
        let open = File::open(&host).unwrap();
        use std::os::fd::AsRawFd;
        place.link(
            &format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd()),
            "rootfs/magic",
        );
        place.link(&format!("/proc/{}/root", std::process::id()), "rootfs/root");
        for dest in ["/magic/new", "/root/tmp/new"] {
            let mut plan = bare(place);
            plan.mounts = vec![
                filesystem("proc", "/proc", 0, ""),
                filesystem("tmpfs", dest, 0, ""),
            ];
            let text = refusal(&plan);
            assert!(
                text.ends_with(&format!(
                    "openat2 {dest}: too many levels of symbolic links"
                )),
                "{text}"
            );
            assert_eq!(fs::read_dir(&host).unwrap().count(), 0);
        }
    });
}

/// CVE-2026-41579: /dev is a link in the image, and there is no mount on /dev.
#[test]
fn cve_2026_41579_dev_is_a_link() {
    in_namespace(|place| {
        let host = outside(place);
        fs::remove_dir(place.path("rootfs/dev")).unwrap();
        place.link(host.to_str().unwrap(), "rootfs/dev");
        let mut plan = default_plan(place);
        plan.mounts
            .retain(|mount| !mount.destination.starts_with("/dev"));
        plan.masked_paths.clear();
        prepare(&plan, &CgroupView::default()).unwrap();
        assert_eq!(
            fs::read_dir(&host).unwrap().count(),
            0,
            "device nodes on the host"
        );
        let inside = format!("{}{}", place.rootfs(), host.display());
        assert_eq!(
            fs::metadata(format!("{inside}/null")).unwrap().rdev(),
            libc::makedev(1, 3)
        );
    });
    in_namespace(|place| {
        let host = outside(place);
        place.link(host.to_str().unwrap(), "rootfs/dev/sub");
        let mut plan = default_plan(place);
        plan.mounts
            .retain(|mount| !mount.destination.starts_with("/dev"));
        plan.devices.push(device("/dev/sub/node", 1, 3));
        prepare(&plan, &CgroupView::default()).unwrap();
        assert_eq!(
            fs::read_dir(&host).unwrap().count(),
            0,
            "device nodes on the host"
        );
    });
}

/// CVE-2025-31133: the image's /dev/null is something else, which would be put over every masked path.
#[test]
fn cve_2025_31133_dev_null_is_something_else() {
    let refused = |make: &(dyn Fn(&Place) + Sync), devices: bool, words: &str| {
        in_namespace(|place| {
            make(place);
            let mut plan = default_plan(place);
            plan.mounts
                .retain(|mount| !mount.destination.starts_with("/dev"));
            if !devices {
                plan.devices.clear();
            }
            let text = refusal(&plan);
            assert!(text.starts_with(words), "{text}");
        });
    };
    // The masks do not rely on the devices.
    let attempt = |make: &(dyn Fn(&Place) + Sync)| {
        refused(make, true, "error creating device nodes: /dev/null");
        refused(make, false, "can't mask path");
    };
    attempt(&|place| drop(place.file("rootfs/dev/null", "not null")));
    attempt(&|place| place.link("/proc/sys/kernel/core_pattern", "rootfs/dev/null"));
    attempt(&|place| {
        let zero = makedev(1, 5);
        let path = place.path("rootfs/dev/null");
        nix::sys::stat::mknod(
            &path,
            nix::sys::stat::SFlag::S_IFCHR,
            nix::sys::stat::Mode::S_IRUSR,
            zero,
        )
        .unwrap();
    });
}

fn makedev(major: u32, minor: u32) -> u64 {
    libc::makedev(major, minor)
}

/// CVE-2021-30465: a container that shares a volume swaps a mount target for a link while another one starts.
#[test]
fn cve_2021_30465_targets_swapped_while_mounting() {
    in_namespace(|place| {
        // The host's mounts that come later do not.
        let private = nix::mount::MsFlags::MS_PRIVATE | nix::mount::MsFlags::MS_REC;
        nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let host = outside(place);
        let rootfs = place.path("rootfs");
        fs::create_dir_all(rootfs.join("vol/real")).unwrap();
        symlink(
            format!("../../../../../../../..{}", host.display()),
            rootfs.join("vol/link"),
        )
        .unwrap();
        let stop = AtomicBool::new(false);
        let (real, link) = (rootfs.join("vol/real"), rootfs.join("vol/link"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                let here = nix::fcntl::AT_FDCWD;
                while !stop.load(Ordering::Relaxed) {
                    let _ = nix::fcntl::renameat2(here, &real, here, &link, flags);
                }
            });
            let file = place.file("file", "x");
            let root = Root::new(
                crate::sys::path::open_at(
                    crate::sys::path::HERE,
                    &place.rootfs(),
                    nix::fcntl::OFlag::O_PATH,
                )
                .unwrap(),
            );
            let before = parse_mounts(&fs::read_to_string("/proc/thread-self/mountinfo").unwrap());
            let mut made = 0;
            for round in 0..300 {
                let mut builder = super::super::mounts::Builder::new(&root);
                let cgroups = CgroupView::default();
                let plans = [
                    filesystem("tmpfs", &format!("/vol/real/t{round}"), 0, ""),
                    bind_mount(&file, &format!("/vol/real/f{round}"), false, 0),
                ];
                made += plans
                    .iter()
                    .filter(|plan| builder.mount(plan, &cgroups, None).is_ok())
                    .count();
            }
            stop.store(true, Ordering::Relaxed);
            let inside = format!("{}/", place.rootfs());
            let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let all = parse_mounts(&text);
            // The host's own may go meanwhile, but none comes.
            let (made_inside, others): (Vec<_>, Vec<_>) =
                all.iter().partition(|mount| mount.0.starts_with(&inside));
            assert_eq!(made_inside.len(), made);
            for mount in others {
                assert!(before.contains(mount), "{mount:?}");
            }
            assert_eq!(
                fs::read_dir(&host).unwrap().count(),
                0,
                "something was made outside"
            );
            println!("{made} of 600 mounts made, none outside");
        });
    });
}

/// CVE-2025-52565: the image has its own idea of /dev/console.
#[test]
fn cve_2025_52565_console_is_a_link() {
    in_namespace(|place| {
        place.file("rootfs/etc/target", "untouched");
        let mut plan = default_plan(place);
        // The container's /dev is the image's; only devpts is mounted.
        plan.mounts.retain(|mount| mount.destination != "/dev");
        place.link("/etc/target", "rootfs/dev/console");
        prepare(&plan, &CgroupView::default())
            .unwrap()
            .pivot()
            .unwrap();
        let pty = crate::tty::Pty::open(None).unwrap();
        let text = bind_console(pty.slave()).unwrap_err().to_string();
        assert!(
            text.ends_with("openat2 /dev/console: too many levels of symbolic links"),
            "{text}"
        );
        assert_eq!(fs::read_to_string("/etc/target").unwrap(), "untouched");
    });
    in_namespace(|place| {
        let plan = default_plan(place);
        prepare(&plan, &CgroupView::default())
            .unwrap()
            .pivot()
            .unwrap();
        let pty = crate::tty::Pty::open(None).unwrap();
        bind_console(pty.slave()).unwrap();
        finish(&plan).unwrap();
        let console = fs::metadata("/dev/console").unwrap();
        assert_eq!(
            console.rdev(),
            nix::sys::stat::fstat(pty.slave()).unwrap().st_rdev
        );
        assert_eq!(
            mounts()
                .into_iter()
                .filter(|mount| mount.0 == "/dev/console" && mount.3 == "devpts")
                .count(),
            1
        );
    });
}
