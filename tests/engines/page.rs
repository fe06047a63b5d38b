//! The configurations that docs/engines.md shows: the checks use its very text.

const PAGE: &str = include_str!("../../docs/engines.md");
/// What the page calls the runtime, and where it says that its file is.
const FILE: &str = "/usr/local/bin/runc-rs";
const NAME: &str = "runc-rs";

/// The block of `language` that has this line, for a runtime of this name and file.
pub fn block(language: &str, line: &str, name: &str, file: &str) -> String {
    let fence = format!("```{language}\n");
    let mut found = PAGE
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.lines().any(|l| l.trim() == line));
    let block = found
        .next()
        .unwrap_or_else(|| panic!("docs/engines.md: no {language} with {line:?}"));
    assert!(found.next().is_none(), "docs/engines.md: {line:?} twice");
    // The file's name has the other in it.
    let parts: Vec<String> = block
        .split(FILE)
        .map(|part| part.replace(NAME, name))
        .collect();
    parts.join(file)
}

/// With more lines behind the first that is `after`.
pub fn with(block: &str, after: &str, more: &str) -> String {
    let at = block
        .find(after)
        .unwrap_or_else(|| panic!("no {after:?} in {block}"))
        + after.len();
    format!("{}{more}{}", &block[..at], &block[at..])
}
