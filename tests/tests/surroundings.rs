//! What the runtime finds around itself: the /proc, the descriptors and the limits of whoever calls it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use integration::{Container, TempDir, is_ours, need_root, skip};
use libseccomp::{ScmpAction, ScmpFilterContext, ScmpSyscall};

use crate::rootless::{UID, user};

/// Where runc prepares a pid file: a link that somebody laid there is not followed, and what a command that was killed has left
/// keeps only runc's next one from writing its own.
#[test]
fn the_pid_files_hidden_name_is_taken() {
    need_root!();
    let c = Container::sleeping();
    let victim = c.bundle.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, c.bundle.path().join(".pid")).unwrap();
    let pid_file = c.bundle.path().join("pid");
    let out = c.create_with(&["--pid-file", pid_file.to_str().unwrap()]);
    assert_eq!(out.code, i32::from(!is_ours()), "{out}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    if is_ours() {
        let written = std::fs::read_to_string(&pid_file).unwrap();
        assert_eq!(written, c.pid().to_string());
    }
}

/// In a pid namespace without a /proc of its own, another process has init's number there: its start time would become the record's, its
/// `oom_score_adj` init's. runc fails too, late, and leaves its cgroups.
#[test]
fn the_proc_of_another_pid_namespace() {
    need_root!();
    if !is_ours() {
        return skip(
            "the_proc_of_another_pid_namespace",
            "runc fails at the pipes of another process, and leaves the cgroups",
        );
    }
    let mut c = Container::sleeping().with_config(|g| {
        g.set("/process/oomScoreAdj", 7);
    });
    c.runtime.prefix = ["unshare", "--pid", "--fork"].map(str::to_owned).to_vec();
    for command in ["create", "run"] {
        let bundle = c.bundle.path().to_str().unwrap().to_owned();
        c.call(&[command, "--bundle", &bundle])
            .refused("mount it anew");
        c.nothing_left();
    }
}

/// A container whose init is in /proc, and not in the command's pid namespace: the kernel denies that there is such a process, and
/// `delete --force` has asked it for ever.
#[test]
fn a_container_out_of_reach() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_container_out_of_reach",
            "runc says 0, and removes nothing",
        );
    }
    let mut c = Container::sleeping();
    c.detach();
    c.runtime.prefix = ["unshare", "--pid", "--fork"].map(str::to_owned).to_vec();
    for command in [&["delete", "--force"][..], &["kill"]] {
        let mut args = command.to_vec();
        args.push(&c.id);
        if command.len() == 1 {
            args.push("KILL");
        }
        c.runtime.run(&args).refused("mount it anew");
    }
    c.runtime.prefix.clear();
    assert_eq!(c.status(), "running");
    c.call(&["delete", "--force"]).ok();
}

/// Under a filter of an older engine's, or a kernel without the call: what is missing is said, and nothing is left. (runc does without
/// these calls, or dies of the filter.)
#[test]
fn a_filter_around_the_runtime() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_filter_around_the_runtime",
            "runc does without these calls",
        );
    }
    for (call, words) in [
        (
            "execveat",
            "unable to start init: execveat the runtime's own executable",
        ),
        (
            "close_range",
            "unable to start init: close_range the runtime's own executable",
        ),
        ("mount_setattr", "mount_setattr"),
        ("clone3", "clone3"),
    ] {
        let c = Container::sleeping();
        let (runtime, id) = (&c.runtime, c.id.as_str());
        let bundle = c.bundle.path().to_str().unwrap();
        let out = std::thread::scope(|scope| {
            let under = scope.spawn(|| {
                let mut filter = ScmpFilterContext::new(ScmpAction::Allow).unwrap();
                let number = ScmpSyscall::from_name(call).unwrap();
                filter
                    .add_rule(ScmpAction::Errno(libc::ENOSYS), number)
                    .unwrap();
                // Of this thread and who it starts.
                filter.load().unwrap();
                runtime.run(&["create", "--bundle", bundle, id])
            });
            under.join().unwrap()
        });
        out.refused(words).says(
            "function not implemented (a kernel older than Linux 5.12, or a seccomp filter around the runtime that forbids it)",
        );
        c.nothing_left();
    }
}

