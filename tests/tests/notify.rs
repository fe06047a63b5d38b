//! `$NOTIFY_SOCKET` (sd_notify(3)): the program's READY goes to who has called the runtime, and `start` and `run --detach` wait for it.
//!
//! The manager is a socket of the test. The program's words are sent by the test too, through the container's own mount of its
//! socket, and in [`systemd_notify`] by systemd's program in the container.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use integration::{
    Config, Container, Fifo, Pty, Signal, TempDir, alive, is_ours, need_root, readable, signal,
    skip, this_test, wait_gone,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::hangs::{Running, ours_alone, within};

/// Who has called the runtime.
pub struct Manager {
    socket: UnixDatagram,
    /// For `$NOTIFY_SOCKET`.
    pub address: String,
    _dir: TempDir,
}

impl Manager {
    pub fn new() -> Self {
        let dir = TempDir::new("manager");
        let path = dir.path().join("sock");
        Self {
            socket: UnixDatagram::bind(&path).unwrap(),
            address: path.to_str().unwrap().to_owned(),
            _dir: dir,
        }
    }

    /// The next message, and the descriptor beside it.
    #[track_caller]
    fn hear(&self) -> (String, Option<OwnedFd>) {
        assert!(
            readable(self.socket.as_fd(), integration::hang()),
            "hang: nothing is said"
        );
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .unwrap();
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        (
            String::from_utf8_lossy(&bytes[..got.bytes]).into_owned(),
            fd,
        )
    }

    /// READY, then who is to be watched, then the barrier, which is returned: closing it is the answer.
    #[track_caller]
    pub fn hear_ready(&self, main_pid: u32) -> Option<OwnedFd> {
        assert_eq!(self.hear().0, "READY=1\n");
        assert_eq!(self.hear().0, format!("MAINPID={main_pid}\n"));
        if !is_ours() {
            // runc has the barrier since 1.2.
            return None;
        }
        let (text, fd) = self.hear();
        assert_eq!(text, "BARRIER=1");
        Some(fd.expect("a descriptor with the barrier"))
    }

    fn hears_nothing(&self) {
        self.socket.set_nonblocking(true).unwrap();
        let mut bytes = [0; 64];
        if let Ok(count) = self.socket.recv(&mut bytes) {
            panic!("heard {:?}", String::from_utf8_lossy(&bytes[..count]));
        }
        self.socket.set_nonblocking(false).unwrap();
    }

    pub fn start(&self, c: &Container, command: &str, options: &[&str]) -> Running {
        self.start_with(c, command, options, |_| {})
    }

    fn start_with(
        &self,
        c: &Container,
        command: &str,
        options: &[&str],
        change: impl FnOnce(&mut std::process::Command),
    ) -> Running {
        let bundle = c.bundle.path().to_str().unwrap();
        let mut args = vec![command];
        if command != "start" {
            args.extend(["--bundle", bundle]);
        }
        args.extend(options);
        args.push(&c.id);
        Running::start_with(c, &args, |command| {
            command.env("NOTIFY_SOCKET", &self.address);
            change(command);
        })
    }
}

/// Up, then waits to be told how to end: a word is an exit code.
pub fn waiting(change: impl FnOnce(&mut Config)) -> (Container, Fifo, Fifo) {
    let c = Container::unsaved();
    let (up, go) = (c.fifo("up"), c.fifo("go"));
    let c = c.with_config(|g| {
        g.sh("echo $NOTIFY_SOCKET > /up; read x < /go; exit $x");
        change(g);
    });
    (c, up, go)
}

/// Created by who has a manager, and not started.
pub fn created() -> (Manager, Container, Fifo, Fifo) {
    let (c, up, go) = waiting(|_| {});
    let manager = Manager::new();
    manager.start(&c, "create", &[]).end(&c).ok();
    (manager, c, up, go)
}

