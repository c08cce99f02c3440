//! From paths to deliveries, one at a time and in order.
//!
//! Files are read as they lie; folders in byte order of their paths; archives in their own order. Nothing is sorted
//! inside a file. What cannot be a delivery, such as a damaged archive, is handed on with the reason, never left out: only a
//! path that is missing, or that the system does not read, stops the reading.

mod archive;
mod content;
mod record;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use backtrail_schemas::{Delivery, Mapped, Reject};

use crate::context::{Context, Mode};
use crate::error::Error;
use crate::limits::{BODY_BYTES_MAX, FOLDER_DEPTH_MAX, REFUSED_BYTES_MAX};
use crate::mapper::{located, map_recognised, refused};
use crate::node::reject;

/// Standard input, as a path.
pub const STDIN: &str = "-";

/// One delivery as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The delivery; of one that is refused, as much of its bytes as quarantine keeps.
    pub delivery: Delivery,
    /// How it reached whoever recorded it, if it was recorded.
    pub mode: Option<Mode>,
    /// Why it cannot be one, such as a line that is too long.
    pub refused: Option<Reject>,
}

impl Found {
    /// The delivery with the source that it was recognised as, and its drafts and rejects.
    ///
    /// A record's own word for how it was received is believed under a simulated clock only: to us it came from a file.
    pub fn mapped(self, context: &Context) -> (Delivery, Mapped) {
        let mut delivery = self.delivery;
        if let Some(reject) = self.refused {
            let reason = located(&delivery.origin, &reject.reason);
            return (delivery, refused(Reject { reason, code: reject.code }));
        }
        let own = self.mode.filter(|_| context.simulated_clock);
        let own = own.map(|mode| Context { mode, ..context.clone() });
        let (source, mapped) = map_recognised(&delivery, own.as_ref().unwrap_or(context));
        if let Some(source) = source {
            delivery.source = Some(source.to_owned());
        }
        if delivery.reception.is_none() {
            let source = delivery.source.as_deref().unwrap_or_default();
            delivery.reception = context.reception(source);
        }
        (delivery, mapped)
    }
}

/// Reads every delivery below `paths`, `-` being `stdin`, and hands each to `sink`. `source` is the source of those that
/// do not say it themselves; `None` or `auto` asks for recognition.
///
/// # Errors
/// A path is missing or unreadable, with its name; what was handed on before that stays valid. Errors of `sink`.
pub fn deliveries<E: From<Error>>(
    paths: &[PathBuf],
    source: Option<&str>,
    stdin: &mut dyn Read,
    sink: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader { source: source.filter(|s| *s != "auto").map(str::to_owned), sink };
    for path in paths {
        if path.as_os_str() == STDIN {
            reader.readable("stdin".to_owned(), stdin, None)?;
        } else {
            for file in files(path)? {
                let given = file == *path;
                // What a row says of its file must be the same wherever the folder lies.
                let below = if given { path.parent() } else { Some(path.as_path()) };
                let name = below.and_then(|below| file.strip_prefix(below).ok()).unwrap_or(&file);
                reader.file(&file, shown(name), given)?;
            }
        }
    }
    Ok(())
}

/// The files below `path`, in byte order of their paths, without the headers that lie beside a body.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    if !is_folder(path)? {
        return Ok(vec![path.to_owned()]);
    }
    collect(path, 0, &mut found)?;
    found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    let beside = found.iter().filter_map(|file| headers_beside(file));
    let headers: BTreeSet<PathBuf> = beside.collect();
    found.retain(|file| !headers.contains(file));
    Ok(found)
}

fn is_folder(path: &Path) -> Result<bool, Error> {
    fs::metadata(path).map(|m| m.is_dir()).map_err(|e| Error::reading(&shown(path), e))
}

/// Links to files are followed, links to folders are not: they could lead in a circle.
fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<(), Error> {
    if depth > FOLDER_DEPTH_MAX {
        return Err(Error::limit(
            &shown(folder),
            format!("folders nest deeper than {FOLDER_DEPTH_MAX}"),
        ));
    }
    let failed = |e| Error::reading(&shown(folder), e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&path, depth + 1, into)?;
        } else if !is_folder(&path)? {
            into.push(path);
        }
    }
    Ok(())
}

/// The file `x.headers.json` beside `x.json`, if there is one: it keeps what a bare body loses.
fn headers_beside(file: &Path) -> Option<PathBuf> {
    let stem = file.file_name()?.to_str()?.strip_suffix(".json")?;
    let headers = file.with_file_name(format!("{stem}.headers.json"));
    headers.is_file().then_some(headers)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The state of one reading.
struct Reader<'s, E> {
    source: Option<String>,
    sink: &'s mut dyn FnMut(Found) -> Result<(), E>,
}

