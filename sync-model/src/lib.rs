//! The handshake between `run` and `init`, without any I/O.
#![forbid(unsafe_code)]
