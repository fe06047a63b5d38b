//! One container of a test, and the search for what it leaves behind.

use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::host::{self, Fifo, cgroups_named, mounts_below, pids_of_cgroup, wait_gone, wait_until};
use crate::{Bundle, Config, Output, Runtime, TempDir};

/// A container: bundle, id, runtime. On drop it is deleted by force, and leftovers fail the test.
#[derive(Debug)]
pub struct Container {
    /// Unique on the machine.
    pub id: String,
    /// Its bundle.
    pub bundle: Bundle,
    /// The runtime with this container's own `--root`.
    pub runtime: Runtime,
    pids: std::cell::RefCell<Vec<u32>>,
    output: std::cell::RefCell<Option<PathBuf>>,
    // Last: what the checks on drop look at must still exist then.
    _root: TempDir,
}

impl Container {
    /// A container whose config `change` makes from the default one.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let c = Self::unsaved();
        c.with_config(change)
    }

    /// A container that runs a shell script.
    pub fn sh(script: &str) -> Self {
        Self::new(|c| {
            c.sh(script);
        })
    }

    /// A container that sleeps until it is killed.
    pub fn sleeping() -> Self {
        Self::new(|c| {
            c.args(&["sleep", "1000"]);
        })
    }

    /// A container without config.json yet.
    pub fn unsaved() -> Self {
        static ONCE: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        ONCE.call_once(host::become_subreaper);
        // With an end: no id is another's beginning, or one would be taken for the other's leftovers.
        let id = format!(
            "rrt-{}-{}x",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let root = TempDir::new("state");
        let runtime = Runtime::new(root.path());
        Self {
            id,
            bundle: Bundle::new("bundle"),
            runtime,
            pids: Default::default(),
            output: Default::default(),
            _root: root,
        }
    }

    /// Changes the config and writes it.
    pub fn with_config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.bundle.config);
        self.bundle.save();
        self
    }

    /// The bundle's files and the runtime's commands are from now on those of the ordinary user `uid`, and the user namespace of
    /// [`Config::rootless`] can be that user's.
    pub fn owned_by(mut self, uid: u32) -> Self {
        chown_all(self.bundle.path(), uid);
        self.runtime.become_user(uid);
        self
    }

    /// A named pipe at `/name` in the container.
    pub fn fifo(&self, name: &str) -> Fifo {
        Fifo::new(&self.bundle.rootfs(name))
    }

    /// `COMMAND OPTIONS... ID`
    pub fn call(&self, command: &[&str]) -> Output {
        let mut args = command.to_vec();
        args.push(&self.id);
        self.runtime.run(&args)
    }

    fn with_bundle(&self, command: &str, options: &[&str]) -> Output {
        let bundle = self.bundle.path().to_str().expect("UTF-8").to_owned();
        let mut args = vec![command, "--bundle", &bundle];
        args.extend_from_slice(options);
        // Init's pid, from where no `state` is needed: it may be gone before one could ask.
        let own = self.bundle.path().join("pid");
        let file = options
            .iter()
            .position(|o| *o == "--pid-file")
            .and_then(|i| options.get(i + 1))
            .map_or(own.clone(), PathBuf::from);
        if file == own {
            let _ = std::fs::remove_file(&own);
            args.extend_from_slice(&["--pid-file", own.to_str().expect("UTF-8")]);
        }
        let out = self.call(&args);
        if let Some(pid) = std::fs::read_to_string(file)
            .ok()
            .and_then(|t| t.parse().ok())
        {
            self.pids.borrow_mut().push(pid);
        }
        *self.output.borrow_mut() = Some(out.stdout_path.clone());
        out
    }

    /// `run`, to the end of the container.
    pub fn run(&self) -> Output {
        self.run_with(&[])
    }

    /// `run` with options.
    pub fn run_with(&self, options: &[&str]) -> Output {
        self.with_bundle("run", options)
    }

    /// `run --detach`; fails the test when that fails.
    #[track_caller]
    pub fn detach(&self) -> u32 {
        self.run_with(&["--detach"]).ok();
        self.pid()
    }

    /// `create`; the init process is remembered for the checks on drop.
    pub fn create(&self) -> Output {
        self.create_with(&[])
    }

    /// `create` with options.
    pub fn create_with(&self, options: &[&str]) -> Output {
        self.with_bundle("create", options)
    }

    /// `start`
    pub fn start(&self) -> Output {
        self.call(&["start"])
    }

    /// `delete`
    pub fn delete(&self) -> Output {
        self.call(&["delete"])
    }

    /// `kill`
    pub fn kill(&self, signal: &str) -> Output {
        self.runtime.run(&["kill", &self.id, signal])
    }

    /// `state`, parsed; fails the test when there is none.
    #[track_caller]
    pub fn state(&self) -> Value {
        let out = self.call(&["state"]).ok();
        serde_json::from_str(&out.stdout).unwrap_or_else(|e| panic!("{e}\n{out}"))
    }

    /// The status that `state` reports.
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    /// The pid that `state` reports.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        u32::try_from(self.state()["pid"].as_u64().expect("a pid")).expect("a pid")
    }

    /// Waits until init has ended; its exit code, or 128 + signal.
    #[track_caller]
    pub fn wait(&self) -> Option<i32> {
        let pid = *self.pids.borrow().last().expect("no init was seen");
        wait_gone(pid)
    }

    /// The file that is the container's standard output.
    pub fn output_path(&self) -> PathBuf {
        self.output.borrow().clone().expect("nothing was run")
    }

    /// What the container has written to standard output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.output_path()).unwrap_or_default()).into_owned()
    }

    /// Reaps the inits that have ended, and forgets them: their numbers may become others'.
    pub fn collect(&self) {
        self.pids.borrow_mut().retain(|pid| {
            let _ = host::reap(*pid);
            host::alive(*pid)
        });
    }

    /// Reaps what has ended and was left to this process: the first process of a pid namespace is not dead before all in it are
    /// reaped.
    pub fn reap_orphans(&self) {
        for pid in host::dead_of_cgroup(&self.id) {
            let _ = host::reap(pid);
        }
    }

    /// `delete --force`, while what it ends is reaped.
    pub fn delete_by_force(&self) -> Output {
        let args = ["delete", "--force", &self.id];
        let (mut command, out, err) = self.runtime.command(&args);
        let child = command.spawn().expect("spawn");
        let end = std::time::Instant::now() + host::hang();
        while !host::poll_exit(child.id(), std::time::Duration::from_millis(5))
            && std::time::Instant::now() < end
        {
            self.reap_orphans();
        }
        self.runtime.wait(child, &args, out, err)
    }

    /// Is there anything in the state directory?
    pub fn state_entries(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.runtime.root()) else {
            return Vec::new();
        };
        entries
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Everything that belongs to this container and still exists, one line each.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .state_entries()
            .into_iter()
            .map(|e| format!("state directory entry {e}"))
            .collect();
        let cgroups = cgroups_named(&self.id);
        // A cgroup with a living process cannot be removed.
        if !cgroups.is_empty() {
            found.extend(
                pids_of_cgroup(&self.id)
                    .into_iter()
                    .map(|p| format!("process {p} in its cgroup")),
            );
        }
        found.extend(
            self.pids
                .borrow()
                .iter()
                .filter(|&&p| host::alive(p))
                .map(|p| format!("init process {p}")),
        );
        found.extend(
            cgroups
                .into_iter()
                .map(|c| format!("cgroup {}", c.display())),
        );
        found.extend(
            mounts_below(self.bundle.path())
                .into_iter()
                .map(|m| format!("mount {}", m.display())),
        );
        found.extend(
            mounts_below(self.runtime.root())
                .into_iter()
                .map(|m| format!("mount {}", m.display())),
        );
        found
    }

    /// Fails the test when anything is left of this container.
    #[track_caller]
    pub fn nothing_left(&self) {
        // A killed process leaves its cgroup a moment after it has become a zombie: no event tells.
        let clean = wait_until(|| self.leftovers().is_empty());
        assert!(clean, "left over: {:#?}", self.leftovers());
    }
}

