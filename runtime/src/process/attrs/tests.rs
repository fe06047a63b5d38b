//! Against the real kernel. Capabilities, ids and namespaces are a thread's: each case of a property is a thread of a process of its own.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;

use super::kernel::rlimit_name;
use super::kernel::set_names as kernel_names;
use super::*;
use crate::plan::Rlimit;
use crate::sys::caps as kernel;
use crate::sys::fork::in_one_thread;
use crate::testing::solo;

/// A field of the calling thread's status, as the kernel writes it.
fn field(name: &str) -> String {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.strip_prefix(':')).unwrap();
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mask(name: &str) -> u64 {
    u64::from_str_radix(&field(name), 16).unwrap()
}

fn in_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(body).join().unwrap()
}

fn plan(uid: u32, gid: u32) -> ProcessPlan {
    ProcessPlan {
        args: vec![String::from("sh")],
        env: vec![String::from("PATH=/bin"), String::from("HOME=/")],
        cwd: String::from("/"),
        uid,
        gid,
        additional_gids: vec![],
        umask: 0o022,
        capabilities: None,
        rlimits: vec![],
        no_new_privileges: false,
        oom_score_adj: None,
        terminal: false,
        console_size: None,
    }
}

/// The calling thread keeps all capabilities but these.
fn without(caps: u64) {
    let has = kernel::capget().unwrap();
    kernel::capset(kernel::Sets {
        effective: has.effective & !caps,
        permitted: has.permitted & !caps,
        inheritable: 0,
    })
    .unwrap();
}

fn bit(name: &str) -> u64 {
    1 << caps::from_name(name).unwrap()
}

#[test]
fn every_capability_has_its_number() {
    let last: usize = fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let names: Vec<_> = caps::all_names().collect();
    assert!(names.len() <= last + 1, "the kernel knows all of ours");
    for (number, name) in (0..).zip(&names) {
        assert_eq!(caps::from_name(name), Some(number));
        assert!(caps::supported(number).unwrap());
    }
    // Fixed points of linux/capability.h.
    for (name, number) in [
        ("CAP_CHOWN", 0),
        ("CAP_KILL", 5),
        ("CAP_SYS_ADMIN", 21),
        ("CAP_SYS_RESOURCE", 24),
        ("CAP_SETFCAP", 31),
        ("CAP_CHECKPOINT_RESTORE", 40),
    ] {
        assert_eq!(caps::from_name(name), Some(number));
    }
    for unknown in ["KILL", "cap_kill", "CAP_", "CAP_FOO", ""] {
        assert_eq!(caps::from_name(unknown), None, "{unknown:?}");
    }
    assert!(!caps::supported(63).unwrap());
    assert_eq!(caps::names(1 << 5 | 1 << 63), ["CAP_KILL", "capability 63"]);
}

