//! How a delivery becomes events: parse, map, deduplicate, quarantine.
//!
//! Read in this order: [`read`] turns files into deliveries, [`mapper`] a delivery into drafts and rejects, one module
//! of `sources` per source, and [`run`] hands both to the ledger. [`table`] says what each source gives.

pub mod context;
mod conventions;
mod document;
mod facts;
pub mod limits;
pub mod mapper;
mod node;
mod recognise;
mod sources;
mod words;

pub use context::{Context, Mode};
pub use mapper::{Mapper, map, mappers};
