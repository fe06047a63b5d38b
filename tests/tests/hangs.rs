//! What has kept other runtimes waiting for ever, each as a test of its own: whoever is stopped, silent, full, frozen or dead, the
//! command ends, says why, and nothing is left. `docs/hangs.md` has the list, with what runc does.
//!
//! Here: readers that do not read, frozen cgroups, memory, numbers that are another's, and creators that die. Stopped processes are
//! in [`hangs_stopped`](super::hangs_stopped), filters in [`hangs_seccomp`](super::hangs_seccomp); hooks, console sockets and
//! agents are beside what else is tested of them, deaths at every system call in [`crash`](super::crash), and commands
//! at once in [`races`](super::races).
//!
//! With `SEE_HANGS` set, what is skipped for runc is run all the same: so the list was made.

use std::io::{PipeReader, PipeWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use integration::{
    Container, Signal, TempDir, alive, at_most, cgroup_dirs, cgroup_mounts, is_ours, need_root,
    signal, skip, this_test, wait_gone, wait_until,
};
use serde_json::json;

/// What runc does instead; false: the test is over.
pub fn ours_alone(theirs: &str) -> bool {
    if is_ours() || std::env::var_os("SEE_HANGS").is_some() {
        return true;
    }
    skip(&this_test(), theirs);
    false
}

/// A command that is not waited for yet.
pub struct Running(Child, Vec<String>, PathBuf, PathBuf);

impl Running {
    pub fn start(c: &Container, args: &[&str]) -> Self {
        Self::start_with(c, args, |_| {})
    }

    pub fn start_with(c: &Container, args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let (mut command, out, err) = c.runtime.command(args);
        change(&mut command);
        let args = args.iter().map(|&it| it.to_owned()).collect();
        Self(command.spawn().unwrap(), args, out, err)
    }

    pub fn create(c: &Container) -> Self {
        Self::start(
            c,
            &[
                "create",
                "--bundle",
                c.bundle.path().to_str().unwrap(),
                &c.id,
            ],
        )
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn end(self, c: &Container) -> integration::Output {
        let args: Vec<&str> = self.1.iter().map(String::as_str).collect();
        c.runtime.wait(self.0, &args, self.2, self.3)
    }
}

/// Runs it, and it takes less than this.
pub fn within<T>(seconds: u64, what: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = what();
    let took = begin.elapsed();
    let limit = at_most(Duration::from_secs(seconds));
    assert!(took < limit, "it took {took:?}");
    done
}

/// A pipe of one page, with nothing left to write to.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = page_pipe();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok_and(|count| count > 0) {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

fn page_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    assert_eq!(rustix::pipe::fcntl_setpipe_size(&writer, 4096), Ok(4096));
    (reader, writer)
}

/// A container whose init has a very long error to tell.
fn long_error() -> Container {
    Container::new(|g| {
        g.args(&[&"long/".repeat(20_000)]);
    })
}

/// runc 2530. Standard error is a pipe that is full and that nobody reads, and what is to be said is larger than a pipe.
#[test]
fn an_error_larger_than_a_full_stderr() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever") {
        return;
    }
    let c = long_error();
    let bundle = c.bundle.path().to_str().unwrap();
    let log = c.bundle.path().join("log");
    let log = log.to_str().unwrap();
    for globals in [&[][..], &["--log", log], &["--debug", "--log", log]] {
        for args in [
            &["state", "missing"][..],
            &["run", "--bundle", bundle, &c.id],
            &["create", "--bundle", bundle, &c.id],
        ] {
            let _ = std::fs::remove_file(log);
            let (reader, writer) = full_pipe();
            let mut c = c.runtime.clone();
            c.globals = globals.iter().map(|&it| it.to_owned()).collect();
            let (mut command, out, err) = c.command(args);
            command.stderr(writer);
            within(5, || c.finish(command, args, out, err)).exits(1);
            drop(reader);
            if !globals.is_empty() {
                // Who has a log has the cause there.
                let text = std::fs::read_to_string(log).unwrap();
                let cause = match args[0] {
                    "state" => "container does not exist",
                    _ => "long/long/long",
                };
                assert!(text.lines().last().unwrap().contains(cause), "{text}");
            }
        }
        c.nothing_left();
    }
}

