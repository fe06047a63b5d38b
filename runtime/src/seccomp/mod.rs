//! `linux.seccomp`: from the section's rules to a filter in the kernel.
//!
//! `spec` parses the section into a [`Profile`]; the creator compiles that into a [`Filter`] while init mounts; the filter
//! crosses the wire with `Run`, and init loads it. No library compiles it for us: libseccomp takes 6 to 20 ms for an
//! engine's default profile, and it is the oracle of the tests instead.

mod arch;
mod args;
mod code;
mod compile;
mod filter;
#[doc(hidden)]
pub mod interpret;
pub mod listener;
pub mod load;
#[doc(hidden)]
pub mod oracle;
mod order;
mod profile;
mod rules;
mod syscalls;
mod tree;

pub use arch::{Arch, Listed};
pub use compile::{Error, at_most, compile, may_be_refused};
pub use filter::{Filter, Instruction};
pub use profile::{Action, Condition, Flags, Listener, Op, Profile, Rule};
pub use syscalls::Syscall;
