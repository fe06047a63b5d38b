//! Random command lines on a container in each of its states: exit code, output, the last words.

use std::fs;
use std::time::Duration;

use integration::poll_exit;
use serde_json::{Value, json};

use super::random::Random;
use super::seen::Seen;
use super::stage::{Stage, Who};

const STATES: &[&str] = &["none", "created", "running", "running", "paused", "stopped"];

/// A state, and what is said then.
pub fn random(r: &mut Random) -> Value {
    let lines: Vec<Value> = (0..=r.below(3)).map(|_| json!(line(r))).collect();
    json!({"state": r.pick(STATES), "lines": lines})
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|&w| w.to_owned()).collect()
}

fn id(r: &mut Random) -> String {
    let odd = [
        "@ID@2",
        "missing",
        "",
        "a/b",
        "..",
        ".",
        "a b",
        "\u{e4}",
        "-x",
        "--",
        "@ID@/",
        "@ID@ ",
        "a+b_c.d-e",
        "/@ID@",
    ];
    if r.odd(30) {
        (*r.pick(&odd)).to_owned()
    } else {
        "@ID@".to_owned()
    }
}

fn line(r: &mut Random) -> Vec<String> {
    let mut line = Vec::new();
    if r.odd(30) {
        line.extend(words(r.pick::<&[&str]>(&[
            &["--debug=false"][..],
            &["--log", "@STAGE@/log"],
            &["--log=@STAGE@/log", "--log-format", "json"],
            &["--log-format=json"],
            &["--log-format", "bad"],
            &["--log", "@STAGE@/missing/log"],
            &["--log", "@STAGE@"],
            &["--log", ""],
            &["--rootless", "true"],
            &["--rootless=bad"],
            &["--root", "@STAGE@/other"],
            &["--root", ""],
            &["--root="],
            &["--root", "/"],
            &["--root"],
            &["--root", "relative"],
            &["--root", "@STAGE@/bundle/config.json"],
            &["-v"],
            &["--version"],
            &["-h"],
            &["--help"],
            &["--unknown"],
            &["-debug=false"],
            &["--debug=maybe"],
            &["--"],
            &["-x"],
            &["---x"],
            &["--=x"],
            &["--systemd-cgroup=false"],
            &["-root", "@STAGE@/root"],
            &["--criu", "x"],
            &["-"],
            &[""],
        ])));
    }
    let commands: &[&str] = &[
        "state", "state", "list", "ps", "events", "kill", "kill", "delete", "delete", "start",
        "start", "pause", "resume", "create", "run", "exec", "exec", "exec", "exec", "update",
        "update", "spec", "features", "help", "h", "version", "unknown", "init", "List", "",
    ];
    let command = if r.odd(10) {
        *r.pick(commands)
    } else {
        *r.pick(&commands[..21])
    };
    line.push(command.to_owned());
    let flags: &[&[&str]] = match command {
        "list" => &[
            &["-q"],
            &["--quiet"],
            &["-f", "json"],
            &["--format=table"],
            &["-f", "bad"],
            &["--format"],
            &["-q=false"],
            &["--format="],
            &["-f=json"],
            &["-fjson"],
        ],
        "ps" => &[
            &["-f", "json"],
            &["--format=table"],
            &["-f", "bad"],
            &["-f"],
            &["--format=json"],
        ],
        "events" => &[
            &["--interval=1s"],
            &["--interval", "bad"],
            &["--interval", "0"],
            &["--interval=-1s"],
        ],
        "kill" => &[&["-a"], &["--all"], &["-all=false"], &["-KILL"], &["-9"]],
        "delete" => &[
            &["-f"],
            &["--force"],
            &["--force=false"],
            &["-force"],
            &["-f=bad"],
            &["-ff"],
        ],
        "create" | "run" => &[
            &["--bundle", "@STAGE@/bundle"],
            &["-b=@STAGE@/bundle2"],
            &["-b", "@STAGE@/missing"],
            &["-b", ""],
            &["--pid-file", "@STAGE@/pid"],
            &["--no-pivot"],
            &["--no-new-keyring"],
            &["--console-socket", "@STAGE@/missing"],
            &["--preserve-fds", "0"],
            &["--preserve-fds", "bad"],
            &["--preserve-fds=-1"],
            &["--keep"],
            &["--no-subreaper"],
            &["--pid-file", "@STAGE@/missing/pid"],
        ],
        "exec" => &[
            &["-d"],
            &["--cwd", "/tmp"],
            &["--cwd=/missing"],
            &["-e", "A=1"],
            &["--env=B"],
            &["-e", "PATH=/nowhere"],
            &["-u", "1000"],
            &["--user=1000:5"],
            &["-u", "a:b"],
            &["-u", "1:2:3"],
            &["-u", ""],
            &["-g", "5"],
            &["--additional-gids=6", "-g", "7"],
            &["-g", "x"],
            &["--pid-file", "@STAGE@/pid"],
            &["--no-new-privs"],
            &["-c", "CAP_NET_RAW"],
            &["--cap=CAP_NOSUCH"],
            &["--preserve-fds=0"],
            &["--cgroup", "/sub"],
            &["--cgroup=.."],
            &["--ignore-paused"],
            &["--apparmor", "x"],
            &["--process-label=x"],
            &["-p", "@STAGE@/missing"],
            &["-p", "@STAGE@/process.json"],
            &["-t"],
            &["--tty=false"],
            &["--cwd", "relative"],
            &["--console-socket", "@STAGE@/x"],
        ],
        "update" => &[
            &["--memory", "64M"],
            &["--memory=bad"],
            &["--memory=-1"],
            &["--cpu-shares", "100"],
            &["--cpu-share=512"],
            &["--cpu-period=50000", "--cpu-quota=10000"],
            &["--cpu-quota", "bad"],
            &["--pids-limit=10"],
            &["--pids-limit=-1"],
            &["--pids-limit=x"],
            &["--cpuset-cpus=0"],
            &["--cpuset-cpus=99"],
            &["--cpuset-mems=0"],
            &["--blkio-weight=5000"],
            &["-r", "@STAGE@/missing"],
            &["-r", "@STAGE@/resources.json"],
            &["--memory-swap=128M", "--memory=64M"],
            &["--memory-reservation=32m"],
            &["--kernel-memory=1"],
            &["--l3-cache-schema=x"],
            &["--cpu-rt-period=0"],
            &["--memory=1.5g"],
            &["--memory=64 MB"],
            &["--memory=0x10"],
            &["--memory="],
            &["-r", "-"],
        ],
        _ => &[],
    };
    let mut rest: Vec<String> = Vec::new();
    if !flags.is_empty() {
        let most = if command == "exec" || command == "update" {
            3
        } else {
            2
        };
        for flag in r.some(flags, most) {
            rest.extend(words(flag));
        }
    }
    if command == "events" {
        rest.push("--stats".to_owned());
    }
    if command == "run" {
        rest.extend(words(&["-d"]));
    }
    if r.odd(8) {
        rest.extend(words(r.pick::<&[&str]>(&[
            &["--unknown"][..],
            &["-h"],
            &["--help"],
            &["-z"],
            &["--"],
            &["--help=false"],
            &["-help"],
            &["--generate-bash-completion"],
            &["--unknown=1"],
        ])));
    }
    let takes_id = !matches!(
        command,
        "list" | "features" | "spec" | "help" | "h" | "version"
    );
    if takes_id && !r.odd(10) {
        rest.push(id(r));
    }
    match command {
        "kill" if r.chance(80) => rest.push(
            (*r.pick(&[
                "KILL",
                "9",
                "TERM",
                "SIGTERM",
                "0",
                "term",
                "65",
                "64",
                "-1",
                "nosuch",
                "",
                "SIGRTMIN+3",
                "RTMAX",
                "USR1",
                "15 ",
                "99999999999",
            ]))
            .to_owned(),
        ),
        "exec" => rest.extend(words(r.pick::<&[&str]>(&[
            &["/bin/busybox", "id"][..],
            &["sh", "-c", "exit 7"],
            &["sh", "-c", "kill -9 $$"],
            &["sh", "-c", "pwd; env"],
            &["missing"],
            &["/data"],
            &["/data/file"],
            &["true"],
            &["probe"],
            &["--", "true"],
            &["-c", "x"],
            &[],
            &[""],
            &["sh", "-c", "echo out; echo err >&2"],
            &["grep", "-E", "Cap|NoNew|Groups|Uid", "/proc/self/status"],
        ]))),
        "ps" if r.chance(30) => rest.extend(words(r.pick::<&[&str]>(&[
            &["-o", "pid,comm"][..],
            &["-ef"],
            &["aux"],
            &["--bad"],
            &["-o", "comm"],
            &["--", "-ef"],
        ]))),
        "help" => rest.extend(words(r.pick::<&[&str]>(&[
            &["state"][..],
            &["nosuch"],
            &[],
            &["-h"],
        ]))),
        _ => {}
    }
    if r.odd(10) {
        rest.push("extra".to_owned());
    }
    line.extend(rest);
    line
}

