//! The tests of intake, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod cluster_traps;
mod golden;
mod identity;
mod mangled;
mod notifications;
mod reading;
mod running;
mod support;
mod traps;
