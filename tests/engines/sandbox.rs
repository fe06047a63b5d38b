//! Where an engine lives: namespaces of its own of every kind but the user's, and cgroups of its own.
//!
//! - The machine's files are there, read-only. Only [`WORK`] can be written, and /run, /tmp, /var/{tmp,cache,lib}, /etc and /dev/shm, which
//!   are the sandbox's own.
//! - Its processes end with its first one, which reaps: engines leave orphans, and wait for them.
//! - The network is a loopback, and what the engine makes.
//! - The cgroup hierarchies begin at the sandbox's own cgroups, which are removed afterwards.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use integration::{TempDir, cgroup_dirs, is_v2};
use rustix::fs::{FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

/// The job's directory as it is called inside.
pub const WORK: &str = "/srv";
/// The engines' search path: what calls itself `runc` there is the runtime under test.
pub const PATH: &str = "/srv/path:/usr/sbin:/usr/bin:/sbin:/bin";

/// A sandbox, from outside.
pub struct Sandbox {
    pub dir: TempDir,
    cgroups: Vec<PathBuf>,
}

impl Sandbox {
    /// Its directory and its cgroups.
    pub fn new(name: &str) -> Self {
        let dir = TempDir::new(name);
        for d in [
            "bin",
            "path",
            "data",
            "run",
            "tmp",
            "var/tmp",
            "var/cache",
            "var/lib",
            "etc/upper",
            "etc/work",
            "dev",
        ] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        for d in ["tmp", "var/tmp"] {
            std::fs::set_permissions(dir.path().join(d), Permissions::from_mode(0o1777)).unwrap();
        }
        let leaf = dir.path().file_name().unwrap();
        let mut cgroups = Vec::new();
        for (controllers, dir) in cgroup_dirs(std::process::id()) {
            // Version 2 passes nothing on below a group with processes, as this one has: beside it then.
            let parent = match dir.parent() {
                Some(above) if is_v2() => above.to_path_buf(),
                _ => dir,
            };
            let own = parent.join(leaf);
            std::fs::create_dir(&own).unwrap_or_else(|e| panic!("mkdir {own:?}: {e}"));
            if controllers.split(',').any(|c| c == "cpuset") {
                // A new cpuset of version 1 has nothing, and takes nobody.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let _ = std::fs::copy(parent.join(file), own.join(file));
                }
            }
            cgroups.push(own);
        }
        Self { dir, cgroups }
    }

    /// Starts `--sandbox --job ARGS` of this program in it.
    pub fn start(&self, args: &[&str]) -> Child {
        // The cgroup namespace begins where its first process is; who waits for that one stays outside.
        let enter = "for d do [ \"$d\" != -- ] || break; echo 0 >\"$d/cgroup.procs\" || exit; shift; done; shift; exec unshare --cgroup \"$@\"";
        let program = std::env::current_exe().expect("/proc/self/exe");
        // It ends with the thread that waits for it.
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(["unshare", "--mount", "--net", "--ipc", "--uts", "--pid"])
            .args([
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--propagation=private",
            ])
            .args(["sh", "-c", enter, "sh"])
            .args(&self.cgroups)
            .arg("--")
            .arg(program)
            .arg("--sandbox")
            .args(args)
            .spawn()
            .expect("unshare")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for cgroup in &self.cgroups {
            // The processes are gone; that they have left their cgroups can take a moment more.
            if !crate::engine::until(|| remove_cgroup(cgroup)) {
                eprintln!("{cgroup:?} is left");
            }
        }
    }
}

/// A cgroup with all below it.
fn remove_cgroup(dir: &Path) -> bool {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    !dir.exists() || std::fs::remove_dir(dir).is_ok()
}

/// The first process of the sandbox: mounts, starts the job, and reaps until the job has ended.
pub fn first_process(args: &[String]) {
    let dir = args.first().expect("the sandbox's directory");
    furnish(Path::new(dir), args.get(2).is_some_and(|r| r == "crun"));
    // Waited for below, among all others.
    #[expect(clippy::zombie_processes)]
    let job = Command::new("/proc/self/exe")
        .arg("--job")
        .args(&args[1..])
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", format!("{WORK}/data"))
        .env("SLOW", integration::slow().to_string())
        .current_dir(WORK)
        .spawn()
        .expect("the job");
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().cast_unsigned() == job.id() => {
                std::process::exit(status.exit_status().unwrap_or(1));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("wait: {e}"),
        }
    }
}

