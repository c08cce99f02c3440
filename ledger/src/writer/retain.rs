//! Pruning: whole segments whose rows are all older than the log must keep.

use backtrail_schemas::Timestamp;
use backtrail_schemas::rows::Rows;

use super::Ledger;
use crate::error::Error;
use crate::index::key;
use crate::log::Cache;
use crate::pruned::{self, Kept, Pruning};
use crate::retention::days_of;
use crate::segment::{chain, rows_of};
use crate::snapshot::frontier_at;
use crate::tiles::TileReader;
use crate::tlog::hash::sha256;
use crate::tlog::inclusion_proof;
use crate::vault;

/// Microseconds of a day.
const DAY_US: i64 = 24 * 3600 * 1_000_000;

impl Ledger {
    /// Prunes the segments whose rows were all recorded before `before`, or, without it, before what the log's policy lets
    /// go. Returns the row that the log now begins at, or `None` if nothing is old enough.
    ///
    /// # Errors
    /// `Reject` if `before` is younger than the policy allows; otherwise as [`Ledger::publish`].
    pub fn retain(&mut self, before: Option<Timestamp>) -> Result<Option<u64>, Error> {
        self.guarded(|ledger| {
            // A clock that jumped ahead would make everything old.
            ledger.check_clock()?;
            let limit = ledger.policy_limit()?;
            let before = before.unwrap_or(limit);
            if before > limit {
                let policy = &ledger.log.retention;
                return Err(Error::reject(format!(
                    "the log keeps rows for {policy}: nothing after {limit} may be pruned"
                )));
            }
            let Some(seals) = ledger.older_than(before)? else { return Ok(None) };
            ledger.prune(seals, before).map(Some)
        })
    }

    /// The newest instant that the policy lets go.
    fn policy_limit(&self) -> Result<Timestamp, Error> {
        let policy = &self.log.retention;
        let days = days_of(policy).ok_or_else(|| {
            Error::reject(format!("the log's retention `{policy}` is no duration"))
        })?;
        let now = self.entry_time();
        let limit = days.checked_mul(DAY_US).and_then(|us| now.micros().checked_sub(us));
        // Nothing was recorded before 1970.
        Ok(limit
            .and_then(Timestamp::from_micros)
            .unwrap_or(Timestamp::from_micros(0).expect("1970")))
    }

    /// How many of the first segments have only rows from before `before`.
    fn older_than(&mut self, before: Timestamp) -> Result<Option<usize>, Error> {
        let mut count = 0;
        for seal in self.log.seals.clone() {
            // `recorded_at` never goes back, so the last row is the newest.
            let last = self.log.row(&*self.store, seal.rows.end - 1)?.timestamp("recorded_at");
            if last.is_none_or(|last| last >= before) {
                break;
            }
            count += 1;
        }
        Ok((count > 0).then_some(count))
    }

    fn prune(&mut self, seals: usize, before: Timestamp) -> Result<u64, Error> {
        // 1. What stays of the rows. A crash here leaves a file that no entry names: the next start removes it.
        let pruning = self.keep(seals)?;
        // 2. The entry. A crash before it is published leaves everything readable as it was.
        let (before, policy) = (before.to_string(), self.log.retention.clone());
        let fields = pruning.fields();
        let mut fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        fields.extend([("before", before.as_str()), ("policy", policy.as_str())]);
        self.push_entry("retention_prune", &pruned::path(pruning.end), &fields)?;
        self.flush()?;
        self.publish_head(false)?;
        // 3. From here on the log begins at `end`. A crash leaves files of pruned rows: the next start removes them.
        self.log.seals.drain(..seals);
        let end = pruning.end;
        self.log.pruned = end;
        self.log.kept = Some(pruning);
        self.log.cache = Cache::default();
        self.remove_pruned()?;
        Ok(end)
    }

    /// Writes the file of what stays.
    fn keep(&self, seals: usize) -> Result<Pruning, Error> {
        let (store, origin) = (&*self.store, &self.log.origin);
        let mut kept =
            self.log.kept.clone().map_or_else(|| Ok(Kept::default()), |p| p.open(store, origin))?;
        for seal in &self.log.seals[..seals] {
            for batch in chain::open(store, seal)?.batches()? {
                let rows = Rows::new(&batch?)?;
                for at in 0..rows.len() {
                    let event = rows.event(at)?;
                    let seq = kept.keys.len() as u64;
                    kept.keys.push(key(event.text("event_id").unwrap_or_default()));
                    if event.text("kind") == Some(backtrail_schemas::kinds::LEDGER) {
                        kept.leaves.insert(seq, rows.leaf(at)?);
                    }
                }
            }
        }
        let end = kept.keys.len() as u64;
        let tiles = TileReader::new(store, end);
        let bytes = kept.to_bytes(origin, |seq| inclusion_proof(seq, end, &tiles))?;
        let root = frontier_at(store, end)?.root();
        let pruning = Pruning { end, root, sha256: sha256(&bytes), bytes: bytes.len() as u64 };
        store.remove(&pruned::path(end))?;
        store.create(&[(pruned::path(end), bytes)])?;
        // What is read back has every row, and proofs that hold.
        pruning.open(store, origin)?;
        Ok(pruning)
    }

    /// Removes the files of rows that were pruned, and what a pruning that was interrupted left.
    pub(super) fn remove_pruned(&mut self) -> Result<(), Error> {
        let end = self.log.pruned;
        for (path, _) in self.store.list("pruned")? {
            if pruned::end_of(&path).is_some_and(|other| other != end) {
                self.store.remove(&path)?;
            }
        }
        if end == 0 {
            return Ok(());
        }
        for folder in ["segments", "vault", "quarantine"] {
            for (path, _) in self.store.list(folder)? {
                let segment = rows_of(&path).is_some_and(|(rows, _)| rows.end <= end);
                let block = vault::first_of(&path, vault::path)
                    .or_else(|| vault::first_of(&path, vault::quarantine_path));
                if segment || block.is_some_and(|first| first < end) {
                    self.store.remove(&path)?;
                }
            }
        }
        Ok(())
    }
}
