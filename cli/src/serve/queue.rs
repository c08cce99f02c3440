//! From waiting deliveries to rows: one thread appends what waits together, with one wait for the disk.

use std::sync::Arc;
use std::thread::JoinHandle;

use backtrail_ledger::{Error, Receipt, SharedLedger, Submission};
use tokio::sync::{mpsc, oneshot};

use super::limits::{GROUP_BYTES_MAX, GROUP_MAX, QUEUE_MAX};

/// What is durable, and the checkpoint that covers it, if one was asked for.
pub(super) struct Kept {
    pub(super) receipts: Vec<Receipt>,
    pub(super) checkpoint: Option<u64>,
}

/// The deliveries that wait for the ledger.
pub(super) struct Queue {
    sender: mpsc::Sender<Waiting>,
}

struct Waiting {
    submissions: Vec<Submission>,
    publish: bool,
    answer: oneshot::Sender<Result<Kept, Error>>,
}

/// Why nothing was kept.
pub(super) enum NotKept {
    /// Too many wait already.
    Busy,
    /// The ledger says why.
    Ledger(Error),
}

impl Queue {
    /// A queue before `ledger`. Its thread ends when the queue is dropped and everything in it was answered.
    pub(super) fn start(ledger: Arc<SharedLedger>) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        (Self { sender }, std::thread::spawn(move || append(&ledger, receiver)))
    }

    /// Waits until `submissions` are durable, or published.
    pub(super) async fn keep(
        &self,
        submissions: Vec<Submission>,
        publish: bool,
    ) -> Result<Kept, NotKept> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { submissions, publish, answer };
        self.sender.try_send(waiting).map_err(|_| NotKept::Busy)?;
        // Without an answer the thread is gone: only a bug ends it before the queue.
        answered.await.map_err(|_| NotKept::Busy)?.map_err(NotKept::Ledger)
    }
}

fn append(ledger: &SharedLedger, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.blocking_recv() {
        let (mut requests, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(one) = next {
            bytes += one.submissions.iter().map(|s| s.delivery.body.len()).sum::<usize>();
            requests.push(one.submissions);
            answers.push((one.publish, one.answer));
            let full = requests.len() >= GROUP_MAX || bytes >= GROUP_BYTES_MAX;
            next = if full { None } else { waiting.try_recv().ok() };
        }
        let kept = ledger.append_each(requests);
        let asked = answers.iter().any(|(publish, _)| *publish);
        let published = asked.then(|| ledger.lock().publish().map(|head| head.size));
        for ((publish, answer), receipts) in answers.into_iter().zip(kept) {
            let checkpoint = published.clone().filter(|_| publish).transpose();
            let kept = receipts.and_then(|receipts| Ok(Kept { receipts, checkpoint: checkpoint? }));
            // Who asked waits for the answer, or has gone: what was kept stays.
            let _ = answer.send(kept);
        }
    }
}
