//! What becomes of a config.json.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::*;

/// The text that `spec` writes, without a terminal.
fn base() -> serde_json::Value {
    let mut config: serde_json::Value = serde_json::from_str(&template(false)).unwrap();
    config["process"]["terminal"] = false.into();
    config
}

/// The plan of the base config after `change`.
fn with(change: impl FnOnce(&mut serde_json::Value)) -> Result<Plan> {
    let mut config = base();
    change(&mut config);
    parse(
        config.to_string().as_bytes(),
        "/bundle",
        &LoadOptions::default(),
    )
}

#[test]
fn the_template_becomes_a_plan() {
    let plan = with(|_| {}).unwrap();
    assert_eq!(plan.oci_version, VERSION);
    assert_eq!(plan.init.rootfs.path, "/bundle/rootfs");
    assert_eq!(plan.init.process.args, ["sh"]);
    assert_eq!(plan.init.hostname.as_deref(), Some("runc"));
    assert_eq!(plan.init.rootfs.mounts.len(), 7);
    assert_eq!(plan.warnings, Vec::<String>::new());
}
