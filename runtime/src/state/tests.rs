//! The state directory on the real file system.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A `--root` that is gone after the test.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(
            std::env::temp_dir()
                .join(format!("state-{}-{n}", std::process::id()))
                .join("root"),
        )
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn record(name: &str) -> Record {
    let annotations = [
        ("a".to_owned(), "x=y".to_owned()),
        ("b".to_owned(), String::new()),
    ]
    .into();
    Record {
        id: name.to_owned(),
        init_process_pid: 7,
        init_process_start: u64::MAX,
        created: "2026-11-23T18:10:01.925823338Z".to_owned(),
        config: Config {
            rootfs: "/b/rootfs".to_owned(),
            hostname: "h".to_owned(),
            namespaces: vec![Namespace {
                kind: "NEWPID".to_owned(),
                path: String::new(),
            }],
            labels: Record::labels("/b=c", &annotations),
            cgroups: Default::default(),
        },
        cgroup_paths: [("memory".to_owned(), "/sys/fs/cgroup/memory/x".to_owned())].into(),
        namespace_paths: [("NEWPID".to_owned(), "/proc/7/ns/pid".to_owned())].into(),
        runtime: Runtime {
            version: Record::VERSION,
            oci_version: "1.0.2".to_owned(),
            hooks: Default::default(),
            agent: None,
            start_hooks: 0,
            weight: 0,
            no_new_keyring: false,
        },
    }
}

#[test]
fn ids() {
    let longest = "x".repeat(1024);
    for good in ["a", "A-z_0+9.", "...", "-", ".a", longest.as_str()] {
        assert_eq!(id(good).as_str(), good);
    }
    let longer = "x".repeat(1025);
    assert!(matches!(Id::parse(""), Err(Error::EmptyId)));
    for bad in [
        ".",
        "..",
        "a/b",
        "/",
        "a b",
        "a\0",
        "é",
        "a\n",
        "a:b",
        longer.as_str(),
    ] {
        assert!(matches!(Id::parse(bad), Err(Error::InvalidId)), "{bad:?}");
    }
}

#[test]
fn what_is_written_is_read() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    assert!(
        matches!(dir.read(), Err(Error::NotFound)),
        "not written yet"
    );
    let first = record("a");
    dir.write(&first).unwrap();
    assert_eq!(Dir::open(&root.0, &id("a")).unwrap().read().unwrap(), first);
    let second = Record {
        init_process_pid: 8,
        ..first
    };
    dir.write(&second).unwrap();
    assert_eq!(dir.read().unwrap(), second);
    assert_eq!(second.bundle(), "/b=c");
    assert_eq!(
        second.annotations(),
        [
            ("a".to_owned(), "x=y".to_owned()),
            ("b".to_owned(), String::new())
        ]
        .into()
    );
    assert_eq!(names(&dir.path()), ["state.json"], "nothing else stays");
}

#[test]
fn modes_are_runcs() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    dir.write(&record("a")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&root.0), 0o700);
    assert_eq!(mode(&dir.path()), 0o711);
    assert_eq!(mode(&dir.path().join("state.json")), 0o600);
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Third parties read these in runc's file.
#[test]
fn the_keys_are_runcs() {
    let value: serde_json::Value = serde_json::to_value(record("a")).unwrap();
    for pointer in [
        "/id",
        "/init_process_pid",
        "/init_process_start",
        "/created",
        "/config/rootfs",
        "/config/labels/0",
        "/config/namespaces/0/type",
        "/cgroup_paths/memory",
        "/namespace_paths/NEWPID",
    ] {
        assert!(value.pointer(pointer).is_some(), "{pointer} in {value}");
    }
    assert_eq!(value["config"]["labels"][0], "bundle=/b=c");
}

/// Records have had members that nobody read.
#[test]
fn a_record_of_an_older_build_is_read() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    let mut value = serde_json::to_value(record("a")).unwrap();
    value["rootless"] = true.into();
    value["runtime"]["phase"] = "creating".into();
    value["runtime"]["gate"] = serde_json::json!({"inode": "9"});
    fs::write(dir.path().join("state.json"), value.to_string()).unwrap();
    assert_eq!(dir.read().unwrap(), record("a"));
}

