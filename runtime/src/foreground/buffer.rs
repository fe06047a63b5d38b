//! Bytes on their way from one end to the other.

/// A pty gives out at most this much at once.
const SIZE: usize = 4096;

/// Filled when empty, emptied bit by bit: a source is not read before the sink has taken all.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: [u8; SIZE],
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; SIZE],
            start: 0,
            end: 0,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What is still to be taken.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The first `count` of [`Self::waiting`] have been taken.
    pub(super) fn took(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Forgets what is waiting.
    pub(super) fn clear(&mut self) {
        self.start = self.end;
    }

    /// Refills it, once empty, by `read`, which says how many bytes it has put at the front.
    pub(super) fn fill<E>(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        debug_assert!(self.is_empty());
        let count = read(&mut self.bytes)?.min(SIZE);
        (self.start, self.end) = (0, count);
        Ok(count)
    }
}
