//! The tests of intake, in one binary.

mod golden;
mod identity;
mod mangled;
mod reading;
mod support;
mod traps;
