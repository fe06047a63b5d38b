//! `exec`: each option, and what the process has of the container's.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixListener;

use integration::{
    Container, Output, TempDir, is_ours, need_root, proc_status, receive_fd, skip, this_test,
};
use serde_json::{Value, json};

/// `exec OPTIONS... ID PROGRAM...`
pub fn exec(c: &Container, options: &[&str], program: &[&str]) -> Output {
    let mut args = vec!["exec"];
    args.extend_from_slice(options);
    args.push(&c.id);
    args.extend_from_slice(program);
    c.runtime.run(&args)
}

/// A shell script in the container.
pub fn sh(c: &Container, options: &[&str], script: &str) -> Output {
    exec(c, options, &["sh", "-c", script])
}

/// A process that `exec --detach` has started; killed and reaped at the end. (The init of a pid namespace is not dead before all in it
/// are reaped, and those that have lost their parent are the tests'.)
pub struct Detached(pub u32);

/// `exec --detach OPTIONS... ID PROGRAM...`
pub fn detached(c: &Container, options: &[&str], program: &[&str]) -> Detached {
    let file = c.bundle.path().join("exec.pid");
    let own = ["--detach", "--pid-file", file.to_str().unwrap()];
    exec(c, &[&own[..], options].concat(), program).ok();
    Detached(std::fs::read_to_string(file).unwrap().parse().unwrap())
}

impl Drop for Detached {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.0.cast_signed()).unwrap();
        let _ = rustix::process::kill_process(pid, integration::Signal::KILL);
        integration::wait_gone(self.0);
    }
}

/// A running container.
pub fn running() -> Container {
    let c = Container::sleeping();
    c.detach();
    c
}

/// `exec --process` with this process.
fn process(c: &Container, process: &Value) -> Output {
    let file = c.bundle.path().join("process.json");
    std::fs::write(&file, process.to_string()).unwrap();
    exec(c, &["--process", file.to_str().unwrap()], &[])
}

#[test]
fn the_programs_output_and_status() {
    need_root!();
    let c = running();
    let out = sh(&c, &[], "echo out; echo err >&2; exit 7").exits(7);
    assert_eq!((out.text(), out.stderr.trim()), ("out", "err"));
    exec(&c, &[], &["true"]).ok();
    sh(&c, &[], "kill -TERM $$").exits(143);
    sh(&c, &[], "kill -KILL $$").exits(137);
    assert_eq!(
        exec(&c, &[], &["echo", "-t", "--cwd", "/x"]).text(),
        "-t --cwd /x"
    );
}

/// What the container's own process has, this one has too.
#[test]
fn the_containers_process_is_the_model() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set(
                "/process/user",
                json!({"uid": 5, "gid": 6, "additionalGids": [7, 8]}),
            )
            .set("/process/cwd", "/tmp")
            .set("/process/oomScoreAdj", 123)
            .set(
                "/process/rlimits",
                json!([{"type": "RLIMIT_NOFILE", "hard": 400, "soft": 300}]),
            )
            .push("/process/env", json!("MODEL=yes"));
    });
    c.detach();
    let out = sh(
        &c,
        &[],
        "pwd; echo $MODEL; ulimit -n; cat /proc/self/oom_score_adj; hostname; \
         grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status",
    )
    .ok();
    let own = proc_fields(c.pid());
    let lines = out.lines();
    assert_eq!(lines[..5], ["/tmp", "yes", "300", "123", "runc"]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let theirs: Vec<String> = lines[5..].iter().map(|line| words(line)).collect();
    assert_eq!(theirs, own);
}

fn proc_fields(pid: u32) -> Vec<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let begins = ["Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp:"];
    status
        .lines()
        .filter(|line| begins.iter().any(|begin| line.starts_with(begin)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// runc 1.1 leaves it the caller's.
#[test]
fn the_umask_is_the_containers() {
    need_root!();
    if !is_ours() {
        return skip(
            &this_test(),
            "1.1.5 leaves it the caller's, later ones set it",
        );
    }
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"]).set("/process/user/umask", 0o63);
    });
    c.detach();
    assert_eq!(sh(&c, &[], "umask").ok().text(), "0063");
}

/// The bundle may have changed since: a container is what it was made of.
#[test]
fn another_config_in_the_bundle() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "runc reads the bundle's config.json again");
    }
    let mut c = running();
    c.bundle.config.set("/process/env", json!(["LIE=yes"]));
    c.bundle.save();
    assert_eq!(sh(&c, &[], "echo [$LIE$TERM]").ok().text(), "[xterm]");
    c.bundle.save_raw(b"{");
    exec(&c, &[], &["true"]).ok();
    std::fs::remove_file(c.bundle.path().join("config.json")).unwrap();
    exec(&c, &[], &["true"]).ok();
}