/// Plays the lines with one of the two; what each of them gives.
pub fn play(stage: &Stage, who: Who, script: &Value) -> Seen {
    stage.set_up();
    let dir = stage.path();
    let bundle = dir.join("bundle");
    let text = dir.to_str().expect("UTF-8");
    let mut config = integration::Config::default();
    config.set("/root/path", bundle.join("rootfs").to_str());
    config.args(&["/bin/busybox", "sleep", "1000"]);
    fs::write(bundle.join("config.json"), config.0.to_string()).expect("write");
    config.args(&["/bin/true"]);
    fs::create_dir(dir.join("bundle2")).expect("mkdir");
    fs::write(dir.join("bundle2/config.json"), config.0.to_string()).expect("write");
    fs::write(dir.join("process.json"), json!({"args": ["/bin/busybox", "id"], "cwd": "/tmp", "env": ["PATH=/bin"], "user": {"uid": 1, "gid": 2}}).to_string()).expect("write");
    fs::write(
        dir.join("resources.json"),
        json!({"pids": {"limit": 20}, "memory": {"limit": 67_108_864}}).to_string(),
    )
    .expect("write");
    let state = script["state"].as_str().unwrap_or("none");
    let quiet = |args: &[&str]| {
        let (code, _, stderr) = stage.call(who, args);
        assert_eq!(code, "0", "{who:?} {args:?}: {stderr}");
    };
    let id = stage.id.as_str();
    if state != "none" {
        quiet(&["create", "-b", &format!("{text}/bundle"), id]);
    }
    let mut pid = pid(stage, who);
    if matches!(state, "running" | "paused" | "stopped") {
        quiet(&["start", id]);
    }
    match state {
        "paused" => quiet(&["pause", id]),
        "stopped" => {
            quiet(&["kill", id, "KILL"]);
            poll_exit(pid, Duration::from_secs(3));
        }
        _ => {}
    }
    let mut seen = Seen::default();
    for (n, line) in script["lines"].as_array().into_iter().flatten().enumerate() {
        let words: Vec<String> = line
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|w| Some(w.as_str()?.replace("@STAGE@", text).replace("@ID@", id)))
            .collect();
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, stdout, stderr) = stage.call(who, &args);
        if words.iter().any(|w| w == "kill") && code == "0" {
            poll_exit(pid, Duration::from_millis(200));
        }
        seen.add(format!("{n} exit"), code);
        seen.add(format!("{n} stdout"), plain(&stdout, pid));
        seen.add(format!("{n} words"), plain_words(&stderr));
        for file in ["log", "pid"] {
            if let Ok(text) = fs::read_to_string(dir.join(file)) {
                seen.add(
                    format!("{n} {file}"),
                    if file == "log" {
                        plain_words(&text)
                    } else {
                        (!text.is_empty()).to_string()
                    },
                );
                fs::remove_file(dir.join(file)).expect("rm");
            }
        }
        let now = state_of(stage, who);
        seen.add(format!("{n} state after"), now);
        pid = self::pid(stage, who).max(pid);
        seen.stderr += &stderr;
    }
    for id in [id.to_owned(), format!("{id}2")] {
        let _ = stage.call(who, &["delete", "--force", &id]);
    }
    stage.clear();
    for p in ["bundle2", "root", "other", "relative"] {
        let _ = fs::remove_dir_all(dir.join(p));
    }
    for p in ["process.json", "resources.json"] {
        let _ = fs::remove_file(dir.join(p));
    }
    seen
}

