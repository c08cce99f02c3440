//! One writer, several threads: appends that wait at the same time share one wait for the disk.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Kind};
use crate::intake::{Receipt, Submission};
use crate::writer::Ledger;

/// A ledger that several threads append to.
pub struct SharedLedger {
    ledger: Mutex<Ledger>,
    /// What waits for whoever holds the ledger next. Each thread has at most one request here.
    waiting: Mutex<Vec<Waiting>>,
}

struct Waiting {
    submissions: Vec<Submission>,
    answer: SyncSender<Result<Vec<Receipt>, Error>>,
}

impl SharedLedger {
    /// Shares `ledger`.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger: Mutex::new(ledger), waiting: Mutex::default() }
    }

    /// The ledger itself, alone.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        // A panic in another thread is a bug; the ledger rebuilds itself from disk after a step that did not end.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Ledger::append`]: durable when it returns.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn append(&self, submissions: Vec<Submission>) -> Result<Vec<Receipt>, Error> {
        let (answer, answered) = sync_channel(1);
        self.queue().push(Waiting { submissions, answer });
        // Whoever gets the ledger appends what everybody waits for; those that were waited for by somebody else go.
        let mut ledger = self.lock();
        if let Ok(answer) = answered.try_recv() {
            return answer;
        }
        let group = std::mem::take(&mut *self.queue());
        let (requests, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|one| (one.submissions, one.answer)).unzip();
        for (to, answer) in answers.iter().zip(append_each(&mut ledger, requests)) {
            // Who asked waits for the answer, or has ended.
            let _ = to.send(answer);
        }
        drop(ledger);
        answered.recv().unwrap_or_else(|_| Err(Error::new(Kind::Reopen, "the append did not end")))
    }

    /// Appends several requests with one wait for the disk, and answers each.
    pub fn append_each(&self, requests: Vec<Vec<Submission>>) -> Vec<Result<Vec<Receipt>, Error>> {
        append_each(&mut self.lock(), requests)
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends a group at once. If one of its requests is refused, each is tried alone, so that it fails nobody else's.
fn append_each(
    ledger: &mut Ledger,
    requests: Vec<Vec<Submission>>,
) -> Vec<Result<Vec<Receipt>, Error>> {
    let counts: Vec<usize> = requests.iter().map(Vec::len).collect();
    let all: Vec<Submission> = requests.into_iter().flatten().collect();
    let alone = (counts.len() > 1).then(|| all.clone());
    match (ledger.append(all), alone) {
        (Ok(receipts), _) => {
            let mut receipts = receipts.into_iter();
            counts.iter().map(|count| Ok(receipts.by_ref().take(*count).collect())).collect()
        }
        (Err(e), Some(all)) if e.kind() == Kind::Reject => {
            let mut all = all.into_iter();
            let mut append = |count| ledger.append(all.by_ref().take(count).collect());
            counts.into_iter().map(&mut append).collect()
        }
        (Err(e), _) => vec![Err(e); counts.len()],
    }
}
