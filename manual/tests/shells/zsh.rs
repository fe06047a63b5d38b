//! zsh: a terminal, its line editor, and the completer that puts all matches into the line.

use std::collections::BTreeSet;

use super::editor::Editor;
use super::{Place, Shell, have, scripts};

/// An interactive zsh.
pub struct Zsh(Editor);

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
        let mut command = place.command("setsid");
        command.args(["--ctty", "zsh", "-i"]);
        command.env("ZDOTDIR", place.dir.path());
        Self(Editor::start(command))
    }
}

impl Shell for Zsh {
    fn name(&self) -> &'static str {
        "zsh"
    }

    fn offers(&mut self, line: &str) -> BTreeSet<String> {
        let words = self.0.offers(line);
        let plain = words.iter().map(|word| match word.split_once('=') {
            // It puts `=` behind the name of an option that has a value, and of more than one value each has the name in front.
            Some((name, "")) => name,
            Some((_, value)) => value,
            None => word,
        });
        plain.map(str::to_owned).collect()
    }
}
