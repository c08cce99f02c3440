//! What only shows across crates, in one binary, since each one links all of DataFusion.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod demo;
mod errors;
mod kill;
mod readme;
mod serve;
mod tidy;
mod tool;
mod whole_way;
