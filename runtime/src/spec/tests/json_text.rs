//! Text that is no JSON, or not of the right types.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::spec::{config, locate};

#[test]
fn a_field_of_the_wrong_type_is_named() {
    for (pointer, value, words) in [
        (
            "/process/args/0",
            json!(5),
            "config.json: process.args[0]: invalid type: integer `5`, expected a string",
        ),
        (
            "/process/args",
            json!("sh"),
            "config.json: process.args: invalid type: string \"sh\", expected a sequence",
        ),
        (
            "/process",
            json!([true]),
            "config.json: process: invalid type: sequence, expected an object",
        ),
        (
            "/process/user/uid",
            json!(-1),
            "config.json: process.user.uid: invalid value: integer `-1`, expected u32",
        ),
        (
            "/process/user/uid",
            json!(1.0),
            "config.json: process.user.uid: invalid type: floating point `1.0`, expected u32",
        ),
        (
            "/process/args/0",
            json!("a\0b"),
            "config.json: process.args[0]: the string contains a NUL byte",
        ),
        (
            "/mounts/3/options/2",
            Value::Null,
            "config.json: mounts[3].options[2]: invalid type: null, expected a string",
        ),
        (
            "/annotations",
            json!({"a.b": 1}),
            "config.json: annotations[\"a.b\"]: invalid type: integer `1`, expected a string",
        ),
        (
            "/linux/resources/memory",
            json!({"limit": "1g"}),
            "config.json: linux.resources.memory.limit: invalid type: string \"1g\", expected i64",
        ),
        (
            "/linux/seccomp",
            json!(5),
            "config.json: linux.seccomp: invalid type: integer `5`, expected an object",
        ),
        (
            "/process/consoleSize",
            json!({"height": 70000}),
            "config.json: process.consoleSize.height: invalid value: integer `70000`, expected u16",
        ),
    ] {
        let error = at(pointer, value).unwrap_err().to_string();
        let (said, position) = error.split_once(" at line ").unwrap_or((&error, ""));
        assert_eq!(said, words);
        assert!(position.contains("column"), "{error}");
    }
}

#[test]
fn json_that_is_not_a_config() {
    let refuse = |json: &[u8], words: &str| {
        refused(parse(json, "/bundle", &LoadOptions::default()), words);
    };
    refuse(b"", "config.json is empty");
    refuse(b" \n\t", "config.json is empty");
    refuse(b"null", "config cannot be null");
    refuse(
        b"[]",
        "config.json: invalid type: sequence, expected an object at line 1 column 0",
    );
    refuse(
        b"\xff\xfe",
        "config.json is not UTF-8 text: invalid byte at offset 0",
    );
    refuse(
        b"{\"unknown\": \"\xff\"}",
        "config.json is not UTF-8 text: invalid byte at offset 13",
    );
    refuse(
        b"\xef\xbb\xbf{}",
        "config.json: expected value at line 1 column 1",
    );
    refuse(
        b"{\"root\": {\"path\": \"x\", \"path\"",
        "config.json: root.path: duplicate field `path` at line 1 column 29",
    );
    refuse(
        b"{\"annotations\": {\"a\": \"x\", \"a\": \"y\"}}",
        "config.json: annotations.a: duplicate key `a` at line 1 column 30",
    );
    refuse(
        b"{\"root\": {\"path\": nu",
        "config.json: root.path: EOF while parsing a value at line 1 column 20",
    );
    refuse(
        b"{} x",
        "config.json: trailing characters at line 1 column 4",
    );
}

