//! `events` and `ps --format json`.

use crate::cgroup::Stats;
use crate::container::Event;
use crate::state::Id;

#[derive(serde::Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Stats>,
}

/// One line of `events`.
pub fn event(id: &Id, event: &Event) -> String {
    let (kind, data) = match event {
        Event::Stats(stats) => ("stats", Some(&**stats)),
        Event::Oom => ("oom", None),
    };
    let line = Line {
        kind,
        id: id.as_str(),
        data,
    };
    // Nothing in it can fail: no map but of strings.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

/// `ps --format json`: Go's `null` for none.
pub fn pids(pids: &[i32]) -> String {
    if pids.is_empty() {
        return "null\n".to_owned();
    }
    let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
    format!("[{}]\n", pids.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines() {
        let id = Id::parse("a").unwrap();
        assert_eq!(event(&id, &Event::Oom), "{\"type\":\"oom\",\"id\":\"a\"}\n");
        let text = event(&id, &Event::Stats(Box::default()));
        assert!(
            text.starts_with(r#"{"type":"stats","id":"a","data":{"cpu":{"#)
                && text.ends_with("}}\n")
        );
        assert_eq!(pids(&[]), "null\n");
        assert_eq!(pids(&[3, 17]), "[3,17]\n");
    }
}