/// The program's words, where the program would say them.
pub fn say(pid: u32, words: &str) -> std::io::Result<()> {
    let path = format!("/proc/{pid}/root/run/notify/notify.sock");
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(integration::hang()))?;
    socket.send_to(words.as_bytes(), path).map(drop)
}

/// `run` in the foreground, whose program is up and has said that it is ready, which `manager` has heard.
fn ready_run(manager: &Manager, c: &Container, up: &mut Fifo) -> Running {
    let run = manager.start(c, "run", &[]);
    up.line();
    say(c.pid(), "READY=1").unwrap();
    drop(manager.hear_ready(run.pid()));
    run
}

pub fn notify_dir(c: &Container) -> PathBuf {
    c.runtime.root().join(&c.id).join("notify")
}

pub const PLACE: &str = "/run/notify/notify.sock";

#[test]
fn a_detached_run_waits_for_ready() {
    need_root!();
    let (c, mut up, _go) = waiting(|_| {});
    let manager = Manager::new();
    let run = manager.start(&c, "run", &["--detach"]);
    assert_eq!(up.line(), PLACE);
    let pid = c.pid();
    assert_eq!(c.status(), "running");
    assert!(alive(run.pid()));
    say(pid, "STATUS=nearly").unwrap();
    say(pid, "READY=1\nSTATUS=there").unwrap();
    let barrier = manager.hear_ready(pid);
    assert!(
        barrier.is_none() || alive(run.pid()),
        "not acknowledged yet"
    );
    drop(barrier);
    run.end(&c).ok();
    manager.hears_nothing();
    assert_eq!(c.status(), "running");
    // Nobody listens any more, and nobody is kept waiting by that.
    assert!(say(pid, "STATUS=more").is_err());
    c.call(&["delete", "--force"]).ok();
    c.nothing_left();
}

#[test]
fn create_then_start() {
    need_root!();
    let (manager, c, mut up, mut go) = created();
    assert_eq!(c.status(), "created");
    assert!(!notify_dir(&c).join("notify.sock").exists());
    let start = manager.start(&c, "start", &[]);
    assert_eq!(up.line(), PLACE);
    let pid = c.pid();
    assert!(alive(start.pid()));
    // Somebody else cannot take it over.
    manager
        .start(&c, "start", &[])
        .end(&c)
        .refused("cannot start an already running container");
    say(pid, "READY=1").unwrap();
    drop(manager.hear_ready(pid));
    start.end(&c).ok();
    go.say("0");
    wait_gone(pid);
    c.delete().ok();
    c.nothing_left();
}

/// In the foreground it is the runtime that the manager has started and watches.
#[test]
fn a_foreground_run() {
    need_root!();
    let (c, mut up, mut go) = waiting(|_| {});
    let manager = Manager::new();
    let run = manager.start(&c, "run", &[]);
    assert_eq!(up.line(), PLACE);
    say(c.pid(), "READY=1").unwrap();
    drop(manager.hear_ready(run.pid()));
    go.say("5");
    run.end(&c).exits(5);
    manager.hears_nothing();
    c.nothing_left();
}

#[test]
fn a_foreground_run_on_a_terminal() {
    need_root!();
    let (c, mut up, _go) = waiting(|g| {
        g.set("/process/terminal", true)
            .sh("echo $NOTIFY_SOCKET > /up; echo there; read x; exit $x");
    });
    let manager = Manager::new();
    let mut pty = Pty::new(24, 80);
    let run = manager.start_with(&c, "run", &[], |command| {
        command
            .stdin(pty.open_slave())
            .stdout(pty.open_slave())
            .stderr(pty.open_slave());
    });
    assert_eq!(up.line(), PLACE);
    say(c.pid(), "READY=1").unwrap();
    drop(manager.hear_ready(run.pid()));
    pty.expect("there");
    pty.type_in("6\n");
    run.end(&c).exits(6);
}