#[test]
fn user_groups_and_home() {
    need_root!();
    let c = running();
    std::fs::write(
        c.bundle.rootfs("/etc/passwd"),
        "me:x:1000:1000::/home/me:/bin/sh\n",
    )
    .unwrap();
    let id = "id -u; id -g; echo $HOME; grep Groups: /proc/self/status | tr -d '\\t'";
    let ids = |options: &[&str]| sh(&c, options, id).ok().lines().join(" ");
    assert_eq!(ids(&["-u", "1000"]), "1000 0 /home/me Groups: ");
    assert_eq!(
        ids(&["--user", "1:2", "-g", "3", "-g", "4"]),
        "1 2 / Groups:3 4 "
    );
    assert_eq!(ids(&["--user="]), "0 0 / Groups: ");
    for (user, words) in [
        ("me", "parsing me as int for uid failed"),
        ("1:me", "parsing me as int for gid failed"),
    ] {
        exec(&c, &["-u", user], &["true"]).exits(255).says(words);
    }
    exec(&c, &["-g", "-1"], &["true"])
        .exits(255)
        .says("additional-gids must be a positive number -1");
}

#[test]
fn environment_and_directory() {
    need_root!();
    let c = running();
    let out = exec(
        &c,
        &["-e", "A=1", "-e", "B=2", "-e", "TERM=other", "-e", "A=3"],
        &["env"],
    );
    let mut lines = out
        .ok()
        .lines()
        .iter()
        .map(|l| (*l).to_owned())
        .collect::<Vec<_>>();
    lines.sort();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, ["A=3", "B=2", "HOME=/", path, "TERM=other"]);
    assert_eq!(exec(&c, &["--cwd", "/tmp"], &["pwd"]).ok().text(), "/tmp");
    exec(&c, &["--cwd", "tmp"], &["pwd"])
        .exits(255)
        .says("Cwd must be an absolute path");
    exec(&c, &["-e", "A"], &["true"])
        .exits(255)
        .says("invalid environment variable: \"A\"");
}

/// CVE-2022-29162: what is added is not inheritable, and so not ambient.
#[test]
fn capabilities() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/process/noNewPrivileges", false);
        g.remove("/process/capabilities/inheritable");
    });
    c.detach();
    let caps = |options: &[&str]| {
        let out = sh(&c, options, "grep ^Cap /proc/self/status | cut -f 2").ok();
        out.lines().join(" ")
    };
    let (none, own, with) = ("0000000000000000", "0000000020000420", "0000000020200420");
    assert_eq!(caps(&[]), format!("{none} {own} {own} {own} {none}"));
    assert_eq!(
        caps(&["--cap", "CAP_SYS_ADMIN"]),
        format!("{none} {with} {with} {with} {none}")
    );
    assert_eq!(
        caps(&["-u", "1000", "-c", "CAP_SYS_ADMIN"]),
        format!("{none} {none} {none} {with} {none}")
    );
    let out = exec(&c, &["--cap", "CAP_NOPE"], &["true"]).ok();
    assert!(
        out.stderr
            .contains("ignoring unknown or unavailable capabilities: [CAP_NOPE]"),
        "{out}"
    );
}

#[test]
fn no_new_privs() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"])
            .set("/process/noNewPrivileges", false);
    });
    c.detach();
    let nnp = |options: &[&str]| {
        let out = sh(&c, options, "grep NoNewPrivs /proc/self/status | cut -f 2").ok();
        out.text().to_owned()
    };
    assert_eq!(
        (nnp(&[]), nnp(&["--no-new-privs"])),
        ("0".into(), "1".into())
    );
}

/// A file is taken whole; what it does not say of labels and capabilities is the container's.
#[test]
fn a_process_from_a_file() {
    need_root!();
    let c = running();
    let out = process(
        &c,
        &json!({
            "args": ["sh", "-c", "id -u; id -g; pwd; env | grep -c .; ulimit -n; grep CapBnd /proc/self/status | cut -f 2; grep NoNewPrivs /proc/self/status | cut -f 2"],
            "cwd": "/tmp", "env": ["PATH=/bin", "ONE=1"], "user": {"uid": 9, "gid": 10},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 100, "soft": 100}]
        }),
    )
    .ok();
    // PATH, ONE, HOME; the shell's PWD and SHLVL.
    assert_eq!(
        out.lines(),
        ["9", "10", "/tmp", "5", "100", "0000000020000420", "0"]
    );
    // The other options are not looked at.
    let file = c.bundle.path().join("process.json");
    let args = ["-p", file.to_str().unwrap(), "--cwd", "/", "-u", "1"];
    assert_eq!(exec(&c, &args, &["false"]).ok().lines()[0], "9");
    process(&c, &json!({"args": [], "cwd": "/"}))
        .exits(255)
        .says("args must not be empty");
    process(&c, &json!({"args": ["true"]}))
        .exits(255)
        .says("Cwd property must not be empty");
    std::fs::write(&file, "{").unwrap();
    exec(&c, &args, &[]).exits(255).says("EOF");
    exec(&c, &["-p", "/nope"], &[])
        .exits(255)
        .says("open /nope: no such file or directory");
}

#[test]
fn nothing_to_execute() {
    need_root!();
    let c = running();
    exec(&c, &[], &[])
        .exits(255)
        .says("process args cannot be empty");
    c.runtime
        .run(&["exec"])
        .refused("\"exec\" requires a minimum of 1 argument(s)");
    c.runtime
        .run(&["exec", "none", "true"])
        .exits(255)
        .says("container does not exist");
}

