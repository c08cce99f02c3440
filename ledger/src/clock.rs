//! The wall clock, as a trait: this crate never asks the operating system for the time.

use backtrail_schemas::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Microseconds since some fixed moment, by a clock that nobody can set; `None` where there is none. With it a wall
    /// clock that was moved forward is noticed between two calls.
    fn elapsed_us(&self) -> Option<i64> {
        None
    }
}
