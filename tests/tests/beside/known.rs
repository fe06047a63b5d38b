//! What differs from runc 1.1.5 on purpose; the reasons are in docs/decisions/beside.md.

use serde_json::Value;

use super::seen::{Difference, Seen};

/// One difference that is meant.
pub struct Known {
    /// What is different.
    #[expect(dead_code, reason = "it is for people")]
    why: &'static str,
    /// Is this one of it?
    is: fn(&Case<'_>, &Difference) -> bool,
}

pub struct Case<'a> {
    pub config: &'a Value,
    pub ours: &'a Seen,
    pub runc: &'a Seen,
}

impl Case<'_> {
    /// Ours ends with these words where runc ends otherwise.
    fn refused(&self, d: &Difference, words: &str) -> bool {
        matches!(d.key.as_str(), "exit" | "cause")
            && self.ours.stderr.replace("\\\"", "\"").contains(words)
    }
}

pub const KNOWN: &[Known] = &[
    Known {
        why: "Go raises runc's own limit of open files, and its containers inherit that",
        is: |c, d| d.key == "limit Nofile" && !c.config.to_string().contains("RLIMIT_NOFILE"),
    },
    Known {
        why: "a foreground container has the caller's own streams; runc puts pipes between",
        is: |_, d| {
            d.key.starts_with("descriptor ")
                && d.runc.as_deref().is_some_and(|r| r.starts_with("pipe:"))
        },
    },
    Known {
        why: "runc passes on that signal 32 is ignored; here every signal is as a new program has it",
        is: |_, d| {
            let bits = |text: &Option<String>| {
                u64::from_str_radix(text.as_deref().unwrap_or(""), 16).unwrap_or(0)
            };
            d.key == "status SigIgn" && bits(&d.ours) ^ bits(&d.runc) == 1 << 31
        },
    },
    Known {
        why: "a container without /proc works; runc needs the container's to close descriptors",
        is: |c, _| c.runc.stderr.contains("error closing exec fds"),
    },
    Known {
        why: "the tmpfs of the cgroups has the mode 755; runc 1.1 gives it that of what it covers, as it does with each tmpfs whatever its mode option says",
        is: |_, d| {
            d.key == "tree /sys/fs/cgroup"
                || d.key.starts_with("/sys/fs/cgroup ") && !d.key.ends_with("has")
        },
    },
    Known {
        why: "poststart hooks run when the program does, with status running; runc 1.1 runs them in create",
        is: |_, d| {
            d.key.starts_with("left hooks/poststart-")
                && d.ours
                    .as_deref()
                    .map(|o| o.replace("\\\"running\\\"", "\\\"created\\\""))
                    == d.runc
        },
    },
    Known {
        why: "a file that is no such device at a device's path is an error; runc takes it for the device",
        is: |c, d| {
            c.refused(
                d,
                ": the image has something else there; remove it, or mount",
            )
        },
    },
    Known {
        why: "an empty program name is refused before anything is made",
        is: |c, d| c.refused(d, "exec: \"\": executable file not found in $PATH"),
    },
    Known {
        why: "a variable that comes twice stays at its last place, as in runc since 1.3",
        is: |c, d| {
            let sorted = |seen: &Seen| {
                let mut all: Vec<String> = seen
                    .all
                    .iter()
                    .filter(|(k, _)| k.starts_with("env "))
                    .map(|(_, v)| v.clone())
                    .collect();
                all.sort();
                all
            };
            d.key.starts_with("env ") && sorted(c.ours) == sorted(c.runc)
        },
    },
    Known {
        why: "/dev/null is opened only if a stream is to become it; runc fails where it cannot be opened (nodev on /dev)",
        is: |c, d| {
            d.key == "exit"
                && c.runc
                    .stderr
                    .contains("error reopening /dev/null inside container")
        },
    },
    Known {
        why: "additionalGids that come twice are set twice, as in runc since 1.2",
        is: |c, d| {
            let once = |text: &Option<String>| -> Vec<String> {
                let mut all: Vec<String> = text
                    .as_deref()
                    .unwrap_or("")
                    .split(|c: char| !c.is_ascii_digit())
                    .map(str::to_owned)
                    .collect();
                all.retain(|w| !w.is_empty());
                all.dedup();
                all
            };
            matches!(d.key.as_str(), "groups" | "status Groups")
                && once(&d.ours) == once(&d.runc)
                && c.config.to_string().contains("additionalGids")
        },
    },
    Known {
        why: "runc's error names no cause",
        is: |_, d| d.key == "cause" && d.runc.as_deref() == Some(""),
    },
    Known {
        why: "what fails early has made nothing; runc leaves mount points, nodes and groups of the path behind",
        is: |c, d| d.key.starts_with("left ") && d.ours.is_none() && c.ours.get("exit") == "1",
    },
    Known {
        why: "the flags of a seccomp filter are set, as in runc since 1.2",
        is: |c, _| {
            c.runc
                .stderr
                .contains("seccomp flags are not yet supported by runc")
        },
    },
    Known {
        why: "very few descriptors are enough",
        is: |c, _| c.runc.stderr.contains("too many open files"),
    },
    Known {
        why: "the allow rule of a default device stays when the config has a device of its path; runc drops the rule",
        is: |c, d| {
            d.key == "cgroup devices/devices.list" && !c.config["linux"]["devices"].is_null()
        },
    },
    Known {
        why: "recursive attributes hold for each mount; runc sets them for bind mounts alone",
        is: |c, d| {
            let recursive = |m: &Value| {
                let word = |o: &Value| {
                    o.as_str().is_some_and(|o| {
                        o.starts_with('r') && !matches!(o, "ro" | "rw" | "relatime" | "rbind")
                    })
                };
                m["options"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(word))
            };
            (d.key.starts_with("mount ") || d.key.ends_with("can get a file"))
                && c.config["mounts"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(recursive))
        },
    },
    Known {
        why: "a line of passwd without a home gives none: HOME is /; runc sets it to nothing",
        is: |c, d| {
            d.key.starts_with("env ")
                && d.runc.as_deref() == Some("\"HOME\"=\"\"")
                && c.config.to_string().contains("/etc/passwd")
        },
    },
    Known {
        why: "what a failed poststart hook stops may have said more, or less, by then",
        is: |c, _| {
            c.ours.stderr.contains("error running poststart hook")
                && c.runc.stderr.contains("error running hook")
        },
    },
    Known {
        why: "a profile where there is no AppArmor: the file is missing",
        is: |c, d| c.refused(d, "AppArmor is not enabled here"),
    },
    Known {
        why: "limits are set before the container is built, so theirs is the first error; runc sets them after the mounts",
        is: |c, d| c.refused(d, "unable to apply cgroup configuration"),
    },
    Known {
        why: "after a poststop hook that fails the others still run",
        is: |c, d| {
            d.key.starts_with("left hooks/poststop")
                && d.runc.is_none()
                && c.runc.stderr.contains("error running hook")
        },
    },
    Known {
        why: "in a user namespace, too, a file of the image in a device's place is left alone; runc truncates it, and binds the host's",
        is: |c, d| {
            d.key.starts_with("left ")
                && !c.config["linux"]["devices"].is_null()
                && c.config["linux"]["namespaces"]
                    .to_string()
                    .contains("\"user\"")
        },
    },
    Known {
        why: "an option that clears a flag counts for a bind mount, as in runc since 1.2; 1.1 remounts only to set one",
        is: |c, d| {
            let clears = |o: &Value| {
                o.as_str().is_some_and(|o| {
                    matches!(
                        o,
                        "rw" | "suid"
                            | "dev"
                            | "exec"
                            | "atime"
                            | "diratime"
                            | "async"
                            | "loud"
                            | "symfollow"
                    ) || o.starts_with("no") && o.len() > 7
                })
            };
            d.key.starts_with("mount ")
                && c.config["mounts"].as_array().is_some_and(|all| {
                    all.iter().any(|m| {
                        m["options"].as_array().is_some_and(|o| {
                            o.iter().any(clears) && o.iter().any(|o| o == "bind" || o == "rbind")
                        })
                    })
                })
        },
    },
    Known {
        why: "a /dev/null that is another device is not opened, nor taken for a mask",
        is: |c, _| {
            let null = |d: &Value| {
                d["path"] == "/dev/null" && (d["type"] != "c" || d["major"] != 1 || d["minor"] != 3)
            };
            c.config["linux"]["devices"]
                .as_array()
                .is_some_and(|all| all.iter().any(null))
        },
    },
    Known {
        why: "options with data on a bind mount are refused, as by runc since 1.2",
        is: |c, d| {
            c.refused(
                d,
                "bind mounts cannot have any filesystem-specific options applied",
            )
        },
    },
    Known {
        why: "where the root is shared masks and read-only paths are, too: what covers them is seen by its peers",
        is: |c, d| {
            let linux = &c.config["linux"];
            d.key.starts_with("mount ")
                && linux["rootfsPropagation"]
                    .as_str()
                    .is_some_and(|p| p.ends_with("shared"))
                && (linux["maskedPaths"].is_array() || linux["readonlyPaths"].is_array())
        },
    },
    Known {
        why: "rules of a seccomp profile that contradict each other are refused in words",
        is: |c, d| c.refused(d, "and a different action"),
    },
    Known {
        why: "what cannot be is refused by the name of its field, before anything is made; runc fails when it comes to it",
        is: |c, d| {
            let names = [
                "mounts[",
                "process.",
                "linux.",
                "hooks.",
                "root.",
                "hostname",
                "domainname",
            ];
            d.key == "cause"
                && names
                    .iter()
                    .any(|n| c.ours.stderr.contains(&format!("runc-rs run failed: {n}")))
        },
    },
];

