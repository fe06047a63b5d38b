//! `events`: its lines beside runc's, its end, and who reads them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use integration::{Container, Output, Runtime, is_ours, is_v2, need_root, skip, wait_until};
use serde_json::{Value, json};

fn stats(c: &Container) -> Value {
    let out = c.runtime.run(&["events", "--stats", &c.id]).ok();
    assert_eq!(out.stdout.matches('\n').count(), 1, "{out}");
    let event: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(event["type"], "stats");
    assert_eq!(event["id"], c.id.as_str());
    event["data"].clone()
}

/// `events`, at work.
struct Watching {
    child: Option<Child>,
    out: PathBuf,
    err: PathBuf,
}

impl Watching {
    fn start(c: &Container, interval: &str) -> Self {
        let (mut command, out, err) = c
            .runtime
            .command(&["events", "--interval", interval, &c.id]);
        let child = Some(command.spawn().unwrap());
        Self { child, out, err }
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.out).unwrap();
        // The last may be half there.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    fn count(&self, kind: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line["type"] == kind)
            .count()
    }

    /// Waits for its end, at most as long as any command may take.
    fn end(mut self, c: &Container) -> Output {
        let child = self.child.take().unwrap();
        c.runtime
            .wait(child, &["events"], self.out.clone(), self.err.clone())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const LIMITS: &str = r#"{"memory": {"limit": 67108864, "swap": 67108864, "reservation": 33554432},
    "pids": {"limit": 20}, "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}}"#;

fn limited() -> Container {
    Container::new(|g| {
        g.set(
            "/linux/resources",
            serde_json::from_str::<Value>(LIMITS).unwrap(),
        )
        .sh("sleep 1000 & wait");
    })
}

#[test]
fn limits_and_counts() {
    need_root!();
    let c = limited();
    c.detach();
    assert!(wait_until(|| integration::pids_of_cgroup(&c.id).len() == 2));
    let data = stats(&c);
    assert_eq!(data["pids"], json!({"current": 2, "limit": 20}));
    assert_eq!(data["memory"]["usage"]["limit"], 67_108_864);
    assert_eq!(data["memory"]["usage"]["failcnt"], 0);
    assert_eq!(
        data["memory"]["swap"]["limit"], 67_108_864,
        "memory and swap"
    );
    assert!(data["memory"]["usage"]["usage"].as_u64().unwrap() > 0);
    assert!(data["memory"]["raw"].as_object().unwrap().len() > 10);
    assert!(data["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
    if !is_v2() {
        assert_eq!(data["cpuset"]["cpus"], json!([0]));
        assert_eq!(data["cpuset"]["sched_relax_domain_level"], -1);
        assert!(
            !data["cpu"]["usage"]["percpu"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        let raw = &data["memory"]["raw"];
        assert_eq!(raw["hierarchical_memory_limit"], 67_108_864);
    }
    assert_eq!(data["intel_rdt"], json!({}));
    assert_eq!(data["network_interfaces"], Value::Null);
    assert!(data["hugetlb"].is_object() && data["blkio"].is_object());
}

/// Time that is used is counted, in nanoseconds.
#[test]
fn time_grows() {
    need_root!();
    let c = Container::sh(
        "read x < /go; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done > /out; sleep 1000",
    );
    let (mut go, mut out) = (c.fifo("go"), c.fifo("out"));
    c.detach();
    let total = || stats(&c)["cpu"]["usage"]["total"].as_u64().unwrap();
    let before = total();
    go.say("go");
    assert_eq!(out.line(), "done");
    let spent = total() - before;
    assert!((1_000_000..60_000_000_000).contains(&spent), "{spent} ns");
}

/// The keys of a line in their order, without those that are left out when they are zero: which of these are there is
/// the moment's affair.
fn keys(line: &str) -> Vec<String> {
    const SOMETIMES: [&str; 10] = [
        "usage",
        "max",
        "cache",
        "periods",
        "throttledPeriods",
        "throttledTime",
        "total",
        "current",
        "value",
        "op",
    ];
    let mut keys = Vec::new();
    for (at, _) in line.match_indices("\":") {
        let key = line[..at].rsplit('"').next().unwrap();
        if !SOMETIMES.contains(&key) {
            keys.push(key.to_owned());
        }
    }
    keys
}

/// The same kind of container under both: the same keys in the same order, the same types, and the same values where the moment
/// has no say.
///
/// Differences, on v2 alone: `psi`, and the highest memory usage, are there, as in runc since 1.2.
#[test]
fn the_statistics_are_runcs() {
    need_root!();
    if !is_ours() {
        return skip(
            "the_statistics_are_runcs",
            "compares runc-rs with runc: RUNTIME is another",
        );
    }
    let runc = ["/usr/sbin/runc", "/usr/bin/runc"].map(PathBuf::from);
    let Some(runc) = runc.into_iter().find(|p| p.exists()) else {
        return skip("the_statistics_are_runcs", "no runc");
    };
    let line = |binary: Option<&PathBuf>| {
        let mut c = limited();
        if let Some(binary) = binary {
            c.runtime = Runtime::with_binary(binary.clone(), c.bundle.path());
        }
        c.detach();
        assert!(wait_until(|| integration::pids_of_cgroup(&c.id).len() == 2));
        let out = c.runtime.run(&["events", "--stats", &c.id]).ok();
        assert!(out.stderr.is_empty(), "{out}");
        out.stdout.replace(&c.id, "ID")
    };
    let (ours, runcs) = (line(None), line(Some(&runc)));
    let value = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let mut json = value(&ours);
    let mut psi = 0;
    for place in ["/data/cpu", "/data/memory", "/data/blkio"] {
        let group = json.pointer_mut(place).unwrap().as_object_mut().unwrap();
        if let Some(found) = group.remove("psi") {
            psi += 1;
            assert!(
                found["some"]["avg10"].is_number() && found["full"]["total"].is_u64(),
                "{found}"
            );
        }
    }
    assert!(psi == 0 || is_v2(), "v1 counts none");
    let without_psi = |keys: Vec<String>| -> Vec<String> {
        const PSI: [&str; 6] = ["psi", "some", "full", "avg10", "avg60", "avg300"];
        keys.into_iter()
            .filter(|key| !PSI.contains(&key.as_str()))
            .collect()
    };
    assert_eq!(without_psi(keys(&ours)), keys(&runcs), "\n{ours}\n{runcs}");
    shape("", &json, &value(&runcs));
    for place in [
        "/type",
        "/id",
        "/data/pids",
        "/data/cpuset",
        "/data/hugetlb",
        "/data/intel_rdt",
        "/data/network_interfaces",
        "/data/memory/usage/limit",
        "/data/memory/usage/failcnt",
        "/data/memory/swap/limit",
        "/data/memory/swap/failcnt",
        "/data/memory/kernel/limit",
        "/data/memory/kernelTCP",
        "/data/memory/raw/hierarchical_memory_limit",
        "/data/memory/raw/hierarchical_memsw_limit",
    ] {
        assert_eq!(json.pointer(place), value(&runcs).pointer(place), "{place}");
    }
}

/// What both have is of one type.
fn shape(place: &str, ours: &Value, runcs: &Value) {
    match (ours, runcs) {
        (Value::Object(ours), Value::Object(runcs)) => {
            for (key, value) in ours {
                if let Some(other) = runcs.get(key) {
                    shape(&format!("{place}/{key}"), value, other);
                }
            }
        }
        (Value::Array(ours), Value::Array(runcs)) => {
            for (one, other) in ours.iter().zip(runcs) {
                shape(&format!("{place}/[]"), one, other);
            }
        }
        (one, other) => assert_eq!(
            std::mem::discriminant(one),
            std::mem::discriminant(other),
            "{place}: {one} and {other}"
        ),
    }
}

#[test]
fn an_event_every_interval() {
    need_root!();
    let c = Container::sleeping();
    c.detach();
    let watching = Watching::start(&c, "30ms");
    assert!(wait_until(|| watching.count("stats") >= 4));
    for line in watching.lines() {
        assert_eq!(line["id"], c.id.as_str());
        assert_eq!(line["data"]["pids"]["current"], 1);
    }
    assert_eq!(watching.count("oom"), 0);
    c.call(&["delete", "--force"]).ok();
    watching.end(&c).ok();
}

/// The container's end is the end, though nobody has deleted it yet.
#[test]
fn it_ends_with_the_container() {
    need_root!();
    if !is_ours() && !is_v2() {
        return skip(
            "it_ends_with_the_container",
            "on v1 runc 1.1.5 waits until the container is deleted",
        );
    }
    let c = Container::sleeping();
    c.detach();
    // Long before the first look.
    let watching = Watching::start(&c, "1h");
    let asleep = || {
        let pid = watching.child.as_ref().unwrap().id();
        std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|w| w.contains("poll"))
    };
    assert!(!is_ours() || wait_until(asleep));
    c.kill("KILL").ok();
    c.wait();
    let out = watching.end(&c).ok();
    assert!(out.stdout.is_empty() && out.stderr.is_empty(), "{out}");
    c.runtime
        .run(&["events", &c.id])
        .refused(&format!("container with id {} is not running", c.id));
}

/// One killed by the kernel, and the shell that saw it; then the shell itself.
#[test]
fn out_of_memory() {
    need_root!();
    let hog = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null";
    let c = Container::new(|g| {
        g.set(
            "/linux/resources/memory",
            json!({"limit": 20_971_520, "swap": 20_971_520}),
        )
        .sh(&format!(
            "while read x; do {hog}; echo $? > /out; done < /go"
        ));
    });
    let (mut go, mut out) = (c.fifo("go"), c.fifo("out"));
    c.detach();
    let watching = Watching::start(&c, "30ms");
    assert!(wait_until(|| watching.count("stats") > 0));
    assert_eq!(watching.count("oom"), 0);
    for round in 1..=2 {
        go.say("go");
        assert_eq!(out.line(), "137", "SIGKILL");
        assert!(
            wait_until(|| watching.count("oom") >= round),
            "{:?}",
            watching.lines()
        );
    }
    let lines = watching.lines();
    let oom = lines.iter().find(|line| line["type"] == "oom").unwrap();
    assert_eq!(*oom, json!({"type": "oom", "id": c.id}));
    if is_ours() {
        assert_eq!(watching.count("oom"), 2, "one for each");
    }
    c.call(&["delete", "--force"]).ok();
    let out = watching.end(&c).ok();
    if is_ours() {
        // On v1 a group that is removed tells, too.
        assert_eq!(out.stdout.matches("\"oom\"").count(), 2, "{out}");
    }
}

/// What kills init is told before the end.
#[test]
fn an_init_that_is_out_of_memory() {
    need_root!();
    let c = Container::new(|g| {
        g.set(
            "/linux/resources/memory",
            json!({"limit": 20_971_520, "swap": 20_971_520}),
        )
        .sh("read x < /go; exec dd if=/dev/zero of=/dev/null bs=200M count=1");
    });
    let mut go = c.fifo("go");
    c.detach();
    let watching = Watching::start(&c, "30ms");
    assert!(wait_until(|| watching.count("stats") > 0));
    go.say("go");
    assert_eq!(c.wait(), Some(137));
    if !is_ours() {
        c.call(&["delete", "--force"]).ok();
    }
    let out = watching.end(&c).ok();
    let told = out.stdout.matches("\"oom\"").count();
    // On v2 runc tells of it with each change of memory.events, or not at all if it sees the empty group first.
    assert!(told == 1 || (!is_ours() && (told > 1 || is_v2())), "{out}");
}

#[test]
fn of_a_paused_and_a_created_container() {
    need_root!();
    let c = Container::sleeping();
    c.create().ok();
    let count = || stats(&c)["pids"]["current"].as_u64().unwrap();
    // Of threads: runc's init has several.
    let tasks = count();
    assert!(tasks == 1 || (tasks > 1 && !is_ours()), "{tasks}");
    c.call(&["pause"]).ok();
    assert_eq!(count(), tasks);
    let watching = Watching::start(&c, "30ms");
    assert!(wait_until(|| watching.count("stats") >= 2));
    c.call(&["delete", "--force"]).ok();
    watching.end(&c).ok();
}

/// Who reads slowly delays the next look, not the end.
#[test]
fn a_reader_that_stops_reading() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_reader_that_stops_reading",
            "runc ends when its output is read",
        );
    }
    let c = Container::sleeping();
    c.detach();
    let args = ["events", "--interval", "1ms", &c.id];
    let (mut command, out, err) = c.runtime.command(&args);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let pid = child.id();
    // The pipe is full when it waits although there is a next look every millisecond.
    let pending = || rustix::io::ioctl_fionread(&stdout).unwrap();
    assert!(wait_until(|| {
        let before = pending();
        std::thread::sleep(Duration::from_millis(50));
        before > 20_000 && pending() == before
    }));
    c.kill("KILL").ok();
    c.wait();
    let begin = Instant::now();
    let ended = c.runtime.wait(child, &args, out, err).ok();
    assert!(begin.elapsed() < Duration::from_secs(5), "{pid} {ended}");
    // Whole lines, but for the last.
    let lines: Vec<String> = BufReader::new(stdout).lines().map(Result::unwrap).collect();
    assert!(lines.len() > 10);
    for line in &lines[..lines.len() - 1] {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_reader_that_goes() {
    need_root!();
    if !is_ours() {
        return skip("a_reader_that_goes", "runc notices with its next line");
    }
    let c = Container::sleeping();
    c.detach();
    let args = ["events", "--interval", "1h", &c.id];
    let (mut command, out, err) = c.runtime.command(&args);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = c.runtime.wait(child, &args, out, err);
    ended.refused("write /dev/stdout: broken pipe");
    assert_eq!(c.status(), "running", "its affair alone");
}

/// Go's durations, and its word for what is none.
#[test]
fn intervals() {
    need_root!();
    let c = Container::sleeping();
    c.detach();
    let run = |interval: &str| {
        c.runtime.run(&[
            "events",
            &format!("--interval={interval}"),
            "--stats",
            &c.id,
        ])
    };
    for good in ["1s", "1h30m", "0.5s", "100us", "100µs", "+3ms", "2540400h"] {
        run(good).ok();
    }
    for bad in ["", "5", "1d", "s", "1 s", "2562048h"] {
        run(bad).refused(&format!(
            "invalid value \"{bad}\" for flag -interval: parse error"
        ));
    }
    for none in ["0", "0s", "-1s"] {
        run(none).refused("duration interval must be greater than 0");
    }
}
