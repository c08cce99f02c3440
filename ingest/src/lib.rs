//! How a delivery becomes events: parse, map, deduplicate, quarantine.
//!
//! Read in this order: [`read`] turns files into deliveries, [`mapper`] a delivery into drafts and rejects, one module
//! of `sources` or file of `ingest/rules` per source, and [`run`] hands both to the ledger. [`table`] says what each source gives.

pub mod authenticate;
pub mod context;
mod conventions;
pub mod docs;
mod document;
pub mod error;
mod facts;
mod kube;
pub mod limits;
pub mod mapper;
mod node;
pub mod push;
pub mod read;
mod recognise;
pub mod retry;
pub mod rules;
pub mod run;
mod snapshot;
mod sources;
pub mod statement;
pub mod table;
mod words;

pub use context::{Context, Labels, Mode, Settings};
pub use error::Error;
pub use mapper::{Mapper, map, mappers};
pub use retry::{Retry, retry};
pub use rules::{Rule, RuleError, Rules};
pub use run::{Options, Totals, dry_run, run};
pub use table::{Source, sources};
