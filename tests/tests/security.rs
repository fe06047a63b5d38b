//! What must not get into a container, nor out of it.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use integration::{Container, copy_program, is_ours, need_root, skip, this_test};
use serde_json::json;

/// Tries to get a writable descriptor of what a process executes, from a handle on it, in every way; true when one byte
/// could be written.
fn can_overwrite(handle: &File) -> bool {
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let attempts = [
        File::options().write(true).open(&path),
        File::options().read(true).write(true).open(&path),
        File::options().append(true).open(&path),
    ];
    attempts
        .into_iter()
        .any(|file| file.is_ok_and(|mut f| f.write_all(b"#").is_ok()))
}

/// CVE-2019-5736: the runtime's executable as the container sees it, in /proc/1/exe, cannot be written: neither while it
/// runs (the kernel sees to that) nor, by a handle that was taken meanwhile, after it has ended. The attempt is made
/// as the host's root, which is more than a container ever has.
#[test]
fn cve_2019_5736_the_executable_of_init_is_sealed() {
    need_root!();
    let c = Container::sleeping();
    // A copy: should the attack succeed, the runtime under test must not be the victim.
    let binary = c.bundle.path().join("runc-rs");
    copy_program(c.runtime.binary(), &binary);
    let before = std::fs::read(&binary).unwrap();
    let runtime = integration::Runtime::with_binary(binary.clone(), c.bundle.path());
    let bundle = c.bundle.path().to_str().unwrap();
    runtime
        .run(&[
            "create",
            "--bundle",
            bundle,
            "--pid-file",
            &format!("{bundle}/pid"),
            &c.id,
        ])
        .ok();
    let pid: u32 = std::fs::read_to_string(format!("{bundle}/pid"))
        .unwrap()
        .parse()
        .unwrap();
    let handle = File::open(format!("/proc/{pid}/exe")).unwrap();
    assert!(!can_overwrite(&handle), "while init waits");
    runtime.run(&["delete", "--force", &c.id]).ok();
    integration::wait_gone(pid);
    assert!(!can_overwrite(&handle), "after init has ended");
    assert_eq!(
        std::fs::read(&binary).unwrap(),
        before,
        "the host's executable is as before"
    );
}

/// The same with the container running the runtime: its program is /proc/self/exe.
#[test]
fn cve_2019_5736_a_container_that_runs_proc_self_exe() {
    need_root!();
    let c = Container::unsaved();
    let mut hold = c.fifo("hold");
    let c = c.with_config(|g| {
        // Reading its config.json from a fifo keeps the runtime alive as the container's program.
        g.set("/root/readonly", false)
            .args(&["/proc/self/exe", "run", "--bundle", "/b", "x"]);
    });
    let b = c.bundle.rootfs("b");
    std::fs::create_dir(&b).unwrap();
    std::fs::rename(c.bundle.rootfs("hold"), b.join("config.json")).unwrap();
    let binary = c.bundle.path().join("runc-rs");
    copy_program(c.runtime.binary(), &binary);
    let before = std::fs::read(&binary).unwrap();
    let runtime = integration::Runtime::with_binary(binary.clone(), c.bundle.path());
    let bundle = c.bundle.path().to_str().unwrap();
    let out = runtime.run(&[
        "run",
        "--detach",
        "--bundle",
        bundle,
        "--pid-file",
        &format!("{bundle}/pid"),
        &c.id,
    ]);
    if out.code == 0 {
        let pid: u32 = std::fs::read_to_string(format!("{bundle}/pid"))
            .unwrap()
            .parse()
            .unwrap();
        if let Ok(handle) = File::open(format!("/proc/{pid}/exe")) {
            assert!(!can_overwrite(&handle));
            hold.say("{");
            runtime.run(&["delete", "--force", &c.id]).ok();
            integration::wait_gone(pid);
            assert!(!can_overwrite(&handle));
        }
    }
    runtime.run(&["delete", "--force", &c.id]).ok();
    assert_eq!(std::fs::read(&binary).unwrap(), before);
    c.nothing_left();
}

#[test]
fn only_the_standard_descriptors_are_open() {
    need_root!();
    let out = Container::sh("cd /proc/self/fd; echo *; readlink /proc/self/cwd")
        .run()
        .ok();
    let mut fds: Vec<&str> = out.lines()[0].split(' ').collect();
    // The shell's own handle on the directory that it lists.
    fds.retain(|fd| !matches!(*fd, "3" | "10"));
    assert_eq!(fds, ["0", "1", "2"], "{out}");
    let out = Container::new(|g| {
        g.args(&["ls", "-l", "/proc/self/fd"]);
    })
    .run()
    .ok();
    assert!(
        !out.stdout.contains("/sys/fs/cgroup") && !out.stdout.contains("state.json"),
        "{out}"
    );
}

/// A descriptor that the caller forgot to mark close-on-exec does not reach the container.
#[test]
fn the_callers_stray_descriptors_do_not_cross() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["ls", "/proc/self/fd"]);
    });
    let args = ["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id];
    let shell = c.runtime.in_shell("exec 7</ 9</etc; exec \"$@\"");
    let out = shell.run(&args).ok();
    let fds: Vec<&str> = out.lines();
    assert!(!fds.contains(&"7") && !fds.contains(&"9"), "{out}");
}

