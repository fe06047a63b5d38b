//! What a container sees of itself, one `key<TAB>value` a line: the payload of `tests/tests/beside`.
//!
//! Its arguments are paths to look at: kind, mode, owner, content, and whether they can be written. It is started
//! by a runtime, in whatever a random config.json gives, so nothing here may rely on anything: what cannot be had is
//! an error's words, which are compared as well.

use std::fmt::{Debug, Display};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode};
use rustix::process::{self, Resource};
use rustix::thread::{self, CapabilitySet};

fn say(key: impl Display, value: impl Display) {
    println!("{key}\t{}", value.to_string().replace('\n', "\\n"));
}

fn result<T: Debug, E: Display>(value: Result<T, E>) -> String {
    match value {
        Ok(value) => format!("{value:?}"),
        Err(e) => e.to_string(),
    }
}

fn main() {
    attributes();
    environment();
    capabilities();
    limits();
    if Path::new("/proc/self/status").exists() {
        procfs();
    }
    descriptors();
    tree(Path::new("/"), 0);
    for path in std::env::args_os().skip(1) {
        look(Path::new(&path));
    }
    cgroups();
    calls();
}

fn attributes() {
    let pid = process::getpid();
    let own = |other: Option<process::Pid>| match other {
        Some(other) if other == pid => "own",
        Some(_) => "another's",
        None => "none",
    };
    say("session", own(process::getsid(None).ok()));
    say("process group", own(process::getpgid(None).ok()));
    if pid.as_raw_nonzero().get() < 100 {
        say("pid", pid);
        say(
            "parent",
            process::getppid().map_or(0, |p| p.as_raw_nonzero().get()),
        );
    }
    say(
        "umask",
        format!("{:03o}", process::umask(Mode::empty()).bits()),
    );
    say(
        "ids",
        format!(
            "{} {} {} {}",
            process::getuid(),
            process::geteuid(),
            process::getgid(),
            process::getegid()
        ),
    );
    say("groups", result(process::getgroups()));
    let uname = rustix::system::uname();
    say("hostname", uname.nodename().to_string_lossy());
    say("domainname", uname.domainname().to_string_lossy());
    say("no new privileges", result(thread::no_new_privs()));
    say("secure bits", result(thread::capabilities_secure_bits()));
    say("keep capabilities", result(thread::get_keep_capabilities()));
    say("timer slack", result(thread::current_timer_slack()));
    say("dumpable", result(process::dumpable_behavior()));
    say(
        "death signal",
        result(process::parent_process_death_signal()),
    );
    say("subreaper", result(process::child_subreaper()));
    say("affinity", result(thread::sched_getaffinity(None)));
    say("nice", result(process::getpriority_process(None)));
}

fn environment() {
    say(
        "args",
        format!("{:?}", std::env::args_os().collect::<Vec<_>>()),
    );
    say("cwd", result(std::env::current_dir()));
    // In its order.
    for (n, (key, value)) in std::env::vars_os().enumerate() {
        say(format!("env {n}"), format!("{key:?}={value:?}"));
    }
}

fn capabilities() {
    match thread::capabilities(None) {
        Ok(sets) => {
            say("cap effective", format!("{:x}", sets.effective.bits()));
            say("cap permitted", format!("{:x}", sets.permitted.bits()));
            say("cap inheritable", format!("{:x}", sets.inheritable.bits()));
        }
        Err(e) => say("cap", e),
    }
    let of = |has: &dyn Fn(CapabilitySet) -> bool| {
        (0..41)
            .filter(|&n| has(CapabilitySet::from_bits_retain(1 << n)))
            .fold(0u64, |all, n| all | 1 << n)
    };
    let bounding = of(&|c| thread::capability_is_in_bounding_set(c).unwrap_or(false));
    let ambient = of(&|c| thread::capability_is_in_ambient_set(c).unwrap_or(false));
    say("cap bounding", format!("{bounding:x}"));
    say("cap ambient", format!("{ambient:x}"));
}

