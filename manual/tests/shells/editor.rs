//! A shell's line editor on a terminal. The shell's file binds the keys: ^Xa puts all completions into the line, ^Xp prints it between
//! `<<` and `>>` and empties it, and the prompt is `ready> `.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use integration::Pty;

/// An interactive shell.
pub struct Editor {
    pty: Pty,
    child: Child,
}

impl Editor {
    /// Starts the shell, and waits for its prompt.
    pub fn start(mut command: Command) -> Self {
        let mut pty = Pty::new(50, 4000);
        let tty = || Stdio::from(pty.open_slave());
        let child = command
            .stdin(tty())
            .stdout(tty())
            .stderr(tty())
            .spawn()
            .unwrap();
        pty.expect("ready> ");
        Self { pty, child }
    }

    /// What it puts where the line's last word was.
    pub fn offers(&mut self, line: &str) -> BTreeSet<String> {
        self.pty.type_in(&format!("{line}\u{18}a\u{18}p"));
        self.pty.expect("<<");
        let got = self.pty.expect(">>");
        completed(line, got.trim_end_matches(">>"))
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands in the line where its last word was. Nothing is offered if it is the line that was typed.
fn completed(line: &str, got: &str) -> BTreeSet<String> {
    if got.trim_end() == line.trim_end() {
        return BTreeSet::new();
    }
    let last = line.rfind([' ', '=']).map_or(0, |at| at + 1);
    let Some(words) = got.get(last..) else {
        panic!("{line:?} became {got:?}");
    };
    assert_eq!(&got[..last], &line[..last], "the words before are left");
    words.split_whitespace().map(str::to_owned).collect()
}
