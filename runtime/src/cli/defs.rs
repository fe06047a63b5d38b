//! The commands: one table. The parser, the help texts, and what is generated from them read it.

mod limits;

/// What an option's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No value but `=true`, `=false`.
    Flag,
    /// Any text; the word stands for it in the help.
    Text(&'static str),
    /// A number, as Go's `strconv.ParseInt(s, 0, 64)` reads it.
    Number(&'static str),
    /// A span of time, as Go's `time.ParseDuration` reads it.
    Duration(&'static str),
}

/// One option. Its long name is what the rest of the program finds it by.
#[derive(Debug)]
pub struct Opt {
    /// Without dashes.
    pub long: &'static str,
    /// A one-letter name.
    pub short: Option<char>,
    /// Its value.
    pub kind: Kind,
    /// One line.
    pub help: &'static str,
    /// Kept for compatibility only; not in the help.
    pub hidden: bool,
}

/// How many operands a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(usize),
    /// From, to.
    Between(usize, usize),
    /// So many or more.
    AtLeast(usize),
    /// Not checked here.
    Any,
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its operands, for the usage line.
    pub operands: &'static str,
    /// How many.
    pub count: Count,
    /// One line.
    pub about: &'static str,
    /// Paragraphs; `{name}` is the program's name.
    pub text: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// In the help and carried out, or known by name only.
    pub status: Support,
}

/// Is a command there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Yes.
    Yes,
    /// Yes, but nobody should call it.
    Internal,
    /// A command of runc that is refused by name.
    NotYet,
}

const fn opt(long: &'static str, short: Option<char>, kind: Kind, help: &'static str) -> Opt {
    Opt {
        long,
        short,
        kind,
        help,
        hidden: false,
    }
}

const fn hidden(mut option: Opt) -> Opt {
    option.hidden = true;
    option
}

const FILE: Kind = Kind::Text("FILE");
const DIR: Kind = Kind::Text("DIR");

/// Every command takes it.
pub static HELP: Opt = opt("help", Some('h'), Kind::Flag, "show this help");

/// The options before the command.
pub static GLOBAL: &[Opt] = &[
    opt("debug", None, Kind::Flag, "log at level debug too"),
    opt(
        "log",
        None,
        FILE,
        "append the log to FILE, which is made when missing (default: stderr)",
    ),
    opt(
        "log-format",
        None,
        Kind::Text("FORMAT"),
        "log lines as \"text\" or \"json\" (default: \"text\")",
    ),
    opt(
        "root",
        None,
        DIR,
        "keep the containers' state below DIR, best on a tmpfs (default: \"/run/runc-rs\")",
    ),
    hidden(opt(
        "criu",
        None,
        FILE,
        "accepted for compatibility; not used",
    )),
    opt(
        "systemd-cgroup",
        None,
        Kind::Flag,
        "let systemd manage the cgroup; cgroupsPath is then \"slice:prefix:name\"",
    ),
    opt(
        "rootless",
        None,
        Kind::Text("BOOL"),
        "\"true\", \"false\" or \"auto\": tolerate that cgroups may not be writable (default: \"auto\")",
    ),
    opt("version", Some('v'), Kind::Flag, "print the version"),
];

const BUNDLE: Opt = opt(
    "bundle",
    Some('b'),
    DIR,
    "the bundle: config.json and usually the rootfs (default: the current directory)",
);
const CONSOLE_SOCKET: Opt = opt(
    "console-socket",
    None,
    FILE,
    "send the terminal's master to this unix socket",
);
const PIDFD_SOCKET: Opt = opt(
    "pidfd-socket",
    None,
    FILE,
    "send a pidfd of the process to this unix socket",
);
const PID_FILE: Opt = opt(
    "pid-file",
    None,
    FILE,
    "write the pid of the container's process to FILE",
);
const NO_PIVOT: Opt = opt(
    "no-pivot",
    None,
    Kind::Flag,
    "move the root mount and chroot instead of pivot_root, for a rootfs on a ramdisk",
);
const NO_KEYRING: Opt = opt(
    "no-new-keyring",
    None,
    Kind::Flag,
    "stay in the caller's session keyring instead of making one",
);
const PRESERVE: Opt = opt(
    "preserve-fds",
    None,
    Kind::Number("N"),
    "pass N more descriptors, after stdio and $LISTEN_FDS (default: 0)",
);
const EXPLAIN: Opt = opt(
    "explain",
    None,
    Kind::Flag,
    "draw the handshake with the container's init on stderr, as it happens",
);
const TRACE: Opt = opt(
    "trace",
    None,
    FILE,
    "write the handshake's events to FILE, for a trace viewer (Chrome JSON)",
);
const FORMAT: Opt = opt(
    "format",
    Some('f'),
    Kind::Text("FORMAT"),
    "\"table\" or \"json\" (default: \"table\")",
);

