//! The tests of intake, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authenticate;
mod cluster;
mod cluster_traps;
mod coverage;
mod damage;
mod envelopes;
mod forges;
mod fuzz;
mod golden;
mod identity;
mod incidents;
mod mangled;
mod notifications;
mod privacy;
mod reading;
mod repeated;
mod rules;
mod running;
mod sizes;
mod support;
mod traps;
