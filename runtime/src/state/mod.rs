//! The durable side of a container: `<root>/<id>/`, its lock, and the record `state.json` in it.
//!
//! Durable means: renamed into place, and from then on seen by every later process. Nothing here calls fsync: a
//! container does not outlive a reboot, and the default root is on a tmpfs.
//!
//! The status is not stored: it is the kernel's (see `container`). What is stored lets a later process find what the
//! kernel should be asked about, and remove all of it.

mod dir;
mod error;
mod id;
mod record;
mod stat;

#[cfg(test)]
mod tests;

pub use dir::{Alone, Dir, list, make_root};
pub use error::{Error, Result};
pub use id::Id;
pub use record::{Config, Limits, Namespace, Record, Runtime};
pub use stat::{ProcStat, parse_stat, proc_stat};
