//! What keeps a container in, as it is seen from inside.

use super::{background, sh};
use crate::engine::{Engine, Kind, run};
use crate::sandbox::WORK;

pub fn read_only(e: &Engine) {
    let out = sh(
        e,
        &["--read-only", "--tmpfs", "/writable"],
        "touch /writable/x && ! touch /x && ! touch /etc/x && echo kept",
    )
    .ok();
    assert_eq!(out.text(), "kept");
    assert!(out.stderr.contains("Read-only file system"), "{out}");
}

pub fn masked(e: &Engine) {
    let out = sh(
        e,
        &[],
        "wc -c </proc/keys; ls /sys/firmware | wc -l; ! echo 1 2>/dev/null >/proc/sys/kernel/sysrq && ! touch /sys/x 2>/dev/null && echo kept",
    )
    .ok();
    assert_eq!(out.lines(), ["0", "0", "kept"]);
}

/// The effective, bounding and inheritable set of a container's first process.
fn caps(e: &Engine, options: &[&str]) -> [u64; 2] {
    let out = sh(
        e,
        options,
        "sed -n 's/^Cap\\(Eff\\|Bnd\\):.//p' /proc/self/status",
    )
    .ok();
    let lines = out.lines();
    [lines[0], lines[1]].map(|l| u64::from_str_radix(l, 16).unwrap())
}

pub fn capabilities(e: &Engine) {
    assert_eq!(caps(e, &["--cap-drop", "ALL"]), [0, 0]);
    let (chown, net_admin) = (1, 1 << 12);
    let [effective, bounding] = caps(e, &["--cap-drop", "CHOWN", "--cap-add", "NET_ADMIN"]);
    assert_eq!(effective, bounding);
    assert!(
        effective & chown == 0 && effective & net_admin != 0,
        "{effective:x}"
    );
    let [effective, bounding] = caps(e, &["-u", "1000"]);
    assert!(
        effective == 0 && bounding & chown != 0,
        "{effective:x} {bounding:x}"
    );
}

pub fn privileged(e: &Engine) {
    if e.kind == Kind::Docker && !super::all_capabilities() {
        // It asks for all that the kernel knows; Podman for all that there are here.
        sh(e, &["--privileged"], "true")
            .exits(125)
            .says("unable to apply caps: operation not permitted");
        return;
    }
    let [effective, bounding] = caps(e, &["--privileged"]);
    let admin = 1 << 21;
    assert!(
        effective == bounding && effective & admin != 0,
        "{effective:x} {bounding:x}"
    );
    let out = sh(
        e,
        &["--privileged"],
        "mount -t tmpfs none /mnt && echo mounted; grep Seccomp: /proc/self/status",
    )
    .ok();
    assert_eq!(out.lines(), ["mounted", "Seccomp:\t0"]);
}

pub fn no_new_privileges(e: &Engine) {
    let script = "grep NoNewPrivs /proc/self/status";
    let out = sh(e, &["--security-opt", "no-new-privileges"], script).ok();
    assert_eq!(out.text(), "NoNewPrivs:\t1");
    assert_eq!(sh(e, &[], script).ok().text(), "NoNewPrivs:\t0");
}

pub fn seccomp(e: &Engine) {
    let out = sh(
        e,
        &[],
        "grep Seccomp /proc/self/status; chroot / true && echo allowed; unshare -U true && echo unshared",
    );
    assert_eq!(
        out.lines()[..3],
        ["Seccomp:\t2", "Seccomp_filters:\t1", "allowed"],
        "{out}"
    );
    // Podman's profile has nothing against this one.
    assert_eq!(out.lines().len() == 4, e.kind != Kind::Docker, "{out}");
}

pub fn seccomp_given(e: &Engine) {
    let profile = format!("{WORK}/tmp/profile.json");
    std::fs::write(
        &profile,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}"#,
    )
    .unwrap();
    let option = format!("seccomp={profile}");
    let out = sh(
        e,
        &["--security-opt", &option],
        "mkdir /x || touch /y && echo rest",
    )
    .ok();
    assert_eq!(out.text(), "rest");
    assert!(out.stderr.contains("No space left on device"), "{out}");
    let out = sh(
        e,
        &["--security-opt", "seccomp=unconfined"],
        "grep Seccomp: /proc/self/status",
    )
    .ok();
    assert_eq!(out.text(), "Seccomp:\t0");
}

