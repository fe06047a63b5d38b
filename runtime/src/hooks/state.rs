//! What a hook reads on its standard input: the state of the runtime-spec (runtime.md), as runc writes it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::log::push_json;
use crate::spec;

/// What of the state does not change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// The container's name.
    pub id: String,
    /// Its bundle, absolute.
    pub bundle: String,
    /// The config's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A container's state at one moment.
#[derive(Debug)]
pub struct State<'a> {
    /// What does not change.
    pub about: &'a About,
    /// "creating", "created", "running" or "stopped".
    pub status: &'a str,
    /// Init's, as the hook sees it; 0: there is none.
    pub pid: i32,
}

impl State<'_> {
    /// As Go's `encoding/json` writes it: runc's order of members, empty ones left out.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(256);
        let mut member = |separator: &str, name: &str, text: &str| {
            out.push_str(separator);
            push_json(&mut out, name);
            out.push(':');
            push_json(&mut out, text);
        };
        member("{", "ociVersion", spec::VERSION);
        member(",", "id", &self.about.id);
        member(",", "status", self.status);
        if self.pid != 0 {
            let _ = write!(out, ",\"pid\":{}", self.pid);
        }
        out.push_str(",\"bundle\":");
        push_json(&mut out, &self.about.bundle);
        let mut separator = ",\"annotations\":{";
        for (key, value) in &self.about.annotations {
            out.push_str(separator);
            push_json(&mut out, key);
            out.push(':');
            push_json(&mut out, value);
            separator = ",";
        }
        out.push_str(if separator == "," { "}}" } else { "}" });
        out
    }
}