/// `chown -R`, and no link is followed.
fn chown_all(path: &std::path::Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).expect("chown");
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).expect("the bundle").flatten() {
            chown_all(&entry.path(), uid);
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        if panicking {
            // Do not hang or panic once more: best effort.
            let mut args = vec!["delete", "--force", &self.id];
            let (mut command, _, err) = self.runtime.command(&args.split_off(0));
            if let Ok(mut child) = command.spawn() {
                if !host::poll_exit(child.id(), host::hang()) {
                    host::signal_group(child.id());
                }
                let _ = child.wait();
            }
            for line in std::fs::read_to_string(err)
                .unwrap_or_default()
                .lines()
                .chain(self.leftovers().iter().map(String::as_str))
            {
                eprintln!("after the failure: {line}");
            }
            for pid in pids_of_cgroup(&self.id) {
                host::signal(pid, rustix::process::Signal::KILL);
                host::poll_exit(pid, host::hang());
            }
            wait_until(|| {
                cgroups_named(&self.id)
                    .iter()
                    .rev()
                    .all(|c| std::fs::remove_dir(c).is_ok())
            });
        } else {
            let _ = self.call(&["delete", "--force"]);
            self.nothing_left();
        }
        for &pid in self.pids.borrow().iter() {
            let _ = host::reap(pid);
        }
    }
}