/// A log that is a FIFO: without a reader it cannot be opened, with one that does not read lines are lost. Neither is waited for.
#[test]
fn a_log_fifo_that_nobody_reads() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever") {
        return;
    }
    let c = Container::new(|g| {
        g.args(&["true"]);
    });
    let dir = TempDir::new("fifo");
    let path = dir.path().join("log");
    let done = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(done.success());
    let bundle = c.bundle.path().to_str().unwrap();
    let args = ["run", "--bundle", bundle, &c.id];
    let mut runtime = c.runtime.clone();
    runtime.globals = vec![
        "--debug".to_owned(),
        "--log".to_owned(),
        path.to_str().unwrap().to_owned(),
    ];
    let words = within(2, || runtime.run(&args)).exits(1).stderr;
    assert!(words.contains(path.to_str().unwrap()), "{words}");
    c.nothing_left();
    let mut both = std::fs::File::options()
        .read(true)
        .write(true)
        .custom_flags(0o4000) // O_NONBLOCK
        .open(&path)
        .unwrap();
    while both.write(&[b'x'; 4096]).is_ok_and(|count| count > 0) {}
    within(5, || runtime.run(&args)).ok();
    c.nothing_left();
}

/// runc 2828: pipes of one page for all that a command writes, of which nobody reads anything.
#[test]
fn pipes_of_one_page_that_nobody_reads() {
    need_root!();
    let c = Container::new(|g| {
        // More than a page goes to init, and more than a page is said of it.
        let long = "x".repeat(100_000);
        g.set("/annotations/long", long.as_str())
            .set("/process/env", json!(["PATH=/bin", format!("LONG={long}")]));
        g.sh("[ ${#LONG} = 100000 ]");
    });
    let bundle = c.bundle.path().to_str().unwrap();
    for args in [
        &["run", "--bundle", bundle, &c.id][..],
        &["create", "--bundle", bundle, &c.id],
        &["start", &c.id],
        &["delete", "--force", &c.id],
    ] {
        let pipes = [page_pipe(), page_pipe(), page_pipe()];
        let mut runtime = c.runtime.clone();
        runtime.globals = vec!["--debug".to_owned()];
        let (mut command, out, err) = runtime.command(args);
        let [i, o, e] = &pipes;
        command
            .stdin(i.0.try_clone().unwrap())
            .stdout(o.1.try_clone().unwrap())
            .stderr(e.1.try_clone().unwrap());
        within(5, || runtime.finish(command, args, out, err)).ok();
    }
    c.nothing_left();
}

/// `fs.pipe-user-pages-soft`, put back at the end.
struct PipePages(String);

impl PipePages {
    const PATH: &str = "/proc/sys/fs/pipe-user-pages-soft";

    fn set(pages: &str) -> Option<Self> {
        let before = std::fs::read_to_string(Self::PATH).ok()?;
        std::fs::write(Self::PATH, pages).ok()?;
        Some(Self(before))
    }
}

impl Drop for PipePages {
    fn drop(&mut self) {
        std::fs::write(Self::PATH, self.0.trim()).unwrap();
    }
}

/// runc 2828, 2871: the kernel gives users who have many pipes small ones. Root is exempt, but not root of a user namespace: its
/// init's hooks get a large state and write much through such.
#[test]
fn pipe_user_pages_soft() {
    need_root!();
    let c = super::userns::mapped(|g| {
        let much = json!({"path": "/bin/sh", "args": ["sh", "-c", "head -c 300000 /dev/zero; cat >/dev/null; head -c 300000 /dev/zero >&2"]});
        g.set("/annotations", json!({"large": "x".repeat(1 << 20)}))
            .push("/hooks/createContainer", much.clone())
            .push("/hooks/createRuntime", much)
            .push("/hooks/startContainer", json!({"path": "/bin/sh", "args": ["sh", "-c", "busybox head -c 300000 /dev/zero"]}))
            .sh("echo ran");
    });
    let Some(pages) = PipePages::set("1") else {
        return skip(&this_test(), "fs.pipe-user-pages-soft cannot be written");
    };
    let out = within(5, || c.run());
    drop(pages);
    assert_eq!(out.ok().text(), "ran");
    c.nothing_left();
}

