//! What is printed: of the specification's form, and of the parser's words. That the words do what they say is seen in
//! `tests/tests/features.rs`.
#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::*;

fn printed() -> Value {
    serde_json::from_str(&features()).unwrap()
}

/// The ecosystem's type has every field of the document, and nothing is printed that it does not know. `null` may be "unknown";
/// nothing is unknown here.
#[test]
fn every_field_of_the_specification_and_no_other() {
    let value = printed();
    let typed: oci_spec::runtime::Features = serde_json::from_value(value.clone()).unwrap();
    let again = serde_json::to_value(&typed).unwrap();
    let mut lost = Vec::new();
    differ("", &value, &again, &mut lost);
    assert_eq!(lost, [""; 0]);
    let linux = typed.linux().as_ref().unwrap();
    assert!(linux.net_devices().is_some() && linux.memory_policy().is_some());
    assert!(typed.potentially_unsafe_config_annotations().is_some());
}

/// The places where the two are not the same, or where one says nothing.
fn differ(at: &str, one: &Value, two: &Value, out: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key), b.get(key));
                let at = format!("{at}/{key}");
                differ(
                    &at,
                    a.unwrap_or(&Value::Null),
                    b.unwrap_or(&Value::Null),
                    out,
                );
            }
        }
        (a, b) if a == b && !a.is_null() => {}
        (a, b) => out.push(format!("{at}: {a}, {b}")),
    }
}

#[test]
fn features_are_json() {
    let value = printed();
    assert_eq!(value["ociVersionMax"], SPEC_VERSION);
    assert_eq!(value["linux"]["capabilities"].as_array().unwrap().len(), 41);
    let seccomp = &value["linux"]["seccomp"];
    assert_eq!(seccomp["enabled"], true);
    // All that is listed is taken, and in the order of its names; the flags are in runc's.
    for list in ["actions", "operators", "archs"] {
        let names = seccomp[list].as_array().unwrap();
        assert!(names.len() > 5 && names.iter().map(|v| v.as_str().unwrap()).is_sorted());
    }
    for (list, field) in [
        ("actions", "defaultAction"),
        ("archs", "architectures"),
        ("knownFlags", "flags"),
    ] {
        for name in seccomp[list].as_array().unwrap() {
            let mut profile = serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x",
                "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]});
            profile[field] = if list == "actions" {
                name.clone()
            } else {
                serde_json::json!([name])
            };
            let config = serde_json::json!({"ociVersion": "1.2.0", "process": {"args": ["sh"], "cwd": "/"}, "root": {"path": "r"},
                "linux": {"namespaces": [{"type": "mount"}], "seccomp": profile}});
            let parsed =
                crate::spec::parse(config.to_string().as_bytes(), "/", &Default::default());
            assert_eq!(
                parsed.is_ok(),
                name != "SCMP_ACT_NOTIFY",
                "{name}: {parsed:?}"
            );
        }
    }
    assert_eq!(seccomp["supportedFlags"], seccomp["knownFlags"]);
    let options = value["mountOptions"].as_array().unwrap();
    let sorted = options.iter().map(|v| v.as_str().unwrap()).is_sorted();
    assert!(sorted && options.len() > 50);
}
