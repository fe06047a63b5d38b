//! The images of the containers, made here: nothing is fetched.
//!
//! Each is an archive as `docker save` writes it, which every engine can read.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use integration::{TempDir, find_busybox};
use serde_json::{Value, json};

/// The image of nearly all checks, under the name that engines give a name without a registry.
pub const BUSYBOX: &str = "docker.io/library/busybox:1";
/// What holds the namespaces of a Kubernetes pod.
pub const PAUSE: &str = "localhost/pause:1";

/// The archives.
pub struct Images {
    dir: TempDir,
}

impl Images {
    /// Makes them.
    pub fn make() -> Self {
        let dir = TempDir::new("images");
        let root = dir.path().join("busybox");
        for d in [
            "bin",
            "etc",
            "tmp",
            "root",
            "home/user",
            "adir",
            "dev",
            "proc",
            "sys",
            "mnt",
        ] {
            std::fs::create_dir_all(root.join(d)).unwrap();
        }
        std::fs::copy(find_busybox(), root.join("bin/busybox")).unwrap();
        let list = Command::new(find_busybox()).arg("--list").output().unwrap();
        for applet in String::from_utf8(list.stdout).unwrap().lines() {
            if applet != "busybox" {
                symlink("busybox", root.join("bin").join(applet)).unwrap();
            }
        }
        let text = |path: &str, text: &str| std::fs::write(root.join(path), text).unwrap();
        text(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
        );
        text("etc/group", "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n");
        text("etc/not-executable", "text\n");
        let mode = |path: &str, mode| {
            std::fs::set_permissions(root.join(path), PermissionsExt::from_mode(mode)).unwrap();
        };
        mode("tmp", 0o1777);
        mode("root", 0o700);
        archive(
            dir.path(),
            "busybox",
            BUSYBOX,
            &json!({"Env": ["PATH=/bin", "FROM_IMAGE=yes"], "Cmd": ["sh"]}),
        );
        let pause = dir.path().join("pause");
        std::fs::create_dir(&pause).unwrap();
        // Debian's is static.
        std::fs::copy("/usr/bin/catatonit", pause.join("catatonit"))
            .expect("/usr/bin/catatonit (apt-get install catatonit)");
        archive(
            dir.path(),
            "pause",
            PAUSE,
            &json!({"Entrypoint": ["/catatonit", "-P"]}),
        );
        Self { dir }
    }

    /// The archives' files.
    pub fn files(&self) -> [PathBuf; 2] {
        ["busybox.tar", "pause.tar"].map(|name| self.dir.path().join(name))
    }
}

/// NAME.tar of the tree below DIR/NAME.
fn archive(dir: &Path, name: &str, tag: &str, config: &Value) {
    let parts = dir.join(format!("{name}.parts"));
    std::fs::create_dir(&parts).unwrap();
    let layer = parts.join("layer.tar");
    tar(&dir.join(name), &layer);
    let sum = Command::new("sha256sum").arg(&layer).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split_whitespace().next().unwrap();
    let write = |file: &str, value: Value| {
        std::fs::write(parts.join(file), value.to_string()).unwrap();
    };
    write(
        "config.json",
        json!({
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "history": [{"created_by": "the tests"}],
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
        }),
    );
    write(
        "manifest.json",
        json!([{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]),
    );
    tar(&parts, &dir.join(format!("{name}.tar")));
}

fn tar(from: &Path, to: &Path) {
    let status = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-C"])
        .arg(from)
        .arg("-cf")
        .arg(to)
        .arg(".")
        .status();
    assert!(status.unwrap().success(), "tar {from:?}");
}
