//! How many deliveries lie in quarantine, from its files: other commands put some there, and take them away.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use backtrail_ledger::frame::Frames;
use backtrail_ledger::vault::QUARANTINED;

use super::limits::QUARANTINE_INTERVAL;
use super::metrics::Metrics;

/// Counts from time to time, beside everything else.
pub(super) fn watch(dir: &Path, metrics: Arc<Metrics>) {
    let mut files = Files { folder: dir.join("quarantine"), counted: BTreeMap::new() };
    std::thread::spawn(move || {
        let mut told = None;
        loop {
            let failed = match files.count() {
                Ok(count) => {
                    metrics.quarantine.set(count);
                    None
                }
                Err(e) => Some(e.to_string()),
            };
            if let Some(error) = failed.as_deref().filter(|_| failed != told) {
                tracing::warn!(error, "the quarantine cannot be counted");
            }
            told = failed;
            std::thread::sleep(QUARANTINE_INTERVAL);
        }
    });
}

struct Files {
    folder: PathBuf,
    /// How many each file had, when it was as long and as old.
    counted: BTreeMap<PathBuf, (u64, SystemTime, u64)>,
}

impl Files {
    /// Reads the files that changed, one at a time.
    fn count(&mut self) -> io::Result<u64> {
        let mut now = BTreeMap::new();
        let listed = match std::fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
            listed => listed?,
        };
        for entry in listed {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "quarantine") {
                continue;
            }
            let meta = std::fs::metadata(&path)?;
            let (length, changed) = (meta.len(), meta.modified()?);
            let known = self.counted.get(&path);
            let known = known.filter(|(l, c, _)| (*l, *c) == (length, changed));
            let count = match known {
                Some((.., count)) => *count,
                None => deliveries(&std::fs::read(&path)?),
            };
            now.insert(path, (length, changed, count));
        }
        self.counted = now;
        Ok(self.counted.values().map(|(.., count)| count).sum())
    }
}

/// Those that were not erased. An append that is under way ends them.
fn deliveries(bytes: &[u8]) -> u64 {
    Frames::new(bytes).filter(|frame| frame.kind == QUARANTINED).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_as_they_come_change_and_go() {
        let name = format!("backtrail-quarantine-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut files = Files { folder: folder.clone(), counted: BTreeMap::new() };
        assert_eq!(files.count().unwrap(), 0);
        std::fs::create_dir(&folder).unwrap();
        let write = |name: &str, kinds: &[u8]| {
            let mut bytes = Vec::new();
            for kind in kinds {
                backtrail_ledger::frame::push(&mut bytes, *kind, b"{}");
            }
            std::fs::write(folder.join(name), bytes).unwrap();
        };
        write("1.quarantine", b"HQQ");
        write("2.quarantine", b"HQ");
        write("2.quarantine.new", b"HQQQQ");
        assert_eq!(files.count().unwrap(), 3);
        write("2.quarantine", b"HQqQ");
        assert_eq!(files.count().unwrap(), 4);
        std::fs::remove_file(folder.join("1.quarantine")).unwrap();
        assert_eq!(files.count().unwrap(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
