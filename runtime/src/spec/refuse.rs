//! What is legal and not there yet, refused by name. A feature that lands deletes its line.

use super::config::Linux;
use super::error::{Error, Result};

/// Fails with the name of the first section that asks for something which is not there yet. One that asks for nothing
/// (`"intelRdt": null`) passes.
pub(super) fn sections(linux: &Linux<'_>) -> Result<()> {
    let refused = [("linux.intelRdt", linux.intel_rdt.is_some())];
    for (field, asks) in refused {
        if asks {
            return Err(Error::unsupported(field));
        }
    }
    Ok(())
}
