//! buildah by itself: it has Podman's storage and configuration, and is told of the runtime.

use integration::Output;

use super::build::{DOCKERFILE, context};
use crate::engine::Engine;
use crate::image::BUSYBOX;
use crate::sandbox::WORK;

/// A command of buildah's, where Podman's would be.
fn buildah(e: &Engine, args: &[&str]) -> Output {
    e.other(&[], "buildah", args)
}

pub fn run(e: &Engine) {
    let runtime = e.binary();
    let from = buildah(e, &["from", "--pull-never", BUSYBOX]).ok();
    let c = from.text().to_owned();
    let in_it = |options: &[&str], command: &[&str]| {
        let mut args = vec!["run", "--runtime", &runtime];
        args.extend(options);
        args.extend([c.as_str(), "--"]);
        args.extend(command);
        buildah(e, &args)
    };
    let script = "id -u; pwd; echo $FROM_IMAGE; echo kept >/made; echo err >&2";
    let out = in_it(&[], &["sh", "-c", script]).ok();
    assert_eq!(out.lines(), ["0", "/", "yes"], "{out}");
    assert!(out.stderr.contains("err"), "{out}");
    // The next one finds what this one has made.
    let out = in_it(
        &["--user", "1000", "-e", "A=b"],
        &["sh", "-c", "id -u; cat /made; echo $A"],
    )
    .ok();
    assert_eq!(out.lines(), ["1000", "kept", "b"], "{out}");
    let out = in_it(&[], &["sh", "-c", "exit 9"]);
    assert!(
        out.code != 0 && out.stderr.contains("exit status 9"),
        "{out}"
    );
    let out = in_it(&[], &["nope"]);
    assert!(
        out.code != 0
            && out
                .stderr
                .contains("exec: \\\"nope\\\": executable file not found in $PATH"),
        "{out}"
    );
    let out = in_it(&["-t"], &["tty"]).ok();
    assert!(out.stdout.contains("/dev/pts/0"), "{out}");
    // The other way to name it.
    let args = ["run", &c, "--", "echo", "named"];
    let out = e
        .other(&[&format!("BUILDAH_RUNTIME={runtime}")], "buildah", &args)
        .ok();
    assert_eq!(out.text(), "named");
    buildah(e, &["rm", &c]).ok();
}

pub fn build(e: &Engine) {
    let runtime = e.binary();
    let dir = context(DOCKERFILE);
    let bud = |dir: &str| {
        buildah(
            e,
            &[
                "bud",
                "--runtime",
                &runtime,
                "--pull-never",
                "--no-cache",
                "-t",
                "bud",
                dir,
            ],
        )
    };
    bud(&dir).ok();
    let out = e.run(&["run", "--rm", "localhost/bud"]).ok();
    assert_eq!(out.lines(), ["from the context", "b /work", "0", "1000"]);
    let out = bud(&context("FROM busybox:1\nRUN echo before; exit 9\n"));
    let text = out.stdout.clone() + &out.stderr;
    assert!(
        out.code != 0 && text.contains("exit status 9") && text.contains("before"),
        "{out}"
    );
}

/// By Podman's file, by its option, by its variable; the last two without the file.
pub fn which(e: &Engine) {
    let none = format!("{WORK}/tmp/none.conf");
    std::fs::write(&none, "").unwrap();
    let no_file = format!("CONTAINERS_CONF={none}");
    let from = buildah(e, &["from", "--pull-never", BUSYBOX]);
    let from = from.ok();
    let name = from.text();
    let binary = e.binary();
    let variable = format!("BUILDAH_RUNTIME={binary}");
    for (env, option) in [
        (&[][..], None),
        (&[&*no_file][..], Some(&*binary)),
        (&[&*no_file, &*variable][..], None),
    ] {
        let mut args = vec!["run", "--network", "none"];
        args.extend(option.iter().flat_map(|file| ["--runtime", file]));
        args.extend([name, "--", "sh", "-c", "echo $PPID; exit 7"]);
        let out = e.other(env, "buildah", &args);
        assert_eq!((out.code, out.text()), (7, "0"), "{env:?}: {out}");
    }
    // And no other runtime would have done it.
    let args = [
        "run",
        "--network",
        "none",
        "--runtime",
        "/usr/bin/crun",
        name,
        "true",
    ];
    assert_ne!(e.other(&[&no_file], "buildah", &args).code, 0);
    buildah(e, &["rm", name]).ok();
}