pub fn volumes(e: &Engine) {
    let dir = format!("{WORK}/tmp/volume");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::write(format!("{dir}/given"), "given").unwrap();
    let (rw, ro) = (format!("{dir}:/rw"), format!("{dir}:/ro:ro"));
    let out = sh(
        e,
        &["-v", &rw, "-v", &ro, "-v", "named:/named"],
        "cat /rw/given; echo made >/rw/made; ! touch /ro/x && cat /ro/made; echo kept >/named/file",
    )
    .ok();
    assert_eq!(out.text(), "givenmade");
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    let out = sh(e, &["-v", "named:/named"], "cat /named/file").ok();
    assert_eq!(out.text(), "kept");
    e.run(&["volume", "rm", "named"]).ok();
    std::fs::remove_dir_all(&dir).unwrap();
}

pub fn propagation(e: &Engine) {
    let dir = format!("{WORK}/tmp/shared");
    std::fs::create_dir_all(format!("{dir}/later")).unwrap();
    let mount = |args: &[&str]| run("mount", args, "").ok();
    mount(&["--bind", &dir, &dir]);
    mount(&["--make-shared", &dir]);
    let script = "echo up; until grep -q ' /d/later ' /proc/self/mountinfo; do sleep 0.05; done";
    for (name, how) in [("slave", "rslave"), ("private", "rprivate")] {
        background(e, name, &["-v", &format!("{dir}:/d:{how}")], script);
        assert!(crate::engine::until(
            || e.run(&["logs", name]).ok().stdout == "up\n"
        ));
    }
    // What is mounted later outside is seen by the one, and not by the other.
    mount(&["-t", "tmpfs", "none", &format!("{dir}/later")]);
    assert_eq!(e.run(&["wait", "slave"]).ok().text(), "0");
    assert_eq!(super::inspect(e, "private", ".State.Status"), "running");
    super::remove(e, "private");
    run("umount", &["-R", &dir], "").ok();
}

pub fn tmpfs(e: &Engine) {
    let out = sh(
        e,
        &["--tmpfs", "/t:size=1m,mode=700", "--shm-size", "2m"],
        "stat -c %a /t; df -k /t /dev/shm | awk 'NR > 1 { print $2 }'; stat -c %a /dev/shm",
    )
    .ok();
    assert_eq!(out.lines(), ["700", "1024", "2048", "1777"]);
}

pub fn sysctl(e: &Engine) {
    let out = sh(
        e,
        &[
            "--sysctl",
            "net.ipv4.ip_unprivileged_port_start=99",
            "--sysctl",
            "kernel.msgmax=4096",
        ],
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax",
    )
    .ok();
    assert_eq!(out.lines(), ["99", "4096"]);
}

const NAMESPACES: &str = "for n in ipc net pid uts; do readlink /proc/self/ns/$n; done";

pub fn joined(e: &Engine) {
    background(e, "first", &["--ipc", "shareable"], "exec sleep 1000");
    let one = e.run(&["exec", "first", "sh", "-c", NAMESPACES]).ok();
    let out = sh(
        e,
        &[
            "--pid",
            "container:first",
            "--ipc",
            "container:first",
            "--net",
            "container:first",
        ],
        &format!("{NAMESPACES}; cat /proc/1/cmdline | tr '\\0' ' '"),
    )
    .ok();
    assert_eq!(out.lines()[..3], one.lines()[..3]);
    assert_ne!(out.lines()[3], one.lines()[3], "uts is not shared");
    assert_eq!(out.lines()[4], "sleep 1000 ");
}

pub fn hosts(e: &Engine) {
    let own = |name: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        link.display().to_string()
    };
    let mut options = vec!["--pid", "host", "--net", "host", "--uts", "host"];
    // For an ordinary user Podman binds a /dev/mqueue, which is not everywhere.
    let with_ipc = e.kind != Kind::PodmanUser;
    if with_ipc {
        options.extend(["--ipc", "host"]);
    }
    let out = sh(e, &options, NAMESPACES).ok();
    assert_eq!(out.lines()[1..], ["net", "pid", "uts"].map(own));
    assert_eq!(out.lines()[0] == own("ipc"), with_ipc);
    // Its end is told although nobody is process 1.
    background(e, "c1", &["--pid", "host"], "exec sleep 1000");
    super::remove(e, "c1");
}
