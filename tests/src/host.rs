//! What the tests look at on the host: processes, cgroups, mounts, and events to wait for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open};

/// A time limit of a test, on this machine. Limits are for what waits for ever, not for speed, so a machine that is known to be slow
/// (`SLOW=5`: five times; `ci/run vm` sets it, an emulated processor is) has more time. The runtime's own limits are as they are.
pub fn at_most(limit: Duration) -> Duration {
    limit * slow()
}

/// How many times slower than others this machine is. A sweep takes one of so many steps.
pub fn slow() -> u32 {
    static FACTOR: LazyLock<u32> = LazyLock::new(|| {
        std::env::var("SLOW").map_or(1, |text| text.parse().expect("SLOW is a number"))
    });
    *FACTOR
}

/// Longer than any command may take; after it the test fails with "hang".
pub fn hang() -> Duration {
    at_most(Duration::from_secs(10))
}

fn pid(n: u32) -> Pid {
    Pid::from_raw(i32::try_from(n).expect("a pid")).expect("a pid is not 0")
}

/// Root with every privilege that a container needs?
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Orphans of detached containers come to this process, which reaps them by pid: a test must not depend on how
/// fast the machine's PID 1 does it.
pub fn become_subreaper() {
    rustix::process::set_child_subreaper(Some(pid(std::process::id())))
        .expect("PR_SET_CHILD_SUBREAPER");
}

/// Waits until a descriptor has something to read (or its end has come); false after `timeout`.
pub fn readable(fd: BorrowedFd<'_>, timeout: Duration) -> bool {
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(
            &mut fds,
            Some(&Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            }),
        ) {
            Ok(n) => return n > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
    }
}

/// Waits until a process has ended (it may be a zombie then); false after `timeout`.
pub fn poll_exit(n: u32, timeout: Duration) -> bool {
    match pidfd_open(pid(n), PidfdFlags::empty()) {
        Ok(fd) => readable(fd.as_fd(), timeout),
        Err(rustix::io::Errno::SRCH) => true,
        Err(e) => panic!("pidfd_open {n}: {e}"),
    }
}

/// Reaps a child or adopted orphan that has ended: (exit code or 128 + signal); `None` when it is not ours or lives.
pub fn reap(n: u32) -> Option<i32> {
    let status = rustix::process::waitpid(Some(pid(n)), WaitOptions::NOHANG)
        .ok()??
        .1;
    status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|s| 128 + s))
}

/// Waits until a process has ended, and reaps it when it is ours; its status as in [`reap`].
#[track_caller]
pub fn wait_gone(n: u32) -> Option<i32> {
    assert!(
        poll_exit(n, hang()),
        "hang: process {n} did not end\n{}",
        describe_tree(n)
    );
    reap(n)
}

/// Does a process live? A zombie does not.
pub fn alive(n: u32) -> bool {
    proc_status(n, "State").is_some_and(|s| !s.starts_with('Z') && !s.starts_with('X'))
}

/// One field of /proc/PID/status.
pub fn proc_status(n: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{n}/status")).ok()?;
    text.lines()
        .find_map(|l| l.strip_prefix(field)?.strip_prefix(':'))
        .map(|v| v.trim().to_owned())
}

/// Sends a signal to one process.
pub fn signal(n: u32, signal: Signal) {
    rustix::process::kill_process(pid(n), signal).unwrap_or_else(|e| panic!("kill {n}: {e}"));
}

/// SIGKILL to a process that may be gone.
pub fn kill(n: u32) {
    let _ = rustix::process::kill_process(pid(n), Signal::KILL);
}

/// SIGKILL to the process group that a runtime command leads.
pub fn signal_group(leader: u32) {
    let _ = rustix::process::kill_process_group(pid(leader), Signal::KILL);
}

/// Polls a condition for which the kernel has no event; false after [`hang`].
pub fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + hang();
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// For the message of a hang: each process below this one, with where in the kernel it waits.
pub fn describe_tree(root: u32) -> String {
    let mut text = String::new();
    let mut todo = vec![root];
    while let Some(n) = todo.pop() {
        let read = |what: &str| {
            std::fs::read_to_string(format!("/proc/{n}/{what}"))
                .unwrap_or_default()
                .replace('\0', " ")
        };
        text += &format!(
            "  {n} [{}] {:?} wchan={} syscall={}",
            read("comm").trim(),
            proc_status(n, "State"),
            read("wchan"),
            read("syscall")
        );
        todo.extend(
            read(&format!("task/{n}/children"))
                .split_whitespace()
                .filter_map(|c| c.parse::<u32>().ok()),
        );
    }
    text
}

