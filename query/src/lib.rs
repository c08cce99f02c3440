//! What the events say: views and metrics as SQL over one checkpoint.
//!
//! Read in this order: [`Source`] is what is asked, [`Options`] how, [`Session`] answers; `views/*.sql` make entities of
//! events, `metrics/*.sql` make numbers of entities, [`Rows`] is an answer and knows how to be written.

mod catalog;
mod cell;
pub mod error;
mod header;
pub mod limits;
mod metric_rows;
pub mod metrics;
pub mod output;
pub mod parameters;
pub mod period;
mod runs;
pub mod session;
pub mod source;
mod statement;
pub mod udaf;
pub mod udf;
pub mod views;

pub use chrono_tz::Tz;
pub use error::{Error, Kind};
pub use metrics::{Metric, MetricFilter};
pub use output::{Format, Rows};
pub use parameters::Parameters;
pub use period::{Period, Window};
pub use session::{Options, Session};
pub use source::Source;
