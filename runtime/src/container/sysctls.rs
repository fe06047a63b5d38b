//! A sysctl belongs to one of the container's namespaces, and a joined one may be the runtime's own: by its path nobody
//! can tell.

use super::Error;
use crate::plan::{Namespaces, Plan};
use crate::process::spawn::Spaces;

/// Refuses what would be set for everybody.
///
/// # Errors
/// runc's words, with the key.
pub fn check(plan: &Plan, spaces: &Spaces) -> Result<(), Error> {
    for (path, _) in &plan.init.sysctl {
        let (kind, word) = match path.split_once('/') {
            Some(("net", _)) => (Namespaces::NETWORK, "network"),
            _ if path == "kernel/domainname" => (Namespaces::UTS, "uts"),
            _ => (Namespaces::IPC, "ipc"),
        };
        let own = spaces
            .joins_own(kind)
            .map_err(Error::sys("cannot look at a joined namespace"))?;
        if own {
            let key = path.replace('/', ".");
            return Err(Error::Refused(format!(
                "sysctl {key:?} not allowed in host {word} namespace"
            )));
        }
    }
    Ok(())
}
