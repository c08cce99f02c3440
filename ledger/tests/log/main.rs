//! The ledger from outside: writing, reading, faults and tampering.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod bytes;
mod faults;
mod forge;
mod support;
mod upkeep;
mod write;
