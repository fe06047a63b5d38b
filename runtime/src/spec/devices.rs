//! `linux.devices`: the nodes in /dev.

use super::config::Device;
use super::error::{Error, Result};
use super::path;
use crate::plan::{DeviceKind, DeviceNode};

/// The devices that every container has (config-linux.md, default devices), as runc orders them: path, major, minor.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// The default devices, then the config's; one of the config's takes the place of a default of the same path. Of several with one path
/// the first is made, and the others find it there, as in runc.
pub(super) fn plan(devices: Vec<Device<'_>>) -> Result<Vec<DeviceNode>> {
    let mut nodes: Vec<DeviceNode> = Vec::with_capacity(DEFAULT.len() + devices.len());
    let mut defaults = DEFAULT.len();
    for (path, major, minor) in DEFAULT {
        nodes.push(DeviceNode {
            path: path.to_owned(),
            kind: DeviceKind::Char,
            major,
            minor,
            mode: 0o666,
            uid: 0,
            gid: 0,
        });
    }
    for (index, device) in devices.into_iter().enumerate() {
        let node = node(index, &device)?;
        match nodes.iter().position(|other| other.path == node.path) {
            Some(at) if at < defaults => {
                nodes.remove(at);
                defaults -= 1;
            }
            Some(_) => continue,
            None => {}
        }
        nodes.push(node);
    }
    Ok(nodes)
}

fn node(index: usize, device: &Device<'_>) -> Result<DeviceNode> {
    let field = |name: &str| format!("linux.devices[{index}].{name}");
    let path = path::absolute(device.path.as_deref().unwrap_or(""));
    if path == "/" {
        return Err(Error::invalid(field("path"), "must name a file"));
    }
    let kind = match device.kind.as_deref().unwrap_or("") {
        "c" | "u" => DeviceKind::Char,
        "b" => DeviceKind::Block,
        "p" => DeviceKind::Fifo,
        kind => return Err(Error::refused(format!("invalid device type {kind:?}"))),
    };
    let number = |name, value: Option<i64>| match (kind, value) {
        (DeviceKind::Fifo, _) => Ok(0),
        (_, None) => Err(Error::invalid(field(name), "must be given")),
        (_, Some(value)) => number(value).ok_or_else(|| out_of_range(field(name), value)),
    };
    Ok(DeviceNode {
        kind,
        major: number("major", device.major)?,
        minor: number("minor", device.minor)?,
        // The type is `kind`; runc drops the type bits too, which Go's users put here. It sets the owner after the mode, which
        // takes the set-ID bits away; on a device they mean nothing.
        mode: device.file_mode.unwrap_or(0o666) & 0o1777,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
        path,
    })
}

/// A device number that the kernel can have.
pub(super) fn number(value: i64) -> Option<u32> {
    u32::try_from(value).ok()
}

/// The error of a device number that it cannot.
pub(super) fn out_of_range(field: String, value: i64) -> Error {
    Error::invalid(field, format!("{value} is not a device number"))
}
