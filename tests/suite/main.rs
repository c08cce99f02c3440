//! What only shows across crates, in one binary, since each one links all of DataFusion.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod answers;
mod beside;
mod complete;
mod crowd;
mod demo;
mod emit;
mod errors;
mod formats;
mod intake;
mod intake_bounds;
mod keys;
mod kill;
mod mapping;
mod pages;
mod people;
mod poll;
mod poll_sources;
mod polled;
mod readme;
mod returns;
mod rules;
mod serve;
mod serving;
mod shapes;
mod tidy;
mod tool;
mod upkeep;
mod whole_way;
mod witness;
