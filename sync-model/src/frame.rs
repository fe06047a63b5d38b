//! Messages as bytes: `version u8, kind u8, length u32 LE, payload`.
//!
//! The wire is a stream: frames arrive in any pieces. The [`Decoder`] takes the pieces and gives back messages. It
//! holds what was received and never reserves what a peer merely announces; what cannot become a message is one
//! typed [`DecodeError`], found as early as the bytes allow.

use crate::msg::{
    Bootstrap, Features, Kind, Level, LogLine, Message, PROTOCOL_VERSION, TEXT_CAP, WireError, cut,
};
use crate::step::Step;

/// First byte of every frame: a mark in the high half, the frame format's version in the low.
pub const FRAME_VERSION: u8 = 0xc1;

/// Bytes before the payload.
pub const HEADER: usize = 6;

/// Longest payload of [`Message::Config`], in bytes.
pub const CONFIG_CAP: usize = 16 << 20;

/// Longest payload of any other message, in bytes.
pub const SMALL_CAP: usize = 64 << 10;

/// Longest payload of a message of this kind, in bytes.
pub const fn cap(kind: Kind) -> usize {
    match kind {
        Kind::Config => CONFIG_CAP,
        _ => SMALL_CAP,
    }
}

/// The message is too long for its frame: nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TooLong {
    /// What it is.
    pub kind: Kind,
    /// Bytes it would take.
    pub len: usize,
    /// Bytes it may take.
    pub cap: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a {} message of {} bytes is longer than the {} that a frame carries",
            self.kind, self.len, self.cap
        )
    }
}

impl std::error::Error for TooLong {}