/// Whatever the manager does not do: the program's end is the command's, and signals reach the program.
#[test]
fn a_manager_that_does_not_read() {
    need_root!();
    if !ours_alone(
        "1.1.5 forwards no signal, and does not see the end, before it has told the manager",
    ) {
        return;
    }
    let (c, mut up, _go) = waiting(|g| {
        g.sh("trap 'exit 9' TERM; echo > /up; while :; do read x < /go; done");
    });
    let manager = Manager::new();
    let run = manager.start(&c, "run", &[]);
    up.line();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"x", &manager.address).is_ok() {}
    let pid = c.pid();
    say(pid, "READY=1").unwrap();
    signal(run.pid(), Signal::TERM);
    wait_gone(pid);
    assert!(alive(run.pid()), "what the program has said is not lost");
    // It reads again.
    while manager.hear().0 == "x" {
        if !readable(manager.socket.as_fd(), std::time::Duration::ZERO) {
            break;
        }
    }
    while alive(run.pid())
        && readable(
            manager.socket.as_fd(),
            std::time::Duration::from_millis(100),
        )
    {
        drop(manager.hear());
    }
    within(5, || run.end(&c)).exits(9);
}

#[test]
fn signals_come_through_before_ready() {
    need_root!();
    if !ours_alone("1.1.5 forwards no signal before READY") {
        return;
    }
    let (c, mut up, _go) = waiting(|g| {
        g.sh("trap 'exit 55' TERM; echo > /up; while :; do read x < /go; done");
    });
    let manager = Manager::new();
    let run = manager.start(&c, "run", &[]);
    up.line();
    signal(run.pid(), Signal::TERM);
    run.end(&c).exits(55);
    manager.hears_nothing();
}

#[test]
fn a_program_that_ends_without_being_ready() {
    need_root!();
    if !ours_alone("1.1.5 waits for ever in run, and in start until somebody has reaped init") {
        return;
    }
    let manager = Manager::new();
    for (options, code) in [(&[][..], 4), (&["--detach"], 0)] {
        let c = Container::sh("exit 4");
        let out = within(5, || manager.start(&c, "run", options).end(&c)).exits(code);
        if code == 0 {
            out.says("ended without being ready");
        }
    }
    let c = Container::sh("exit 4");
    manager.start(&c, "create", &[]).end(&c).ok();
    let pid = c.pid();
    within(5, || manager.start(&c, "start", &[]).end(&c)).ok();
    assert_eq!(wait_gone(pid), Some(4));
    c.delete().ok();
    c.nothing_left();
    manager.hears_nothing();
}

/// What it said last counts, however soon it has ended.
#[test]
fn ready_and_dead() {
    need_root!();
    let (manager, c, mut up, mut go) = created();
    let start = manager.start(&c, "start", &[]);
    up.line();
    let pid = c.pid();
    // Both are there when it looks.
    signal(start.pid(), Signal::STOP);
    say(pid, "READY=1").unwrap();
    go.say("3");
    assert_eq!(wait_gone(pid), Some(3));
    signal(start.pid(), Signal::CONT);
    drop(manager.hear_ready(pid));
    start.end(&c).ok();
}

#[test]
fn the_mount_and_the_variable() {
    need_root!();
    let (c, mut up, mut go) = waiting(|g| {
        g.push("/process/env", json!("NOTIFY_SOCKET=/of/the/config"))
            .sh("grep ' /run/notify ' /proc/self/mountinfo > /up; env | grep NOTIFY > /up; ls -ldn /run/notify /run/notify/* | cut -c-10 > /up; read x < /go");
    });
    let manager = Manager::new();
    let run = manager.start(&c, "run", &[]);
    let line = up.line();
    assert!(
        line.contains(" /run/notify ro,nosuid,nodev,noexec"),
        "{line}"
    );
    assert_eq!(up.line(), format!("NOTIFY_SOCKET={PLACE}"));
    assert_eq!(up.line(), "drwxr-xr-x");
    assert_eq!(up.line(), "srwxrwxrwx");
    say(c.pid(), "READY=1").unwrap();
    drop(manager.hear_ready(run.pid()));
    go.say("0");
    run.end(&c).ok();
}

