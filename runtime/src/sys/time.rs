//! Clocks.

use std::mem::MaybeUninit;

/// The local time zone's offset from UTC, in seconds, at `seconds` after 1970. 0 when libc knows none.
///
/// Reads the zone's file (`TZ`, else /etc/localtime) on the first call: for who really prints a time.
pub fn local_offset(seconds: i64) -> i32 {
    let mut tm = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; a `tm` of zeros is a valid value should the call fail.
    let tm = unsafe {
        libc::localtime_r(&raw const seconds, tm.as_mut_ptr());
        tm.assume_init()
    };
    i32::try_from(tm.tm_gmtoff).unwrap_or(0)
}
