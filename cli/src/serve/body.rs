//! The bytes of a delivery, within limits of size, time and memory.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::limits::{BODY_PATIENCE_S, BODY_STEP_BYTES};
use super::refusal::Refusal;
use super::share::Part;

/// A body in memory, with its part of what all bodies may take.
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    pub(super) part: Part,
}

impl Held {
    /// Holds `bytes` in the place of what they were made from.
    pub(super) async fn replace(&mut self, bytes: Vec<u8>) -> Result<(), Refusal> {
        self.room_for(bytes.len()).await?;
        self.bytes = bytes;
        Ok(())
    }

    /// Has so many bytes of memory. It is taken in steps: chunks of one byte cost no more than others.
    async fn room_for(&mut self, bytes: usize) -> Result<(), Refusal> {
        let missing = bytes.saturating_sub(self.part.amount());
        let enough = missing == 0 || self.part.grow(missing.max(BODY_STEP_BYTES)).await;
        if enough { Ok(()) } else { Err(Refusal::Busy) }
    }
}

/// Refuses a body whose announced length is too large, before anything of it is read.
pub(super) fn announced(headers: &HeaderMap, bytes_max: usize) -> Result<(), Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
    if length.is_some_and(|bytes: u64| bytes > bytes_max as u64) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// Reads `body`. Memory is taken from `held` as the bytes come.
pub(super) async fn read(body: Body, bytes_max: usize, held: &mut Held) -> Result<(), Refusal> {
    let reading = gather(body, bytes_max, held);
    timeout(Duration::from_secs(BODY_PATIENCE_S), reading).await.map_err(|_| Refusal::Slow)?
}

async fn gather(mut body: Body, bytes_max: usize, held: &mut Held) -> Result<(), Refusal> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Incomplete)?;
        let Ok(data) = frame.into_data() else { continue };
        if held.bytes.len() + data.len() > bytes_max {
            return Err(Refusal::TooLarge);
        }
        held.room_for(held.bytes.len() + data.len()).await?;
        held.bytes.extend_from_slice(&data);
    }
    Ok(())
}
