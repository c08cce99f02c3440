//! What an event is: fields, limits, canonical bytes, Arrow columns, JSON Schema.
//!
//! Read in this order: [`columns`] is the table that everything is made from, [`event`] one row of it, [`leaf`] the
//! bytes that are signed, [`rows`] the same rows as Arrow batches, [`draft`] what a mapper hands to the ledger.

pub mod columns;
pub mod docs;
pub mod draft;
pub mod error;
pub mod event;
pub mod id;
pub mod json;
pub mod kinds;
pub mod leaf;
pub mod limits;
pub mod rows;
pub mod time;

pub use draft::{Delivery, Draft, Identity, Mapped, Reception, Reject};
pub use error::Error;
pub use event::{Event, Value};
pub use time::Timestamp;
