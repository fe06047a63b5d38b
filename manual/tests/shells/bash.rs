//! bash: a terminal, its line editor, and the key that puts all completions into the line.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use integration::Pty;

use super::{Place, Shell, have, scripts};

/// An interactive bash.
pub struct Bash {
    pty: Pty,
    child: Child,
}

impl Bash {
    pub fn new(place: &Place) -> Self {
        have("bash");
        let rc = place.dir.path().join("bashrc");
        let text = format!(
            "source {}/runc-rs.bash\n\
             show() {{ printf '\\n<<%s>>\\n' \"$READLINE_LINE\"; READLINE_LINE=; READLINE_POINT=0; }}\n\
             bind 'set enable-bracketed-paste off'\n\
             bind '\"\\C-xa\": insert-completions'\n\
             bind -x '\"\\C-xp\": show'\n\
             PS1='ready> '\n",
            scripts().display()
        );
        std::fs::write(&rc, text).unwrap();
        let mut pty = Pty::new(50, 4000);
        let tty = || Stdio::from(pty.open_slave());
        let mut command = place.command("setsid");
        command.args(["--ctty", "bash", "--noprofile", "--rcfile"]);
        let child = command
            .arg(rc)
            .arg("-i")
            .stdin(tty())
            .stdout(tty())
            .stderr(tty())
            .spawn()
            .unwrap();
        pty.expect("ready> ");
        Self { pty, child }
    }
}

impl Shell for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn offers(&mut self, line: &str) -> BTreeSet<String> {
        self.pty.type_in(&format!("{line}\u{18}a\u{18}p"));
        self.pty.expect("<<");
        let got = self.pty.expect(">>");
        completed(line, got.trim_end_matches(">>"))
    }
}

impl Drop for Bash {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands in the line where its last word was. Nothing is offered if it is the line that was typed.
pub fn completed(line: &str, got: &str) -> BTreeSet<String> {
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
