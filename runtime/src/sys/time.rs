//! Clocks.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Sleeps about so long: less when a signal comes, or when the kernel refuses. For loops that look at a deadline.
/// (`std::thread::sleep` panics on an errno that it does not know.)
pub fn nap(duration: Duration) {
    let long = libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    };
    // SAFETY: `long` is a live timespec, which the kernel only reads; what is left of it is not asked for.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            0,
            &raw const long,
            std::ptr::null_mut(),
        );
    }
}

/// How long ago the machine was booted, in the clock ticks of proc_pid_stat(5), field 22: who is born from now on has no smaller number
/// there. A time namespace counts the same in both.
pub fn boot_ticks() -> u64 {
    // `USER_HZ`, whatever the kernel's own clock does.
    const PER_SECOND: u64 = 100;
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is valid for the call; a timespec of zeros is a valid value should the call fail.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, now.as_mut_ptr());
        now.assume_init()
    };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * PER_SECOND + rest / (1_000_000_000 / PER_SECOND)
}

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
