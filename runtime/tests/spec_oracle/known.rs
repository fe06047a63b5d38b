//! The comparison, and the differences that are meant.

use oci_spec::runtime::Spec;
use runc_rs::spec::{Error, LoadOptions, parse};
use serde_json::Value;

use crate::meaning::{ours, theirs};

/// Where the two differ on purpose. Everything else is a failure.
#[derive(Debug, PartialEq)]
pub enum Known {
    /// `null` for a plain value: absent to us and to Go, a wrong type to oci-spec.
    Null,
    /// A capability that nobody knows: a warning here and in runc.
    Capability,
    /// What Go's types have a zero value for, and oci-spec requires.
    Required,
    /// A huge page limit is unsigned (config-linux.md); oci-spec's is signed.
    Unsigned,
    /// An empty type of a device rule is any type, as in Go.
    EmptyType,
    /// `{"word": null}` where a word is wanted: serde's way to write an enum, which oci-spec takes.
    EnumAsMap,
    /// `[...]` where an object is wanted: oci-spec reads it member by member.
    Array,
    /// A NUL byte.
    Nul,
    /// An empty name of a system call, which runc refuses.
    NoName,
    /// A seccomp section without a default action and without rules: runc does not look at the rest.
    Unasked,
    /// A terminal's size is 16 bits to the kernel.
    ConsoleSize,
}

/// The reason why oci-spec rejects what we accept.
fn only_we_accept(error: &str, document: &Value) -> Option<Known> {
    if error.contains("invalid type: null") {
        return Some(Known::Null);
    }
    if error.contains("no variant for") {
        return Some(Known::Capability);
    }
    if error.contains("missing field") {
        return Some(Known::Required);
    }
    if error.contains("unknown variant ``") {
        return Some(Known::EmptyType);
    }
    let huge = &document["linux"]["resources"]["hugepageLimits"];
    let huge = huge.as_array().into_iter().flatten();
    if error.contains("expected i64")
        && huge
            .clone()
            .any(|entry| entry["limit"].as_u64() > i64::MAX.try_into().ok())
    {
        return Some(Known::Unsigned);
    }
    let seccomp = &document["linux"]["seccomp"];
    let says = |field: &str| {
        let value = &seccomp[field];
        !value.is_null()
            && value.as_str() != Some("")
            && value.as_array().is_none_or(|list| !list.is_empty())
    };
    if seccomp.is_object() && !says("defaultAction") && !says("syscalls") {
        return Some(Known::Unasked);
    }
    None
}

/// The reason why we reject what oci-spec accepts; `error` has the field's name.
fn only_they_accept(error: &str) -> Option<Known> {
    if error.contains("invalid type: sequence, expected an object") {
        return Some(Known::Array);
    }
    if error.contains(": invalid type: map, expected a string") {
        return Some(Known::EnumAsMap);
    }
    if error.contains("linux.resources.hugepageLimits") && error.contains("expected u64") {
        return Some(Known::Unsigned);
    }
    if error.contains("empty string is not a valid syscall") {
        return Some(Known::NoName);
    }
    if error.contains("NUL byte") {
        return Some(Known::Nul);
    }
    if error.contains("process.consoleSize") && error.contains("expected u16") {
        return Some(Known::ConsoleSize);
    }
    None
}

/// Compares the two readings of a document. `Err` is a difference that nobody knows of.
pub fn compare(document: &Value) -> Result<Option<Known>, String> {
    let text = document.to_string();
    let plan = parse(text.as_bytes(), "/bundle", &LoadOptions::default());
    let spec = serde_json::from_slice::<Spec>(text.as_bytes());
    let unknown = |what: String| Err(format!("{what}\n{text}"));
    match (plan, spec) {
        (Ok(plan), Ok(spec)) => {
            let (ours, theirs) = (ours(&plan), theirs(&spec));
            for (key, value) in ours.as_object().unwrap() {
                // Capabilities are free in case and prefix to oci-spec; runc ignores such names with a warning.
                let warned = key == "caps" && !plan.warnings.is_empty();
                if *value != theirs[key] && !warned {
                    return unknown(format!("{key}: ours {value}, theirs {}", theirs[key]));
                }
            }
            Ok(None)
        }
        (Ok(_), Err(error)) => match only_we_accept(&error.to_string(), document) {
            Some(known) => Ok(Some(known)),
            None => unknown(format!("we accept, they say: {error}")),
        },
        (Err(Error::Json { field, why }), Ok(_)) => {
            let error = format!("{field}: {why}");
            match only_they_accept(&error) {
                Some(known) => Ok(Some(known)),
                None => unknown(format!("they accept, we say: {error}")),
            }
        }
        // Both reject; or the document is well-formed, and what it says is refused: that is ours alone.
        (Err(_), _) => Ok(None),
    }
}
