//! CSV: one delivery per row.
//!
//! *Source*: RFC 4180; the first row names the columns. Tables of collected answers, such as `DevLake`'s raw layer, keep
//! what the source said as JSON in the column `data`: that is the delivery. Any other row is an object of its texts.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::{Reader, Stop};
use crate::error::Error;
use crate::limits::{LINE_BYTES_MAX, REFUSED_BYTES_MAX};

/// The column that holds a whole answer of the source.
const DATA: &str = "data";

impl<E: From<Error>> Reader<'_, E> {
    /// Reads a CSV file row by row, counted as a spreadsheet does. A row that is none is handed on with the reason and
    /// takes no other with it, except one without an end: where the next would begin is not known.
    pub(super) fn rows(&mut self, name: &str, reader: &mut dyn BufRead) -> Result<(), Stop<E>> {
        let left = Rc::new(Cell::new(LINE_BYTES_MAX));
        let bounded = Bounded { inner: reader, left: Rc::clone(&left) };
        let mut rows = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bounded);
        let mut columns = None;
        let mut row = ByteRecord::new();
        for number in 1_u64.. {
            left.set(LINE_BYTES_MAX);
            let origin = format!("{name}:{number}");
            match rows.read_byte_record(&mut row).map_err(csv::Error::into_kind) {
                Ok(true) => {}
                Ok(false) => break,
                Err(ErrorKind::Io(e)) if e.kind() != io::ErrorKind::FileTooLarge => {
                    return Err(Error::reading(name, e).into());
                }
                Err(_) => {
                    let reason = format!("a row of more than {LINE_BYTES_MAX} bytes");
                    return self.refuse(origin, kept(&row), "too_large", reason);
                }
            }
            match &columns {
                None => match names(&row) {
                    Ok(names) => columns = Some(names),
                    Err((code, reason)) => return self.refuse(origin, kept(&row), code, reason),
                },
                Some(columns) => match body(columns, &row) {
                    Ok(body) => self.hand_on(origin, body, None)?,
                    Err((code, reason)) => self.refuse(origin, kept(&row), code, reason)?,
                },
            }
        }
        Ok(())
    }
}

/// The code of a reject, and the reason.
type Wrong = (&'static str, String);

/// The names of the columns, each of which is there once.
fn names(row: &ByteRecord) -> Result<StringRecord, Wrong> {
    let names = texts(row)?;
    let before = |at: usize, name: &str| names.iter().take(at).any(|known| known == name);
    match names.iter().enumerate().find(|(at, name)| before(*at, name)) {
        Some((at, _)) => Err(("bad_csv", format!("column {} is called as another is", at + 1))),
        None => Ok(names),
    }
}

/// The delivery that a row is.
fn body(columns: &StringRecord, row: &ByteRecord) -> Result<Vec<u8>, Wrong> {
    let row = texts(row)?;
    if row.len() != columns.len() {
        let reason = format!("a row of {} columns; the first row has {}", row.len(), columns.len());
        return Err(("bad_csv", reason));
    }
    let data = columns.iter().position(|column| column == DATA).and_then(|at| row.get(at));
    Ok(match data {
        Some(text) => text.as_bytes().to_vec(),
        None => object(columns, &row).to_string().into_bytes(),
    })
}

fn texts(row: &ByteRecord) -> Result<StringRecord, Wrong> {
    StringRecord::from_byte_record(row.clone())
        .map_err(|e| ("bad_text", format!("column {} is not UTF-8", e.utf8_error().field() + 1)))
}

/// As much of a row as quarantine keeps.
fn kept(row: &ByteRecord) -> Vec<u8> {
    let mut bytes = row.iter().collect::<Vec<_>>().join(&b","[..]);
    bytes.truncate(REFUSED_BYTES_MAX);
    bytes
}

/// The row by its columns' names. A cell without text is absent.
fn object(columns: &StringRecord, row: &StringRecord) -> Value {
    let cells = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    let pairs = cells.map(|(column, cell)| (column.to_owned(), Value::from(cell)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// A reader that fails when one row takes more than what is left.
struct Bounded<'r> {
    inner: &'r mut dyn BufRead,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(read);
        self.left.set(left.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?);
        Ok(read)
    }
}
