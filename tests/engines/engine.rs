//! An engine inside its sandbox: how it is configured and started, and one command of it.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use integration::{Output, Pty, describe_tree, poll_exit, signal_group};

use crate::configure::entering;
use crate::sandbox::WORK;

/// Longer than any command may take, also on a machine with much else to do.
fn command_limit() -> Duration {
    integration::at_most(Duration::from_secs(60))
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Podman as root.
    Podman,
    /// Podman as an ordinary user.
    PodmanUser,
    /// Docker.
    Docker,
    /// containerd, through ctr.
    Containerd,
    /// containerd, through Kubernetes' interface.
    Cri,
}

impl Kind {
    /// The slowest, which are to start first, first.
    pub const ALL: [Self; 5] = [
        Self::Podman,
        Self::PodmanUser,
        Self::Docker,
        Self::Cri,
        Self::Containerd,
    ];
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Podman => "podman",
            Self::PodmanUser => "podman-user",
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Cri => "cri",
        })
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|k| k.to_string() == text)
            .ok_or(format!("no such engine: {text}"))
    }
}

/// A running engine with the runtime under test.
pub struct Engine {
    pub kind: Kind,
    /// Name of the runtime, which is also its file's.
    pub runtime: String,
    /// What every command begins with.
    pub client: Vec<String>,
    /// The daemon, if it has one.
    daemon: Mutex<Option<Child>>,
    /// Processes that are there when no container is.
    pub idle: Vec<String>,
}

impl Engine {
    /// Configures and starts it, with the image.
    pub fn start(kind: Kind, runtime: &str) -> Self {
        let mut engine = Self {
            kind,
            runtime: runtime.to_owned(),
            client: Vec::new(),
            daemon: Mutex::default(),
            idle: Vec::new(),
        };
        match kind {
            Kind::Podman => engine.podman(Path::new(WORK), "run"),
            Kind::PodmanUser => engine.podman_of_a_user(),
            Kind::Docker => engine.docker(),
            Kind::Containerd | Kind::Cri => engine.containerd(),
        }
        let image = format!("{WORK}/busybox.tar");
        match kind {
            Kind::Podman | Kind::PodmanUser | Kind::Docker => {
                engine.run(&["load", "-q", "-i", &image]).ok();
            }
            Kind::Containerd => {
                engine.run(&["images", "import", &image]).ok();
            }
            Kind::Cri => {
                for image in [image, format!("{WORK}/pause.tar")] {
                    engine.run(&["images", "import", &image]).ok();
                }
            }
        }
        engine.idle = processes();
        engine
    }

    /// The runtime's file.
    pub fn binary(&self) -> String {
        format!("{WORK}/bin/{}", self.runtime)
    }

    /// The name of the runtime in dockerd's configuration, where `runc` is taken.
    pub fn name_in_docker(&self) -> &str {
        if self.runtime == "runc" {
            "under-test"
        } else {
            &self.runtime
        }
    }

    /// Starts dockerd, with more options.
    pub fn dockerd(&self, more: &[&str]) {
        let config = format!("{WORK}/daemon.json");
        let mut daemon = Command::new("dockerd");
        daemon.args(["--config-file", &config]).args(more);
        self.await_daemon(daemon, &["version"]);
    }