/// Fields of a mount that differ on purpose, made the same.
struct Plain {
    #[expect(dead_code, reason = "it is for people")]
    why: &'static str,
    make: fn(&Case<'_>, &mut Row),
}

/// A mount as [`Seen`] has it.
struct Row {
    point: String,
    root: String,
    options: Vec<String>,
    optional: String,
    kind: String,
    source: String,
    sup: Vec<String>,
}

impl Row {
    fn parse(key: &str, value: &str) -> Option<Self> {
        let (left, right) = value.split_once(" [")?;
        let (optional, rest) = right.split_once("] ")?;
        let (root, options) = left.rsplit_once(' ')?;
        let (kind, rest) = rest.split_once(' ')?;
        let (source, sup) = rest.rsplit_once(' ')?;
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        Some(Self {
            point: key.split(' ').nth(1)?.to_owned(),
            root: root.to_owned(),
            options: list(options),
            optional: optional.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
            sup: list(sup),
        })
    }

    fn text(&self) -> String {
        let Self {
            point,
            root,
            options,
            optional,
            kind,
            source,
            sup,
        } = self;
        format!("{point} {root} {options:?} [{optional}] {kind} {source} {sup:?}")
    }
}

const PLAIN: &[Plain] = &[
    Plain {
        why: "a mount without a source is named for its type; an empty field breaks who reads /proc/mounts",
        make: |_, row| {
            if row.source == row.kind {
                row.source.clear();
            }
        },
    },
    Plain {
        why: "masks are copies of one tmpfs, which has no other name",
        make: |c, row| {
            if c.config["linux"]["maskedPaths"].is_array()
                && row.kind == "tmpfs"
                && row.options.iter().any(|o| o == "ro")
                && row.source == "none"
            {
                row.source.clear();
            }
        },
    },
    Plain {
        why: "the mode that a tmpfs takes over from what it covers is an option of the mount, as in runc since 1.2; 1.1 changes it after",
        make: |_, row| {
            if row.kind == "tmpfs" {
                row.sup.retain(|o| !o.starts_with("mode="));
            }
        },
    },
    Plain {
        why: "rootfsPropagation is that of the container's root, and of what is mounted below it then; runc 1.1 does not set it",
        make: |c, row| {
            if c.config["linux"]["rootfsPropagation"]
                .as_str()
                .is_some_and(|p| p.ends_with("shared"))
            {
                let words = row
                    .optional
                    .split(' ')
                    .filter(|w| !w.starts_with("shared:"));
                row.optional = words.collect::<Vec<_>>().join(" ");
            }
        },
    },
    Plain {
        why: "the tmpfs that carries the hierarchies is as the config wants it; runc 1.1 leaves it writable",
        make: |_, row| {
            if row.point.ends_with("/cgroup") && row.kind == "tmpfs" {
                row.options.retain(|o| o != "ro" && o != "rw");
            }
        },
    },
];

fn same_mount(case: &Case<'_>, d: &Difference) -> bool {
    let plain = |value: &Option<String>| -> Option<String> {
        let mut row = Row::parse(&d.key, value.as_deref()?)?;
        PLAIN.iter().for_each(|p| (p.make)(case, &mut row));
        Some(row.text())
    };
    d.key.starts_with("mount ") && plain(&d.ours).is_some() && plain(&d.ours) == plain(&d.runc)
}

/// The differences that nobody meant.
pub fn unknown(case: &Case<'_>) -> Vec<Difference> {
    let mut all = Seen::differences(case.ours, case.runc);
    all.retain(|d| !same_mount(case, d) && !KNOWN.iter().any(|k| (k.is)(case, d)));
    all
}

/// What is meant of a command line (in JSON), and what shows it.
type Meant = (&'static str, fn(&str, &Difference) -> bool);

const LINES: &[Meant] = &[
    (
        "--root / is refused before the command is looked at",
        |line, d| {
            line.contains("\"--root\",\"/\"")
                && d.ours
                    .as_deref()
                    .is_some_and(|o| o.is_empty() || o.contains("should not be set to"))
        },
    ),
    (
        "kill refuses a negative number; runc --all warns, and says that all is well",
        |line, _| line.contains("\"kill\"") && line.contains("\"-1\""),
    ),
    (
        "an id is looked at before the state directory is made",
        |_, d| {
            d.key.ends_with("words")
                && d.ours
                    .as_deref()
                    .is_some_and(|o| o.contains("invalid container ID format"))
                && d.runc.as_deref().is_some_and(|r| r.contains("mkdir "))
        },
    ),
    (
        "-fjson is one option, of a name that nobody has; runc takes it for several short ones",
        |line, _| line.contains("-fjson"),
    ),
    (
        "init is for the program itself; runc's is hidden from its own command line",
        |line, _| line.contains("\"init\""),
    ),
    (
        "the version and the features are this program's own",
        |line, d| {
            d.key.ends_with("stdout")
                && ["\"-v\"", "\"--version\"", "\"features\"", "\"version\""]
                    .iter()
                    .any(|w| line.contains(w))
        },
    ),
    ("what was tried stands before the cause", |_, d| {
        let cause = |text: &Option<String>| super::seen::cause(text.as_deref().unwrap_or(""));
        let last = |text: &Option<String>| {
            text.as_deref()
                .and_then(|t| t.rsplit(": ").next())
                .unwrap_or("")
                .to_owned()
        };
        let plain = |text: &Option<String>| {
            text.as_deref()
                .unwrap_or("")
                .replace("unable to start container process: ", "")
        };
        let is_words = d.key.ends_with("words") || d.key.ends_with("log");
        is_words
            && d.ours.is_some()
            && d.runc.is_some()
            && (!cause(&d.runc).is_empty() && cause(&d.runc) == cause(&d.ours)
                || last(&d.ours) == last(&d.runc)
                || plain(&d.ours) == plain(&d.runc))
    }),
    ("the words of our JSON parser", |_, d| {
        d.ours
            .as_deref()
            .is_some_and(|o| o.contains("cannot read the resources"))
    }),
    ("kill knows the real-time signals by name", |line, _| {
        line.contains("RTM")
    }),
    (
        "a number that is none is a parse error for every option; Go's lists say which function found it",
        |_, d| {
            d.runc.as_deref().is_some_and(|r| r.contains("strconv."))
                && d.ours.as_deref().is_some_and(|o| o.contains("parse error"))
        },
    ),
    ("the words of an option's own check", |_, d| {
        d.key.ends_with("words") && d.ours.as_deref().is_some_and(|o| o.contains("failed: --"))
    }),
];

/// Is this difference of two command lines meant?
pub fn in_a_line(script: &Value, d: &Difference) -> bool {
    let n = d
        .key
        .split(' ')
        .next()
        .and_then(|n| n.parse::<usize>().ok())
        .unwrap_or(0);
    // What follows from a difference is not looked at.
    (0..=n).any(|n| {
        let line = script["lines"][n].to_string();
        LINES.iter().any(|(_, is)| is(&line, d))
    })
}