fn state_json(stage: &Stage, who: Who) -> Value {
    let text = stage.runtime(who).ask(&["state", &stage.id]);
    serde_json::from_str(&text).unwrap_or_default()
}

fn pid(stage: &Stage, who: Who) -> u32 {
    state_json(stage, who)["pid"]
        .as_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n > 0)
        .unwrap_or(u32::MAX >> 1)
}

fn state_of(stage: &Stage, who: Who) -> String {
    state_json(stage, who)["status"].to_string()
}

/// Output without process numbers and times, and of a help the first line: the rest is compared with runc's where it is written.
fn plain(text: &str, pid: u32) -> String {
    if text.contains("NAME:") {
        let before = text.split("NAME:").next().unwrap_or_default();
        let name = text
            .split("NAME:")
            .nth(1)
            .and_then(|t| t.lines().nth(1))
            .unwrap_or_default();
        let name = name.split(" - ").next().unwrap_or_default();
        return format!("{before}help of {}", name.trim()).replace("runc-rs", "runc");
    }
    let mut text = text.replace(&pid.to_string(), "PID");
    for key in ["\"ociVersion\":\"", "\"created\":\""] {
        let parts: Vec<&str> = text.split(key).collect();
        let rest = parts
            .iter()
            .skip(1)
            .map(|p| p.split_once('"').map_or("", |p| p.1));
        text = std::iter::once(parts[0])
            .chain(rest)
            .collect::<Vec<_>>()
            .join(key);
    }
    let mut out = String::new();
    for line in text.lines() {
        if line.contains("\"ociVersion\"") && line.len() < 40 {
            continue;
        }
        let words = line.split(' ').map(|w| {
            let digits = w.chars().filter(char::is_ascii_digit).count();
            // A number, a time of day, or CPU time in percent.
            if digits > 2 && !w.contains('/') || digits > 0 && digits == w.len() {
                "N"
            } else {
                w
            }
        });
        let words: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
        out += &words.join(" ");
        out.push('\n');
    }
    out
}

/// The last line, without its time and its program's name.
fn plain_words(stderr: &str) -> String {
    let last = stderr
        .lines()
        .rfind(|l| !l.trim().is_empty())
        .unwrap_or_default();
    // Its path is how it was called.
    let called = last
        .find("msg=\"/")
        .and_then(|at| Some((at, at + last[at..].find(": ")?)));
    let last = match called {
        Some((from, to)) => format!("{}msg=\"runc{}", &last[..from], &last[to..]),
        None => last.to_owned(),
    };
    let last = last.replace("runc-rs", "runc");
    if let Ok(mut json) = serde_json::from_str::<Value>(&last) {
        json["time"] = Value::Null;
        return json.to_string();
    }
    match last.split_once("\" level=") {
        Some((_, rest)) => format!("level={rest}"),
        None => last,
    }
}
