//! `list`, with several containers below one root.

use integration::{Container, is_ours, need_root, skip, wait_until};
use serde_json::Value;

/// More containers below the root of `c`; gone with this.
struct Others<'a> {
    c: &'a Container,
    ids: Vec<String>,
}

impl<'a> Others<'a> {
    fn new(c: &'a Container) -> Self {
        Self { c, ids: Vec::new() }
    }

    fn create(&mut self, name: &str) -> String {
        let id = format!("{}{name}", self.c.id);
        let bundle = self.c.bundle.path().to_str().unwrap();
        self.c
            .runtime
            .run(&["create", "--bundle", bundle, &id])
            .ok();
        self.ids.push(id.clone());
        id
    }
}

impl Drop for Others<'_> {
    fn drop(&mut self) {
        for id in &self.ids {
            let out = self.c.runtime.run(&["delete", "--force", id]);
            if !std::thread::panicking() {
                out.ok();
            }
        }
    }
}

fn rows(c: &Container) -> Vec<Value> {
    let out = c.runtime.run(&["list", "--format", "json"]).ok();
    match serde_json::from_str(&out.stdout).unwrap() {
        Value::Array(rows) => rows,
        other => panic!("{other}\n{out}"),
    }
}

#[test]
fn a_container_of_each_status() {
    need_root!();
    let c = Container::sleeping();
    assert_eq!(c.runtime.run(&["list", "-f", "json"]).ok().stdout, "null\n");
    let head = c.runtime.run(&["list"]).ok().stdout;
    assert_eq!(
        head.split_whitespace().collect::<Vec<_>>(),
        ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    );
    let mut others = Others::new(&c);
    let ids = ["d", "a", "c", "b"].map(|name| others.create(name));
    let run = |args: &[&str]| c.runtime.run(args).ok();
    run(&["start", &ids[0]]);
    run(&["start", &ids[1]]);
    run(&["pause", &ids[1]]);
    run(&["kill", &ids[2], "KILL"]);
    let status = |id: &str| {
        let rows = rows(&c);
        let row = rows.iter().find(|row| row["id"] == id).unwrap();
        row["status"].as_str().unwrap().to_owned()
    };
    assert!(wait_until(|| status(&ids[2]) == "stopped"));
    let wanted = ["running", "paused", "stopped", "created"];
    assert_eq!(ids.each_ref().map(|id| status(id)), wanted);

    // Each row is what `state` says, and an owner; sorted by name.
    let all = rows(&c);
    let mut sorted = ids.to_vec();
    sorted.sort();
    let names: Vec<&str> = all.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(names, sorted);
    for row in &all {
        let out = run(&["state", row["id"].as_str().unwrap()]);
        let mut state: Value = serde_json::from_str(&out.stdout).unwrap();
        assert_eq!(state["owner"], "");
        state["owner"] = "root".into();
        assert_eq!(*row, state);
    }
    let quiet = run(&["list", "--quiet"]);
    assert_eq!(quiet.lines(), sorted);
    // The table has the same, in columns that begin where their titles do.
    let out = run(&["list"]);
    let lines = out.lines();
    assert_eq!(lines.len(), 5);
    let at = |title: &str| lines[0].find(title).unwrap();
    for (line, row) in lines[1..].iter().zip(&all) {
        let cell = |title: &str| line[at(title)..].split_whitespace().next().unwrap();
        assert_eq!(cell("ID"), row["id"]);
        assert_eq!(cell("PID"), row["pid"].to_string());
        assert_eq!(cell("STATUS"), row["status"]);
        assert_eq!(cell("BUNDLE"), row["bundle"]);
        assert_eq!(cell("CREATED"), row["created"]);
        assert_eq!(cell("OWNER"), "root");
    }
}

/// One that cannot be read does not hide the others.
#[test]
fn a_broken_record_beside_a_good_one() {
    need_root!();
    let c = Container::sleeping();
    let mut others = Others::new(&c);
    let good = others.create("good");
    let broken = c.runtime.root().join(format!("{}broken", c.id));
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("state.json"), "{").unwrap();
    let out = c.runtime.run(&["list", "-q"]);
    let json = c.runtime.run(&["list", "-f", "json"]);
    std::fs::remove_dir_all(&broken).unwrap();
    assert_eq!(out.clone().ok().lines(), [good.as_str()]);
    if is_ours() {
        out.says(&format!("load container {}broken: ", c.id));
        json.says("not a container's record");
    }
}

/// The kernel is asked a few questions for each; no container asks about the others.
#[test]
fn the_calls_grow_with_the_containers() {
    need_root!();
    if !is_ours() {
        return skip("the_calls_grow_with_the_containers", "about runc-rs");
    }
    let c = Container::sleeping();
    let mut others = Others::new(&c);
    let calls = || {
        let log = c.bundle.path().join("calls");
        let status = std::process::Command::new("strace")
            .args(["-f", "-c", "-S", "calls", "-o"])
            .arg(&log)
            .arg(c.runtime.binary())
            .arg("--root")
            .arg(c.runtime.root())
            .arg("list")
            .stdout(std::process::Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return None;
        }
        let text = std::fs::read_to_string(&log).unwrap();
        let total = text.lines().last().unwrap();
        let words: Vec<&str> = total.split_whitespace().collect();
        // "100.00 0.000000 0 32 4 total": the errors may be missing.
        words.get(3).map(|n| n.parse::<usize>().unwrap())
    };
    let mut counts = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let Some(count) = calls() else {
            return skip("the_calls_grow_with_the_containers", "no strace");
        };
        counts.push(count);
        others.create(name);
    }
    let steps: Vec<usize> = counts.windows(2).skip(1).map(|w| w[1] - w[0]).collect();
    println!("{counts:?}");
    assert!(
        steps.iter().all(|&step| step.abs_diff(steps[0]) <= 3),
        "{counts:?}"
    );
    assert!(steps[0] <= 40, "{counts:?}");
}
