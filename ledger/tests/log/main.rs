//! The ledger from outside: writing, reading, faults and tampering.

mod support;
mod write;
