//! `spec`: a config.json to start from, and with `--busybox` a root filesystem to start it in.

use super::super::lowargs::LowArgs;
use super::super::{Failure, Outcome};
use crate::sys;

const CONFIG: &str = "config.json";

pub(super) fn spec(low: &LowArgs) -> Outcome {
    if let Some(bundle) = low.text("bundle").filter(|b| !b.is_empty()) {
        nix::unistd::chdir(bundle)
            .map_err(|errno| sys::Error::new("chdir", bundle.to_string_lossy(), errno))?;
    }
    if std::fs::symlink_metadata(CONFIG).is_ok() {
        return Err(Failure::new(format!(
            "File {CONFIG} exists. Remove it first"
        )));
    }
    Err(Failure::new("spec: not supported yet"))
}
