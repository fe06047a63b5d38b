//! What only Podman asks for.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::{inspect, sh};
use crate::engine::{Engine, Kind, run};
use crate::sandbox::WORK;

const MAP: &str = "id -u; cat /proc/self/uid_map; touch /x; stat -c %u /x /etc/passwd";

/// (inside, outside, how many) of each line after the first.
fn maps(e: &Engine, options: &[&str]) -> (Vec<String>, Vec<[u32; 3]>) {
    let out = sh(e, options, MAP).ok();
    let mut words = Vec::new();
    let mut found = Vec::new();
    for line in out.lines() {
        let numbers: Vec<u32> = line
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        match numbers[..] {
            [a, b, c] => found.push([a, b, c]),
            _ => words.push(line.to_owned()),
        }
    }
    (words, found)
}

pub fn auto(e: &Engine) {
    let (ids, maps) = maps(e, &["--userns", "auto"]);
    assert_eq!(ids, ["0", "0", "0"]);
    assert!(
        maps.len() == 1 && maps[0][0] == 0 && maps[0][1] != 0,
        "{maps:?}"
    );
}

pub fn keep_id(e: &Engine) {
    let out = sh(e, &["--userns", "keep-id"], "id -u; cat /proc/self/uid_map").ok();
    assert_eq!(out.lines()[0], "12345", "{out}");
    assert_eq!(out.lines().len(), 4, "{out}");
}

pub fn maps_given(e: &Engine) {
    let first = if e.kind == Kind::Podman { 1_000_000 } else { 1 };
    let map = format!("0:{first}:5000");
    let (ids, maps) = maps(e, &["--uidmap", &map, "--gidmap", &map]);
    assert_eq!(ids, ["0", "0", "0"]);
    assert_eq!(maps, [[0, first, 5000]]);
}

/// On v2 root's Podman 4.3.1 attaches a device program to the pod's group that allows nothing, because it sets the group's limits without
/// device rules: no runtime can open /dev/null below it. A pod whose containers are not there has all but the common limits.
pub fn pod(e: &Engine) {
    let mut create = vec!["pod", "create", "--name", "p"];
    if e.kind == Kind::Podman && integration::is_v2() {
        create.push("--share-parent=false");
    }
    e.run(&create).ok();
    let namespaces = "for n in ipc net uts pid; do readlink /proc/self/ns/$n; done; hostname";
    let in_pod = |script: &str| {
        e.run(&["run", "--rm", "--pod", "p", "busybox:1", "sh", "-c", script])
            .ok()
    };
    let stays = format!("{namespaces}; exec sleep 1000");
    e.run(&[
        "run",
        "-d",
        "--pod",
        "p",
        "--name",
        "in",
        "busybox:1",
        "sh",
        "-c",
        &stays,
    ])
    .ok();
    assert!(crate::engine::until(|| e
        .run(&["logs", "in"])
        .ok()
        .lines()
        .len()
        == 5));
    let (one, two) = (e.run(&["logs", "in"]).ok(), in_pod(namespaces));
    assert_eq!(one.lines()[..3], two.lines()[..3]);
    assert_ne!(
        one.lines()[3],
        two.lines()[3],
        "a pod's containers have a pid namespace each"
    );
    assert_eq!(one.lines()[4], "p");
    e.run(&["pod", "stop", "-t", "0", "p"]).ok();
    assert_eq!(inspect(e, "in", ".State.Status"), "exited");
    e.run(&["pod", "start", "p"]).ok();
    assert_eq!(inspect(e, "in", ".State.Status"), "running");
    if e.kind == Kind::Podman {
        e.run(&["pod", "pause", "p"]).ok();
        assert_eq!(inspect(e, "in", ".State.Status"), "paused");
        e.run(&["pod", "unpause", "p"]).ok();
    }
    e.run(&["pod", "rm", "-f", "-t", "0", "p"]).ok();
}

pub fn rootfs(e: &Engine) {
    let tar = format!("{WORK}/tmp/rootfs.tar");
    let dir = format!("{WORK}/tmp/rootfs");
    e.run(&["create", "--name", "c1", "busybox:1"]).ok();
    let exported = e.run(&["export", "-o", &tar, "c1"]);
    exported.ok();
    std::fs::create_dir(&dir).unwrap();
    run("tar", &["-C", &dir, "-xf", &tar], "").ok();
    if e.kind == Kind::PodmanUser {
        run("chown", &["-R", "12345:12345", &dir], "").ok();
    }
    let out = e
        .run(&[
            "run",
            "--rm",
            "--rootfs",
            &dir,
            "sh",
            "-c",
            "echo here >/made; cat /made",
        ])
        .ok();
    assert_eq!(out.text(), "here");
    assert!(Path::new(&dir).join("made").exists());
    std::fs::remove_dir_all(&dir).unwrap();
}

pub fn preserve_fds(e: &Engine) {
    let file = format!("{WORK}/tmp/given");
    std::fs::write(&file, "through descriptor 3\n").unwrap();
    let args = [
        "run",
        "--rm",
        "--preserve-fds",
        "1",
        "busybox:1",
        "sh",
        "-c",
        "cat <&3",
    ];
    let out = e.run_with_descriptor(&file, &args).ok();
    assert_eq!(out.text(), "through descriptor 3");
}

/// The container's program, this one, tells that it is ready; outside is who waits for it.
pub fn sdnotify(e: &Engine) {
    let path = format!("{WORK}/tmp/notify.sock");
    let _ = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    socket.set_read_timeout(Some(integration::hang())).unwrap();
    let program = format!("{WORK}/bin/tells-ready");
    std::fs::copy("/proc/self/exe", &program).unwrap();
    let volume = format!("{program}:/tells-ready:ro");
    e.run_with_client_env(
        ("NOTIFY_SOCKET", &path),
        &[
            "run",
            "--rm",
            "--sdnotify",
            "container",
            "-v",
            &volume,
            "busybox:1",
            "/tells-ready",
            "--tell-ready",
        ],
    )
    .ok();
    let mut seen = String::new();
    while !seen.contains("READY=1") {
        let mut buffer = [0; 500];
        let n = socket
            .recv(&mut buffer)
            .unwrap_or_else(|e| panic!("{e}; so far {seen:?}"));
        seen += &String::from_utf8_lossy(&buffer[..n]);
        seen.push('\n');
    }
    std::fs::remove_file(&program).unwrap();
}

/// A file that no configuration names.
pub fn by_file(e: &Engine) {
    let file = format!("{WORK}/tmp/by-file-{}", e.runtime);
    std::fs::copy(e.binary(), &file).unwrap();
    let made = e.run(&[
        "--runtime",
        &file,
        "create",
        "busybox:1",
        "sh",
        "-c",
        "exit 7",
    ]);
    let made = made.ok();
    let which = e.run(&["inspect", "--format", "{{.OCIRuntime}}", made.text()]);
    assert_eq!(which.ok().text(), file);
    let out = e.run(&["--runtime", &file, "start", "-a", made.text()]);
    assert_eq!(out.code, 7, "{out}");
    e.run(&["--runtime", &file, "rm", made.text()]).ok();
}