/// The freezer's group of a process, and what to write there.
fn freezer(pid: u32) -> Option<PathBuf> {
    let dirs = cgroup_dirs(pid);
    let v1 = dirs.iter().find(|(names, _)| names == "freezer");
    let v2 = dirs.iter().find(|(names, _)| names.is_empty());
    v1.or(v2).map(|(_, dir)| dir.clone())
}

fn freeze(dir: &std::path::Path, frozen: bool) {
    let v1 = dir.join("freezer.state");
    let (file, words) = match v1.exists() {
        true => (v1, ["THAWED", "FROZEN"]),
        false => (dir.join("cgroup.freeze"), ["0", "1"]),
    };
    // A process that was being born as the state changed is missed; writing it again catches it.
    assert!(wait_until(|| {
        std::fs::write(&file, words[usize::from(frozen)]).unwrap();
        !frozen || words[1] == "1" || std::fs::read_to_string(&file).unwrap().trim() == "FROZEN"
    }));
}

/// runc's `start` returns before the execve, in the middle of which v1 cannot freeze a process of several threads.
fn start_sleeping(c: &Container) {
    c.start().ok();
    let comm = format!("/proc/{}/comm", c.pid());
    assert!(wait_until(|| {
        std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")
    }));
}

/// A created container that is frozen is not started, a frozen one is killed and deleted.
#[test]
fn commands_on_a_frozen_container() {
    need_root!();
    let c = Container::sleeping();
    c.create().ok();
    let group = freezer(c.pid()).unwrap();
    freeze(&group, true);
    assert_eq!(c.status(), "paused");
    within(2, || c.start()).refused("cannot start a container in the paused state");
    within(2, || c.delete())
        .exits(1)
        .says("is not stopped: paused");
    // It is as it was.
    freeze(&group, false);
    assert_eq!(c.status(), "created");
    start_sleeping(&c);
    freeze(&group, true);
    within(2, || c.kill("TERM")).ok();
    within(2, || c.kill("KILL")).ok();
    if is_ours() {
        // runc 1.1 leaves it frozen, with the signal pending.
        within(2, || c.wait());
        c.delete().ok();
    }
    within(5, || c.call(&["delete", "--force"])).ok();
    c.nothing_left();
    for started in [false, true] {
        let c = Container::sleeping();
        c.create().ok();
        if started {
            start_sleeping(&c);
        }
        freeze(&freezer(c.pid()).unwrap(), true);
        within(5, || c.call(&["delete", "--force"])).ok();
        c.nothing_left();
    }
}

/// A group of the test's own, with a freezer; it is removed at the end.
struct Group(String);

impl Group {
    fn directory(&self) -> PathBuf {
        let mounts = cgroup_mounts();
        let find = |wanted: &str| mounts.iter().find(|(names, _)| names == wanted);
        let (_, mount) = find("freezer").or_else(|| find("")).unwrap();
        mount.join(&self.0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (_, mount) in cgroup_mounts() {
            let _ = std::fs::remove_dir(mount.join(&self.0));
        }
    }
}

/// Thaws at the end, or a container in it could not be removed.
struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        freeze(&self.0, false);
    }
}

/// runc waits for ever for an init that is born frozen.
#[test]
fn create_in_a_frozen_group() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever") {
        return;
    }
    let group = Group(format!("rrt-frozen-{}", std::process::id()));
    let parent = group.directory();
    std::fs::create_dir(&parent).unwrap();
    let c = Container::sleeping();
    let path = format!("/{}/{}", group.0, c.id);
    let c = c.with_config(|g| {
        g.set("/linux/cgroupsPath", path.as_str());
    });
    let _frozen = Frozen(parent.clone());
    freeze(&parent, true);
    within(2, || c.create()).refused("frozen");
    c.nothing_left();
    within(2, || c.run()).refused("frozen");
    c.nothing_left();
    // Frozen afterwards: what is in it cannot answer, or die, and that is said.
    freeze(&parent, false);
    c.create().ok();
    freeze(&parent, true);
    within(8, || c.start()).refused("container init does not answer: is a cgroup above it frozen?");
    freeze(&parent, false);
    assert_eq!(c.status(), "created");
    within(5, || c.call(&["delete", "--force"])).ok();
    c.nothing_left();
}

