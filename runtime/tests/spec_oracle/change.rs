//! Documents: a good one, changed here and there.

use proptest::prelude::*;
use serde_json::{Value, json};

/// All JSON pointers of a document.
pub fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                pointers(
                    value,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    all,
                );
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}

/// One change: which value (by its number, modulo how many there are), and what becomes of it.
#[derive(Debug, Clone)]
pub enum Change {
    Replace(usize, Value),
    Remove(usize),
    /// The value becomes a copy of another one.
    Copy(usize, usize),
    /// A list gets a copy of one of its elements.
    Repeat(usize),
}

pub fn apply(document: &mut Value, change: &Change) {
    let mut all = Vec::new();
    pointers(document, "", &mut all);
    let pick = |number: usize| all[number % all.len()].clone();
    match change {
        Change::Replace(at, value) => *document.pointer_mut(&pick(*at)).unwrap() = value.clone(),
        Change::Copy(at, from) => {
            let value = document.pointer(&pick(*from)).unwrap().clone();
            *document.pointer_mut(&pick(*at)).unwrap() = value;
        }
        Change::Repeat(at) => {
            if let Value::Array(list) = document.pointer_mut(&pick(*at)).unwrap()
                && let Some(first) = list.first().cloned()
            {
                list.push(first);
            }
        }
        Change::Remove(at) => {
            let pointer = pick(*at);
            let Some((parent, key)) = pointer.rsplit_once('/') else {
                return;
            };
            match document.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(&key.replace("~1", "/"))),
                Value::Array(list) => drop(list.remove(key.parse().unwrap())),
                _ => {}
            }
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(-1),
            json!(1.5),
            json!(10),
            json!(65536),
            json!(4294967296_u64),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(""),
            json!([]),
            json!({}),
            json!([""]),
            json!([null]),
            json!([1]),
            json!({"a": "b"}),
            json!({"a": 1}),
            json!({"a": null}),
            json!([{}]),
            json!([[]]),
        ]),
        prop::sample::select(vec![
            "x",
            "/",
            "/a/../b",
            "..",
            "a\0b",
            "CAP_FOO",
            "kill",
            "CAP_SETFCAP",
            "RLIMIT_CPU",
            "RLIMIT_X",
            "user",
            "time",
            "cgroup",
            "mount",
            "net",
            "a",
            "b",
            "c",
            "p",
            "u",
            "rwm",
            "r",
            "private",
            "bind",
            "rbind",
            "cgroup2",
            "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_NOTIFY",
            "SCMP_CMP_GE",
            "SCMP_ARCH_X32",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "rmdir",
            "kernel.sem",
            "K=v",
            "K",
            "=",
            "1.2.0-rc.1",
            "64kB",
            "1GB",
        ])
        .prop_map(Value::from),
    ]
}

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (any::<usize>(), values()).prop_map(|(at, value)| Change::Replace(at, value)),
        1 => any::<usize>().prop_map(Change::Remove),
        1 => any::<(usize, usize)>().prop_map(|(at, from)| Change::Copy(at, from)),
        1 => any::<usize>().prop_map(Change::Repeat),
    ];
    prop::collection::vec(change, 1..4)
}
