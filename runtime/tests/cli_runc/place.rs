//! Two runtimes of one name, side by side.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use integration::{skip, this_test};

use super::OURS;

/// Debian's runc, of the version that these tests know.
fn theirs() -> Option<PathBuf> {
    let path = ["/usr/sbin/runc", "/usr/bin/runc"]
        .map(PathBuf::from)
        .into_iter()
        .find(|p| p.is_file());
    let version = path
        .as_ref()
        .and_then(|p| Command::new(p).arg("--version").output().ok());
    let known = version.is_some_and(|v| v.stdout.starts_with(b"runc version 1.1."));
    if !known {
        skip(
            &this_test(),
            "needs runc 1.1 (Debian 12: apt install runc) to compare with",
        );
        return None;
    }
    path
}

/// A directory with `ours/runc`, `theirs/runc`, and an empty bundle.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Option<Self> {
        let theirs = theirs()?;
        let dir = std::env::temp_dir().join(format!("cli-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        for (who, binary) in [("ours", Path::new(OURS)), ("theirs", &theirs)] {
            fs::create_dir(dir.join(who)).unwrap();
            symlink(binary, dir.join(who).join("runc")).unwrap();
        }
        fs::create_dir(dir.join("bundle")).unwrap();
        Some(Self(dir))
    }

    /// Exit status, stdout, stderr and the log.
    pub fn run(&self, who: &str, line: &[&str], env: &[(&str, &str)]) -> Seen {
        let log = self.0.join(who).join("log");
        let _ = fs::remove_file(&log);
        let line = line
            .iter()
            .map(|word| word.replace("LOG", log.to_str().unwrap()));
        // The same argv[0] for both.
        let path = format!("{}:/usr/bin:/bin", self.0.join(who).display());
        // Files: a detached container keeps what it is given.
        let files = ["stdout", "stderr"].map(|name| self.0.join(who).join(name));
        let status = Command::new("/usr/bin/env")
            .args(["runc", "--root"])
            .arg(self.0.join(who).join("root"))
            .args(line)
            .env("PATH", path)
            .env_remove("XDG_RUNTIME_DIR")
            .envs(env.iter().copied())
            .current_dir(self.0.join("bundle"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(&files[0]).unwrap())
            .stderr(fs::File::create(&files[1]).unwrap())
            .status()
            .unwrap();
        let text = |path: &Path| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
            without_time(&text.replace(log.to_str().unwrap(), "LOG"))
        };
        Seen {
            code: status.code(),
            stdout: text(&files[0]),
            stderr: text(&files[1]),
            log: text(&log),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a failed test left running.
        for who in ["ours", "theirs"] {
            for id in self.run(who, &["list", "-q"], &[]).stdout.lines() {
                self.run(who, &["delete", "-f", id], &[]);
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub log: String,
}

/// Digits of times become 0.
fn without_time(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line
            .find("time=\"")
            .map(|at| at + 6)
            .or_else(|| line.find("\"time\":\"").map(|at| at + 8))
        {
            Some(at) => {
                let (head, tail) = line.split_at(at);
                let (time, tail) = tail.split_at(tail.find('"').unwrap_or(0));
                out.push_str(head);
                out.push_str(&time.replace(|c: char| c.is_ascii_digit(), "0"));
                out.push_str(tail);
            }
            None => out.push_str(line),
        }
    }
    out
}

/// The same in all but the help, of which the first line is compared.
pub fn same(place: &Place, line: &[&str], env: &[(&str, &str)]) {
    let first_line = |mut seen: Seen| {
        if ["NAME:", "Incorrect Usage"]
            .iter()
            .any(|start| seen.stdout.starts_with(start))
        {
            seen.stdout.truncate(seen.stdout.find('\n').unwrap_or(0));
        }
        seen
    };
    let ours = first_line(place.run("ours", line, env));
    let theirs = first_line(place.run("theirs", line, env));
    assert_eq!(
        ours, theirs,
        "runc {line:?}, {env:?}\n left: ours, right: runc's"
    );
}