/// Why a file is read no further.
enum Stop<E> {
    /// What is in it: why.
    Damage(String),
    /// Whoever takes what was read, or the system.
    End(E),
}

impl<E: From<Error>> From<Error> for Stop<E> {
    fn from(error: Error) -> Self {
        let of_system = |e: &std::io::Error| e.raw_os_error().is_some();
        match error {
            Error::Unreadable { reason, source, .. } if !source.as_ref().is_some_and(of_system) => {
                Self::Damage(reason)
            }
            error => Self::End(error.into()),
        }
    }
}

/// Headers that lie beside a body, or why they cannot be used.
type Beside = Result<BTreeMap<String, String>, Reject>;

impl<E: From<Error>> Reader<'_, E> {
    /// Reads a file of a folder, or one that is `given` itself: only that may be something else, which perhaps never ends.
    fn file(&mut self, path: &Path, name: String, given: bool) -> Result<(), E> {
        if !given && !path.is_file() {
            let reason = "is no regular file".to_owned();
            return self.refused(name, Vec::new(), "unreadable", reason);
        }
        let beside = headers_beside(path).map(|headers| read_headers(&headers)).transpose()?;
        let mut file = File::open(path).map_err(|e| Error::reading(&shown(path), e))?;
        self.readable(name, &mut file, beside)
    }

    /// Reads as far as it goes, and hands on why it goes no further.
    fn readable(
        &mut self,
        name: String,
        reader: &mut dyn Read,
        beside: Option<Beside>,
    ) -> Result<(), E> {
        match self.stream(&name, reader, beside) {
            Err(Stop::Damage(reason)) => self.refused(name, Vec::new(), "unreadable", reason),
            Err(Stop::End(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Reads a file or standard input by what its name says of its form.
    fn stream(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        beside: Option<Beside>,
    ) -> Result<(), Stop<E>> {
        let lower = name.to_ascii_lowercase();
        let ends = |suffixes: &[&str]| suffixes.iter().any(|s| lower.ends_with(s));
        if ends(&[".tar.gz", ".tgz"]) {
            self.tar(name, &mut archive::Expanded::new(reader))
        } else if ends(&[".tar"]) {
            self.tar(name, reader)
        } else if ends(&[".gz"]) {
            let inner = &name[..name.len() - ".gz".len()];
            self.content(inner, &mut BufReader::new(archive::Expanded::new(reader)), None)
        } else {
            self.content(name, &mut BufReader::new(reader), beside)
        }
    }

    /// Hands on bytes that are one delivery: recorded, or bare.
    fn hand_on(
        &mut self,
        origin: String,
        mut bytes: Vec<u8>,
        beside: Option<Beside>,
    ) -> Result<(), Stop<E>> {
        let recorded = record::decode(&bytes);
        if recorded.is_none() && bytes.len() > BODY_BYTES_MAX {
            bytes.truncate(REFUSED_BYTES_MAX);
            return self.refuse(
                origin,
                bytes,
                "too_large",
                format!("a body of more than {BODY_BYTES_MAX} bytes"),
            );
        }
        let mut mode = None;
        let (delivery, refused) = match (recorded, beside.transpose()) {
            (Some(Ok(record)), _) => {
                mode = record.mode;
                (record.delivery, None)
            }
            (Some(Err(reject)), _) | (None, Err(reject)) => {
                (Delivery { body: bytes, ..Delivery::default() }, Some(reject))
            }
            (None, Ok(headers)) => {
                let headers = headers.unwrap_or_default();
                (Delivery { body: bytes, headers, ..Delivery::default() }, None)
            }
        };
        let source = delivery.source.clone().or_else(|| self.source.clone());
        let delivery = Delivery { origin, source, ..delivery };
        (self.sink)(Found { delivery, mode, refused }).map_err(Stop::End)
    }

    /// Hands on the beginning of what is too large to be a delivery, or is none.
    fn refuse(
        &mut self,
        origin: String,
        body: Vec<u8>,
        code: &'static str,
        reason: String,
    ) -> Result<(), Stop<E>> {
        self.refused(origin, body, code, reason).map_err(Stop::End)
    }

    fn refused(
        &mut self,
        origin: String,
        body: Vec<u8>,
        code: &'static str,
        reason: String,
    ) -> Result<(), E> {
        let delivery =
            Delivery { origin, body, source: self.source.clone(), ..Delivery::default() };
        (self.sink)(Found { delivery, mode: None, refused: Some(reject(code, reason)) })
    }
}

fn read_headers(path: &Path) -> Result<Beside, Error> {
    let bytes = fs::read(path).map_err(|e| Error::reading(&shown(path), e))?;
    Ok(record::headers(&bytes)
        .map_err(|e| reject(e.code, format!("{}: {}", shown(path), e.reason))))
}