#[test]
fn of_many_creators_one_wins() {
    const CREATORS: usize = 8;
    let root = Root::new();
    let barrier = Barrier::new(CREATORS);
    let results: Vec<_> = std::thread::scope(|scope| {
        let create = || {
            barrier.wait();
            Dir::create_exclusive(&root.0, &id("a"))
        };
        let threads: Vec<_> = (0..CREATORS).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    for loser in results.iter().filter_map(|r| r.as_ref().err()) {
        assert_eq!(loser.to_string(), "container with given ID already exists");
    }
}

#[test]
fn the_lock_lasts_as_long_as_its_holder() {
    let root = Root::new();
    let creator = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    let other = Dir::open(&root.0, &id("a")).unwrap();
    assert!(other.is_locked().unwrap());
    assert!(other.is_locked().unwrap(), "who asks changes nothing");
    drop(creator);
    assert!(!other.is_locked().unwrap());
}

/// `list` and `state` look at containers that are being made: no creator may fail of it.
#[test]
fn who_looks_does_not_hinder_a_creator() {
    let root = Root::new();
    fs::create_dir_all(&root.0).unwrap();
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    if let Ok(dir) = Dir::open(&root.0, &id("a")) {
                        let _ = dir.is_locked().unwrap();
                    }
                }
            });
        }
        let failed: Vec<_> = (0..2000)
            .filter_map(|_| {
                Dir::create_exclusive(&root.0, &id("a"))
                    .and_then(|dir| dir.remove())
                    .err()
            })
            .collect();
        done.store(1, Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
}

#[test]
fn junk_is_named() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    let path = dir.path().join("state.json");
    let good = serde_json::to_string(&record("a")).unwrap();
    let cuts = (0..good.len()).map(|at| good[..at].to_owned());
    let foreign = [
        serde_json::to_string(&record("b")).unwrap(),
        good.replace("\"version\":1", "\"version\":2"),
        good.clone() + "x",
        "[".repeat(100_000),
        "\0\u{1}".to_owned(),
        " ".repeat((4 << 20) + 1),
    ];
    for text in cuts.chain(foreign) {
        fs::write(&path, &text).unwrap();
        match dir.read() {
            Err(error @ Error::Junk { .. }) => {
                assert!(
                    error.to_string().starts_with(&path.display().to_string()),
                    "{error}"
                );
            }
            other => panic!("{other:?} of {} bytes", text.len()),
        }
    }
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(
        matches!(dir.read(), Err(Error::Sys { .. })),
        "a link is not followed"
    );
}

#[test]
fn a_torn_write_changes_nothing() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    dir.write(&record("a")).unwrap();
    // What a writer that was killed leaves.
    fs::write(dir.path().join("state.json.tmp"), "{\"id\":").unwrap();
    assert_eq!(dir.read().unwrap(), record("a"));
    dir.write(&Record {
        init_process_pid: 9,
        ..record("a")
    })
    .unwrap();
    assert_eq!(dir.read().unwrap().init_process_pid, 9);
}

#[test]
fn a_failed_write_changes_nothing() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    dir.write(&record("a")).unwrap();
    // A link where the new record would be written is not followed.
    symlink("/dev/full", dir.path().join("state.json.tmp")).unwrap();
    assert!(
        dir.write(&Record {
            init_process_pid: 9,
            ..record("a")
        })
        .is_err()
    );
    assert_eq!(dir.read().unwrap(), record("a"));
}

