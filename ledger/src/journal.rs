//! A file of frames that is only appended to: what is staged in memory, and what is durable.

use crate::error::Error;
use crate::frame::{self, End, Frames};
use crate::limits::SCAN_BYTES;
use crate::storage::Storage;

/// One file and the frames that wait to be written to it.
#[derive(Debug)]
pub(crate) struct Journal {
    path: String,
    header: Vec<u8>,
    /// The durable length; 0 while the file does not exist.
    durable: u64,
    staged: Vec<u8>,
}

impl Journal {
    /// The file at `path`, of which `durable` bytes are known to be there.
    pub(crate) fn new(path: String, format: &str, origin: &str, first: u64, durable: u64) -> Self {
        Self { path, header: frame::header(format, origin, first), durable, staged: Vec::new() }
    }

    /// The path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Adds a frame and says where in the file it will begin.
    pub(crate) fn stage(&mut self, kind: u8, payload: &[u8]) -> u64 {
        if self.durable == 0 && self.staged.is_empty() {
            self.staged.extend_from_slice(&self.header);
        }
        let at = self.durable + self.staged.len() as u64;
        frame::push(&mut self.staged, kind, payload);
        at
    }

    /// The length of the file once everything staged is written.
    pub(crate) fn len(&self) -> u64 {
        self.durable + self.staged.len() as u64
    }

    /// Bytes that wait.
    pub(crate) fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Makes everything staged in several files durable, at once.
    pub(crate) fn write(journals: &mut [&mut Self], store: &dyn Storage) -> Result<(), Error> {
        let mut appended = Vec::new();
        for journal in journals.iter().filter(|journal| !journal.staged.is_empty()) {
            if journal.durable == 0 {
                store.create(&[(journal.path.clone(), journal.staged.clone())])?;
            } else {
                store.append(&journal.path, &journal.staged)?;
                appended.push(journal.path.as_str());
            }
        }
        store.sync(&appended)?;
        for journal in journals {
            journal.durable += journal.staged.len() as u64;
            journal.staged.clear();
        }
        Ok(())
    }

    /// Makes sure that the file exists, if only with its header.
    pub(crate) fn create(&mut self, store: &dyn Storage) -> Result<(), Error> {
        if self.durable == 0 && self.staged.is_empty() {
            self.staged.extend_from_slice(&self.header);
        }
        Self::write(&mut [self], store)
    }

    /// The payload of the frame at `at`, durable or staged.
    pub(crate) fn read(&self, store: &dyn Storage, at: u64, len: usize) -> Result<Vec<u8>, Error> {
        let size = len + frame::FRAME_OVERHEAD;
        let bytes = match at.checked_sub(self.durable) {
            Some(staged) => self
                .staged
                .get(staged as usize..staged as usize + size)
                .unwrap_or_default()
                .to_vec(),
            None => store.read(&self.path, at..at + size as u64)?,
        };
        let payload = frame::Frames::new(&bytes).next().map(|f| f.payload.to_vec());
        payload.filter(|p| p.len() == len).ok_or_else(|| {
            Error::tampered(format!(
                "`{}` offset {at}: not the frame that was written there",
                self.path
            ))
        })
    }
}

/// Calls `each` with the offset, the type and the payload of every frame in the first `length` bytes of a file, a part of
/// it in memory at a time. Says how the frames ended.
///
/// # Errors
/// Those of `each`; `Missing` if there is no file.
pub(crate) fn scan(
    store: &dyn Storage,
    path: &str,
    length: u64,
    mut each: impl FnMut(u64, u8, &[u8]) -> Result<(), Error>,
) -> Result<End, Error> {
    let (mut at, mut part) = (0, SCAN_BYTES);
    loop {
        let bytes = store.read(path, at..length.min(at + part as u64))?;
        let mut frames = Frames::new(&bytes);
        for frame in frames.by_ref() {
            each(at + frame.offset as u64, frame.kind, frame.payload)?;
        }
        let (end, read) = frames.end().expect("they ended");
        if bytes.len() < part || end == End::Damaged {
            return Ok(end);
        }
        at += read as u64;
        // A frame that is longer than a part; one that is longer than frames may be is damaged.
        part = if read == 0 { part * 2 } else { SCAN_BYTES };
    }
}