const NEW_ID: &str = "<container-id> is the name that the new container gets: 1 to 1024 letters, digits and \"_+.-\",\n\
    not used by another container of this host's --root.\n\n";

/// The text that `create` and `run` share.
const CREATE_TEXT: &str = "Makes the container that the bundle's config.json describes, up to the point where its program\n\
    could start: namespaces, cgroup, mounts. \"{name} start\" then starts the program.";
const RUN_TEXT: &str = "Makes the container that the bundle's config.json describes, starts its program, waits for its end\n\
    and removes the container. The exit code is the program's; 128 and the signal's number if a signal\n\
    ended it. With --detach it returns when the program has started, and \"{name} delete\" removes it.\n\n\
    A first container, without an image:\n\n    \
    # mkdir test && cd test\n    \
    # {name} spec --busybox\n    \
    # {name} run test";

const EXEC: Command = Command {
    name: "exec",
    operands: "<container-id> <command> [args...] || --process FILE <container-id>",
    count: Count::AtLeast(1),
    about: "start another process in a container",
    text: "Starts a program in a container that is created or running, as its own is started: with its user, environment,\n\
        capabilities, limits, labels and seccomp profile. The exit code is the program's, 128 and the signal's\n\
        number if a signal ended it, or 255 if it was not executed.\n\n    \
        # {name} exec test ps",
    options: &[
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        opt("cwd", None, DIR, "start in DIR of the container"),
        opt(
            "env",
            Some('e'),
            Kind::Text("NAME=VALUE"),
            "add this to the environment; may come more than once",
        ),
        opt(
            "tty",
            Some('t'),
            Kind::Flag,
            "give it a terminal of its own",
        ),
        opt(
            "user",
            Some('u'),
            Kind::Text("UID[:GID]"),
            "run as this user",
        ),
        opt(
            "additional-gids",
            Some('g'),
            Kind::Number("GID"),
            "and in this group; may come more than once",
        ),
        opt(
            "process",
            Some('p'),
            FILE,
            "take the process from this JSON file; of the other options those of the process are ignored",
        ),
        opt(
            "detach",
            Some('d'),
            Kind::Flag,
            "return when the program was executed",
        ),
        PID_FILE,
        opt(
            "process-label",
            None,
            Kind::Text("LABEL"),
            "run under this SELinux label",
        ),
        opt(
            "apparmor",
            None,
            Kind::Text("PROFILE"),
            "run under this AppArmor profile",
        ),
        opt(
            "no-new-privs",
            None,
            Kind::Flag,
            "it can gain no privileges by execve",
        ),
        opt(
            "cap",
            Some('c'),
            Kind::Text("CAP"),
            "add a capability, \"CAP_KILL\"; may come more than once",
        ),
        PRESERVE,
        opt(
            "cgroup",
            None,
            Kind::Text("[CONTROLLERS:]PATH"),
            "run in this group below the container's, which must exist; may come more than once",
        ),
        opt(
            "ignore-paused",
            None,
            Kind::Flag,
            "also in a paused container: it starts when that is resumed",
        ),
    ],
    status: Support::Yes,
};

