//! What the pages say beyond the table.

/// A variable, the commands that it concerns (none: all), and what it does.
pub const ENVIRONMENT: &[(&str, &[&str], &str)] = &[
    (
        "XDG_RUNTIME_DIR",
        &[],
        "Without --root, an ordinary user's containers are kept below $XDG_RUNTIME_DIR/runc-rs, which is made when \
         missing. It does not count for root, unless root is one only in a user namespace and $USER is not root.",
    ),
    ("USER", &[], "See XDG_RUNTIME_DIR."),
    (
        "LISTEN_FDS, LISTEN_PID",
        &["create", "run"],
        "As sd_listen_fds(3) has them. If LISTEN_PID is this process, the sockets are passed to the program, which gets \
         LISTEN_FDS, and its own number as LISTEN_PID.",
    ),
    (
        "NOTIFY_SOCKET",
        &["create", "start", "run"],
        "Who is told when the program in the container has said by sd_notify(3) that it is ready. The program gets a \
         socket of its own.",
    ),
    (
        "PATH",
        &["create", "run", "ps", "spec"],
        "Where newuidmap(1), newgidmap(1), ps(1) and, for spec --busybox, busybox are looked for.",
    ),
    ("TZ", &[], "The time zone of the log's times."),
    (
        "LC_ALL, LC_CTYPE, LANG",
        &["create", "run"],
        "Whether --explain may draw with more than ASCII.",
    ),
];

/// A file and what it is.
pub const FILES: &[(&str, &str)] = &[
    (
        "config.json",
        "In the bundle: what the container is to be, by the OCI runtime specification.",
    ),
    (
        "/run/runc-rs",
        "Default of --root for root: a directory for each container, with the record by which later commands find it.",
    ),
    ("$XDG_RUNTIME_DIR/runc-rs", "The same for an ordinary user."),
    (
        "/sys/fs/cgroup",
        "Where the control groups are expected, version 1, 2 or both.",
    ),
    (
        "/etc/subuid, /etc/subgid",
        "The ranges that newuidmap(1) and newgidmap(1) allow an ordinary user in a container's user namespace.",
    ),
];

/// `EXIT STATUS` of a command: a status and when.
pub fn exit_status(command: &str) -> Vec<(&'static str, &'static str)> {
    const FAILED: (&str, &str) = (
        "1",
        "It failed. The last line of the log, on standard error unless --log names a file, says what was tried, and why it failed.",
    );
    const SIGNAL: (&str, &str) = ("128+N", "Without --detach: signal N ended the program.");
    match command {
        "run" => vec![
            ("0", "With --detach: the program was started."),
            ("N", "Without --detach: the program's own status."),
            SIGNAL,
            FAILED,
        ],
        "exec" => vec![
            ("0", "With --detach: the program was executed."),
            ("N", "Without --detach: the program's own status."),
            SIGNAL,
            (
                "255",
                "The program was not executed. The last line of the log, on standard error unless --log names a file, says why.",
            ),
        ],
        "" => vec![
            ("0", "The command did what it was asked."),
            FAILED,
            ("3", "There is no such command."),
            (
                "N, 128+N, 255",
                "Of run and exec: see runc-rs-run(8) and runc-rs-exec(8).",
            ),
        ],
        _ => vec![("0", "It did what it was asked."), FAILED],
    }
}

/// Other pages that belong to a command, beside the program's.
pub fn see_also(command: &str) -> &'static [&'static str] {
    match command {
        "create" => &["start", "run", "delete", "spec"],
        "start" => &["create", "run"],
        "run" => &["create", "start", "exec", "delete", "spec"],
        "exec" => &["run", "ps"],
        "kill" => &["delete"],
        "delete" => &["kill", "list"],
        "list" => &["state"],
        "state" => &["list", "ps"],
        "ps" => &["exec", "state"],
        "events" => &["update"],
        "update" => &["events"],
        "pause" => &["resume"],
        "resume" => &["pause"],
        "spec" => &["run"],
        _ => &[],
    }
}
