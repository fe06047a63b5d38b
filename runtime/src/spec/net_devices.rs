//! `linux.netDevices`.

use super::config::NetDevice as Config;
use super::error::{Error, Result};
use super::json::Map;
use crate::plan::{Namespaces, NetDevice};

/// linux/if.h: `IFNAMSIZ`, with the NUL.
const NAME_SIZE: usize = 16;

/// The devices, with names that the kernel takes. runc's checks in its words; and no name twice, for the second device would
/// fail when the first is moved.
pub(super) fn plan(
    config: Option<Map<'_, Config<'_>>>,
    new: Namespaces,
    joined: Namespaces,
) -> Result<Vec<NetDevice>> {
    let config = config.unwrap_or_default().0;
    if config.is_empty() {
        return Ok(Vec::new());
    }
    if !new.has(Namespaces::NETWORK) && !joined.has(Namespaces::NETWORK) {
        return Err(Error::refused(
            "unable to move network devices without a private NET namespace",
        ));
    }
    let mut devices: Vec<NetDevice> = Vec::with_capacity(config.len());
    for (name, device) in config {
        let name = name.into_string();
        let to = match device.name {
            Some(to) if !to.is_empty() => to.into_string(),
            _ => name.clone(),
        };
        for name in [&name, &to] {
            if !is_valid(name) {
                return Err(Error::refused(format!(
                    "invalid network device name {name:?}"
                )));
            }
        }
        if devices.iter().any(|other| other.to == to) {
            return Err(Error::invalid(
                format!("linux.netDevices[{name:?}].name"),
                format!("{to:?} is the name of another device"),
            ));
        }
        devices.push(NetDevice { name, to });
    }
    Ok(devices)
}

/// The kernel's `dev_valid_name`; and no pattern, which the kernel would make another name of.
fn is_valid(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() < NAME_SIZE
        && !name.bytes().any(|byte| {
            matches!(byte, b'/' | b':' | b'%') || byte == 0x0b || byte.is_ascii_whitespace()
        })
}
