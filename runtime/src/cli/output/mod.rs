//! What the commands print, to the letter of what runc prints.

mod events;
mod features;

use std::fmt::Write as _;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::{COMMIT, Outcome, SPEC_VERSION, VERSION};
use crate::container::StateView;
use crate::log::push_json;

pub use events::{event, pids};
pub use features::features;

/// Prints `text` on stdout: the whole of a command's output, in one write where the kernel takes it whole. Not by
/// std's stdout, which would make two writes of a text that does not end in a newline.
pub(super) fn print(text: &str) -> Outcome {
    print_bytes(text.as_bytes())
}

/// As [`print()`], what need not be text.
pub(super) fn print_bytes(bytes: &[u8]) -> Outcome {
    let stdout = std::io::stdout();
    let mut rest = bytes;
    while !rest.is_empty() {
        match nix::unistd::write(stdout.as_fd(), rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(crate::sys::Error::new("write", "/dev/stdout", errno).into()),
        }
    }
    Ok(0)
}

/// `--version`.
pub fn version(name: &str) -> String {
    let mut out = format!("{name} version {VERSION}\n");
    if let Some(commit) = COMMIT {
        let _ = writeln!(out, "commit: {commit}");
    }
    let _ = writeln!(out, "spec: {SPEC_VERSION}");
    out
}

/// How a state object is laid out.
#[derive(Clone, Copy)]
enum Layout {
    /// Go's `MarshalIndent` with two spaces.
    Lines,
    /// Go's `Marshal`.
    Compact,
}

fn push_state(out: &mut String, view: &StateView, layout: Layout, owner: &str) {
    let (colon, newline, indent) = match layout {
        Layout::Lines => (": ", "\n", "  "),
        Layout::Compact => (":", "", ""),
    };
    let mut first = true;
    let mut key = |out: &mut String, name: &str| {
        out.push_str(if std::mem::take(&mut first) { "{" } else { "," });
        out.push_str(newline);
        out.push_str(indent);
        push_json(out, name);
        out.push_str(colon);
    };
    let texts_before = [("ociVersion", view.oci_version.as_str()), ("id", &view.id)];
    let texts_after = [
        ("status", view.status.name()),
        ("bundle", &view.bundle),
        ("rootfs", &view.rootfs),
        ("created", &view.created),
    ];
    for (name, text) in texts_before {
        key(out, name);
        push_json(out, text);
    }
    key(out, "pid");
    let _ = write!(out, "{}", view.pid);
    for (name, text) in texts_after {
        key(out, name);
        push_json(out, text);
    }
    if !view.annotations.is_empty() {
        key(out, "annotations");
        for (at, (name, text)) in view.annotations.iter().enumerate() {
            out.push_str(if at == 0 { "{" } else { "," });
            out.push_str(newline);
            out.push_str(indent);
            out.push_str(indent);
            push_json(out, name);
            out.push_str(colon);
            push_json(out, text);
        }
        out.push_str(newline);
        out.push_str(indent);
        out.push('}');
    }
    key(out, "owner");
    push_json(out, owner);
    out.push_str(newline);
    out.push('}');
}

/// `state`: no newline at the end.
pub fn state(view: &StateView) -> String {
    let mut out = String::with_capacity(512);
    push_state(&mut out, view, Layout::Lines, "");
    out
}

/// `list --format json`.
pub fn list_json(views: &[StateView]) -> String {
    if views.is_empty() {
        return "null\n".to_owned();
    }
    let mut owners = Owners::default();
    let mut out = String::with_capacity(256 * views.len());
    for (at, view) in views.iter().enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        push_state(&mut out, view, Layout::Compact, owners.name(view.owner));
    }
    out.push_str("]\n");
    out
}

/// `list --quiet`.
pub fn names(names: &[String]) -> String {
    let mut out = String::new();
    for name in names {
        out.push_str(name);
        out.push('\n');
    }
    out
}

/// `list`: Go's `tabwriter` with a smallest cell of 12, a padding of 3, and blanks.
pub fn table(views: &[StateView]) -> String {
    const HEAD: [&str; 5] = ["ID", "PID", "STATUS", "BUNDLE", "CREATED"];
    let mut owners = Owners::default();
    let pids: Vec<String> = views.iter().map(|v| v.pid.to_string()).collect();
    let cells = |at: usize| -> [&str; 5] {
        let v: &StateView = &views[at];
        [&v.id, &pids[at], v.status.name(), &v.bundle, &v.created]
    };
    let mut widths = HEAD.map(str::len);
    for at in 0..views.len() {
        for (width, cell) in widths.iter_mut().zip(cells(at)) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let widths = widths.map(|w| (w + 3).max(12));
    let mut out = String::new();
    let mut row = |cells: [&str; 5], owner: &str| {
        for (cell, width) in cells.into_iter().zip(widths) {
            let _ = write!(out, "{cell:width$}");
        }
        out.push_str(owner);
        out.push('\n');
    };
    row(HEAD, "OWNER");
    for (at, view) in views.iter().enumerate() {
        row(cells(at), owners.name(view.owner));
    }
    out
}

/// Names of users, looked up once each.
#[derive(Default)]
struct Owners {
    passwd: Option<String>,
    known: std::collections::BTreeMap<u32, String>,
}

impl Owners {
    /// The user's name by /etc/passwd (a static program has no other source); `#uid` when it has none.
    fn name(&mut self, uid: u32) -> &str {
        let passwd = self.passwd.get_or_insert_with(|| {
            let bytes = std::fs::read("/etc/passwd").unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        self.known.entry(uid).or_insert_with(|| {
            let has =
                |line: &&str| line.split(':').nth(2).and_then(|n| n.parse().ok()) == Some(uid);
            let name = passwd
                .lines()
                .find(has)
                .and_then(|line| line.split(':').next());
            name.map_or_else(|| format!("#{uid}"), str::to_owned)
        })
    }
}