#[test]
fn a_detached_program_and_its_pid_file() {
    need_root!();
    let c = running();
    let mut ready = c.fifo("ready");
    let process = detached(&c, &[], &["sh", "-c", "echo $$ >/ready; exec sleep 1000"]);
    let pid = process.0;
    ready.line();
    let inside = proc_status(pid, "NSpid").unwrap();
    assert_eq!(inside.split_whitespace().count(), 2, "{inside}");
    assert_eq!(
        std::fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap(),
        std::fs::read_link(format!("/proc/{}/ns/mnt", c.pid())).unwrap()
    );
    c.kill("KILL").ok();
}

/// A pid file that cannot be written: no program.
#[test]
fn a_pid_file_that_cannot_be() {
    need_root!();
    let c = running();
    std::fs::create_dir(c.bundle.rootfs("/made")).unwrap();
    let options = ["--pid-file", "/none/pid"];
    let out = exec(&c, &options, &["sleep", "1000"]).exits(255);
    assert!(
        out.stderr.contains("open /none/") && out.stderr.contains("pid: no such file or directory"),
        "{out}"
    );
    c.kill("KILL").ok();
}

#[test]
fn descriptors_of_the_caller() {
    need_root!();
    let c = running();
    let dir = TempDir::new("fds");
    let path = dir.path().join("file");
    std::fs::write(&path, "kept\n").unwrap();
    let list = "cat <&3; for fd in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; true";
    // The shell that calls leaves 3 open.
    let root = c.runtime.root().to_str().unwrap();
    let binary = c.runtime.binary().to_str().unwrap();
    let call = |options: &str| {
        let line = format!(
            "exec 3<{}; {binary} --root {root} exec {options} {} sh -c '{list}' 2>&1",
            path.display(),
            c.id
        );
        let out = std::process::Command::new("sh")
            .args(["-c", &line])
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert_eq!(call("--preserve-fds 1"), "kept\n3\n");
    let without = call("");
    assert!(
        !without.contains("kept") && !without.contains("\n3\n"),
        "{without}"
    );
}

#[test]
fn a_pidfd_for_who_asks() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 has no --pidfd-socket");
    }
    let dir = TempDir::new("pidfd");
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let option = ["--pidfd-socket", path.to_str().unwrap()];
    let got = |pid: u32, kind: &[u8]| {
        let (stream, _) = listener.accept().unwrap();
        let (payload, fd) = receive_fd(&stream);
        assert_eq!(payload, kind);
        let mut info = String::new();
        let number = std::os::fd::AsRawFd::as_raw_fd(&fd);
        let path = format!("/proc/self/fdinfo/{number}");
        File::open(path).unwrap().read_to_string(&mut info).unwrap();
        let said = info.lines().find_map(|line| line.strip_prefix("Pid:\t"));
        assert_eq!(said, Some(pid.to_string().as_str()), "{info}");
    };
    let c = Container::sleeping();
    c.create_with(&option).ok();
    got(c.pid(), b"standard");
    c.start().ok();
    let process = detached(&c, &option, &["sleep", "1000"]);
    got(process.0, b"setns");
    drop(process);
    exec(&c, &["--pidfd-socket", "/none"], &["true"]).exits(255);
}

#[test]
fn an_affinity_of_its_own() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "1.1.5 does not know execCPUAffinity");
    }
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"]).set(
            "/process/execCPUAffinity",
            json!({"initial": "0-1", "final": "0"}),
        );
    });
    c.detach();
    let cpus = "grep Cpus_allowed_list /proc/self/status | cut -f 2";
    assert_eq!(sh(&c, &[], cpus).ok().text(), "0");
    let out = process(
        &c,
        &json!({"args": ["sh", "-c", cpus], "cwd": "/", "env": ["PATH=/bin"],
            "execCPUAffinity": {"initial": "0"}}),
    );
    assert_eq!(out.ok().text(), "0");
}

/// The container's seccomp profile is the process's too.
#[test]
fn under_the_containers_filter() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["sleep", "1000"]).set("/root/readonly", false).set(
            "/linux/seccomp",
            crate::seccomp::on(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"),
        );
    });
    c.detach();
    for nnp in [&["--no-new-privs"][..], &["--no-new-privs=false"]] {
        let out = sh(
            &c,
            nnp,
            "grep Seccomp: /proc/self/status | cut -f 2; mkdir /made",
        )
        .exits(1);
        assert_eq!(out.text(), "2");
        assert!(out.stderr.contains("Operation not permitted"), "{out}");
    }
}

/// Labels where there are none: refused, not ignored.
#[test]
fn labels_that_cannot_be() {
    need_root!();
    let c = running();
    exec(&c, &["--process-label", "a:b:c"], &["true"])
        .exits(255)
        .says("selinux");
    if std::path::Path::new("/sys/kernel/security/apparmor").exists() {
        return;
    }
    exec(&c, &["--apparmor", "profile"], &["true"])
        .exits(255)
        .says("apparmor failed to apply profile");
}