/// Unescapes the octal escapes of /proc/*/mountinfo.
fn unescape(field: &str) -> PathBuf {
    PathBuf::from(
        field
            .replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\"),
    )
}

/// Mount points of a mountinfo text as (mount point, mount options, optional fields, fstype, source, super options).
pub fn parse_mountinfo(text: &str) -> Vec<(PathBuf, String, String, String, String, String)> {
    let parse = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.splitn(3, ' ').collect();
        Some((
            unescape(left.get(4)?),
            (*left.get(5)?).to_owned(),
            left.get(6..)?.join(" "),
            (*right.first()?).to_owned(),
            (*right.get(1)?).to_owned(),
            right.get(2).unwrap_or(&"").to_string(),
        ))
    };
    text.lines().filter_map(parse).collect()
}

/// The mounts of this process at or below a path, in mount order.
pub fn mounts_below(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    parse_mountinfo(&text)
        .into_iter()
        .map(|m| m.0)
        .filter(|m| m.starts_with(path))
        .collect()
}

/// The mounted cgroup hierarchies as (controllers as /proc/PID/cgroup names them, mount point); "" is cgroup2.
pub fn cgroup_mounts() -> Vec<(String, PathBuf)> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines() {
        let controllers = line.split(':').nth(1).unwrap_or_default().to_owned();
        let mount = parse_mountinfo(&text)
            .into_iter()
            .find(|(_, _, _, fstype, _, options)| {
                if controllers.is_empty() {
                    fstype == "cgroup2"
                } else {
                    fstype == "cgroup"
                        && controllers
                            .split(',')
                            .all(|c| options.split(',').any(|o| o == c))
                }
            });
        if let Some(mount) = mount {
            found.push((controllers, mount.0));
        }
    }
    found
}

/// Is a cgroup v2 hierarchy all that there is (mounted on /sys/fs/cgroup itself)?
pub fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The cgroup directories of a process as (controllers, directory), on every mounted hierarchy.
pub fn cgroup_dirs(n: u32) -> Vec<(String, PathBuf)> {
    let text = std::fs::read_to_string(format!("/proc/{n}/cgroup")).unwrap_or_default();
    let mounts = cgroup_mounts();
    let dir = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let mount = mounts.iter().find(|(c, _)| c == controllers)?;
        Some((
            controllers.to_owned(),
            mount.1.join(path.trim_start_matches('/')),
        ))
    };
    text.lines().filter_map(dir).collect()
}

/// Every cgroup, on all hierarchies, with `name` in its last path component.
pub fn cgroups_named(name: &str) -> Vec<PathBuf> {
    fn search(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                if entry.file_name().to_string_lossy().contains(name) {
                    found.push(entry.path());
                }
                search(&entry.path(), name, found);
            }
        }
    }
    let mut found = Vec::new();
    for (_, mount) in cgroup_mounts() {
        search(&mount, name, &mut found);
    }
    found
}

/// Every process that has `name` in one of its cgroup paths, and is alive, or a zombie.
fn of_cgroup(name: &str, living: bool) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let pids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&n| {
        std::fs::read_to_string(format!("/proc/{n}/cgroup")).is_ok_and(|t| t.contains(name))
            && alive(n) == living
    })
    .collect()
}

/// Every living process that has `name` in one of its cgroup paths.
pub fn pids_of_cgroup(name: &str) -> Vec<u32> {
    of_cgroup(name, true)
}

/// Every zombie that has `name` in one of its cgroup paths.
pub fn dead_of_cgroup(name: &str) -> Vec<u32> {
    of_cgroup(name, false)
}

/// A named pipe in the rootfs: how a container says "I am here" to its test, and waits for it, without sleeps.
#[derive(Debug)]
pub struct Fifo(File);

impl Fifo {
    /// Makes it and holds both ends.
    pub fn new(path: &Path) -> Self {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o666),
            0,
        )
        .expect("mkfifo");
        rustix::fs::chmod(path, Mode::from_raw_mode(0o666)).expect("chmod");
        let fd = rustix::fs::open(
            path,
            OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .expect("open a fifo");
        Self(File::from(fd))
    }

    /// Waits for a line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            assert!(
                readable(self.0.as_fd(), hang()),
                "hang: no line came; so far: {:?}",
                String::from_utf8_lossy(&line)
            );
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(1) if byte[0] == b'\n' => return String::from_utf8_lossy(&line).into_owned(),
                Ok(1) => line.push(byte[0]),
                Ok(_) => panic!("EOF on a fifo held open"),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => panic!("read a fifo: {e}"),
            }
        }
    }

    /// Writes a line for the container to read.
    pub fn say(&mut self, line: &str) {
        self.0
            .write_all(format!("{line}\n").as_bytes())
            .expect("write a fifo");
    }
}
