//! Bundles: a directory with config.json and a busybox root filesystem.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::{Config, TempDir};

/// The applets that tests use; each is a link to busybox in the rootfs's /bin.
pub const APPLETS: &[&str] = &[
    "ash", "cat", "chmod", "chroot", "cp", "cut", "date", "dd", "df", "echo", "env", "false",
    "find", "grep", "head", "hostname", "id", "ip", "kill", "ln", "ls", "mkdir", "mknod", "mount",
    "mv", "nproc", "printf", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "sh", "sleep", "sort",
    "stat", "stty", "sync", "tail", "test", "touch", "tr", "true", "tty", "umount", "uname",
    "unshare", "wc", "whoami", "yes",
];

/// Where a static busybox is installed (Debian: package `busybox-static`).
pub fn find_busybox() -> PathBuf {
    let path = PathBuf::from("/bin/busybox");
    assert!(
        path.exists(),
        "no /bin/busybox: the tests' containers need it (apt-get install busybox-static)"
    );
    path
}

/// A bundle directory.
#[derive(Debug)]
pub struct Bundle {
    dir: TempDir,
    /// Written by [`Bundle::save`].
    pub config: Config,
}

/// Copies a file that is going to be executed. By another process: a descriptor of this one, open for writing, would be one of whoever
/// another thread is starting meanwhile, and as long as it is, the file is "text file busy".
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let (from, to) = (from.as_ref(), to.as_ref());
    let done = std::process::Command::new("cp").arg(from).arg(to).status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "cp {from:?} {to:?}"
    );
}

impl Bundle {
    /// A bundle with a busybox rootfs and the default config; config.json is not written yet.
    pub fn new(name: &str) -> Self {
        let dir = TempDir::new(name);
        let rootfs = dir.path().join("rootfs");
        let bin = rootfs.join("bin");
        std::fs::create_dir_all(&bin).expect("mkdir rootfs/bin");
        for d in ["proc", "dev", "sys", "tmp", "etc", "root", "home", "mnt"] {
            std::fs::create_dir(rootfs.join(d)).expect("mkdir in the rootfs");
        }
        copy_program(find_busybox(), bin.join("busybox"));
        for applet in APPLETS {
            symlink("busybox", bin.join(applet)).expect("link an applet");
        }
        Self {
            dir,
            config: Config::default(),
        }
    }

    /// The bundle directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path below the root filesystem.
    pub fn rootfs(&self, inside: &str) -> PathBuf {
        self.path()
            .join("rootfs")
            .join(inside.trim_start_matches('/'))
    }

    /// Writes config.json.
    pub fn save(&self) {
        self.save_raw(
            serde_json::to_string_pretty(&self.config.0)
                .expect("JSON")
                .as_bytes(),
        );
    }

    /// Writes these bytes as config.json.
    pub fn save_raw(&self, bytes: &[u8]) {
        std::fs::write(self.path().join("config.json"), bytes).expect("write config.json");
    }
}
