//! zsh: a terminal, its line editor, and the completer that puts all matches into the line.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use integration::Pty;

use super::bash::completed;
use super::{Place, Shell, have, scripts};

/// An interactive zsh.
pub struct Zsh {
    pty: Pty,
    child: Child,
}

impl Zsh {
    pub fn new(place: &Place) -> Self {
        have("zsh");
        // The script is found as an installed one is.
        let text = format!(
            "fpath=({} $fpath)\n\
             autoload -Uz compinit && compinit -u -D\n\
             zstyle ':completion:*' completer _all_matches _complete\n\
             zstyle ':completion:*' insert true\n\
             zstyle ':completion:*' format ''\n\
             unsetopt beep prompt_sp zle_bracketed_paste 2>/dev/null\n\
             unset zle_bracketed_paste\n\
             show() {{ print; print -r -- \"<<$BUFFER>>\"; BUFFER= }}\n\
             zle -N show\n\
             bindkey -e\n\
             bindkey '^Xa' complete-word\n\
             bindkey '^Xp' show\n\
             PS1='ready> '\n",
            scripts().display()
        );
        std::fs::write(place.dir.path().join(".zshrc"), text).unwrap();
        let mut pty = Pty::new(50, 4000);
        let tty = || Stdio::from(pty.open_slave());
        let mut command = place.command("setsid");
        let child = command
            .args(["--ctty", "zsh", "-i"])
            .env("ZDOTDIR", place.dir.path())
            .stdin(tty())
            .stdout(tty())
            .stderr(tty())
            .spawn()
            .unwrap();
        pty.expect("ready> ");
        Self { pty, child }
    }
}

impl Shell for Zsh {
    fn name(&self) -> &'static str {
        "zsh"
    }

    fn offers(&mut self, line: &str) -> BTreeSet<String> {
        self.pty.type_in(&format!("{line}\u{18}a\u{18}p"));
        self.pty.expect("<<");
        let got = self.pty.expect(">>");
        let words = completed(line, got.trim_end_matches(">>"));
        let plain = words.iter().map(|word| match word.split_once('=') {
            // It puts `=` behind the name of an option that has a value, and of more than one value each has the name in front.
            Some((name, "")) => name,
            Some((_, value)) => value,
            None => word,
        });
        plain.map(str::to_owned).collect()
    }
}

impl Drop for Zsh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
