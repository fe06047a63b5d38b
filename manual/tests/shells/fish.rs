//! fish: it prints what it would offer for a line.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::{Place, Shell, have, scripts};

/// A fish that is given lines.
pub struct Fish {
    child: Child,
    lines: ChildStdin,
    offered: BufReader<ChildStdout>,
}

impl Fish {
    pub fn new(place: &Place) -> Self {
        have("fish");
        // The script is found as an installed one is.
        let config = place.dir.path().join("config");
        let dir = config.join("fish/completions");
        std::fs::create_dir_all(&dir).unwrap();
        let script = scripts().join("runc-rs.fish");
        std::os::unix::fs::symlink(script, dir.join("runc-rs.fish")).unwrap();
        let mut child = place
            .command("fish")
            .env("XDG_CONFIG_HOME", config)
            .args(["--private", "-c"])
            .arg("while read --line --local line; complete -C \"$line\"; echo '<<>>'; end")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            lines: child.stdin.take().unwrap(),
            offered: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }
}

impl Shell for Fish {
    fn name(&self) -> &'static str {
        "fish"
    }

    fn offers(&mut self, line: &str) -> BTreeSet<String> {
        writeln!(self.lines, "{line}").unwrap();
        let mut offered = BTreeSet::new();
        loop {
            let mut text = String::new();
            assert_ne!(self.offered.read_line(&mut text).unwrap(), 0, "fish ended");
            if text == "<<>>\n" {
                return offered;
            }
            // The word, a tab, its description; behind `--name=` the word is the whole of it.
            let word = text.trim_end().split('\t').next().unwrap_or_default();
            let value = word.split_once('=').map_or(word, |(_, value)| value);
            offered.insert(value.to_owned());
        }
    }
}

impl Drop for Fish {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
