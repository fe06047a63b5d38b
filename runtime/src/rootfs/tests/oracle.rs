//! Our path resolution beside that of pathrs, over random trees full of links.

use std::cell::Cell;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use pathrs::InodeType;
use pathrs::error::ErrorKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::rootfs::path::Make;

/// One thing to put into the tree; what does not work out (no parent, exists) is left out.
#[derive(Debug, Clone)]
enum Entry {
    Dir(String),
    File(String),
    Link(String, String),
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..3).prop_map(|names| format!("/t/{}", names.join("/")))
}

/// Relative, absolute, with `.` and `..` and double slashes, dangling, looping, out of the root, and those of procfs.
fn target() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "d", "..", "..", ".", ""]);
    let relative = prop::collection::vec(part, 1..6)
        .prop_map(|parts| parts.join("/"))
        .prop_filter("empty", |text| !text.is_empty());
    let special = prop::sample::select(vec![
        "/t",
        "/t/a",
        "/t/../t/b",
        "../../../../../../../../outside",
        "/outside",
        "/proc/self/root",
        "/proc/self/root/outside",
        "/proc/self/cwd",
        "/proc/self/fd/0",
        "/proc/self",
        "/proc",
        "/",
        "/missing/../t/a",
    ]);
    prop_oneof![3 => relative, 1 => special.prop_map(str::to_owned)]
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        3 => path().prop_map(Entry::Dir),
        1 => path().prop_map(Entry::File),
        4 => (path(), target()).prop_map(|(path, target)| Entry::Link(path, target)),
    ]
}

/// Made through the oracle: by plain paths, the tree's own links would lead this very test out of the root.
fn build(root: &pathrs::Root, entries: &[Entry]) {
    for name in ["a", "b", "c", "d", "t", "missing", "outside"] {
        let _ = root.remove_all(name);
    }
    let mode = || fs::Permissions::from_mode(0o755);
    root.create("/t", &InodeType::Directory(mode())).unwrap();
    for entry in entries {
        let _ = match entry {
            Entry::Dir(path) => root.create(path, &InodeType::Directory(mode())),
            Entry::File(path) => root.create(path, &InodeType::File(mode())),
            Entry::Link(path, target) => root.create(path, &InodeType::Symlink(target.into())),
        };
    }
}

/// Device and inode, or the error number.
type Seen = std::result::Result<(u64, u64), Errno>;

fn identity(fd: impl AsFd) -> (u64, u64) {
    let stat = nix::sys::stat::fstat(fd).unwrap();
    (stat.st_dev, stat.st_ino)
}

fn theirs(root: &pathrs::Root, path: &str) -> Seen {
    loop {
        match root.resolve(path) {
            Ok(handle) => return Ok(identity(handle)),
            Err(error) => match error.kind() {
                // Somebody else on this machine has mounted or renamed something just now; they give up sooner than we do.
                ErrorKind::OsError(Some(libc::EAGAIN)) => {}
                ErrorKind::OsError(Some(number)) => return Err(Errno::from_raw(number)),
                other => panic!("{other:?} {error}"),
            },
        }
    }
}

fn ours(root: &Root, path: &str) -> Seen {
    root.find(path)
        .map(|found| identity(found.fd))
        .map_err(|error| error.errno)
}

/// All that is outside of the root, which nothing may change.
fn outside(place: &Place) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(&place.dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.extend(
        fs::read_dir("/")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()),
    );
    names.sort();
    names
}

#[test]
fn same_resolution_and_same_refusal_as_pathrs() {
    in_namespace(|place| {
        let none: Option<&str> = None;
        mount(
            Some("proc"),
            &place.path("rootfs/proc"),
            Some("proc"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
        let path_of_root = place.rootfs();
        let opened = crate::sys::path::open_at(
            crate::sys::path::HERE,
            &path_of_root,
            nix::fcntl::OFlag::O_PATH,
        )
        .unwrap();
        let root = Root::new(opened);
        let oracle = pathrs::Root::open(&path_of_root).unwrap();
        let before = outside(place);
        let (found, refused, made) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let bump = |counter: &Cell<u32>| counter.set(counter.get() + 1);
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            cases: 1500,
            ..Config::default()
        });
        let trees = (
            prop::collection::vec(entry(), 0..20),
            prop::collection::vec(path(), 1..8),
        );
        runner
            .run(&trees, |(entries, queries)| {
                build(&oracle, &entries);
                for query in &queries {
                    let (ours, theirs) = (ours(&root, query), theirs(&oracle, query));
                    prop_assert_eq!(ours, theirs, "find {}", query);
                    bump(if ours.is_ok() { &found } else { &refused });
                }
                for query in &queries {
                    match root.ensure(query, Make::Dir) {
                        Ok(made_here) => {
                            // What was found or made is what the container finds under that name.
                            prop_assert_eq!(
                                Ok(identity(&made_here.fd)),
                                theirs(&oracle, query),
                                "ensure {}",
                                query
                            );
                            let again = root.open_plain(&made_here.path, 0).map(identity);
                            prop_assert_eq!(
                                again.ok(),
                                Some(identity(&made_here.fd)),
                                "{}",
                                made_here.path
                            );
                            bump(&made);
                        }
                        Err(error) => {
                            let theirs =
                                oracle.mkdir_all(query, &fs::Permissions::from_mode(0o755));
                            prop_assert!(
                                theirs.is_err(),
                                "ensure {}: only we refuse: {}",
                                query,
                                error
                            );
                        }
                    }
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(outside(place), before);
        println!(
            "{} found, {} refused, {} ensured",
            found.get(),
            refused.get(),
            made.get()
        );
        assert!(
            found.get() > 500 && refused.get() > 500 && made.get() > 500,
            "the trees are not worth much"
        );
    });
}

/// As many links as the kernel follows, and one more.
#[test]
fn as_many_links_as_the_kernel() {
    in_namespace(|place| {
        let opened = crate::sys::path::open_at(
            crate::sys::path::HERE,
            &place.rootfs(),
            nix::fcntl::OFlag::O_PATH,
        )
        .unwrap();
        let root = Root::new(opened);
        let oracle = pathrs::Root::open(place.rootfs()).unwrap();
        place.link("/etc", "rootfs/l1");
        for number in 2..=41 {
            place.link(&format!("l{}", number - 1), &format!("rootfs/l{number}"));
            let path = format!("/l{number}");
            // The kernel's count of links is not exact while others mount: both may be told ELOOP once, and too early.
            let agree = || ours(&root, &path) == theirs(&oracle, &path);
            assert!((0..50).any(|_| agree()), "{path}");
        }
        assert!(ours(&root, "/l40").is_ok() && ours(&root, "/l41") == Err(Errno::ELOOP));
    });
}