/// An empty one is none, and the config's own is nobody else's business.
#[test]
fn without_a_manager_nothing_changes() {
    need_root!();
    let c = Container::new(|g| {
        g.push("/process/env", json!("NOTIFY_SOCKET=/of/the/config"))
            .sh("echo $NOTIFY_SOCKET; [ -e /run/notify ] || echo no place");
    });
    let bundle = c.bundle.path().to_str().unwrap();
    let out = Running::start_with(&c, &["run", "--bundle", bundle, &c.id], |command| {
        command.env("NOTIFY_SOCKET", "");
    })
    .end(&c)
    .ok();
    assert_eq!(out.text(), "/of/the/config\nno place");
}

#[test]
fn a_state_directory_with_a_long_path() {
    need_root!();
    if !ours_alone("1.1.5: bind: invalid argument") {
        return;
    }
    let (mut c, mut up, mut go) = waiting(|_| {});
    let root = c.runtime.root().join("long-".repeat(25));
    c.runtime.globals = vec!["--root".to_owned(), root.to_str().unwrap().to_owned()];
    let manager = Manager::new();
    let run = ready_run(&manager, &c, &mut up);
    go.say("0");
    run.end(&c).ok();
    std::fs::remove_dir(root).unwrap();
}

#[test]
fn an_abstract_address() {
    need_root!();
    use std::os::linux::net::SocketAddrExt;
    let (c, mut up, mut go) = waiting(|_| {});
    let mut manager = Manager::new();
    let name = format!("notify-test-{}", c.id);
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    manager.socket = UnixDatagram::bind_addr(&address).unwrap();
    manager.address = format!("@{name}");
    let run = ready_run(&manager, &c, &mut up);
    go.say("0");
    run.end(&c).ok();
}

/// A program that asks whether it was heard is answered, also when all was said that goes on.
#[test]
fn a_barrier_of_the_programs() {
    need_root!();
    if !ours_alone("1.1.5 reads nothing after READY") {
        return;
    }
    let (c, mut up, mut go) = waiting(|_| {});
    let manager = Manager::new();
    let run = ready_run(&manager, &c, &mut up);
    let pid = c.pid();
    // More than any queue holds.
    for _ in 0..2_000 {
        say(pid, "WATCHDOG=1").unwrap();
    }
    manager.hears_nothing();
    go.say("0");
    run.end(&c).ok();
}

/// systemd's own client in the container, as another user of another user namespace.
#[test]
fn systemd_notify() {
    need_root!();
    let program = Path::new("/usr/bin/systemd-notify");
    if !program.exists() {
        return skip(&this_test(), "no systemd-notify (apt-get install systemd)");
    }
    for userns in [false, true] {
        let (c, mut up, mut go) = waiting(|g| {
            g.sh("echo > /up; systemd-notify --ready; echo told $? > /up; read x < /go; exit $x")
                .set("/process/user", json!({"uid": 1000, "gid": 1000}));
            for dir in ["/usr", "/lib", "/lib64"] {
                g.mount(dir, "bind", dir, &["rbind", "ro"]);
            }
            if userns {
                g.user_namespace(100_000, 65536);
            }
        });
        if userns {
            // For the mount points.
            rustix::fs::chown(
                c.bundle.rootfs("/"),
                Some(rustix::fs::Uid::from_raw(100_000)),
                Some(rustix::fs::Gid::from_raw(100_000)),
            )
            .unwrap();
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(c.bundle.path(), open).unwrap();
        }
        let manager = Manager::new();
        let run = manager.start(&c, "run", &[]);
        up.line();
        drop(manager.hear_ready(run.pid()));
        let told = up.line();
        // It asks whether it was heard, and runc does not answer.
        assert!(!is_ours() || told == "told 0", "{told}");
        go.say("0");
        run.end(&c).ok();
    }
}
