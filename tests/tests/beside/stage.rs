//! Where both runtimes play the same case, one after the other: the same paths, the same id, everything made anew.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use integration::{
    Runtime, TempDir, cgroup_dirs, describe_tree, find_busybox, hang, mounts_below,
    parse_mountinfo, poll_exit, signal_group,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use serde_json::Value;

use super::seen::Seen;

pub struct Stage {
    dir: TempDir,
    probe: PathBuf,
    pub id: String,
    ours: Runtime,
    runc: Runtime,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Ours,
    Runc,
}

impl Stage {
    /// None: there is no runc, or no probe, on this machine.
    pub fn new(runc: PathBuf) -> Option<Self> {
        let dir = TempDir::new("beside");
        let ours = integration::runtime_binary();
        let probe = ours.with_file_name("probe");
        // Below this directory, so that it can be linked and need not be copied.
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).expect("mkdir");
        fs::copy(find_busybox(), kept.join("busybox")).expect("copy busybox");
        if !probe.exists() {
            return None;
        }
        // By another process: see `Runtime::become_user`.
        let copied = std::process::Command::new("cp")
            .args([&probe, &ours, &kept])
            .status();
        assert!(copied.expect("cp").success());
        fs::create_dir(dir.path().join("hooks")).expect("mkdir");
        let id = format!("rrt-beside-{}", dir.path().file_name()?.to_str()?);
        // A long run is not disturbed by a new build.
        let ours = Runtime::with_binary(kept.join("runc-rs"), dir.path());
        let runc = Runtime::with_binary(runc, dir.path());
        Some(Self {
            dir,
            probe: kept.join("probe"),
            id,
            ours,
            runc,
        })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn runtime(&self, who: Who) -> &Runtime {
        match who {
            Who::Ours => &self.ours,
            Who::Runc => &self.runc,
        }
    }

    /// The config with what only a stage knows.
    pub fn fill(&self, config: &Value) -> String {
        let text = serde_json::to_string_pretty(config).expect("JSON");
        text.replace("@STAGE@", self.path().to_str().expect("UTF-8"))
            .replace("@ID@", &self.id)
    }

    /// What is seen of `run` with this config.
    pub fn play(&self, who: Who, config: &Value) -> Seen {
        self.set_up();
        fs::write(self.path().join("bundle/config.json"), self.fill(config))
            .expect("write config.json");
        let before = mounts_below(self.path());
        let bundle = self.path().join("bundle");
        let (code, stdout, stderr) = self.call(
            who,
            &["run", "-b", bundle.to_str().expect("UTF-8"), &self.id],
        );
        let mut seen = Seen::new(code, &stdout, &stderr);
        self.leftovers(&mut seen, who, &before);
        self.clear();
        seen
    }

