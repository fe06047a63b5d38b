//! What becomes of a config.json: what is refused, in which words, and what the accepted ones mean.
#![allow(clippy::unwrap_used)]

mod impossible;
mod json_text;
mod meaning;
mod meaning_of_limits;
mod refused;
mod seccomp;

use serde_json::Value;

use super::*;
use crate::plan::Plan;

/// The text that `spec` writes, without a terminal.
fn base() -> Value {
    let mut config: Value = serde_json::from_str(&template(false)).unwrap();
    config["process"]["terminal"] = false.into();
    config
}

/// The plan of the base config after `change`.
fn with(change: impl FnOnce(&mut Value)) -> Result<Plan> {
    with_options(&LoadOptions::default(), change)
}

fn with_options(options: &LoadOptions, change: impl FnOnce(&mut Value)) -> Result<Plan> {
    let mut config = base();
    change(&mut config);
    parse(config.to_string().as_bytes(), "/bundle", options)
}

/// Sets the value at a JSON pointer; the parent must be there. `-` at the end of a list appends.
fn set(config: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    match parent {
        Value::Object(members) => {
            members.insert(key.replace("~1", "/"), value);
        }
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other}"),
    }
}

/// Replaces the value at a pointer.
fn at(pointer: &str, value: Value) -> Result<Plan> {
    with(|config| set(config, pointer, value))
}

/// Without the namespaces of these types.
fn drop_namespaces(config: &mut Value, kinds: &[&str]) {
    config["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|entry| !kinds.contains(&entry["type"].as_str().unwrap()));
}

#[track_caller]
fn refused(result: Result<Plan>, words: &str) {
    match result {
        Ok(_) => panic!("accepted, instead of: {words}"),
        Err(error) => assert_eq!(error.to_string(), words),
    }
}