/// Appends the message's frame to `out`.
///
/// # Errors
/// [`TooLong`] for a payload over its [`cap`]; `out` is then as it was. Texts of [`WireError`] and [`LogLine`] are
/// cut instead: an error must arrive, however long its words.
pub fn encode(message: &Message, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let kind = message.kind();
    let start = out.len();
    out.extend_from_slice(&[FRAME_VERSION, kind.number(), 0, 0, 0, 0]);
    let body = out.len();
    match message {
        Message::Bootstrap(bootstrap) => encode_bootstrap(bootstrap, out),
        Message::Config(payload) | Message::Run(payload) => out.extend_from_slice(payload),
        Message::SeccompFd(number) => out.extend_from_slice(&number.to_le_bytes()),
        Message::Error(error) => {
            out.extend_from_slice(&error.step.number().to_le_bytes());
            out.extend_from_slice(&error.errno.to_le_bytes());
            put_text(&error.path, out);
            put_text(&error.message, out);
        }
        Message::Log(line) => {
            out.push(line.level.number());
            put_text(&line.message, out);
        }
        _ => {}
    }
    let len = out.len() - body;
    match u32::try_from(len) {
        Ok(number) if len <= cap(kind) => {
            out[body - 4..body].copy_from_slice(&number.to_le_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(TooLong {
                kind,
                len,
                cap: cap(kind),
            })
        }
    }
}

fn encode_bootstrap(bootstrap: &Bootstrap, out: &mut Vec<u8>) {
    out.extend_from_slice(&bootstrap.version.to_le_bytes());
    out.push(bootstrap.features.bits());
    out.push(bootstrap.log_level.number());
}

/// A text as `length u16 LE, UTF-8`.
fn put_text(text: &str, out: &mut Vec<u8>) {
    let (kept, mark) = cut(text);
    // TEXT_CAP fits in 16 bits, so nothing is lost here.
    let len = u16::try_from(kept.len() + mark.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(kept.as_bytes());
    out.extend_from_slice(mark.as_bytes());
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// The first byte is not [`FRAME_VERSION`]: another release, or not our peer at all.
    Version(u8),
    /// No message has this number.
    Kind(u8),
    /// The announced payload is over the [`cap`].
    TooLong(TooLong),
    /// The payload ends inside a field.
    Short(Kind),
    /// Bytes are left after the last field.
    Trailing(Kind),
    /// A text is not UTF-8.
    Utf8(Kind),
    /// A text is over [`TEXT_CAP`].
    TextTooLong(Kind),
    /// The creator speaks another [`PROTOCOL_VERSION`].
    Protocol(u16),
    /// An unknown feature bit.
    Features(u8),
    /// An unknown log level.
    Level(u8),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Version(byte) => write!(
                f,
                "a frame starts with byte {byte:#04x} instead of {FRAME_VERSION:#04x}: the other side is not this release"
            ),
            DecodeError::Kind(number) => write!(f, "no message has the number {number}"),
            DecodeError::TooLong(error) => write!(f, "{error}"),
            DecodeError::Short(kind) => write!(f, "a {kind} message ends inside a field"),
            DecodeError::Trailing(kind) => {
                write!(f, "a {kind} message has bytes after its last field")
            }
            DecodeError::Utf8(kind) => write!(f, "a text of a {kind} message is not UTF-8"),
            DecodeError::TextTooLong(kind) => write!(
                f,
                "a text of a {kind} message is longer than {TEXT_CAP} bytes"
            ),
            DecodeError::Protocol(version) => {
                write!(
                    f,
                    "the other side speaks version {version} of the handshake, this release {PROTOCOL_VERSION}"
                )
            }
            DecodeError::Features(bits) => write!(f, "unknown handshake features {bits:#04x}"),
            DecodeError::Level(number) => write!(f, "no log level has the number {number}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Takes the bytes as they come and gives back messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are messages already given out.
    taken: usize,
    /// The stream cannot be understood after its first error: it stays the answer.
    failed: Option<DecodeError>,
}

impl Decoder {
    /// An empty one.
    pub const fn new() -> Decoder {
        Decoder {
            buffer: Vec::new(),
            taken: 0,
            failed: None,
        }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes received and not yet given out.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// Bytes held in memory, used or not; the fuzz target bounds it.
    #[doc(hidden)]
    pub fn reserved(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError`], and the same again from then on.
    pub fn next_message(&mut self) -> Result<Option<Message>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match decode(&self.buffer[self.taken..]) {
            Ok(Some((message, used))) => {
                self.taken += used;
                Ok(Some(message))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                self.taken = 0;
                Err(error)
            }
        }
    }
}

/// The first message of `bytes` and the length of its frame; `None` while it is not whole.
fn decode(bytes: &[u8]) -> Result<Option<(Message, usize)>, DecodeError> {
    let Some(&version) = bytes.first() else {
        return Ok(None);
    };
    if version != FRAME_VERSION {
        return Err(DecodeError::Version(version));
    }
    let Some(&number) = bytes.get(1) else {
        return Ok(None);
    };
    let kind = Kind::from_number(number).ok_or(DecodeError::Kind(number))?;
    let Some(len) = bytes
        .get(2..HEADER)
        .and_then(|len| len.try_into().ok())
        .map(u32::from_le_bytes)
    else {
        return Ok(None);
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > cap(kind) {
        return Err(DecodeError::TooLong(TooLong {
            kind,
            len,
            cap: cap(kind),
        }));
    }
    let Some(payload) = bytes.get(HEADER..HEADER + len) else {
        return Ok(None);
    };
    Ok(Some((decode_payload(kind, payload)?, HEADER + len)))
}

fn decode_payload(kind: Kind, payload: &[u8]) -> Result<Message, DecodeError> {
    let mut fields = Fields {
        kind,
        rest: payload,
    };
    let message = match kind {
        Kind::Bootstrap => {
            let version = u16::from_le_bytes(fields.take()?);
            if version != PROTOCOL_VERSION {
                return Err(DecodeError::Protocol(version));
            }
            let [bits, level] = fields.take()?;
            let features = Features::from_bits(bits).ok_or(DecodeError::Features(bits))?;
            let log_level = Level::from_number(level).ok_or(DecodeError::Level(level))?;
            Message::Bootstrap(Bootstrap {
                version,
                features,
                log_level,
            })
        }
        Kind::Config => Message::Config(std::mem::take(&mut fields.rest).to_vec()),
        Kind::Run => Message::Run(std::mem::take(&mut fields.rest).to_vec()),
        Kind::SeccompFd => Message::SeccompFd(u32::from_le_bytes(fields.take()?)),
        Kind::Error => Message::Error(WireError {
            step: Step::from_number(u16::from_le_bytes(fields.take()?)),
            errno: i32::from_le_bytes(fields.take()?),
            path: fields.text()?,
            message: fields.text()?,
        }),
        Kind::Log => {
            let [level] = fields.take()?;
            let level = Level::from_number(level).ok_or(DecodeError::Level(level))?;
            Message::Log(LogLine {
                level,
                message: fields.text()?,
            })
        }
        // Every other kind is bare: `Short` cannot be reached, and is still an error and not a panic.
        _ => kind.bare().ok_or(DecodeError::Short(kind))?,
    };
    if fields.rest.is_empty() {
        Ok(message)
    } else {
        Err(DecodeError::Trailing(kind))
    }
}

/// A payload, read field by field.
struct Fields<'a> {
    kind: Kind,
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (field, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Short(self.kind))?;
        self.rest = rest;
        Ok(*field)
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let len = usize::from(u16::from_le_bytes(self.take()?));
        if len > TEXT_CAP {
            return Err(DecodeError::TextTooLong(self.kind));
        }
        let (text, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Short(self.kind))?;
        self.rest = rest;
        Ok(std::str::from_utf8(text)
            .map_err(|_| DecodeError::Utf8(self.kind))?
            .to_owned())
    }
}
