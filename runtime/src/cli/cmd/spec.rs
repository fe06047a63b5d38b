//! `spec`: a config.json to start from, and with `--busybox` a root filesystem to start it in.

use std::fs::File;
use std::io::Write;

use super::super::busybox::{self, Busybox};
use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome};
use crate::{spec, sys};

const CONFIG: &str = "config.json";

pub(super) fn spec(low: &LowArgs) -> Outcome {
    if let Some(bundle) = low.text("bundle").filter(|b| !b.is_empty()) {
        nix::unistd::chdir(bundle)
            .map_err(|errno| sys::Error::new("chdir", bundle.to_string_lossy(), errno))?;
    }
    let exists = || Failure::new(format!("File {CONFIG} exists. Remove it first"));
    let mut text = spec::template(low.flag("rootless"));
    if low.flag("busybox") {
        // All that can be refused is refused before the first file is written.
        if std::fs::symlink_metadata(CONFIG).is_ok() {
            return Err(exists());
        }
        let root = busybox::rootfs();
        busybox::must_be_empty(root)?;
        Busybox::find()?.lay(root)?;
        text = text.replacen("\"terminal\": true", "\"terminal\": false", 1);
    }
    let failed = |call, e: &std::io::Error| Failure::from(sys::Error::io(call, CONFIG, e));
    let mut file = File::create_new(CONFIG).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => exists(),
        _ => failed("open", &e),
    })?;
    file.write_all(text.as_bytes())
        .map_err(|e| failed("write", &e))?;
    Ok(0)
}