/// All commands, in the order of the help.
pub static COMMANDS: &[Command] = &[
    later("checkpoint", "freeze a container's processes into files"),
    Command {
        name: "create",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "make a container",
        text: CREATE_TEXT,
        options: &[
            BUNDLE,
            CONSOLE_SOCKET,
            PIDFD_SOCKET,
            PID_FILE,
            NO_PIVOT,
            NO_KEYRING,
            PRESERVE,
            EXPLAIN,
            TRACE,
        ],
        status: Support::Yes,
    },
    Command {
        name: "delete",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "remove what a stopped container left",
        text: "Removes the container's cgroup and state. A container that has not stopped is refused, but with\n\
            --force, which kills it first and also removes what a creation that was killed half-way left.",
        options: &[opt(
            "force",
            Some('f'),
            Kind::Flag,
            "kill the container first (SIGKILL); no error if there is none",
        )],
        status: Support::Yes,
    },
    Command {
        name: "events",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "show a container's resource statistics and events",
        text: "Prints one line of JSON for each look at the container's statistics, and one when the kernel has found it\n\
            out of memory, until the container ends.",
        options: &[
            opt(
                "interval",
                None,
                Kind::Duration("DURATION"),
                "look every DURATION, \"500ms\" or \"1m30s\" (default: 5s)",
            ),
            opt("stats", None, Kind::Flag, "look once, and do not wait"),
        ],
        status: Support::Yes,
    },
    EXEC,
    Command {
        name: "kill",
        operands: "<container-id> [signal]",
        count: Count::Between(1, 2),
        about: "send a signal to a container's first process",
        text: "[signal] is a name with or without \"SIG\", in any case, or a number (default: SIGTERM):\n\n    \
            # {name} kill ubuntu01 KILL",
        options: &[opt(
            "all",
            Some('a'),
            Kind::Flag,
            "send it to every process of the container",
        )],
        status: Support::Yes,
    },
    Command {
        name: "list",
        operands: "",
        count: Count::Exactly(0),
        about: "list the containers below --root",
        text: "One line a container. A container whose state cannot be read is named on stderr.",
        options: &[
            FORMAT,
            opt("quiet", Some('q'), Kind::Flag, "print the names only"),
        ],
        status: Support::Yes,
    },
    Command {
        name: "pause",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "freeze a container's processes",
        text: "Returns when every process of the container has stopped. \"{name} resume\" lets them go on; a signal\n\
            waits for that, but for SIGKILL.",
        options: &[],
        status: Support::Yes,
    },
    Command {
        name: "ps",
        operands: "<container-id> [ps options]",
        count: Count::Between(1, usize::MAX),
        about: "list a container's processes",
        text: "Calls the host's ps with [ps options] (default: -ef), and shows the lines of the container's processes.\n\
            What follows <container-id> is for ps. With --format json it prints the pids only.",
        options: &[FORMAT],
        status: Support::Yes,
    },
    later("restore", "make a container from the files of a checkpoint"),
    Command {
        name: "resume",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "let a paused container's processes go on",
        text: "The container must be paused.",
        options: &[],
        status: Support::Yes,
    },
    Command {
        name: "run",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "make a container, start it, and wait for its end",
        text: RUN_TEXT,
        options: &[
            BUNDLE,
            CONSOLE_SOCKET,
            PIDFD_SOCKET,
            opt(
                "detach",
                Some('d'),
                Kind::Flag,
                "return when the container's program has started",
            ),
            opt(
                "keep",
                None,
                Kind::Flag,
                "do not remove the container when it has stopped",
            ),
            PID_FILE,
            opt(
                "no-subreaper",
                None,
                Kind::Flag,
                "do not adopt the container's orphans",
            ),
            NO_PIVOT,
            NO_KEYRING,
            PRESERVE,
            EXPLAIN,
            TRACE,
        ],
        status: Support::Yes,
    },
    Command {
        name: "spec",
        operands: "",
        count: Count::Exactly(0),
        about: "write a config.json to start from",
        text: "Writes config.json into the bundle; one that is there already is left, and is an error. Its program\n\
            is \"sh\" in a read-only root.\n\n\
            With --busybox the bundle is complete: rootfs/ gets the host's static busybox with a link for each\n\
            of its programs, and process.terminal is false, so that the container takes the caller's stdin and\n\
            stdout as they are, be they a terminal or not:\n\n    \
            # {name} spec --busybox\n    \
            # echo 'ls /' | {name} run test",
        options: &[
            opt(
                "bundle",
                Some('b'),
                DIR,
                "where to write (default: the current directory)",
            ),
            opt(
                "rootless",
                None,
                Kind::Flag,
                "for a container that an unprivileged user can start",
            ),
            opt(
                "busybox",
                None,
                Kind::Flag,
                "also lay a root filesystem with busybox into rootfs/, which must be empty or missing",
            ),
        ],
        status: Support::Yes,
    },
    Command {
        name: "start",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "start the program of a created container",
        text: "Returns when the program was executed, or with the error that kept it from it.",
        options: &[],
        status: Support::Yes,
    },
    Command {
        name: "state",
        operands: "<container-id>",
        count: Count::Exactly(1),
        about: "print a container's state",
        text: "Prints the state object of the OCI runtime specification, as JSON.",
        options: &[],
        status: Support::Yes,
    },
    limits::UPDATE,
    Command {
        name: "features",
        operands: "",
        count: Count::Exactly(0),
        about: "print what this runtime supports",
        text: "Prints the features object of the OCI runtime specification, as JSON.",
        options: &[],
        status: Support::Yes,
    },
    Command {
        name: "init",
        operands: "",
        count: Count::Any,
        about: "what a container's init executes",
        text: "",
        options: &[],
        status: Support::Internal,
    },
];

const fn later(name: &'static str, about: &'static str) -> Command {
    Command {
        name,
        operands: "",
        count: Count::Any,
        about,
        text: "Not supported yet.",
        options: &[],
        status: Support::NotYet,
    }
}

impl Command {
    /// The command of this name.
    pub fn find(name: &[u8]) -> Option<&'static Command> {
        COMMANDS.iter().find(|c| c.name.as_bytes() == name)
    }

    /// Does its first operand end its options? What follows is then another program's line.
    pub fn is_strict(&self) -> bool {
        matches!(self.name, "exec" | "ps")
    }

    /// What the usage says of the operands, before how many there may be.
    pub fn preface(&self) -> &'static str {
        match self.name {
            "create" | "run" => NEW_ID,
            _ => "",
        }
    }
}
