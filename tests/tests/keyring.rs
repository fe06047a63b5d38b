//! The session keyring: the container has one of its own, named for it, unless `--no-new-keyring` leaves it the caller's.

use integration::{Config, Container, need_root};

/// Says which session keyrings the program has: /proc/keys, keyrings(7), with permissions, user and group.
fn telling(change: impl FnOnce(&mut Config)) -> Container {
    Container::new(|g| {
        g.remove("/linux/maskedPaths")
            .sh("grep -o '[0-9a-f]* *[0-9]* *[0-9]* keyring *_ses[^:]*' /proc/keys | tr -s ' '; echo end");
        change(g);
    })
}

fn told(c: &Container, options: &[&str]) -> Vec<String> {
    let out = c.run_with(options).ok();
    let mut lines: Vec<String> = out.lines().iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(lines.pop().as_deref(), Some("end"));
    lines
}

#[test]
fn it_has_one_of_its_own() {
    need_root!();
    let c = telling(|_| {});
    // Those of other containers of the same user are to be seen too.
    let own = format!("3f1b0000 0 0 keyring _ses.{}", c.id);
    let lines = told(&c, &[]);
    assert_eq!(
        lines.iter().filter(|it| **it == own).count(),
        1,
        "{lines:?}"
    );
}

#[test]
fn with_the_callers() {
    need_root!();
    let c = telling(|_| {});
    let own = format!("_ses.{}", c.id);
    for options in [&["--no-new-keyring"][..], &["--no-new-keyring=true"]] {
        let lines = told(&c, options);
        assert!(lines.iter().all(|it| !it.ends_with(&own)), "{lines:?}");
    }
    let lines = told(&c, &["--no-new-keyring=false"]);
    assert!(lines.iter().any(|it| it.ends_with(&own)), "{lines:?}");
}

#[test]
fn create_and_start() {
    need_root!();
    for (options, count) in [(&[][..], 1), (&["--no-new-keyring"], 0)] {
        let c = telling(|_| {});
        c.create_with(options).ok();
        c.start().ok();
        c.wait();
        let own = format!("_ses.{}\n", c.id);
        assert_eq!(c.output().matches(&own).count(), count, "{}", c.output());
        c.delete().ok();
    }
}

#[test]
fn in_a_user_namespace() {
    need_root!();
    let c = telling(|g| {
        g.user_namespace(0, 65536);
    });
    let lines = told(&c, &[]);
    let own = format!("_ses.{}", c.id);
    assert!(lines.iter().any(|it| it.ends_with(&own)), "{lines:?}");
}
