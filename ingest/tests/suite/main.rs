//! The tests of intake, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authenticate;
mod golden;
mod identity;
mod mangled;
mod reading;
mod running;
mod support;
mod traps;
