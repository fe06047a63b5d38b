//! Commands at the same time.

use integration::{Container, Output, is_ours, need_root, skip, wait_until};

/// The same command several times at once; every one ends.
fn at_once(c: &Container, count: usize, args: &[&str]) -> Vec<Output> {
    let children: Vec<_> = (0..count)
        .map(|_| {
            let (mut command, out, err) = c.runtime.command(args);
            (command.spawn().unwrap(), out, err)
        })
        .collect();
    children
        .into_iter()
        .map(|(child, out, err)| c.runtime.wait(child, args, out, err))
        .collect()
}

fn successes(all: &[Output]) -> usize {
    all.iter().filter(|o| o.code == 0).count()
}

/// S1 with several starters: one of them starts it, and the program runs once.
#[test]
fn of_several_starts_one_succeeds() {
    need_root!();
    if !is_ours() {
        return skip(
            "of_several_starts_one_succeeds",
            "under runc 1.1 the starts that lose hang on the fifo",
        );
    }
    for _ in 0..8 {
        let c = Container::new(|g| {
            g.sh("echo ran >> /mark; sleep 1000")
                .set("/root/readonly", false);
        });
        c.create().ok();
        let all = at_once(&c, 5, &["start", &c.id]);
        assert_eq!(successes(&all), 1, "{all:#?}");
        for lost in all.iter().filter(|o| o.code != 0) {
            assert!(
                lost.stderr
                    .contains("cannot start an already running container"),
                "{lost}"
            );
        }
        assert_eq!(c.status(), "running");
        let runs = || {
            std::fs::read_to_string(c.bundle.rootfs("mark"))
                .unwrap_or_default()
                .lines()
                .count()
        };
        assert!(wait_until(|| runs() == 1), "{}", runs());
    }
}

#[test]
fn of_several_creates_one_succeeds() {
    need_root!();
    if !is_ours() {
        return skip(
            "of_several_creates_one_succeeds",
            "runc 1.1 has no lock: all of them may fail",
        );
    }
    for _ in 0..8 {
        let c = Container::sleeping();
        let bundle = c.bundle.path().to_str().unwrap().to_owned();
        let all = at_once(&c, 4, &["create", "--bundle", &bundle, &c.id]);
        assert_eq!(successes(&all), 1, "{all:#?}");
        for lost in all.iter().filter(|o| o.code != 0) {
            assert!(
                lost.stderr
                    .contains("container with given ID already exists"),
                "{lost}"
            );
        }
        assert_eq!(c.status(), "created", "the one that won is whole");
        c.start().ok();
        assert_eq!(c.status(), "running");
    }
}

/// S4: a `delete` without force and a `start` at once: either it was deleted and never ran, or it runs.
#[test]
fn delete_and_start_at_once() {
    need_root!();
    if !is_ours() {
        return skip(
            "delete_and_start_at_once",
            "under runc 1.1 both may succeed: delete kills what start has started",
        );
    }
    let (mut deleted, mut started) = (0, 0);
    for round in 0..16 {
        let c = Container::new(|g| {
            g.sh("echo ran >> /mark; sleep 1000")
                .set("/root/readonly", false);
        });
        c.create().ok();
        let spawn = |args: &[&str]| {
            let (mut command, out, err) = c.runtime.command(args);
            (command.spawn().unwrap(), out, err)
        };
        let (s, d) = if round % 2 == 0 {
            let s = spawn(&["start", &c.id]);
            (s, spawn(&["delete", &c.id]))
        } else {
            let d = spawn(&["delete", &c.id]);
            (spawn(&["start", &c.id]), d)
        };
        let start = c.runtime.wait(s.0, &["start"], s.1, s.2);
        let delete = c.runtime.wait(d.0, &["delete"], d.1, d.2);
        assert!(
            start.code + delete.code == 1,
            "one of them, not both:\n{start}\n{delete}"
        );
        let mark = c.bundle.rootfs("mark");
        if start.code == 0 {
            started += 1;
            assert_eq!(
                c.status(),
                "running",
                "a started container is not killed:\n{start}\n{delete}"
            );
            assert!(wait_until(|| mark.exists()));
        } else {
            deleted += 1;
            c.nothing_left();
            assert!(!mark.exists());
        }
    }
    println!("started {started}, deleted {deleted}");
}

#[test]
fn deletes_by_force_at_once() {
    need_root!();
    for _ in 0..8 {
        let c = Container::sleeping();
        c.detach();
        for out in at_once(&c, 4, &["delete", "--force", &c.id]) {
            out.ok();
        }
        c.nothing_left();
    }
}

/// `list` and `state` beside creates and deletes: never an error that is not "does not exist".
#[test]
fn lookers_on_are_harmless() {
    need_root!();
    let c = Container::sleeping();
    let bundle = c.bundle.path().to_str().unwrap().to_owned();
    for _ in 0..10 {
        let (mut create, out, err) = c.runtime.command(&["create", "--bundle", &bundle, &c.id]);
        let child = create.spawn().unwrap();
        for list in at_once(&c, 3, &["list"]) {
            if is_ours() {
                list.ok();
            }
        }
        c.runtime.wait(child, &["create"], out, err).ok();
        c.call(&["delete", "--force"]).ok();
    }
}