    /// One command to its end: exit code, standard output and error.
    pub fn call(&self, who: Who, args: &[&str]) -> (String, String, String) {
        let runtime = self.runtime(who);
        let (mut command, out, err) = runtime.command(args);
        command
            .current_dir(self.path().join("hooks"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let mut child = command.spawn().expect("spawn the runtime");
        let code = if poll_exit(child.id(), hang() * 2 / 3) {
            use std::os::unix::process::ExitStatusExt;
            let status = child.wait().expect("wait");
            status.code().map_or_else(
                || format!("signal {:?}", status.signal()),
                |c| c.to_string(),
            )
        } else {
            eprintln!("hang: {who:?} {args:?}\n{}", describe_tree(child.id()));
            signal_group(child.id());
            let _ = child.wait();
            "hang".to_owned()
        };
        let read =
            |p: &Path| String::from_utf8_lossy(&fs::read(p).unwrap_or_default()).into_owned();
        let result = (code, read(&out), read(&err));
        runtime.forget_files();
        result
    }

    /// A bundle in which there is something of every kind.
    pub fn set_up(&self) {
        let bundle = self.path().join("bundle");
        let root = bundle.join("rootfs");
        let make = |p: &str, mode: u32| {
            fs::create_dir_all(root.join(p)).expect("mkdir");
            fs::set_permissions(root.join(p), fs::Permissions::from_mode(mode)).expect("chmod");
        };
        for p in [
            "bin", "proc", "dev", "sys", "etc", "home", "mnt", "data", "data/dir",
        ] {
            make(p, 0o755);
        }
        make("tmp", 0o1777);
        make("closed", 0o700);
        let kept = self.path().join("kept");
        fs::hard_link(kept.join("busybox"), root.join("bin/busybox")).expect("link");
        fs::hard_link(&self.probe, root.join("bin/probe")).expect("link");
        for (link, target) in [
            ("bin/sh", "busybox"),
            ("bin/true", "busybox"),
            ("bin/env", "/bin/busybox"),
            ("bin/cat", "busybox"),
            ("bin/sort", "busybox"),
            ("bin/link-probe", "../bin/probe"),
            ("link-dir", "data/dir"),
            ("link-abs", "/data"),
            ("link-file", "/data/file"),
            ("dangling", "/nowhere/x"),
            ("loop", "loop"),
            ("link-up", "../../.."),
        ] {
            symlink(target, root.join(link)).expect("symlink");
        }
        symlink("rootfs", bundle.join("link-rootfs")).expect("symlink");
        let file = |p: PathBuf, text: &str, mode: u32| {
            fs::write(&p, text).expect("write");
            fs::set_permissions(&p, fs::Permissions::from_mode(mode)).expect("chmod");
        };
        file(
            root.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
            0o644,
        );
        file(
            root.join("etc/group"),
            "root:x:0:\nuser:x:1000:\nmore:x:10:user,root\n",
            0o644,
        );
        file(root.join("data/file"), "data\n", 0o644);
        file(
            root.join("data/script"),
            "#!/bin/sh\necho script $0 $#\n",
            0o755,
        );
        file(root.join("data/no-interpreter"), "#!/nowhere/sh\n", 0o755);
        file(root.join("data/dir/inside"), "inside\n", 0o640);
        file(root.join("bin/not-executable"), "x\n", 0o644);
        file(root.join("closed/x"), "x\n", 0o755);
        let source = bundle.join("src");
        for p in ["dir", "tree/sub", "closed"] {
            fs::create_dir_all(source.join(p)).expect("mkdir");
        }
        file(source.join("file"), "source\n", 0o644);
        file(source.join("dir/a"), "a\n", 0o600);
        fs::set_permissions(source.join("closed"), fs::Permissions::from_mode(0o700))
            .expect("chmod");
        symlink("dir", source.join("link")).expect("symlink");
        symlink("nothing", source.join("dangling")).expect("symlink");
        let mode = Mode::from_raw_mode(0o666);
        mknodat(
            CWD,
            source.join("null"),
            FileType::CharacterDevice,
            mode,
            0x103,
        )
        .expect("mknod");
        mknodat(CWD, source.join("fifo"), FileType::Fifo, mode, 0).expect("mknod");
        let sub = source.join("tree/sub");
        mount(
            "sub",
            &sub,
            "tmpfs",
            MountFlags::NODEV,
            Some(c"size=1m,mode=755"),
        )
        .expect("mount");
        mount_change(&sub, MountPropagationFlags::SHARED).expect("make shared");
        fs::create_dir(sub.join("below")).expect("mkdir");
    }

    /// What a case has left: files, mounts, groups, state.
    fn leftovers(&self, seen: &mut Seen, who: Who, before: &[PathBuf]) {
        let root = self.path().join("root");
        let names = |dir: &Path| -> Vec<_> {
            let mut names: Vec<_> = fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.file_name())
                .collect();
            names.sort();
            names
        };
        let left = names(&root);
        if !left.is_empty() {
            seen.add("left in the state directory", format!("{left:?}"));
            self.call(who, &["delete", "--force", &self.id]);
            let _ = fs::remove_dir_all(root.join(&self.id));
        }
        let groups = self.groups();
        if !groups.is_empty() {
            seen.add("left groups", format!("{groups:?}"));
        }
        let mut after = mounts_below(self.path());
        after.retain(|m| !before.contains(m));
        if !after.is_empty() {
            seen.add("left mounts", format!("{after:?}"));
        }
        for top in ["bundle/rootfs", "bundle/src", "hooks"] {
            self.walk(seen, &self.path().join(top), top);
        }
    }

    fn walk(&self, seen: &mut Seen, dir: &Path, name: &str) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = entry.metadata() else { continue };
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            let kind = meta.file_type();
            let mut text = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
            if kind.is_char_device() || kind.is_block_device() {
                text += &format!(" {:x}", meta.rdev());
            }
            if kind.is_file() && meta.len() < 10_000 {
                text += &format!(
                    " {:?}",
                    plain_state(&fs::read_to_string(&path).unwrap_or_default())
                );
            }
            seen.add(format!("left {name}"), text);
            // Not into mounts.
            if kind.is_dir() && Some(meta.dev()) == fs::metadata(dir).ok().map(|d| d.dev()) {
                self.walk(seen, &path, &name);
            }
        }
    }

    /// Groups of the case, which are beside this process's own or at the top.
    fn groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (_, own) in cgroup_dirs(std::process::id()) {
            for dir in own
                .ancestors()
                .take_while(|d| *d != Path::new("/sys/fs/cgroup"))
            {
                found.push(dir.join(&self.id));
            }
        }
        found.retain(|g| g.exists());
        found.sort();
        found.dedup();
        found
    }

    /// Everything away, whatever it was.
    pub fn clear(&self) {
        for m in mounts_below(self.path()).iter().rev() {
            unmount(m, UnmountFlags::DETACH).unwrap_or_else(|e| panic!("umount {m:?}: {e}"));
        }
        let left = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        assert!(
            !parse_mountinfo(&left)
                .iter()
                .any(|m| m.0.starts_with(self.path())),
            "a mount below {:?} cannot be unmounted",
            self.path()
        );
        let mut groups = self.groups();
        groups.sort_by_key(|g| std::cmp::Reverse(g.as_os_str().len()));
        for group in groups {
            remove_groups(&group);
        }
        for p in ["bundle", "hooks"] {
            let _ = fs::remove_dir_all(self.path().join(p));
        }
        fs::create_dir(self.path().join("hooks")).expect("mkdir");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A hook's input and what it said, without what is different each time.
fn plain_state(text: &str) -> String {
    let Some((first, rest)) = text.split_once('\n') else {
        return text.to_owned();
    };
    let Ok(mut state) = serde_json::from_str::<Value>(first) else {
        return text.to_owned();
    };
    for key in ["pid", "ociVersion"] {
        if state[key].is_number() || key == "ociVersion" {
            state[key] = Value::Null;
        }
    }
    format!("{state}\n{rest}")
}

fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