/// Init is killed for want of memory: that is what is said, and not that it hung up.
#[test]
fn a_memory_limit_too_small_for_init() {
    need_root!();
    if !ours_alone("1.1.5 says \"unable to set memory limit\": its init is larger") {
        return;
    }
    for limit in [1, 4096, 16_384, 32_767, 32_768, 65_536, 131_072] {
        let c = Container::new(|g| {
            g.args(&["true"])
                .set("/linux/resources/memory/limit", limit);
        });
        within(5, || c.run()).refused("OOM-killed");
        c.nothing_left();
        within(5, || c.create()).refused("OOM-killed");
        c.nothing_left();
    }
}

/// The creator is killed while a hook runs, before `Ready`: hook and init go by themselves, and what is left can be deleted.
#[test]
fn a_creator_killed_before_ready() {
    need_root!();
    if !ours_alone("1.1.5 leaves the hook, the cgroup and a waiting init") {
        return;
    }
    for force in [false, true] {
        let dir = TempDir::new("hook");
        let said = dir.path().join("said");
        let mut fifo = integration::Fifo::new(&said);
        let script = format!(
            "read -r s; echo $$ \"$s\" > {}; exec sleep 1000",
            said.display()
        );
        let c = Container::sleeping().with_config(|g| {
            g.push(
                "/hooks/createRuntime",
                json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}),
            );
        });
        let creator = Running::create(&c);
        let line = fifo.line();
        let (hook, state) = line.split_once(' ').unwrap();
        let state: serde_json::Value = serde_json::from_str(state).unwrap();
        let init = u32::try_from(state["pid"].as_u64().unwrap()).unwrap();
        assert!(alive(init) && alive(hook.parse().unwrap()));
        signal(creator.pid(), Signal::KILL);
        assert_eq!(creator.end(&c).code, 137);
        within(2, || {
            wait_gone(hook.parse().unwrap());
            wait_gone(init);
        });
        assert_eq!(c.status(), "stopped");
        let options = if force {
            &["delete", "--force"][..]
        } else {
            &["delete"]
        };
        within(2, || c.call(options)).ok();
        c.nothing_left();
    }
}

/// A process that was not started in this tick of the clock, of which there are a hundred a second: no number comes back in one.
fn born_after(tick: u64) -> Child {
    loop {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let start = stat.rsplit(')').next().unwrap().split(' ').nth(20).unwrap();
        if start.parse::<u64>().unwrap() != tick {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// S4. The number in the record belongs to another process by now: the container is stopped, and nobody is signalled.
#[test]
fn a_pid_that_is_anothers_by_now() {
    need_root!();
    for (started, force) in [(false, false), (false, true), (true, false), (true, true)] {
        let c = Container::sleeping();
        c.create().ok();
        if started {
            c.start().ok();
        }
        let init = c.pid();
        signal(init, Signal::KILL);
        wait_gone(init);
        let path = c.runtime.root().join(&c.id).join("state.json");
        let mut record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(record["init_process_pid"], init);
        let mut other = born_after(record["init_process_start"].as_u64().unwrap());
        record["init_process_pid"] = json!(other.id());
        std::fs::write(&path, record.to_string()).unwrap();
        assert_eq!(c.status(), "stopped");
        assert_eq!(c.state()["pid"], 0);
        c.kill("KILL").exits(1);
        if is_ours() {
            c.kill("TERM").refused("container not running");
            c.start()
                .refused("cannot start a container that has stopped");
            c.call(&["kill", "--all"]).ok();
        }
        let options = if force {
            &["delete", "--force"][..]
        } else {
            &["delete"]
        };
        within(5, || c.call(options)).ok();
        c.nothing_left();
        assert!(other.try_wait().unwrap().is_none(), "it was signalled");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
