//! The bytes of a delivery, within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limits::BODY_PATIENCE_S;
use super::refusal::Refusal;

/// A body in memory, with its part of the budget.
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    budget: OwnedSemaphorePermit,
}

impl Held {
    /// Holds `bytes` in the place of what they were made from.
    pub(super) fn replace(
        &mut self,
        bytes: Vec<u8>,
        budget: &Arc<Semaphore>,
    ) -> Result<(), Refusal> {
        self.budget.merge(take(budget, bytes.len())?);
        self.bytes = bytes;
        Ok(())
    }
}

fn take(budget: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(budget).try_acquire_many_owned(bytes as u32).map_err(|_| Refusal::Busy)
}

/// Refuses a body whose announced length is too large, before anything of it is read.
pub(super) fn announced(headers: &HeaderMap, bytes_max: usize) -> Result<(), Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
    if length.is_some_and(|bytes: u64| bytes > bytes_max as u64) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// Reads `body`. Memory is taken from `budget`, in bytes, as they come.
pub(super) async fn read(
    body: Body,
    bytes_max: usize,
    budget: &Arc<Semaphore>,
) -> Result<Held, Refusal> {
    let reading = gather(body, bytes_max, budget);
    timeout(Duration::from_secs(BODY_PATIENCE_S), reading).await.map_err(|_| Refusal::Slow)?
}

async fn gather(
    mut body: Body,
    bytes_max: usize,
    budget: &Arc<Semaphore>,
) -> Result<Held, Refusal> {
    let (mut bytes, mut held) = (Vec::new(), take(budget, 0)?);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Incomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(Refusal::TooLarge);
        }
        held.merge(take(budget, data.len())?);
        bytes.extend_from_slice(&data);
    }
    Ok(Held { bytes, budget: held })
}
