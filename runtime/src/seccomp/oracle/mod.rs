//! What a filter must answer, found without the compiler: the evidence that it is right.
//!
//! Three answers are compared: [`evaluate()`], which walks the rules for each call; the interpreter on the compiled filter;
//! and libseccomp's filter, built as runc builds it, on the same interpreter (in tests only).

mod bytes;
mod evaluate;
mod inputs;
#[cfg(test)]
mod libseccomp;
#[cfg(test)]
mod random;
#[cfg(test)]
mod real;
#[cfg(test)]
mod three;

pub use bytes::profile as from_bytes;
pub use evaluate::{answers, enosys, evaluate};
pub use inputs::{Random, inputs};
