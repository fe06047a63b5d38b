//! `update --resources`: the part of `linux.resources` that can be changed while the container runs.

use serde::Deserialize;

use super::config;
use super::error::{Error, Result};
use super::resources::{cpu, memory, unified};
use crate::plan::{BlockIo, Resources};

/// Reads a resources object. What follows it is not looked at, and of its members only those that runc changes: `memory`
/// (`limit`, `reservation`, `swap`, `checkBeforeUpdate`), `cpu`, `pids`, `blockIO.weight`, `unified`. The second: warnings.
///
/// # Errors
/// Not JSON; a value of the wrong type, or one that is none of the kernel's.
pub fn limits(json: &[u8]) -> Result<(Resources, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut from = serde_json::Deserializer::from_slice(json);
    let read = config::Resources::deserialize(&mut from)
        .map_err(|error| Error::refused(format!("cannot read the resources: {error}")))?;
    let mut memory = memory(read.memory.unwrap_or_default(), &mut warnings)?;
    memory.swappiness = None;
    memory.disable_oom_killer = None;
    let unified = (read.unified.unwrap_or_default().0.into_iter())
        .map(|(key, value)| unified(key, value))
        .collect::<Result<_>>()?;
    let resources = Resources {
        memory,
        cpu: cpu(read.cpu.unwrap_or_default()),
        pids_limit: read.pids.and_then(|pids| pids.limit),
        block_io: BlockIo {
            // The kernel's schedulers know more weights than the specification.
            weight: read.block_io.and_then(|io| io.weight),
            ..BlockIo::default()
        },
        unified,
        ..Resources::default()
    };
    Ok((resources, warnings))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_can_be_changed_is_read_and_nothing_else() {
        let text = br#"{"memory": {"limit": 5, "swap": -1, "reservation": 0, "swappiness": 7, "kernel": 1},
            "cpu": {"quota": 3, "cpus": "0"}, "pids": {"limit": 0}, "blockIO": {"weight": 5, "leafWeight": 3},
            "devices": [{}], "hugepageLimits": [{"pageSize": "x"}], "unified": {"memory.high": "max"}} and more"#;
        let (read, warnings) = limits(text).unwrap();
        assert_eq!(
            warnings,
            ["Kernel memory settings are ignored and will be removed"]
        );
        assert_eq!((read.memory.limit, read.memory.swap), (Some(5), Some(-1)));
        assert_eq!(
            (read.memory.reservation, read.memory.swappiness),
            (None, None)
        );
        assert_eq!((read.cpu.quota, read.cpu.period), (Some(3), None));
        assert_eq!(read.cpu.cpus.as_deref(), Some("0"));
        // runtime-spec 1.3: a limit.
        assert_eq!(read.pids_limit, Some(0));
        assert_eq!(
            (read.block_io.weight, read.block_io.leaf_weight),
            (Some(5), None)
        );
        assert!(read.devices.is_empty() && read.hugepages.is_empty());
        assert_eq!(read.unified, [("memory.high".to_owned(), "max".to_owned())]);
    }

    #[test]
    fn nothing_changes_nothing() {
        for text in [
            "{}",
            r#"{"memory": null, "cpu": null, "pids": {}, "blockIO": null}"#,
        ] {
            assert_eq!(
                limits(text.as_bytes()).unwrap(),
                (Resources::default(), vec![])
            );
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (text, why) in [
            ("", "EOF"),
            ("[]", "invalid type"),
            ("{bad", "key must be a string"),
            (r#"{"memory": {"limit": "5"}}"#, "invalid type"),
            (r#"{"unified": {"../x": "1"}}"#, "no slashes"),
        ] {
            let error = limits(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
