//! Closing many descriptors with few calls.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

/// Descriptors that are closed together: one `close_range(2)` for each unbroken run of numbers, where dropping
/// each would cost a call. Descriptors opened one after the other are nearly always one run.
#[derive(Debug, Default)]
pub struct Batch(Vec<OwnedFd>);

impl Batch {
    /// An empty batch with room for `count` descriptors.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Takes a descriptor; it stays open until the batch is dropped.
    pub fn push(&mut self, fd: OwnedFd) {
        self.0.push(fd);
    }

    /// Takes all of another batch's descriptors.
    pub fn take(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.sort_unstable_by_key(AsRawFd::as_raw_fd);
        let mut fds = self.0.drain(..).map(IntoRawFd::into_raw_fd).peekable();
        while let Some(first) = fds.next() {
            let mut last = first;
            while let Some(next) = fds.next_if_eq(&(last + 1)) {
                last = next;
            }
            // SAFETY: every number from `first` to `last` came out of an OwnedFd just now: they are ours alone.
            // Without close_range (kernel < 5.9) the call fails and they are closed one by one.
            unsafe {
                if libc::syscall(libc::SYS_close_range, first, last, 0) < 0 {
                    for fd in first..=last {
                        libc::close(fd);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;

    #[test]
    fn closes_its_own_and_nothing_between() {
        let mut batch = Batch::with_capacity(3);
        let mut numbers = Vec::new();
        let mut kept = Vec::new();
        for index in 0..5 {
            let fd = OwnedFd::from(File::open("/proc/self/status").unwrap());
            if index == 2 {
                kept.push(fd);
            } else {
                numbers.push((fd.as_raw_fd(), fd.try_clone().unwrap()));
                batch.push(fd);
            }
        }
        // The clones keep the numbers from being reused by anybody else in between: they are other numbers.
        drop(batch);
        for (number, _) in &numbers {
            let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
            // A parallel test may have taken the number for another file; /proc/self/status it is not.
            assert!(
                link.is_err() || !link.unwrap().ends_with("status"),
                "{number} is still open"
            );
        }
        assert!(nix::fcntl::fcntl(&kept[0], nix::fcntl::FcntlArg::F_GETFD).is_ok());
    }
}
