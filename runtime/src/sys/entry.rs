//! The C library's `main`, in place of the standard library's.
//!
//! std's own start reads /proc/self/maps and makes an alternate signal stack, to say "stack overflow" in words: 18
//! system calls and 50 µs, twice for each container. This file is a module of the binary only.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

// SAFETY: the one definition of `main` in the program; the C library calls it with its documented arguments, which
// std::env::args reads on its own.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    runc_rs::entry()
}