#[test]
fn remove_removes_what_is_ours_only() {
    let root = Root::new();
    let make = |name: &str| {
        let dir = Dir::create_exclusive(&root.0, &id(name)).unwrap();
        for file in ["gate", "gate.sock", "state.json", "state.json.tmp"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        dir
    };
    make("a").remove().unwrap();
    assert_eq!(names(&root.0), [""; 0]);
    let dir = make("b");
    let path = dir.path();
    fs::write(path.join("precious"), "").unwrap();
    let error = dir.remove().unwrap_err().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    assert_eq!(names(&path), ["precious"]);
    // As after a `remove` that was killed: there is a directory, and no record.
    fs::remove_file(path.join("precious")).unwrap();
    Dir::open(&root.0, &id("b")).unwrap().remove().unwrap();
    assert!(matches!(Dir::open(&root.0, &id("b")), Err(Error::NotFound)));
}

#[test]
fn a_removed_directory_takes_no_record() {
    let root = Root::new();
    let creator = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    Dir::open(&root.0, &id("a")).unwrap().remove().unwrap();
    assert!(creator.write(&record("a")).is_err());
    // Nor does it land in a new container of the same name.
    let second = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    assert!(creator.write(&record("a")).is_err());
    assert!(matches!(second.read(), Err(Error::NotFound)));
}

/// Who had it open when somebody deleted it says what it says a moment later.
#[test]
fn the_config_of_a_container_that_is_deleted_meanwhile() {
    let root = Root::new();
    let dir = Dir::create_exclusive(&root.0, &id("a")).unwrap();
    dir.write(&record("a")).unwrap();
    let opened = Dir::open(&root.0, &id("a")).unwrap();
    let error = opened.config().unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read the container's config.json: open "),
        "{error}"
    );
    dir.remove().unwrap();
    assert!(matches!(opened.config(), Err(Error::NotFound)));
}

#[test]
fn lists_names_only() {
    let root = Root::new();
    assert!(list(&root.0).unwrap().is_empty(), "a missing root");
    for name in ["b", "a", "c.1"] {
        Dir::create_exclusive(&root.0, &id(name)).unwrap();
    }
    fs::write(root.0.join("file"), "").unwrap();
    fs::create_dir(root.0.join("no name")).unwrap();
    let found: Vec<String> = list(&root.0).unwrap().iter().map(Id::to_string).collect();
    assert_eq!(found, ["a", "b", "c.1"]);
    assert!(list(&root.0.join("file")).is_err());
}

#[test]
fn a_name_that_the_file_system_refuses_is_an_error() {
    let root = Root::new();
    let error = Dir::create_exclusive(&root.0, &id(&"x".repeat(300)))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("file name too long"), "{error}");
}

#[test]
fn stat_lines() {
    let tail = "S 1 2 3 4 5 8 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
    let parsed = Some(ProcStat {
        state: b'S',
        exiting: false,
        start_time: 4711,
    });
    let dying = parse_stat(format!("7 (a) {}", tail.replace(" 8 7 ", " 12 7 ")).as_bytes());
    assert!(dying.unwrap().is_dead(), "PF_EXITING");
    for command in ["a", "a) R 1 (", ")", "", " ", "\n", "é"] {
        assert_eq!(
            parse_stat(format!("7 ({command}) {tail}\n").as_bytes()),
            parsed,
            "{command:?}"
        );
    }
    let cut = "7 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
    for bad in [
        "",
        "7",
        "7 (a",
        "7 (a)",
        "(a) ",
        "x (a) S",
        "7 (a) SS 1",
        "7 (a) 1",
        cut,
        &format!("{cut} -1 0"),
    ] {
        assert_eq!(parse_stat(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn stat_of_a_process() {
    let pid = i32::try_from(std::process::id()).unwrap();
    let own = proc_stat(pid).unwrap().unwrap();
    assert!(!own.is_dead());
    // ps(1) says the same, in seconds: the kernel's own word is the whole line.
    let line = fs::read(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(parse_stat(&line).unwrap().start_time, own.start_time);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let child_pid = i32::try_from(child.id()).unwrap();
    // Waits for the end without reaping.
    nix::sys::wait::waitid(
        nix::sys::wait::Id::Pid(nix::unistd::Pid::from_raw(child_pid)),
        nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
    )
    .unwrap();
    assert!(proc_stat(child_pid).unwrap().unwrap().is_dead());
    child.wait().unwrap();
    assert_eq!(proc_stat(child_pid).unwrap(), None);
}
