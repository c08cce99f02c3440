//! The ledger from outside: writing, reading, faults and tampering.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says how much it tried")]

mod attacks;
mod bytes;
mod faults;
mod forge;
mod index;
mod keys;
mod mutations;
mod resources;
mod since;
mod socket;
mod support;
mod upkeep;
mod write;
