//! What is legal and not there yet, refused by name. A feature that lands deletes its line.

use super::config::{Linux, Process};
use super::error::{Error, Result};
use super::json::Str;

/// Fails with the name of the first section that asks for something which is not there yet. One that asks for nothing
/// (`"intelRdt": null`, `"apparmorProfile": ""`) passes.
pub(super) fn sections(process: &Process<'_>, linux: &Linux<'_>) -> Result<()> {
    let text = |text: &Option<Str<'_>>| text.as_deref().is_some_and(|text| !text.is_empty());
    let refused = [
        ("process.apparmorProfile", text(&process.apparmor_profile)),
        ("process.selinuxLabel", text(&process.selinux_label)),
        (
            "linux.netDevices",
            // A device asks by its key: to be moved in under its own name.
            linux
                .net_devices
                .as_ref()
                .is_some_and(|devices| !devices.0.is_empty()),
        ),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
    ];
    for (field, asks) in refused {
        if asks {
            return Err(Error::unsupported(field));
        }
    }
    Ok(())
}