fn furnish(dir: &Path, for_crun: bool) {
    // As seen from outside: afterwards each is the root of its hierarchy.
    let mut hierarchies: BTreeMap<PathBuf, (String, String)> = cgroup_file_systems();
    if for_crun {
        // It takes no version 1 controllers where version 2 is mounted too.
        hierarchies.remove(Path::new("/sys/fs/cgroup/unified"));
    }
    let status = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(status.expect("ip").success(), "ip link set lo up");

    let work = Path::new(WORK);
    mount_bind(dir, work).expect("bind the job's directory");
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY, "").expect("/ read-only");
    let plain = MountFlags::empty();
    mount("tmpfs", "/run", "tmpfs", plain, c"mode=755").expect("/run");
    // This network's devices. What is below the old one would still be in the list of mounts.
    unmount("/sys", UnmountFlags::DETACH).expect("umount /sys");
    mount("sysfs", "/sys", "sysfs", plain, None).expect("/sys");
    let v2_alone = hierarchies.contains_key(Path::new("/sys/fs/cgroup"));
    if !v2_alone {
        mount("cgroup", "/sys/fs/cgroup", "tmpfs", plain, c"mode=755").expect("/sys/fs/cgroup");
    }
    for (point, (fstype, options)) in hierarchies {
        std::fs::create_dir_all(&point).unwrap();
        let options = std::ffi::CString::new(options).unwrap();
        mount("cgroup", &point, fstype, plain, options.as_c_str())
            .unwrap_or_else(|e| panic!("mount {point:?}: {e}"));
    }
    if v2_alone {
        pass_on(Path::new("/sys/fs/cgroup"), "init").expect("the root of the sandbox's cgroups");
    }
    for d in ["tmp", "var/tmp", "var/cache", "var/lib"] {
        mount_bind(work.join(d), Path::new("/").join(d)).unwrap_or_else(|e| panic!("/{d}: {e}"));
    }
    // Users, keys and settings that engines write there stay here.
    let options = format!("lowerdir=/etc,upperdir={WORK}/etc/upper,workdir={WORK}/etc/work");
    let options = std::ffi::CString::new(options).unwrap();
    mount("overlay", "/etc", "overlay", plain, options.as_c_str()).expect("overlay /etc");
    // Podman's locks, which all Podmans of a machine would share.
    mount("tmpfs", "/dev/shm", "tmpfs", plain, c"mode=1777").expect("/dev/shm");
    // For an ordinary user's engine, where they are root's alone.
    let mut devices = vec![("fuse", 10, 229), ("net/tun", 10, 200)];
    if for_crun {
        // It gives its standard streams to the container's user, whatever they are.
        devices.push(("null", 1, 3));
    }
    for (device, major, minor) in devices {
        let there = Path::new("/dev").join(device);
        let own = work.join("dev").join(device.replace('/', "-"));
        if there.exists() {
            let mode = Mode::from_raw_mode(0o666);
            let number = makedev(major, minor);
            mknodat(
                rustix::fs::CWD,
                &own,
                FileType::CharacterDevice,
                mode,
                number,
            )
            .expect("mknod");
            std::fs::set_permissions(&own, Permissions::from_mode(0o666)).unwrap();
            mount_bind(&own, &there).expect("bind a device");
        }
    }
    // No other runtime can be taken by mistake.
    let refusal = work.join("bin/refusal");
    std::fs::write(
        &refusal,
        "#!/bin/sh\necho \"not the runtime under test: $0\" >&2\nexit 99\n",
    )
    .unwrap();
    std::fs::set_permissions(&refusal, Permissions::from_mode(0o755)).unwrap();
    for other in ["/usr/sbin/runc", "/usr/bin/runc", "/usr/bin/crun"] {
        if Path::new(other).exists() {
            mount_bind(&refusal, other).unwrap_or_else(|e| panic!("hide {other}: {e}"));
        }
    }
}

/// Takes this process out of the group into one below, `inner`, so that the group can pass its controllers on.
pub fn pass_on(group: &Path, inner: &str) -> std::io::Result<()> {
    let inner = group.join(inner);
    std::fs::create_dir(&inner)?;
    std::fs::write(inner.join("cgroup.procs"), "0")?;
    for controller in std::fs::read_to_string(group.join("cgroup.controllers"))?.split_whitespace()
    {
        std::fs::write(
            group.join("cgroup.subtree_control"),
            format!("+{controller}"),
        )?;
    }
    Ok(())
}

/// Mount point, with type and options, of each hierarchy.
fn cgroup_file_systems() -> BTreeMap<PathBuf, (String, String)> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let points: BTreeMap<String, PathBuf> = integration::cgroup_mounts().into_iter().collect();
    let mut found = BTreeMap::new();
    for controllers in own.lines().filter_map(|l| l.split(':').nth(1)) {
        let Some(point) = points.get(controllers) else {
            continue;
        };
        let options = match controllers {
            "" => String::new(),
            named if named.starts_with("name=") => format!("none,{named}"),
            several => several.to_owned(),
        };
        let fstype = if controllers.is_empty() {
            "cgroup2"
        } else {
            "cgroup"
        };
        found.insert(point.clone(), (fstype.to_owned(), options));
    }
    found
}

/// How long a job may take.
pub fn job() -> Duration {
    integration::at_most(Duration::from_secs(900))
}