#[test]
fn deep_nesting_and_long_strings_end_in_a_short_error() {
    let error = |json: &str| {
        let error = parse(json.as_bytes(), "/bundle", &LoadOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.len() < 1200, "{} bytes", error.len());
        error
    };
    let deep = 100_000;
    assert!(error(&"[".repeat(deep)).contains("invalid type: sequence"));
    assert!(error(&"{\"linux\":".repeat(deep)).contains("EOF while parsing"));
    let offsets = format!(
        "{{\"linux\": {{\"timeOffsets\": {{\"x\": {}",
        "[{\"x\":".repeat(deep)
    );
    assert!(!error(&offsets).is_empty());
    let offsets = format!("{{\"linux\": {{\"intelRdt\": {}", "{\"x\":".repeat(deep));
    assert!(error(&offsets).contains("recursion limit exceeded"));
    // What nobody knows is skipped without a stack, however deep it is: runc, too, takes 10,000 levels.
    let unknown = format!("{{\"x\": {}{}}}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(error(&unknown), "ociVersion: must be given");

    let long = "x".repeat(1 << 20);
    for (json, words) in [
        (
            format!("{{\"process\": {{\"{long}\": [\"\\ud800\", "),
            "EOF",
        ),
        (format!("{{\"process\": \"{long}\"}}"), "expected an object"),
        (
            format!("{{\"annotations\": {{\"{long}\": \"\", \"{long}\": \"\"}}}}"),
            "duplicate key",
        ),
        (
            format!("{{\"ociVersion\": \"{long}\"}}"),
            "is not a version",
        ),
    ] {
        let error = error(&json);
        assert!(error.contains(words), "{error}");
    }
    let names: Vec<String> = (0..10_000).map(|n| format!("CAP_{n}")).collect();
    let plan = at("/process/capabilities/bounding", json!(names)).unwrap();
    assert!(plan.warnings[0].len() < 1200);
}

#[test]
fn unknown_keys_are_ignored() {
    let plan = with(|config| {
        config["host_name"] = "other".into();
        config["windows"] = json!({"layerFolders": [1]});
        config["linux"]["x"] = json!([{"y": 1.5e300}]);
        config["process"]["user"]["username"] = "x".into();
        config["process"]["commandLine"] = "x".into();
    })
    .unwrap();
    assert_eq!(plan, with(|_| {}).unwrap());
}

/// As Go's decoder: what runc obeys must not be skipped, it may be what closes the container.
#[test]
fn keys_match_whatever_their_case() {
    let plan = with(|config| {
        config.as_object_mut().unwrap().remove("hostname");
        config["HostName"] = "other".into();
        let masked = config["linux"]
            .as_object_mut()
            .unwrap()
            .remove("maskedPaths");
        config["linux"]["MASKEDPATHS"] = masked.unwrap();
        config["linux"]["seccomp"] = json!({"defaultaction": "SCMP_ACT_ALLOW", "Syscalls": [
            {"Names": ["mkdir"], "ACTION": "SCMP_ACT_ERRNO"}]});
    })
    .unwrap();
    assert_eq!(plan.init.hostname.as_deref(), Some("other"));
    assert!(!plan.init.rootfs.masked_paths.is_empty());
    assert_eq!(plan.seccomp.unwrap().rules.len(), 1);
    // Which of two is meant cannot be known.
    let both = with(|config| config["HostName"] = "other".into());
    assert!(
        both.unwrap_err()
            .to_string()
            .contains("duplicate field `hostname`")
    );
}

/// The first field of the wrong type in `text`, as another crate finds it: it watches every step of the reading.
fn watched(text: &str) -> Option<String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read: std::result::Result<config::Config<'_>, _> =
        serde_path_to_error::deserialize(&mut json);
    read.err().map(|error| error.path().to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    /// Our way to name a field, from the error's position alone, finds the same.
    #[test]
    fn fields_are_named_as_one_who_watched_would(
        at in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![json!(1), json!(-1), json!("x"), json!([]), json!([{}]), json!({}), json!({"a": []}), json!(true), json!(1.5)]),
        pretty in any::<bool>(),
    ) {
        let mut document = base();
        let mut all = Vec::new();
        pointers(&document, String::new(), &mut all);
        *document.pointer_mut(&all[at.index(all.len())]).unwrap() = value;
        let text = if pretty { format!("{document:#}") } else { document.to_string() };
        let ours = serde_json::from_str::<config::Config<'_>>(&text)
            .err()
            .map(|error| locate::field_at(&text, error.line(), error.column()));
        let theirs = watched(&text).map(|path| if path == "." { String::new() } else { path });
        prop_assert_eq!(ours, theirs, "{}", text);
    }
}

/// All JSON pointers of a document, without those below keys that need quoting.
fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| pointers(value, format!("{at}/{key}"), all)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| pointers(value, format!("{at}/{index}"), all)),
        _ => {}
    }
    all.push(at);
}
