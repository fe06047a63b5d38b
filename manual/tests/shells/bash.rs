//! bash: a terminal, its line editor, and the key that puts all completions into the line.

use std::collections::BTreeSet;

use super::editor::Editor;
use super::{Place, Shell, have, scripts};

/// An interactive bash.
pub struct Bash(Editor);

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
        let mut command = place.command("setsid");
        command.args(["--ctty", "bash", "--noprofile", "--rcfile"]);
        command.arg(rc).arg("-i");
        Self(Editor::start(command))
    }
}

impl Shell for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn offers(&mut self, line: &str) -> BTreeSet<String> {
        self.0.offers(line)
    }
}
