//! The runtime under test as a command.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::host::{describe_tree, hang, poll_exit, signal_group};

/// A runtime binary and a `--root`.
#[derive(Debug, Clone)]
pub struct Runtime {
    binary: PathBuf,
    root: PathBuf,
    /// Where the files go that stand for standard input, output and error.
    files: PathBuf,
    /// Global options before the command.
    pub globals: Vec<String>,
    /// Commands are this user's, who is in the group of the same number alone, and has no capability.
    pub user: Option<u32>,
    /// A command that executes its arguments: the runtime's commands go behind it.
    pub prefix: Vec<String>,
}

/// What a command left behind. Standard output and error are files: a detached container keeps them, and nobody
/// waits for a pipe that it holds.
#[derive(Debug, Clone)]
pub struct Output {
    /// The arguments, for messages.
    pub command: String,
    /// Exit code; 128 + n when the command died by signal n.
    pub code: i32,
    /// Standard output at the time when the command ended.
    pub stdout: String,
    /// Standard error at that time.
    pub stderr: String,
    /// The file that standard output still goes to.
    pub stdout_path: PathBuf,
}

/// The binary that `RUNTIME` names, else the one built beside these tests.
pub fn runtime_binary() -> PathBuf {
    if let Some(given) = std::env::var_os("RUNTIME") {
        let given = PathBuf::from(given);
        if given.components().count() > 1 {
            return given
                .canonicalize()
                .unwrap_or_else(|e| panic!("RUNTIME={given:?}: {e}"));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        return std::env::split_paths(&path)
            .map(|dir| dir.join(&given))
            .find(|p| p.is_file())
            .unwrap_or_else(|| panic!("RUNTIME={given:?}: not in PATH"));
    }
    // target/<triple>/<profile>/deps/<test> -> target/<triple>/<profile>/runc-rs
    let test = std::env::current_exe().expect("/proc/self/exe");
    let binary = test
        .ancestors()
        .nth(2)
        .expect("a target directory")
        .join("runc-rs");
    assert!(
        binary.is_file(),
        "{binary:?} is missing: run `cargo build` first (cargo builds no binary of another package for a test)"
    );
    binary
}

/// Is the runtime under test runc-rs? For what runc does not do, or does wrongly.
pub fn is_ours() -> bool {
    runtime_binary().file_name().is_some_and(|n| n == "runc-rs")
}

impl Runtime {
    /// The runtime under test, with an own state directory `dir/root`.
    pub fn new(dir: &Path) -> Self {
        Self::with_binary(runtime_binary(), dir)
    }

    /// Another binary.
    pub fn with_binary(binary: PathBuf, dir: &Path) -> Self {
        let files = dir.join("stdio");
        std::fs::create_dir_all(&files).expect("mkdir stdio");
        Self {
            binary,
            root: dir.join("root"),
            files,
            globals: Vec::new(),
            user: None,
            prefix: Vec::new(),
        }
    }

    /// From now on the commands are of the ordinary user `uid`: of a copy of the binary, which everybody can reach.
    pub fn become_user(&mut self, uid: u32) {
        let dir = self.root.parent().expect("a parent").to_owned();
        let copy = dir.join("runtime");
        // By another process: a child that some other test forks meanwhile would have the copy open for writing, and nobody may execute
        // it then (ETXTBSY).
        let copied = Command::new("cp").args([&self.binary, &copy]).status();
        assert!(copied.expect("cp").success(), "copy the runtime");
        std::os::unix::fs::chown(&dir, Some(uid), Some(uid)).expect("chown");
        self.binary = copy;
        self.user = Some(uid);
    }

    /// The same runtime, whose commands come behind these words: a program that executes its arguments.
    #[must_use]
    pub fn behind(&self, words: &[&str]) -> Self {
        let words = words.iter().map(|&word| word.to_owned());
        Self {
            prefix: words.chain(self.prefix.iter().cloned()).collect(),
            ..self.clone()
        }
    }

    /// The same runtime, under a shell that has each command in `"$@"`.
    #[must_use]
    pub fn in_shell(&self, script: &str) -> Self {
        self.behind(&["sh", "-c", script, "sh"])
    }

    /// The same runtime, under such a shell in a mount namespace of its own.
    #[must_use]
    pub fn with_own_mounts(&self, script: &str) -> Self {
        self.in_shell(script)
            .behind(&["unshare", "--mount", "--propagation", "private"])
    }

    /// The binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The `--root`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The command with `--root` and `args`, standard input empty, output in files, in an own process group.
    pub fn command(&self, args: &[&str]) -> (Command, PathBuf, PathBuf) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = |what: &str| self.files.join(format!("{n}.{what}"));
        let (stdin, out, err) = (path("in"), path("out"), path("err"));
        File::create(&stdin).expect("create stdin");
        // Appending, so that the runtime and the container's processes never overwrite each other.
        let append = |p: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(p)
                .expect("create a stdio file")
        };
        let mut command = self.bare();
        command
            .arg("--root")
            .arg(&self.root)
            .args(&self.globals)
            .args(args)
            .stdin(File::open(&stdin).expect("open stdin"))
            .stdout(Stdio::from(append(&out)))
            .stderr(Stdio::from(append(&err)))
            .process_group(0);
        (command, out, err)
    }

    /// What a command says that cannot hang: without files, and with nobody who watches.
    pub fn ask(&self, args: &[&str]) -> String {
        let out = self
            .bare()
            .arg("--root")
            .arg(&self.root)
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{:?}: {e}", self.binary));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Removes the files of the commands that have ended.
    pub fn forget_files(&self) {
        for entry in std::fs::read_dir(&self.files)
            .into_iter()
            .flatten()
            .flatten()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }

    /// The runtime, without any argument.
    pub fn bare(&self) -> Command {
        let mut words = self.prefix.iter();
        let mut command = match words.next() {
            Some(first) => Command::new(first),
            None => Command::new(&self.binary),
        };
        if !self.prefix.is_empty() {
            command.args(words).arg(&self.binary);
        }
        if let Some(uid) = self.user {
            // Groups and capabilities go with it.
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Runs to the end. A command that takes longer than [`hang`] is killed, and the test fails with what it waited in.
    pub fn run(&self, args: &[&str]) -> Output {
        let (command, out, err) = self.command(args);
        self.finish(command, args, out, err)
    }

    /// Runs a prepared [`Runtime::command`] to its end.
    pub fn finish(
        &self,
        mut command: Command,
        args: &[&str],
        out: PathBuf,
        err: PathBuf,
    ) -> Output {
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", self.binary));
        self.wait(child, args, out, err)
    }

    /// Waits for a spawned [`Runtime::command`], at most [`hang`].
    pub fn wait(&self, mut child: Child, args: &[&str], out: PathBuf, err: PathBuf) -> Output {
        let read =
            |p: &Path| String::from_utf8_lossy(&std::fs::read(p).unwrap_or_default()).into_owned();
        if !poll_exit(child.id(), hang()) {
            let seen = describe_tree(child.id());
            signal_group(child.id());
            let _ = child.wait();
            panic!(
                "hang: {:?} {args:?} did not end in {:?}\n{seen}stdout: {}\nstderr: {}",
                self.binary,
                hang(),
                read(&out),
                read(&err)
            );
        }
        let status = child.wait().expect("wait for the runtime");
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Output {
            command: format!("{args:?}"),
            code,
            stdout: read(&out),
            stderr: read(&err),
            stdout_path: out,
        }
    }
}

impl Output {
    /// Exit code 0, else the test fails and shows everything.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// This exit code, else the test fails and shows everything.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Exit code 1 and these words on standard error.
    #[track_caller]
    pub fn refused(self, words: &str) -> Self {
        self.exits(1).says(words)
    }

    /// These words on standard error (a quotation mark may be escaped there, as in logrus's text format).
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(
            self.stderr.replace("\\\"", "\"").contains(words),
            "expected on stderr: {words:?}\n{self}"
        );
        self
    }

    /// Standard output, trimmed.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Standard output as lines.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} exited with {}\nstdout: {}\nstderr: {}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}
