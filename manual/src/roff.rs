//! Text as man(7) wants it.

/// Input lines are no longer than this: `mandoc -T lint` asks for 80.
const WIDTH: usize = 78;

/// `text` with nothing in it that roff understands. Hyphens are those that can be pasted into a shell.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '`' => out.push_str("\\(ga"),
            _ => out.push(c),
        }
    }
    out
}

/// One line of text: a control character in front would make a request of it.
fn line(text: &str) -> String {
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}\n"),
        false => format!("{text}\n"),
    }
}

/// A paragraph: a line for each sentence, broken where it is long.
pub fn paragraph(text: &str) -> String {
    let mut out = String::new();
    let mut current = String::new();
    let mut flush = |current: &mut String| {
        if !current.is_empty() {
            out.push_str(&line(current));
            current.clear();
        }
    };
    for word in text.split_whitespace() {
        let word = escape(word);
        if !current.is_empty() && current.len() + 1 + word.len() > WIDTH {
            flush(&mut current);
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(&word);
        if word.ends_with(['.', ':']) {
            flush(&mut current);
        }
    }
    flush(&mut current);
    out
}

/// Paragraphs as the table has them: apart by empty lines, examples indented.
pub fn text(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.trim_end().split("\n\n").enumerate() {
        if at > 0 {
            out.push_str(".PP\n");
        }
        if part.starts_with("    ") {
            out.push_str(".EX\n");
            for row in part.lines() {
                out.push_str(&line(&escape(row)));
            }
            out.push_str(".EE\n");
        } else {
            out.push_str(&paragraph(part));
        }
    }
    out
}
