//! What a hook writes: read to the end, kept in part.

/// Kept of the beginning, and as much of the end, in bytes.
const PART: usize = 512;

/// The beginning and the end of a stream.
#[derive(Debug, Default)]
pub struct Output {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: bool,
}

impl Output {
    /// More of it.
    pub fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(PART - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > PART {
            self.tail.drain(..self.tail.len() - PART);
            self.dropped = true;
        }
    }

    /// As a text.
    pub fn text(&self) -> String {
        let between: &[u8] = if self.dropped { b" ... " } else { b"" };
        String::from_utf8_lossy(&[&self.head, between, &self.tail].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Output;

    #[test]
    fn both_ends_are_kept() {
        let mut output = Output::default();
        output.push(b"short");
        assert_eq!(output.text(), "short");
        for _ in 0..10_000 {
            output.push(&[b'x'; 100]);
        }
        output.push(b"end");
        let text = output.text();
        assert!(text.starts_with("shortx") && text.ends_with("xend"));
        assert!(text.contains(" ... ") && text.len() < 1100);
    }
}