/// CVE-2024-21626: a working directory by way of one of the runtime's own descriptors.
#[test]
fn cve_2024_21626_cwd_through_a_descriptor() {
    need_root!();
    for fd in 3..24 {
        let c = Container::new(|g| {
            g.set("/process/cwd", format!("/proc/self/fd/{fd}"))
                .sh("cd ../../../../../../../..; stat -c %d:%i . /");
        });
        // Refused, as by runc; or, by a handle on the container's own root, no further than that.
        let out = c.run();
        assert!(
            out.code != 0 || out.lines()[0] == out.lines()[1],
            "descriptor {fd} leads out: {out}"
        );
        c.nothing_left();
    }
}

/// The host's directories cannot be reached by `..`, nor by the old root.
#[test]
fn the_root_is_the_root() {
    need_root!();
    let c = Container::sh("ls /../../.. | tr '\\n' ' '; stat -c %i / /.. | sort -u | wc -l");
    let out = c.run().ok();
    assert!(out.stdout.contains("bin dev etc home mnt proc"), "{out}");
    assert!(out.stdout.ends_with("1\n"), "{out}");
}

#[test]
fn the_hosts_mounts_are_gone() {
    need_root!();
    let out = Container::sh("cut -d' ' -f4 /proc/self/mountinfo; cat /proc/1/mounts | wc -l")
        .run()
        .ok();
    assert!(!out.stdout.contains("/sys/fs/cgroup/"), "{out}");
}

/// The runtime's environment does not become the container's.
#[test]
fn the_callers_environment_does_not_cross() {
    need_root!();
    let c = Container::new(|g| {
        g.args(&["env"]);
    });
    let args = ["run", "--bundle", c.bundle.path().to_str().unwrap(), &c.id];
    let (mut command, out, err) = c.runtime.command(&args);
    command.env("SECRET_OF_THE_HOST", "x");
    let out = c.runtime.finish(command, &args, out, err).ok();
    assert!(
        !out.stdout.contains("SECRET") && !out.stdout.contains("LIBCONTAINER"),
        "{out}"
    );
}

/// A new session: the container cannot push characters into the caller's terminal (TIOCSTI), nor signal its group.
#[test]
fn the_program_leads_an_own_session() {
    need_root!();
    // Fields 5 and 6 of /proc/PID/stat: process group, session.
    let out = Container::sh("cut -d' ' -f1,5,6 /proc/1/stat").run().ok();
    assert_eq!(out.text(), "1 1 1", "{out}");
}

/// A link in the image where the runtime makes its devices: nothing is made outside (CVE-2026-41579).
#[test]
fn cve_2026_41579_dev_as_a_link() {
    need_root!();
    if !is_ours() {
        return skip(
            "cve_2026_41579_dev_as_a_link",
            "runc 1.1 is vulnerable: it makes /dev's links outside",
        );
    }
    let outside = integration::TempDir::new("outside");
    let relative = format!("../../../../../../..{}", outside.path().display());
    for target in [outside.path().to_str().unwrap(), &relative] {
        let c = Container::unsaved();
        std::fs::remove_dir(c.bundle.rootfs("dev")).unwrap();
        std::os::unix::fs::symlink(target, c.bundle.rootfs("dev")).unwrap();
        let c = c.with_config(|g| {
            g.set("/root/readonly", false);
            for m in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
                g.unmount(m);
            }
        });
        let out = c.run();
        assert!(!out.stderr.contains("panic"), "{out}");
        assert_eq!(
            std::fs::read_dir(outside.path()).unwrap().count(),
            0,
            "nothing was made outside: {out}"
        );
        c.nothing_left();
    }
}

/// The device that masks are made of is checked: an image's own /dev/null is not used (CVE-2025-31133).
#[test]
fn cve_2025_31133_masks_are_made_of_the_real_dev_null() {
    need_root!();
    let secret = integration::TempDir::new("secret");
    std::fs::write(secret.path().join("file"), "of the host").unwrap();
    let c = Container::unsaved();
    std::fs::write(c.bundle.rootfs("secret"), "top secret").unwrap();
    std::fs::write(c.bundle.rootfs("target"), "not null").unwrap();
    std::os::unix::fs::symlink("/target", c.bundle.rootfs("dev/null")).unwrap();
    let c = c.with_config(|g| {
        g.set("/root/readonly", false)
            .set("/linux/maskedPaths", json!(["/secret"]))
            .sh("cat /secret; stat -c '%t:%T' /secret");
        for m in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
            g.unmount(m);
        }
    });
    let out = c.run();
    assert!(
        !out.stdout.contains("top secret") && !out.stdout.contains("not null"),
        "{out}"
    );
    c.nothing_left();
}

/// What init was is not what the program is: no trace of the runtime's memory maps.
#[test]
fn the_program_is_dumpable_as_usual() {
    need_root!();
    let c = Container::sleeping();
    let pid = c.detach();
    assert_eq!(
        std::fs::metadata(format!("/proc/{pid}/stat"))
            .unwrap()
            .uid(),
        0
    );
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert!(exe.ends_with("bin/busybox"), "{exe:?}");
}

/// What init's executable filled in when it was relocated, its tables of functions among it, is read-only afterwards: the
/// program brings its own start, and the C library's would have seen to that.
#[test]
fn the_relocated_data_of_init_is_read_only() {
    need_root!();
    if !is_ours() {
        return skip(&this_test(), "it is our start that is looked at");
    }
    let c = Container::sleeping();
    c.create().ok();
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", c.pid())).unwrap();
    // address, permissions, offset, device, inode, name
    let own: Vec<Vec<&str>> = maps
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|fields: &Vec<&str>| fields[4] != "0")
        .collect();
    let permissions: Vec<&str> = own.iter().map(|fields| fields[1]).collect();
    assert_eq!(permissions, ["r--p", "r-xp", "r--p", "rw-p"], "{maps}");
}
