//! On the real kernel, as root: each test runs in a thread that is alone in a mount namespace of its own, on a tmpfs that ends with it.
#![allow(clippy::unwrap_used)]

mod attacks;
mod binds;
mod cgroups;
mod closed;
mod default;
mod oracle;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::plan::{DeviceKind, DeviceNode, MountKind, MountPlan, RootfsPlan};

/// A place for one test: `dir` is an empty tmpfs, `dir/rootfs` has a busybox and the usual directories.
pub struct Place {
    pub dir: PathBuf,
}

impl Place {
    pub fn rootfs(&self) -> String {
        self.dir.join("rootfs").to_str().unwrap().to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn link(&self, target: &str, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
}

/// Runs `test` in a mount namespace of its own. Says so and returns when the caller may not.
pub fn in_namespace(test: impl FnOnce(&Place) + Send) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    if !nix::unistd::geteuid().is_root() {
        crate::testing::skip("needs root");
        return;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("rootfs-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let result = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).unwrap();
                let none: Option<&str> = None;
                mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none).unwrap();
                mount(Some("tmpfs"), &dir, Some("tmpfs"), MsFlags::empty(), none).unwrap();
                let place = Place { dir: dir.clone() };
                for name in ["bin", "proc", "sys", "dev", "etc", "tmp"] {
                    fs::create_dir_all(dir.join("rootfs").join(name)).unwrap();
                }
                fs::copy("/bin/busybox", dir.join("rootfs/bin/busybox")).unwrap();
                test(&place);
            })
            .join()
    });
    let _ = fs::remove_dir(&dir);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// A plan with nothing but the root.
pub fn bare(place: &Place) -> RootfsPlan {
    RootfsPlan {
        path: place.rootfs(),
        readonly: false,
        propagation: libc::MS_SLAVE | libc::MS_REC,
        no_pivot: false,
        mounts: Vec::new(),
        devices: Vec::new(),
        setup_dev: false,
        masked_paths: Vec::new(),
        readonly_paths: Vec::new(),
        mount_label: String::new(),
    }
}

pub fn filesystem(fstype: &str, destination: &str, flags: u64, data: &str) -> MountPlan {
    MountPlan {
        destination: destination.into(),
        kind: MountKind::Filesystem {
            fstype: fstype.into(),
            source: fstype.into(),
        },
        flags,
        cleared: 0,
        propagation: Vec::new(),
        rec_attr_set: 0,
        rec_attr_clear: 0,
        data: data.into(),
        tmpcopyup: false,
        idmap: None,
    }
}

pub fn bind_mount(source: &str, destination: &str, recursive: bool, flags: u64) -> MountPlan {
    MountPlan {
        kind: MountKind::Bind {
            source: source.into(),
            recursive,
        },
        ..filesystem("", destination, flags, "")
    }
}

pub fn device(path: &str, major: u32, minor: u32) -> DeviceNode {
    DeviceNode {
        path: path.into(),
        kind: DeviceKind::Char,
        major,
        minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    }
}

/// The mounts and masks of `runc spec`, without the cgroup one.
pub fn default_plan(place: &Place) -> RootfsPlan {
    use libc::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_STRICTATIME};
    let strict = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    let mut pts = filesystem(
        "devpts",
        "/dev/pts",
        MS_NOSUID | MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    );
    pts.kind = MountKind::Filesystem {
        fstype: "devpts".into(),
        source: "devpts".into(),
    };
    let mut shm = filesystem("tmpfs", "/dev/shm", strict, "mode=1777,size=65536k");
    shm.kind = MountKind::Filesystem {
        fstype: "tmpfs".into(),
        source: "shm".into(),
    };
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    RootfsPlan {
        readonly: true,
        setup_dev: true,
        mounts: vec![
            filesystem("proc", "/proc", 0, ""),
            filesystem(
                "tmpfs",
                "/dev",
                MS_NOSUID | MS_STRICTATIME,
                "mode=755,size=65536k",
            ),
            pts,
            shm,
            filesystem("mqueue", "/dev/mqueue", strict, ""),
            filesystem("sysfs", "/sys", strict | MS_RDONLY, ""),
        ],
        devices: vec![
            device("/dev/null", 1, 3),
            device("/dev/random", 1, 8),
            device("/dev/full", 1, 7),
            device("/dev/tty", 5, 0),
            device("/dev/zero", 1, 5),
            device("/dev/urandom", 1, 9),
        ],
        masked_paths: strings(&[
            "/proc/acpi",
            "/proc/asound",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/sys/firmware",
            "/proc/scsi",
        ]),
        readonly_paths: strings(&[
            "/proc/bus",
            "/proc/fs",
            "/proc/irq",
            "/proc/sys",
            "/proc/sysrq-trigger",
        ]),
        ..bare(place)
    }
}

/// Prepares, enters and finishes.
pub fn enter(plan: &RootfsPlan) -> Result<()> {
    prepare(plan, &CgroupView::default())?.pivot()?;
    finish(plan)
}

/// mountinfo of the calling thread, read inside the container when it has a proc: (mount point, mount options, optional fields, type, superblock options).
pub fn mounts() -> Vec<(String, String, String, String)> {
    parse_mounts(&fs::read_to_string("/proc/thread-self/mountinfo").unwrap())
}

pub fn parse_mounts(text: &str) -> Vec<(String, String, String, String)> {
    text.lines()
        .map(|line| {
            let (left, right) = line.split_once(" - ").unwrap();
            let left: Vec<&str> = left.split(' ').collect();
            let fstype = right.split(' ').next().unwrap();
            (
                left[4].to_owned(),
                left[5].to_owned(),
                left[6..].join(" "),
                fstype.to_owned(),
            )
        })
        .collect()
}

/// The text of an error that must come.
pub fn refusal(plan: &RootfsPlan) -> String {
    match enter(plan) {
        Ok(()) => panic!("the container would have run"),
        Err(error) => error.to_string(),
    }
}

/// Is it refused with EROFS?
pub fn is_readonly(path: impl AsRef<Path>) -> bool {
    match File::create(path.as_ref()) {
        Err(error) => error.raw_os_error() == Some(libc::EROFS),
        Ok(_) => false,
    }
}
