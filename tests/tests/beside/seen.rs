//! What was seen of one command: keys and values, without what is different each time.

use std::collections::BTreeMap;

use integration::parse_mountinfo;

/// An exit code, and the last words.
pub type Ending = (String, String);

#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub all: BTreeMap<String, String>,
    pub stderr: String,
}

/// One key of which the two runtimes have different values.
#[derive(Debug, Clone)]
pub struct Difference {
    pub key: String,
    pub ours: Option<String>,
    pub runc: Option<String>,
}

impl Seen {
    pub fn new(code: String, stdout: &str, stderr: &str) -> Self {
        let mut seen = Self::default();
        let mut plain = String::new();
        for line in stdout.lines() {
            match line.split_once('\t') {
                Some(("/proc/self/mountinfo", text)) => seen.mounts(&text.replace("\\n", "\n")),
                Some((key, value)) => seen.add(key, value),
                None => plain = plain + line + "\n",
            }
        }
        if !plain.is_empty() {
            seen.add("stdout", plain);
        }
        if code != "0" {
            seen.add("cause", cause(stderr));
        }
        seen.add("exit", code);
        stderr.clone_into(&mut seen.stderr);
        seen
    }

    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.all.insert(key.into(), value.into());
    }

    pub fn get(&self, key: &str) -> &str {
        self.all.get(key).map_or("", String::as_str)
    }

    /// How the command ended: its exit code, and of its last words what no path or number is in.
    pub fn ending(&self) -> Ending {
        let last = self.stderr.lines().last().unwrap_or_default();
        let words = last.split("msg=").last().unwrap_or_default().split(' ');
        let plain = words.filter(|w| w.chars().all(|c| c.is_alphabetic() || c == ':'));
        (
            self.get("exit").to_owned(),
            plain.take(12).collect::<Vec<_>>().join(" "),
        )
    }

    /// One key a mount: what is mounted where, on what, and how. Numbers are replaced by what they stand for.
    fn mounts(&mut self, text: &str) {
        let mut peers: Vec<String> = Vec::new();
        let mut depth: BTreeMap<String, u32> = BTreeMap::new();
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split(' ').collect()).collect();
        let point_of = |id: &str| {
            lines
                .iter()
                .find(|l| l[0] == id)
                .map_or("outside", |l| l[4])
        };
        let mut rows: Vec<(String, String)> = Vec::new();
        for (line, parsed) in lines.iter().zip(parse_mountinfo(text)) {
            let (point, options, optional, kind, source, sup) = parsed;
            let point = point.to_string_lossy().into_owned();
            let n = depth.entry(point.clone()).or_default();
            *n += 1;
            rows.push((
                format!("mount {point} {n}"),
                format!(
                    "{} on {} {options} [{optional}] {kind} {source} {sup}",
                    line[3],
                    point_of(line[1])
                ),
            ));
        }
        rows.sort();
        // Peer groups: by their order in what is sorted.
        for (key, value) in rows {
            let words: Vec<String> = value
                .split(' ')
                .map(|word| {
                    let bare = word.trim_matches(['[', ']']);
                    match bare.split_once(':') {
                        Some((what @ ("shared" | "master" | "propagate_from"), number)) => {
                            let n = peers.iter().position(|p| p == number).unwrap_or_else(|| {
                                peers.push(number.to_owned());
                                peers.len() - 1
                            });
                            word.replace(bare, &format!("{what}:{n}"))
                        }
                        _ => word.to_owned(),
                    }
                })
                .collect();
            self.add(key, words.join(" "));
        }
    }

    /// Where the two differ. If they did not end alike, that alone.
    pub fn differences(ours: &Self, runc: &Self) -> Vec<Difference> {
        let of = |keys: &mut dyn Iterator<Item = &String>| -> Vec<Difference> {
            let mut all: Vec<Difference> = keys
                .map(|key| Difference {
                    key: key.clone(),
                    ours: ours.all.get(key).cloned(),
                    runc: runc.all.get(key).cloned(),
                })
                .filter(|d| d.ours != d.runc)
                .collect();
            all.sort_by(|a, b| a.key.cmp(&b.key));
            all.dedup_by(|a, b| a.key == b.key);
            all
        };
        let exit = of(&mut [&"exit".to_owned()].into_iter());
        if exit.is_empty() {
            of(&mut ours.all.keys().chain(runc.all.keys()))
        } else {
            exit
        }
    }
}

/// The kernel's words at the end of an error, which both must have; what is before it each says in its own way.
pub fn cause(stderr: &str) -> String {
    const WORDS: &[&str] = &[
        "no such file or directory",
        "permission denied",
        "operation not permitted",
        "not a directory",
        "is a directory",
        "too many levels of symbolic links",
        "invalid argument",
        "no such device",
        "exec format error",
        "device or resource busy",
        "file exists",
        "executable file not found in $PATH",
        "value too large",
        "numerical result out of range",
        "read-only file system",
        "operation not supported",
        "invalid cross-device link",
    ];
    let last = stderr
        .lines()
        .rfind(|l| !l.trim().is_empty())
        .unwrap_or_default()
        .to_lowercase();
    let found = WORDS
        .iter()
        .filter_map(|w| last.rfind(&w.to_lowercase()).map(|at| (at, w)))
        .max();
    found.map_or_else(String::new, |(_, w)| (*w).to_owned())
}