solo! {
    /// Whatever a plan asks for that can be had, /proc/self/status shows exactly that.
    fn capabilities_are_exactly_the_plans() {
        let own = kernel::capget().unwrap().permitted;
        let start = Status::read().unwrap();
        assert_eq!(own, start.bounding, "the test needs all of root's capabilities");
        let sets = [any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()];
        let users = prop_oneof![Just(0u32), Just(1000)];
        proptest!(ProptestConfig::with_cases(300), |(sets in sets, uid in users)| {
            let permitted = sets[0] & own;
            let plan = Capabilities {
                permitted,
                effective: sets[1] & permitted,
                // The kernel lets nothing become inheritable that is not in the bounding set.
                inheritable: sets[2] & own & sets[3],
                // Also what no kernel knows, and what this one has not got.
                bounding: sets[3],
                ambient: sets[4] & own,
            };
            let seen = in_thread(move || {
                caps::drop_bounding(&plan, &start).unwrap();
                creds::switch(&super::tests::plan(uid, 0), &start, true).unwrap();
                let not_raised = caps::apply(&plan, uid, &start, 0).unwrap();
                let again = kernel::capset(kernel::Sets { permitted: own, ..Default::default() });
                let regained = again.is_ok() && permitted != own;
                (["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(mask), not_raised, regained)
            });
            let raised = plan.ambient & plan.permitted & plan.inheritable;
            let want = [plan.inheritable, permitted, plan.effective, plan.bounding & own, raised];
            prop_assert_eq!(seen, (want, plan.ambient & !raised, false));
        });
    }
}

solo! {
    fn an_inherited_ambient_set_does_not_stay() {
        let kill = bit("CAP_KILL");
        let own = kernel::capget().unwrap();
        kernel::capset(kernel::Sets { inheritable: kill, ..own }).unwrap();
        kernel::ambient_raise(5).unwrap();
        // Read from the thread that has it.
        let status = Status { ambient: mask("CapAmb"), ..Status::read().unwrap() };
        assert_eq!(status.ambient, kill);
        let plan = Capabilities {
            bounding: kill, effective: kill, permitted: kill, inheritable: kill, ambient: 0,
        };
        assert_eq!(caps::apply(&plan, 0, &status, 0), Ok(0));
        assert_eq!(mask("CapAmb"), 0);
    }
}

solo! {
    fn what_is_not_to_be_had_is_named() {
        without(bit("CAP_SYS_TIME"));
        let status = Status::read().unwrap();
        let time = bit("CAP_SYS_TIME") | bit("CAP_KILL");
        let plan = Capabilities { permitted: time, effective: time, ..Default::default() };
        assert_eq!(
            caps::apply(&plan, 0, &status, 0).unwrap_err().to_string(),
            "unable to apply caps: operation not permitted (not to be had here: CAP_SYS_TIME)"
        );
        without(bit("CAP_SETPCAP"));
        assert_eq!(
            caps::drop_bounding(&plan, &status).unwrap_err().to_string(),
            "unable to apply bounding set: operation not permitted"
        );
        let all = Capabilities { bounding: u64::MAX, ..Default::default() };
        assert_eq!(caps::drop_bounding(&all, &status), Ok(()), "nothing to drop");
    }
}

solo! {
    fn user_and_groups() {
        let start = Status::read().unwrap();
        in_thread(move || {
            let mut plan = plan(1000, 1001);
            plan.additional_gids = vec![7, 5, 4_000_000_000];
            creds::switch(&plan, &start, true).unwrap();
            assert_eq!(field("Uid"), "1000 1000 1000 1000");
            assert_eq!(field("Gid"), "1001 1001 1001 1001");
            assert_eq!(field("Groups"), "5 7 4000000000");
            // Root is gone for good.
            let root = super::tests::plan(0, 0);
            assert!(creds::switch(&root, &Status::default(), false).is_err());
        });
        in_thread(move || {
            let mut plan = plan(0, 0);
            creds::switch(&plan, &start, true).unwrap();
            assert_eq!((field("Groups").as_str(), field("Uid").as_str()), ("", "0 0 0 0"));
            plan.additional_gids = vec![1];
            let error = creds::switch(&plan, &start, false).unwrap_err().to_string();
            assert_eq!(error, "unable to setup user: setgroups: operation not permitted (denied in this user namespace: no additionalGids)");
        });
    }
}

solo! {
    /// What the caller was is no part of what the container is, however it was started.
    fn the_callers_ids_do_not_stay() {
        use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
        in_one_thread(|| {
            setgroups(&[Gid::from_raw(27), Gid::from_raw(0)]).unwrap();
            // Effective root, the rest not: as from a set-uid program.
            setresgid(Gid::from_raw(100), Gid::from_raw(0), Gid::from_raw(0)).unwrap();
            setresuid(Uid::from_raw(1000), Uid::from_raw(0), Uid::from_raw(0)).unwrap();
            let status = Status::read().unwrap();
            assert_eq!((status.uid, status.gid, status.no_groups), (None, None, false));
            creds::switch(&plan(0, 0), &status, true).unwrap();
            for (name, value) in [("Uid", "0 0 0 0"), ("Gid", "0 0 0 0"), ("Groups", "")] {
                assert_eq!(field(name), value);
            }
        });
    }
}

solo! {
    fn stdio_is_the_users_but_not_devices() {
        let owner = |fd: u32| fs::metadata(format!("/proc/self/fd/{fd}")).unwrap().uid();
        // A terminal of our own: should this fail, no device of the machine has changed hands.
        let pty = crate::tty::Pty::open(None).unwrap();
        nix::unistd::dup2_stdin(pty.slave()).unwrap();
        assert_eq!([0, 1, 2].map(owner), [0; 3]);
        creds::own_stdio(0, false).unwrap();
        creds::own_stdio(1000, false).unwrap();
        // stdin is a device, stdout and stderr are pipes.
        assert_eq!([0, 1, 2].map(owner), [0, 1000, 1000]);
        creds::own_stdio(1000, true).unwrap();
        assert_eq!(owner(0), 1000, "the container's own console");
    }
}

solo! {
    fn limits() {
        let nofile = libc::RLIMIT_NOFILE;
        assert_eq!(rlimit_name(nofile), "RLIMIT_NOFILE");
        assert_eq!(rlimit_name(libc::RLIMIT_RTTIME), "RLIMIT_RTTIME");
        assert_eq!(rlimit_name(16), "RLIMIT_?");
        let limit = |soft, hard| [Rlimit { resource: nofile, soft, hard }];
        rlimits(&limit(100, 200)).unwrap();
        let text = fs::read_to_string("/proc/self/limits").unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(line.split_whitespace().skip(3).collect::<Vec<_>>(), ["100", "200", "files"]);

        without(bit("CAP_SYS_RESOURCE"));
        assert_eq!(
            rlimits(&limit(100, 300)).unwrap_err().to_string(),
            "error setting rlimit type 7 (RLIMIT_NOFILE, soft 100, hard 300): operation not permitted \
             (raising the hard limit from 200 needs CAP_SYS_RESOURCE)"
        );
        assert_eq!(
            rlimits(&limit(u64::MAX, 100)).unwrap_err().to_string(),
            "error setting rlimit type 7 (RLIMIT_NOFILE, soft unlimited, hard 100): invalid argument \
             (the soft limit is above the hard one)"
        );
    }
}

solo! {
    fn oom_score() {
        let now = || fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        oom_score_adj(900).unwrap();
        assert_eq!(now(), "900\n");
        without(bit("CAP_SYS_RESOURCE"));
        assert_eq!(
            oom_score_adj(-1000).unwrap_err().to_string(),
            "failed to update /proc/self/oom_score_adj to -1000: permission denied \
             (lowering it needs CAP_SYS_RESOURCE)"
        );
        assert_eq!(now(), "900\n");
    }
}

solo! {
    fn host_and_domain_name() {
        unshare(CloneFlags::CLONE_NEWUTS).unwrap();
        kernel_names(Some("box"), Some("example.org")).unwrap();
        let uts = nix::sys::utsname::uname().unwrap();
        assert_eq!(uts.nodename(), "box");
        assert_eq!(uts.domainname(), "example.org");
        let long = "x".repeat(65);
        let error = kernel_names(Some(&long), None).unwrap_err();
        assert_eq!(error.to_string(), "sethostname: invalid argument");
        let error = kernel_names(None, Some(&long)).unwrap_err();
        assert_eq!(error.to_string(), "setdomainname: invalid argument");
    }
}

solo! {
    fn loopback() {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(socket.send_to(b"x", ("127.0.0.1", port)).is_err(), "it is down");
        loopback_up().unwrap();
        assert_eq!(socket.send_to(b"x", ("127.0.0.1", port)).unwrap(), 1);
        assert_eq!(socket.recv(&mut [0]).unwrap(), 1);
    }
}

fn mount(source: &str, target: &str, fstype: Option<&str>, flags: nix::mount::MsFlags) {
    nix::mount::mount(Some(source), target, fstype, flags, None::<&str>).unwrap();
}

solo! {
    fn sysctl_writes_there_and_nowhere_else() {
        use nix::mount::MsFlags;
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC).unwrap();
        mount("none", "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        let set = |path: &str, value: &str| {
            let entry = (path.to_owned(), value.to_owned());
            sysctl(&[entry]).map_err(|error| error.to_string())
        };
        let get = |path: &str| fs::read_to_string(format!("/proc/sys/{path}")).unwrap();
        let forward = "net/ipv4/ip_forward";
        assert_eq!(get(forward), "0\n");
        set(forward, "1").unwrap();
        assert_eq!(get(forward), "1\n");
        set("kernel/shm_rmid_forced", "1").unwrap();
        assert_eq!(get("kernel/shm_rmid_forced"), "1\n");

        for (path, value, error) in [
            ("net/foo/bar", "1", "open /proc/sys/net/foo/bar: no such file or directory"),
            (forward, "junk", "write /proc/sys/net/ipv4/ip_forward: invalid argument"),
            // A way out of /proc/sys.
            ("../1/oom_score_adj", "0", "open /proc/sys/../1/oom_score_adj: cross-device link"),
            ("../self/oom_score_adj", "0", "open /proc/sys/../self/oom_score_adj: cross-device link"),
        ] {
            let got = set(path, value).unwrap_err();
            assert_eq!(got.replace("invalid cross", "cross"), error);
        }

        // A file of the image's choice in the place of the sysctl (CVE-2019-16884 and CVE-2025-52881 are of this kind).
        let decoy = std::env::temp_dir().join(format!("decoy-{}", std::process::id()));
        fs::write(&decoy, "untouched").unwrap();
        let decoy = decoy.to_str().unwrap();
        mount(decoy, "/proc/sys/net/ipv4/ip_forward", None, MsFlags::MS_BIND);
        assert!(set(forward, "1").is_err());
        assert_eq!(fs::read_to_string(decoy).unwrap(), "untouched");
        fs::remove_file(decoy).unwrap();

        // Another directory of a procfs in its root's place.
        mount("/proc/1", "/mnt", None, MsFlags::MS_BIND);
        mount("/mnt", "/proc", None, MsFlags::MS_BIND);
        assert!(set(forward, "1").unwrap_err().contains("not a procfs"));
        // No procfs at all.
        mount("tmpfs", "/proc", Some("tmpfs"), MsFlags::empty());
        fs::create_dir_all("/proc/sys/net/ipv4").unwrap();
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        assert!(set(forward, "1").unwrap_err().contains("not a procfs"));
        assert_eq!(get(forward), "0");
    }
}

solo! {
    fn keyring() {
        let id = format!("test-{}", std::process::id());
        session_keyring(&id, false).unwrap();
        let keys = fs::read_to_string("/proc/keys").unwrap();
        let name = format!("_ses.{id}:");
        let line = keys.lines().find(|line| line.contains(&name)).unwrap_or_else(|| panic!("{keys}"));
        assert_eq!(line.split_whitespace().nth(4), Some("3f1b0000"), "{line}");
        // Joined anew, as by `exec`.
        session_keyring(&id, false).unwrap();
        assert_eq!(fs::read_to_string("/proc/keys").unwrap().matches(&name).count(), 1);
    }
}

solo! {
    fn working_directory() {
        let base = std::env::temp_dir().join(format!("cwd-{}", std::process::id()));
        fs::create_dir(&base).unwrap();
        let path = |name: &str| base.join(name).to_str().unwrap().to_owned();

        cwd::create(&path("a/b/c")).unwrap();
        cwd::create(&path("a/b/c")).unwrap();
        assert_eq!(fs::metadata(path("a/b/c")).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(cwd::enter_early(&path("a/b/c")), Ok(true));
        cwd::verify().unwrap();

        fs::write(path("file"), "").unwrap();
        let file = path("file");
        assert_eq!(
            cwd::enter_early(&file).unwrap_err().to_string(),
            format!("chdir to cwd ({file:?}) set in config.json failed: not a directory")
        );
        let below = path("file/x");
        assert_eq!(cwd::create(&below).unwrap_err().to_string(), format!("mkdir {below}: not a directory"));

        // Only the user may enter; then only root.
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(path("a"), fs::Permissions::from_mode(0o700)).unwrap();
        chown(path("a"), Some(1000), Some(1000)).unwrap();
        let a = path("a");
        let cwd_of_thread = |a: String, chdir_as_root: bool| in_thread(move || {
            unshare(CloneFlags::CLONE_FS).unwrap();
            if chdir_as_root {
                without(bit("CAP_DAC_OVERRIDE") | bit("CAP_DAC_READ_SEARCH"));
            }
            let mut plan = plan(1000, 1000);
            plan.cwd = a;
            plan.capabilities = Some(Capabilities::default());
            let result = finalize(&plan, &Status::read().unwrap(), false, true, 0);
            (result, fs::read_link("/proc/thread-self/cwd").unwrap())
        });
        let (result, cwd) = cwd_of_thread(a.clone(), true);
        assert_eq!(result.unwrap().program, "/bin/sh");
        assert_eq!(cwd.to_str().unwrap(), a);
        chown(&a, Some(0), Some(0)).unwrap();
        let (result, cwd) = cwd_of_thread(a.clone(), false);
        result.unwrap();
        assert_eq!(cwd.to_str().unwrap(), a);
        // Neither.
        chown(&a, Some(1), Some(1)).unwrap();
        let (result, _) = cwd_of_thread(a.clone(), true);
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("chdir to cwd ({a:?}) set in config.json failed: permission denied")
        );
        fs::remove_dir_all(&base).unwrap();
    }
}

solo! {
    /// CVE-2024-21626: the working directory, entered by a descriptor of the host, is above the root.
    fn a_working_directory_outside_is_refused() {
        let root = std::env::temp_dir().join(format!("root-{}", std::process::id()));
        fs::create_dir_all(root.join("proc")).unwrap();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount("none", "/", None, nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE);
        mount("/proc", root.join("proc").to_str().unwrap(), None, nix::mount::MsFlags::MS_BIND);
        let status = Status::read().unwrap();
        let outside = fs::File::open("/").unwrap();
        nix::unistd::chroot(&root).unwrap();
        nix::unistd::fchdir(&outside).unwrap();
        assert_eq!(cwd::verify(), Err(Error::CwdOutside));
        nix::unistd::chdir("/").unwrap();
        cwd::verify().unwrap();
        // As a config or an image has it.
        let leaked = format!("/proc/self/fd/{}", outside.as_raw_fd());
        let plan = ProcessPlan { cwd: leaked, ..plan(0, 0) };
        assert_eq!(finalize(&plan, &status, false, true, 0), Err(Error::CwdOutside));
        nix::unistd::fchdir(&outside).unwrap();
        nix::unistd::chroot(".").unwrap();
        nix::mount::umount(&root.join("proc")).unwrap();
        fs::remove_dir(root.join("proc")).unwrap();
        fs::remove_dir(&root).unwrap();
    }
}

solo! {
    fn no_new_privs_and_umask() {
        no_new_privileges(&plan(0, 0)).unwrap();
        assert_eq!(field("NoNewPrivs"), "0");
        no_new_privileges(&ProcessPlan { no_new_privileges: true, ..plan(0, 0) }).unwrap();
        assert_eq!(field("NoNewPrivs"), "1");
        creds::umask(&ProcessPlan { umask: 0o027, ..plan(0, 0) });
        assert_eq!(field("Umask"), "0027");
    }
}
