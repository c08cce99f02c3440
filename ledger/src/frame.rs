//! Frames: how the write-ahead log, the vault and the quarantine append records to a file.
//!
//! A frame is, in big-endian order: `u32` length of the payload, `u32` CRC-32C of the length's four bytes and the type,
//! `u8` type, payload, `u32` CRC-32C of the payload. The first frame of a file is its header, type `H`: the format's
//! name, the log's origin and the first position, a line each.

use crate::error::Error;
use crate::limits::FRAME_BYTES_MAX;

/// Bytes of a frame beyond its payload.
pub const FRAME_OVERHEAD: usize = 13;

/// The type of the header frame.
pub const HEADER: u8 = b'H';

/// One frame of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it begins in the bytes that were read.
    pub offset: usize,
    /// What the payload is.
    pub kind: u8,
    /// The record.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Where the next frame begins.
    pub fn end(&self) -> usize {
        self.offset + FRAME_OVERHEAD + self.payload.len()
    }
}

/// Why there is no further frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The bytes end where a frame ends.
    Clean,
    /// The bytes end within a frame: an append that was interrupted.
    Torn,
    /// A checksum does not fit, or a length is impossible.
    Damaged,
}

/// Appends one frame to `out`.
pub fn push(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("records are checked against FRAME_BYTES_MAX");
    let head = [&length.to_be_bytes()[..], &[kind]].concat();
    out.extend_from_slice(&head[..4]);
    out.extend_from_slice(&crc32c::crc32c(&head).to_be_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32c::crc32c(payload).to_be_bytes());
}

/// The header frame of a file.
pub fn header(format: &str, origin: &str, first: u64) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, HEADER, format!("{format}\n{origin}\n{first}\n").as_bytes());
    out
}

/// Refuses a first frame that is not this header.
///
/// # Errors
/// It is another one, or none.
pub fn check_header(
    frame: Option<Frame>,
    format: &str,
    origin: &str,
    first: u64,
) -> Result<(), Error> {
    let want = format!("{format}\n{origin}\n{first}\n");
    match frame {
        Some(frame) if frame.kind == HEADER && frame.payload == want.as_bytes() => Ok(()),
        _ => Err(Error::tampered(format!(
            "does not begin with the header of `{format}`, `{origin}`, {first}"
        ))),
    }
}

/// Reads frames one after the other.
#[derive(Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    end: Option<End>,
}

impl<'a> Frames<'a> {
    /// The frames of `bytes`, from the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: None }
    }

    /// The offset behind the last frame.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Why the frames ended, and at which offset; `None` before they did.
    pub fn end(&self) -> Option<(End, usize)> {
        self.end.map(|end| (end, self.at))
    }

    fn parse(&self) -> Result<Frame<'a>, End> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Err(End::Clean);
        }
        let (head, body) = rest.split_first_chunk::<9>().ok_or(End::Torn)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = *head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let crc = u32::from_be_bytes([c0, c1, c2, c3]);
        if crc32c::crc32c(&[l0, l1, l2, l3, kind]) != crc || length > FRAME_BYTES_MAX {
            return Err(End::Damaged);
        }
        let payload = body.get(..length).ok_or(End::Torn)?;
        let trailer = body[length..].first_chunk::<4>().ok_or(End::Torn)?;
        if crc32c::crc32c(payload) != u32::from_be_bytes(*trailer) {
            return Err(End::Damaged);
        }
        Ok(Frame { offset: self.at, kind, payload })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.end.is_some() {
            return None;
        }
        match self.parse() {
            Ok(frame) => {
                self.at = frame.end();
                Some(frame)
            }
            Err(end) => {
                self.end = Some(end);
                None
            }
        }
    }
}
