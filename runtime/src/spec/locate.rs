//! Names the field at a position of a JSON text: `process.args[1]`.
//!
//! serde_json's errors have a line and a column only. This runs after an error, so that the good case pays nothing for it.

/// Where the scan is inside one `{` or `[`.
enum Frame {
    /// The bytes of the current key, without quotes; `None` before it.
    Object(Option<(usize, usize)>),
    /// The current index.
    Array(usize),
}

/// No field of the spec is as long as this, in bytes; a made-up one is cut.
const MAX_PATH: usize = 100;

/// The field that holds, or ends at, the position that serde_json gives (`line` from 1, `column` in bytes). Empty for the
/// whole text. The text may be malformed after that position, not before.
pub(super) fn field_at(text: &str, line: usize, column: usize) -> String {
    let bytes = text.as_bytes();
    let mut end = 0;
    for _ in 1..line {
        end += bytes[end..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(bytes.len() - end, |newline| newline + 1);
    }
    let end = end.saturating_add(column).min(bytes.len());

    let mut frames = Vec::new();
    let mut at = 0;
    // In an object, a string is a key until the colon.
    let mut wants_key = false;
    while at < end {
        match bytes[at] {
            b'{' => {
                frames.push(Frame::Object(None));
                wants_key = true;
            }
            b'[' => {
                frames.push(Frame::Array(0));
                wants_key = false;
            }
            b'}' | b']' => {
                frames.pop();
                wants_key = false;
            }
            b':' => wants_key = false,
            b',' => match frames.last_mut() {
                Some(Frame::Object(key)) => {
                    *key = None;
                    wants_key = true;
                }
                Some(Frame::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let start = at + 1;
                at = start;
                while at < end && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if wants_key && let Some(Frame::Object(key)) = frames.last_mut() {
                    *key = Some((start, at.min(end)));
                }
            }
            _ => {}
        }
        at += 1;
    }
    render(text, &frames)
}

/// The frames as a path.
fn render(text: &str, frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        if path.len() > MAX_PATH {
            path.push_str("...");
            break;
        }
        match frame {
            Frame::Object(Some((start, end))) => {
                let key = text.get(*start..*end).unwrap_or("?");
                let key = &key[..key.floor_char_boundary(MAX_PATH)];
                if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                } else {
                    path.push_str("[\"");
                    path.push_str(key);
                    path.push_str("\"]");
                }
            }
            Frame::Object(None) => {}
            Frame::Array(index) => {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_names_its_field() {
        let text = "{\"a\": 1,\n \"b\": [{\"c\": [1, \"x\\\"]\"]}, 2],\n \"d e\": {\"f\": 3}}";
        for (at, field) in [
            ("{\"a\": 1", "a"),
            ("{\"a\"", "a"),
            ("{", ""),
            ("[{\"c\": [1", "b[0].c[0]"),
            ("x\\\"]\"", "b[0].c[1]"),
            ("]\"]", "b[0].c"),
            ("}, 2", "b[1]"),
            ("}, 2]", "b"),
            ("{\"f\": 3", "[\"d e\"].f"),
            ("3}}", ""),
        ] {
            let offset = text.find(at).expect("in the text") + at.len();
            let line = text[..offset].matches('\n').count() + 1;
            let column = offset - text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
            assert_eq!(field_at(text, line, column), field, "after {at:?}");
        }
    }
}
