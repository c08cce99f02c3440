//! Archives: tar, and gzip around a tar or a file.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;

use super::{Reader, Stop};
use crate::error::Error;
use crate::limits::{
    ARCHIVE_ENTRIES_MAX, EXPANSION_BYTES_FREE, EXPANSION_RATIO_MAX, REFUSED_BYTES_MAX,
};

impl<E: From<Error>> Reader<'_, E> {
    /// The files of a tar, in its order. Links and devices are no files; an archive inside is not opened.
    pub(super) fn tar(&mut self, name: &str, reader: &mut dyn Read) -> Result<(), Stop<E>> {
        let failed = |e| Error::reading(name, e);
        let mut archive = tar::Archive::new(reader);
        for (count, entry) in archive.entries().map_err(failed)?.enumerate() {
            if count >= ARCHIVE_ENTRIES_MAX {
                return Err(
                    Error::limit(name, format!("more than {ARCHIVE_ENTRIES_MAX} entries")).into()
                );
            }
            let mut entry = entry.map_err(failed)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let inner = format!("{name}/{}", String::from_utf8_lossy(&entry.path_bytes()));
            let lower = inner.to_ascii_lowercase();
            if [".tar", ".tgz", ".tar.gz"].iter().any(|s| lower.ends_with(s)) {
                let mut begin = Vec::new();
                entry.take(REFUSED_BYTES_MAX as u64).read_to_end(&mut begin).map_err(failed)?;
                self.refuse(
                    inner,
                    begin,
                    "nested_archive",
                    "an archive within an archive".to_owned(),
                )?;
            } else if let Some(unzipped) = inner.strip_suffix(".gz") {
                self.content(unzipped, &mut BufReader::new(Expanded::new(&mut entry)), None)?;
            } else {
                self.content(&inner, &mut BufReader::new(entry), None)?;
            }
        }
        Ok(())
    }
}

/// A gzip stream, whose expansion is bounded.
pub(super) struct Expanded<R> {
    decoder: MultiGzDecoder<Counted<R>>,
    given: u64,
}

struct Counted<R> {
    inner: R,
    taken: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken += read as u64;
        Ok(read)
    }
}

impl<R: Read> Expanded<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { decoder: MultiGzDecoder::new(Counted { inner, taken: 0 }), given: 0 }
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.given += read as u64;
        let allowed = EXPANSION_BYTES_FREE + EXPANSION_RATIO_MAX * self.decoder.get_ref().taken;
        if self.given > allowed {
            return Err(io::Error::other(format!("expands more than {EXPANSION_RATIO_MAX} times")));
        }
        Ok(read)
    }
}
