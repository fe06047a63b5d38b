//! `linux.devices` where the image has something at their paths.

use integration::{Container, is_ours, need_root, skip};
use serde_json::json;

/// runtime-spec, "Devices": "if a file already exists at `path` that does not match the requested device, the runtime MUST generate an error".
#[test]
fn a_device_in_whose_place_something_is() {
    need_root!();
    let of_image = |file: &[&str]| {
        let c = Container::new(|g| {
            g.push(
                "/linux/devices",
                json!({"path": "/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o600}),
            )
            .sh("stat -c '%F %t:%T %a' /full");
        });
        let path = c.bundle.rootfs("full");
        assert!(
            std::process::Command::new("mknod")
                .args(["-m", "640"])
                .arg(path)
                .args(file)
                .status()
                .unwrap()
                .success()
        );
        c
    };
    // The image's own, as it is.
    let c = of_image(&["c", "1", "7"]);
    assert_eq!(c.run().ok().text(), "character special file 1:7 640");
    if !is_ours() {
        return skip(
            "a_device_in_whose_place_something_is",
            "runc takes whatever is there for the device",
        );
    }
    let others: [&[&str]; 3] = [&["c", "1", "3"], &["b", "1", "7"], &["p"]];
    for file in others {
        let c = of_image(file);
        c.run()
            .refused("error creating device nodes: /full: mknod /full: the image has something else there")
            .says("file exists");
        c.nothing_left();
    }
}