fn limits() {
    for resource in [
        Resource::Cpu,
        Resource::Fsize,
        Resource::Data,
        Resource::Stack,
        Resource::Core,
        Resource::Rss,
        Resource::Nproc,
        Resource::Nofile,
        Resource::Memlock,
        Resource::As,
        Resource::Locks,
        Resource::Sigpending,
        Resource::Msgqueue,
        Resource::Nice,
        Resource::Rtprio,
        Resource::Rttime,
    ] {
        let limit = process::getrlimit(resource);
        say(
            format!("limit {resource:?}"),
            format!("{:?} {:?}", limit.current, limit.maximum),
        );
    }
}

fn procfs() {
    const FIELDS: &[&str] = &[
        "Name",
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "Threads",
        "CoreDumping",
        "SigPnd",
        "ShdPnd",
        "SigBlk",
        "SigIgn",
        "NoNewPrivs",
        "Seccomp",
        "Seccomp_filters",
        "Cpus_allowed",
        "Mems_allowed",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        if FIELDS.contains(&field) {
            say(format!("status {field}"), value.trim());
        }
    }
    for name in [
        "self/oom_score_adj",
        "self/coredump_filter",
        "self/personality",
        "self/attr/current",
        "self/attr/exec",
        "self/loginuid",
        "self/comm",
        "self/uid_map",
        "self/gid_map",
        "self/setgroups",
        "self/cgroup",
        "self/timens_offsets",
        "self/mountinfo",
        "sys/kernel/shmmax",
        "sys/kernel/msgmax",
        "sys/kernel/sem",
        "sys/kernel/hostname",
        "sys/kernel/domainname",
        "sys/fs/mqueue/msg_max",
        "sys/net/ipv4/ip_forward",
        "sys/net/ipv4/ip_unprivileged_port_start",
        "sys/net/ipv4/ping_group_range",
        "sys/net/core/somaxconn",
        "net/dev",
    ] {
        let text = fs::read(Path::new("/proc").join(name));
        say(
            format!("/proc/{name}"),
            text.map_or_else(
                |e| e.to_string(),
                |t| String::from_utf8_lossy(&t).into_owned(),
            ),
        );
    }
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<&str> = after.split(' ').collect();
        // tty, and its foreground group: priority, nice and policy further on.
        for (name, n) in [("tty", 4), ("priority", 15), ("nice", 16), ("policy", 38)] {
            say(format!("stat {name}"), fields.get(n).unwrap_or(&""));
        }
    }
}

fn descriptors() {
    // The highest first: opening the directory itself takes a free number.
    for n in 0..20 {
        let path = format!("/proc/self/fd/{n}");
        if let Ok(target) = fs::read_link(&path) {
            say(format!("descriptor {n}"), target.display());
        }
    }
}

fn describe(path: &Path, meta: &fs::Metadata) -> String {
    let kind = meta.file_type();
    let extra = if kind.is_symlink() {
        format!("-> {}", result(fs::read_link(path)))
    } else if kind.is_char_device() || kind.is_block_device() {
        format!("{}:{}", meta.rdev() >> 8, meta.rdev() & 0xff)
    } else {
        String::new()
    };
    format!("{:06o} {}:{} {extra}", meta.mode(), meta.uid(), meta.gid())
}

/// Everything that a runtime may have made, but not what the kernel has in /proc and /sys.
fn tree(dir: &Path, depth: u32) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if path.parent() == Some(Path::new("/bin")) {
            continue;
        }
        say(format!("tree {}", path.display()), describe(&path, &meta));
        if meta.is_dir() && depth < 4 && !is_virtual(&path) {
            tree(&path, depth + 1);
        }
    }
}

/// Is this procfs, sysfs or a cgroup?
fn is_virtual(path: &Path) -> bool {
    rustix::fs::statfs(path)
        .is_ok_and(|stat| matches!(stat.f_type, 0x9fa0 | 0x6265_6572 | 0x27_e0eb | 0x6367_7270))
}

