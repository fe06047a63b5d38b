//! The smallest config that still shows a difference.

use serde_json::Value;

/// Every place of which something can be dropped, the outermost first.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inner = Vec::new();
    match value {
        Value::Object(map) => {
            for (key, v) in map {
                inner.push((
                    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    v,
                ));
            }
        }
        Value::Array(list) => {
            for (n, v) in list.iter().enumerate().rev() {
                inner.push((format!("{at}/{n}"), v));
            }
        }
        _ => {}
    }
    found.extend(inner.iter().map(|i| i.0.clone()));
    for (path, v) in inner {
        places(v, &path, found);
    }
}

fn without(config: &Value, pointer: &str) -> Option<Value> {
    let mut config = config.clone();
    let (parent, key) = pointer.rsplit_once('/')?;
    match config.pointer_mut(parent)? {
        Value::Object(map) => {
            map.remove(&key.replace("~1", "/").replace("~0", "~"))?;
        }
        Value::Array(list) => {
            let n: usize = key.parse().ok()?;
            (n < list.len()).then(|| list.remove(n))?;
        }
        _ => return None,
    }
    Some(config)
}

/// The config without one member, for each member.
pub fn smaller(config: &Value) -> impl Iterator<Item = Value> {
    let mut found = Vec::new();
    places(config, "", &mut found);
    found
        .into_iter()
        .filter_map(|place| without(config, &place))
}

/// Drops member after member as long as `differs` holds.
pub fn shrink(config: &Value, differs: &mut dyn FnMut(&Value) -> bool) -> Value {
    let mut best = config.clone();
    loop {
        let mut found = Vec::new();
        places(&best, "", &mut found);
        found.sort_by_key(|p| p.matches('/').count());
        let mut smaller = false;
        for place in found {
            // What every config needs is tried once at most: it fails with both.
            if let Some(candidate) = without(&best, &place)
                && differs(&candidate)
            {
                best = candidate;
                smaller = true;
            }
        }
        if !smaller {
            return best;
        }
    }
}
