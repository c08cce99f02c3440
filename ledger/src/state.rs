//! `state/head`: the highest head that was ever signed, or is about to be.
//!
//! Text of six lines: `backtrail/state/1`, origin, size, root, epoch, and the CRC-32C of the five lines before it in eight
//! hex digits. It is written before each signature, so that the log can never sign a head that goes back or sideways.

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::storage::Storage;

/// The path.
pub const PATH: &str = "state/head";

/// The head and who may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The head.
    pub head: Checkpoint,
    /// How often the ledger was opened for writing: a writer that finds another number was overtaken.
    pub epoch: u64,
}

impl State {
    /// The bytes of the file.
    pub fn to_text(&self) -> String {
        let lines = format!("backtrail/state/1\n{}{}\n", self.head, self.epoch);
        format!("{lines}{:08x}\n", crc32c::crc32c(lines.as_bytes()))
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// They are not exactly what [`State::to_text`] gives.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let parsed = std::str::from_utf8(bytes).ok().and_then(|text| {
            let lines: Vec<&str> = text.split('\n').collect();
            let [_, origin, size, root, epoch, _, _] = lines[..] else { return None };
            let head = format!("{origin}\n{size}\n{root}\n").parse().ok()?;
            let state = Self { head, epoch: epoch.parse().ok()? };
            (state.to_text() == text).then_some(state)
        });
        parsed.ok_or_else(|| Error::tampered(format!("`{PATH}` is damaged")))
    }

    /// The state of a ledger, or `None` if the file does not exist: in a copy without `state/`.
    ///
    /// # Errors
    /// As [`State::parse`].
    pub fn read(store: &dyn Storage) -> Result<Option<Self>, Error> {
        store.read_if_any(PATH)?.map(|bytes| Self::parse(&bytes)).transpose()
    }
}
