//! One file: one delivery, or one per line or row.

use std::io::{BufRead, Read};

use super::{Beside, Reader, Stop};
use crate::error::Error;
use crate::limits::{BODY_BYTES_MAX, LINE_BYTES_MAX, REFUSED_BYTES_MAX};

impl<E: From<Error>> Reader<'_, E> {
    /// Reads a file that is no archive. Lines are told from a document by name, else by whether one of the first two
    /// lines is an object of its own: a broken first line must not hide the rest.
    pub(super) fn content(
        &mut self,
        name: &str,
        reader: &mut dyn BufRead,
        beside: Option<Beside>,
    ) -> Result<(), Stop<E>> {
        let failed = |e| Error::reading(name, e);
        let lower = name.to_ascii_lowercase();
        let named = |suffixes: &[&str]| suffixes.iter().any(|s| lower.ends_with(s));
        if named(&[".ndjson", ".jsonl"]) {
            return self.lines(name, reader, Vec::new());
        }
        if named(&[".csv"]) {
            return self.rows(name, reader);
        }
        if beside.is_some() || named(&[".yaml", ".yml"]) {
            return self.whole(name, reader, &[], beside);
        }
        let mut head = Vec::new();
        while head.len() < 2 {
            match read_line(reader, LINE_BYTES_MAX).map_err(failed)? {
                Some(line) => head.push(line),
                None => break,
            }
        }
        let listed = head.first().is_some_and(|line| line.bytes.trim_ascii() == b"[");
        if !listed && head.iter().any(|line| !line.cut && is_object(&line.bytes)) {
            self.lines(name, reader, head)
        } else if head.iter().any(|line| line.cut) {
            let begin =
                head.into_iter().flat_map(|line| line.bytes).take(REFUSED_BYTES_MAX).collect();
            self.refuse(name.to_owned(), begin, "too_large", too_large())
        } else {
            let begin: Vec<u8> = head.into_iter().flat_map(|line| line.bytes).collect();
            self.whole(name, reader, &begin, None)
        }
    }

    fn lines(
        &mut self,
        name: &str,
        reader: &mut dyn BufRead,
        head: Vec<Line>,
    ) -> Result<(), Stop<E>> {
        let mut head = head.into_iter();
        for number in 1_u64.. {
            let next = match head.next() {
                Some(line) => Some(line),
                None => read_line(reader, LINE_BYTES_MAX).map_err(|e| Error::reading(name, e))?,
            };
            let Some(line) = next else { break };
            let origin = format!("{name}:{number}");
            let bytes = line.bytes.trim_ascii();
            if line.cut {
                let begin = bytes[..bytes.len().min(REFUSED_BYTES_MAX)].to_vec();
                self.refuse(
                    origin,
                    begin,
                    "too_large",
                    format!("a line of more than {LINE_BYTES_MAX} bytes"),
                )?;
            } else if !bytes.is_empty() {
                self.hand_on(origin, bytes.to_vec(), None)?;
            }
        }
        Ok(())
    }

    fn whole(
        &mut self,
        name: &str,
        reader: &mut dyn BufRead,
        begin: &[u8],
        beside: Option<Beside>,
    ) -> Result<(), Stop<E>> {
        let mut bytes = begin.to_vec();
        let room = (BODY_BYTES_MAX + 1).saturating_sub(bytes.len()) as u64;
        reader.take(room).read_to_end(&mut bytes).map_err(|e| Error::reading(name, e))?;
        if bytes.len() > BODY_BYTES_MAX {
            bytes.truncate(REFUSED_BYTES_MAX);
            return self.refuse(name.to_owned(), bytes, "too_large", too_large());
        }
        self.hand_on(name.to_owned(), bytes, beside)
    }
}

fn too_large() -> String {
    format!("a body of more than {BODY_BYTES_MAX} bytes")
}

fn is_object(line: &[u8]) -> bool {
    backtrail_schemas::json::parse(line).is_ok_and(|value| value.is_object())
}

/// A line with its end, or the first bytes of one that is too long.
struct Line {
    bytes: Vec<u8>,
    cut: bool,
}

/// The next line, of at most `bytes_max` bytes; the rest of a longer one is read and left out. `None` at the end.
fn read_line(reader: &mut dyn BufRead, bytes_max: usize) -> std::io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    reader.take(bytes_max as u64 + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut = bytes.len() > bytes_max;
    while cut && !bytes.ends_with(b"\n") {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|b| *b == b'\n');
        let read = end.map_or(buffer.len(), |at| at + 1);
        reader.consume(read);
        if end.is_some() || read == 0 {
            break;
        }
    }
    Ok(Some(Line { bytes, cut }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_does_not_hide_the_next() {
        for capacity in [1, 3, 64] {
            let mut reader =
                std::io::BufReader::with_capacity(capacity, &b"abcdefgh\nij\n12345\nx"[..]);
            let mut seen = Vec::new();
            while let Some(line) = read_line(&mut reader, 5).unwrap() {
                seen.push((String::from_utf8(line.bytes).unwrap(), line.cut));
            }
            let want = [("abcdef", true), ("ij\n", false), ("12345\n", true), ("x", false)];
            let want: Vec<_> = want.map(|(text, cut)| (text.to_owned(), cut)).to_vec();
            assert_eq!(seen, want, "buffer of {capacity}");
        }
    }
}