/// `hidepid=2`, and a user who may not look into init: it is not gone because it is not to be seen.
#[test]
fn a_proc_that_hides_init() {
    need_root!();
    if !is_ours() {
        return skip(
            "a_proc_that_hides_init",
            "to runc the container is stopped, and delete leaves its init",
        );
    }
    let mut c = Container::new(|g| {
        g.without_mount_option("gid=5").args(&["sleep", "1000"]);
    })
    .owned_by(UID);
    c.runtime.user = None;
    // Each command is root of a user namespace of its own.
    let script = format!(
        r#"mount -o remount,hidepid=2 /proc || exit 9
        for id; do :; done
        as="setpriv --reuid {UID} --regid {UID} --clear-groups unshare -Ur"
        $as "$@" || exit 8
        for command in state kill delete; do $as "$1" --root "$3" $command "$id" && exit 7; done
        ls "$3""#
    );
    let prefix = ["unshare", "-mpf", "--mount-proc", "sh", "-c", &script, "sh"];
    c.runtime.prefix = prefix.map(str::to_owned).to_vec();
    let bundle = c.bundle.path().to_str().unwrap();
    let out = c.call(&["create", "--bundle", bundle]).ok();
    assert_eq!(out.stderr.matches("(hidepid)").count(), 3, "{out}");
    assert_eq!(out.text(), c.id);
    c.runtime.prefix.clear();
    c.call(&["delete", "--force"]).ok();
}

/// The host's mounts are named as it likes.
#[test]
fn a_mount_point_that_is_no_text() {
    need_root!();
    let dir = TempDir::new("mount");
    let script = format!(
        r#"m=$(printf '{}/\377') && mkdir "$m" && mount -t tmpfs none "$m" && exec "$@""#,
        dir.path().display()
    );
    for option in [&[][..], &["--no-pivot"]] {
        let mut c = Container::sh("echo up");
        let prefix = ["unshare", "-m", "sh", "-c", &script, "sh"];
        c.runtime.prefix = prefix.map(str::to_owned).to_vec();
        assert_eq!(c.run_with(option).ok().text(), "up");
        c.runtime.prefix.clear();
        let name = std::ffi::OsStr::from_bytes(b"\xff");
        std::fs::remove_dir(dir.path().join(name)).unwrap();
    }
}

/// `vm.memfd_noexec`, which each pid namespace has of its own: without a word memory files cannot be executed then, and the executable of
/// an ordinary user's init is one.
#[test]
fn memory_files_that_cannot_be_executed() {
    need_root!();
    if !is_ours() {
        return skip("memory_files_that_cannot_be_executed", "runc 1.1 fails");
    }
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        return skip(
            "memory_files_that_cannot_be_executed",
            "a kernel before 6.3",
        );
    }
    let mut c = user(|g| {
        g.args(&["id", "-u"]);
    });
    c.runtime.user = None;
    for level in [1, 2] {
        let script = format!(
            r#"echo {level} >/proc/sys/vm/memfd_noexec || exit 9
            exec setpriv --reuid {UID} --regid {UID} --clear-groups "$@""#
        );
        let prefix = ["unshare", "-mpf", "--mount-proc", "sh", "-c", &script, "sh"];
        c.runtime.prefix = prefix.map(str::to_owned).to_vec();
        let bundle = c.bundle.path().to_str().unwrap().to_owned();
        let out = c.call(&["run", "--bundle", &bundle]);
        match level {
            1 => assert_eq!(out.ok().text(), "0"),
            _ => drop(
                out.refused("memfd_create a sealed copy of /proc/self/exe (vm.memfd_noexec is 2)"),
            ),
        }
        c.runtime.prefix.clear();
        c.nothing_left();
    }
}

/// Who can write to the gate's socket can start the container, or end it: that does not depend on the caller's umask.
#[test]
fn nobody_else_reaches_the_gate() {
    need_root!();
    let mut c = Container::sleeping();
    c.runtime.prefix = ["sh", "-c", "umask 0; exec \"$@\"", "sh"]
        .map(str::to_owned)
        .to_vec();
    c.create().ok();
    let dir = c.runtime.root().join(&c.id);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        // Of runc's fifo, opening it for writing does nothing.
        let readable = mode(&path) & 0o055;
        let writable = if is_ours() { mode(&path) & 0o022 } else { 0 };
        assert_eq!((readable, writable), (0, 0), "{path:?}");
    }
    assert_eq!((mode(&dir), mode(c.runtime.root())), (0o711, 0o700));
}

/// However few descriptors `start` may have: it says that it has started the container, or the container does not run.
#[test]
fn a_start_with_few_descriptors() {
    need_root!();
    for count in 4..12 {
        let mut c = Container::sleeping();
        c.create().ok();
        let script = format!("ulimit -n {count}; exec \"$@\"");
        c.runtime.prefix = ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
        let out = c.start();
        c.runtime.prefix.clear();
        let status = c.status();
        let right = match out.code {
            0 => status == "running",
            _ => status != "running" && !out.stderr.is_empty(),
        };
        assert!(right, "{count}: {status}, {out}");
    }
}
