//! Decides whether the program may start itself (`src/sys/start.rs`): that takes functions of the C library that are
//! no interface, so only with the releases it was checked against. With any other, the C library starts it.
//!
//! And gives the linker the order of the code, `text.ld`.

use std::env::var;
use std::process::Command;

/// Releases of glibc whose static start was compared with ours, step by step.
const CHECKED: [&str; 1] = ["2.36"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=text.ld");
    let root = var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{root}/text.ld");
    println!("cargo::rustc-check-cfg=cfg(own_start)");
    if may_start_itself() {
        println!("cargo::rustc-cfg=own_start");
        // The addresses to relocate as a bit map, which glibc understands since 2.36: without it they are 70 KB that
        // every boot reads.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn may_start_itself() -> bool {
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    let is_static = var("CARGO_CFG_TARGET_FEATURE")
        .is_ok_and(|features| features.split(',').any(|name| name == "crt-static"));
    // A library of another machine is another release than the one that answers below.
    let is_native = var("HOST").is_ok_and(|host| is("TARGET", &host));
    is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is_static
        && is_native
        && libc_release().is_some_and(|release| CHECKED.contains(&release.as_str()))
}

/// "glibc 2.36" -> "2.36"
fn libc_release() -> Option<String> {
    let output = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix("glibc ").map(str::to_owned)
}
