//! Images built, and Docker with options of its daemon.

use super::{background, sh};
use crate::configure::append;
use crate::engine::{Engine, Kind};
use crate::sandbox::WORK;

/// A directory with this Dockerfile and a file.
pub fn context(dockerfile: &str) -> String {
    let dir = format!("{WORK}/tmp/context");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(format!("{dir}/Dockerfile"), dockerfile).unwrap();
    std::fs::write(format!("{dir}/file"), "from the context\n").unwrap();
    std::fs::copy(integration::find_busybox(), format!("{dir}/busybox")).unwrap();
    dir
}

pub const DOCKERFILE: &str = "FROM busybox:1
ENV A=b
WORKDIR /work
COPY file .
RUN cat file >copy && echo $A $PWD >>copy && id -u >>copy
USER 1000
RUN id -u >/tmp/id
CMD cat copy /tmp/id
";

pub fn build(e: &Engine) {
    let dir = context(DOCKERFILE);
    e.run(&["build", "--no-cache", "-t", "built", &dir]).ok();
    let out = e.run(&["run", "--rm", "built"]).ok();
    assert_eq!(out.lines(), ["from the context", "b /work", "0", "1000"]);
    let dir = context("FROM busybox:1\nRUN echo before; exit 9\n");
    let out = e.run(&["build", "--no-cache", &dir]);
    let text = out.stdout.clone() + &out.stderr;
    assert!(
        out.code != 0 && text.contains('9') && text.contains("before"),
        "{out}"
    );
    prune(e);
}

pub fn scratch(e: &Engine) {
    let dir = context(
        "FROM scratch\nCOPY busybox /bin/sh\nRUN echo made >/made\nCMD [\"/bin/sh\", \"-c\", \"read x </made; echo $x\"]\n",
    );
    e.run(&["build", "--no-cache", "-t", "from-scratch", &dir])
        .ok();
    assert_eq!(e.run(&["run", "--rm", "from-scratch"]).ok().text(), "made");
    prune(e);
}

/// The intermediate containers of a failed build.
fn prune(e: &Engine) {
    if e.kind == Kind::Docker {
        e.run(&["container", "prune", "-f"]).ok();
    }
}

/// It takes the runtime from dockerd's search path, by the name `runc`.
pub fn buildkit(e: &Engine) {
    let dir = context(&DOCKERFILE.replace(
        "USER 1000",
        "RUN --mount=type=tmpfs,target=/t grep ' /t tmpfs' /proc/mounts\nUSER 1000",
    ));
    let build = |dir: &str| {
        e.run_with(
            ("DOCKER_BUILDKIT", "1"),
            &[
                "build",
                "--no-cache",
                "--progress",
                "plain",
                "-t",
                "kit",
                dir,
            ],
        )
    };
    build(&dir).ok();
    let out = e.run(&["run", "--rm", "kit"]).ok();
    assert_eq!(out.lines(), ["from the context", "b /work", "0", "1000"]);
    let out = build(&context("FROM busybox:1\nRUN echo before; exit 9\n")).exits(1);
    assert!(
        out.stderr.contains("exit code: 9") && out.stderr.contains("before"),
        "{out}"
    );
}

/// `--runtime`, and what dockerd says of its default and of a name that is none.
pub fn by_name(e: &Engine) {
    let name = e.name_in_docker();
    let out = e
        .run(&[
            "run",
            "--rm",
            "--runtime",
            name,
            "busybox:1",
            "echo",
            "named",
        ])
        .ok();
    assert_eq!(out.text(), "named");
    let out = e.run(&["info", "--format", "{{.DefaultRuntime}}"]).ok();
    assert_eq!(out.text(), name);
    e.run(&["run", "--rm", "--runtime", "no-such", "busybox:1", "true"])
        .exits(125)
        .says("Unknown runtime specified no-such");
}

/// dockerd once more, with all its containers in a user namespace.
pub fn remap(e: &Engine) {
    append("/etc/passwd", "remapped:x:12346:12346::/:/bin/sh\n");
    append("/etc/group", "remapped:x:12346:\n");
    append("/etc/subuid", "remapped:700000:65536\n");
    append("/etc/subgid", "remapped:700000:65536\n");
    e.stop();
    e.dockerd(&["--userns-remap", "remapped"]);
    e.run(&["load", "-q", "-i", &format!("{WORK}/busybox.tar")])
        .ok();
    let out = sh(
        e,
        &[],
        "id -u; cat /proc/self/uid_map; touch /x; stat -c %u /x /etc",
    )
    .ok();
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "700000", "65536", "0", "0"]);
    background(
        e,
        "c1",
        &["-v", "named:/named"],
        "touch /named/x; exec sleep 1000",
    );
    let out = e
        .run(&["exec", "c1", "sh", "-c", "id -u; cat /proc/self/uid_map"])
        .ok();
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "700000", "65536"]);
    e.run(&["rm", "-f", "-v", "c1"]).ok();
    e.stop();
    e.dockerd(&[]);
}