    /// Starts a daemon; it is there when this command of its client succeeds.
    pub fn await_daemon(&self, mut daemon: Command, probe: &[&str]) {
        let log = PathBuf::from(WORK).join("daemon.log");
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = daemon
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", daemon.get_program()));
        *self.daemon.lock().unwrap() = Some(child);
        let end = Instant::now() + command_limit();
        while self.run(probe).code != 0 {
            assert!(
                Instant::now() < end,
                "the daemon does not answer:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the daemon.
    pub fn stop(&self) {
        let Some(mut daemon) = self.daemon.lock().unwrap().take() else {
            return;
        };
        integration::signal(daemon.id(), integration::Signal::TERM);
        assert!(
            poll_exit(daemon.id(), command_limit()),
            "the daemon does not end"
        );
        // The first process may have been faster.
        let _ = daemon.wait();
    }

    /// A command of the client.
    pub fn run(&self, args: &[&str]) -> Output {
        self.feed(args, "")
    }

    /// The same with this on its standard input.
    pub fn feed(&self, args: &[&str], input: &str) -> Output {
        let (command, out) = self.command(args, input);
        finish(command, out, args)
    }

    /// The same with this in its environment.
    pub fn run_with(&self, env: (&str, &str), args: &[&str]) -> Output {
        let (mut command, out) = self.command(args, "");
        command.env(env.0, env.1);
        finish(command, out, args)
    }

    /// The same for a client that gets an environment of its own.
    pub fn run_with_client_env(&self, env: (&str, &str), args: &[&str]) -> Output {
        let name = self.client.last().expect("a client");
        let set = format!("{}={}", env.0, env.1);
        self.other(&[&set], name, args)
    }

    /// The client in this cgroup of version 2, not in the one that it enters by itself.
    pub fn run_in(&self, group: &Path, args: &[&str]) -> Output {
        let mut all = entering(group);
        let own = match self.kind {
            Kind::PodmanUser => all.len(),
            _ => 0,
        };
        all.extend_from_slice(&self.client[own..]);
        let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
        all.extend(args);
        run(all[0], &all[1..], "")
    }

    /// Another program in the client's environment, and with this in it.
    pub fn other(&self, env: &[&str], program: &str, args: &[&str]) -> Output {
        let (_, client) = self.client.split_last().expect("a client");
        let mut all: Vec<&str> = client.iter().map(String::as_str).collect();
        all.extend(env);
        all.push(program);
        all.extend(args);
        run(all[0], &all[1..], "")
    }

    /// The command with `file` as descriptor 3.
    pub fn run_with_descriptor(&self, file: &str, args: &[&str]) -> Output {
        let mut all = vec!["-c", "file=$1; shift; exec \"$@\" 3<\"$file\"", "sh", file];
        all.extend(self.client.iter().map(String::as_str));
        all.extend(args);
        run("sh", &all, "")
    }

    /// The command, with files for its standard streams: what it leaves behind may keep them.
    fn command(&self, args: &[&str], input: &str) -> (Command, [PathBuf; 2]) {
        let mut command = Command::new(&self.client[0]);
        command.args(&self.client[1..]).args(args);
        let files = streams(&mut command, input);
        (command, files)
    }

    /// Starts a command on a terminal.
    pub fn on_terminal(&self, args: &[&str], pty: &Pty) -> Child {
        let mut command = Command::new("setsid");
        // Its controlling terminal, which the signals of its size come from.
        command
            .arg("--ctty")
            .arg("--wait")
            .args(&self.client)
            .args(args);
        let slave = || Stdio::from(pty.open_slave());
        command.stdin(slave()).stdout(slave()).stderr(slave());
        command.spawn().expect("setsid")
    }
}

/// Waits until this is so; false after a time in which it would have come.
pub fn until(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + command_limit();
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Runs anything else in the sandbox.
pub fn run(program: &str, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(args);
    let files = streams(&mut command, input);
    finish(command, files, args)
}

/// Waits for a command, with its exit code.
pub fn wait(mut child: Child) -> i32 {
    let limit = command_limit();
    if !poll_exit(child.id(), limit) {
        let seen = describe_tree(child.id());
        let _ = child.kill();
        let _ = child.wait();
        panic!("hang: the command did not end in {limit:?}\n{seen}");
    }
    let status = child.wait().expect("wait");
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn streams(command: &mut Command, input: &str) -> [PathBuf; 2] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = |what: &str| PathBuf::from(WORK).join(format!("tmp/{n}.{what}"));
    let (stdin, out, err) = (path("in"), path("out"), path("err"));
    File::create(&stdin)
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let append = |p: &Path| File::options().create(true).append(true).open(p).unwrap();
    command
        .stdin(File::open(&stdin).unwrap())
        .stdout(append(&out))
        .stderr(append(&err))
        .process_group(0);
    [out, err]
}

fn finish(mut command: Command, [out, err]: [PathBuf; 2], args: &[&str]) -> Output {
    let text = args.join(" ");
    let limit = command_limit();
    let read =
        |p: &Path| String::from_utf8_lossy(&std::fs::read(p).unwrap_or_default()).into_owned();
    let mut child = command
        .spawn()
        .unwrap_or_else(|e| panic!("{:?}: {e}", command.get_program()));
    if !poll_exit(child.id(), limit) {
        let seen = describe_tree(child.id());
        signal_group(child.id());
        let _ = child.wait();
        panic!(
            "hang: {text} did not end in {limit:?}\n{seen}\nstdout: {}\nstderr: {}",
            read(&out),
            read(&err)
        );
    }
    Output {
        code: wait(child),
        command: text,
        stdout: read(&out),
        stderr: read(&err),
        stdout_path: out,
    }
}

/// Names of the sandbox's processes but the harness's own.
pub fn processes() -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        if pid != 1 && pid != std::process::id() && integration::alive(pid) {
            let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            names.push(comm.trim().to_owned());
        }
    }
    names.sort();
    names
}