fn look(path: &Path) {
    let key = |what: &str| format!("{} {what}", path.display());
    let meta = fs::symlink_metadata(path);
    say(
        key("is"),
        meta.map_or_else(|e| e.to_string(), |m| describe(path, &m)),
    );
    let Ok(meta) = fs::metadata(path) else { return };
    say(key("leads to"), describe(path, &meta));
    if meta.is_dir() {
        let new = path.join(".probe");
        let made = fs::File::create(&new);
        say(key("can get a file"), result(made.map(drop)));
        let _ = fs::remove_file(new);
        let names = fs::read_dir(path).map(|entries| {
            let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
            names.sort();
            // Processes come and go.
            names.retain(|n| !n.as_bytes().iter().all(u8::is_ascii_digit));
            names.truncate(40);
            names
        });
        say(key("has"), result(names));
    } else if !meta.file_type().is_fifo() {
        let written = fs::OpenOptions::new().append(true).open(path);
        say(key("can be written"), result(written.map(drop)));
        if meta.is_file() && meta.len() < 4096 && !path.starts_with("/proc") {
            say(key("is read as"), result(fs::read_to_string(path)));
        } else {
            say(key("can be read"), result(fs::File::open(path).map(drop)));
        }
    }
}

fn cgroups() {
    const FILES: &[&str] = &[
        "memory/memory.limit_in_bytes",
        "memory/memory.soft_limit_in_bytes",
        "memory/memory.memsw.limit_in_bytes",
        "memory/memory.swappiness",
        "memory/memory.use_hierarchy",
        "cpu/cpu.shares",
        "cpu/cpu.cfs_quota_us",
        "cpu/cpu.cfs_period_us",
        "cpuset/cpuset.cpus",
        "cpuset/cpuset.mems",
        "pids/pids.max",
        "devices/devices.list",
        "blkio/blkio.weight",
        "blkio/blkio.throttle.read_bps_device",
        "blkio/blkio.throttle.write_iops_device",
    ];
    for name in FILES {
        let path = Path::new("/sys/fs/cgroup").join(name);
        if let Ok(text) = fs::read_to_string(&path) {
            say(format!("cgroup {name}"), text);
            let written = fs::OpenOptions::new().append(true).open(&path);
            say(
                format!("cgroup {name} can be written"),
                result(written.map(drop)),
            );
        }
    }
}

/// Calls that capabilities, seccomp and namespaces decide about.
fn calls() {
    let dir = Path::new("/tmp/.probe");
    say("mkdir", result(fs::create_dir(dir)));
    say(
        "chmod",
        result(rustix::fs::chmod(dir, Mode::from_raw_mode(0o700))),
    );
    say(
        "chown",
        result(std::os::unix::fs::chown(dir, Some(1), Some(1))),
    );
    say(
        "mknod",
        result(rustix::fs::mknodat(
            CWD,
            "/tmp/.probe-null",
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o666),
            0x103,
        )),
    );
    say(
        "opens a device",
        result(
            fs::OpenOptions::new()
                .write(true)
                .open("/tmp/.probe-null")
                .map(drop),
        ),
    );
    let _ = fs::remove_file("/tmp/.probe-null");
    say("rmdir", result(fs::remove_dir(dir)));
    say(
        "mkfifo",
        result(rustix::fs::mknodat(
            CWD,
            "/tmp/.probe-fifo",
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )),
    );
    let _ = fs::remove_file("/tmp/.probe-fifo");
    // A name that it has already: where the namespace is the host's nothing changes.
    let uname = rustix::system::uname();
    say(
        "sethostname",
        result(rustix::system::sethostname(uname.nodename().to_bytes())),
    );
    say(
        "access",
        result(rustix::fs::accessat(
            CWD,
            "/",
            rustix::fs::Access::WRITE_OK,
            AtFlags::empty(),
        )),
    );
    say(
        "link",
        result(fs::hard_link("/bin/probe", "/bin/.probe-link")),
    );
    let _ = fs::remove_file("/bin/.probe-link");
    say(
        "fork",
        result(
            std::process::Command::new("/bin/true")
                .status()
                .map(|s| s.code()),
        ),
    );
    say(
        "socket",
        result(std::net::UdpSocket::bind("127.0.0.1:0").map(drop)),
    );
    say(
        "privileged port",
        result(std::net::UdpSocket::bind("127.0.0.1:81").map(drop)),
    );
    say(
        "setpriority",
        result(process::setpriority_process(None, -5)),
    );
}
