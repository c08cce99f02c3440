//! How much one source may send: a bucket of tokens that fills by itself.

use std::sync::{Mutex, PoisonError};

/// One token a delivery; a second's worth may come at once.
pub(super) struct Bucket {
    rate_per_s: f64,
    state: Mutex<State>,
}

struct State {
    tokens: f64,
    at_us: i64,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(rate_per_s: u32) -> Self {
        let rate_per_s = f64::from(rate_per_s);
        Self { rate_per_s, state: Mutex::new(State { tokens: rate_per_s, at_us: 0 }) }
    }

    /// Takes a token at `now_us` of a clock that does not go back, or says in how many seconds there is one.
    pub(super) fn take(&self, now_us: i64) -> Result<(), u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_us = u32::try_from((now_us - state.at_us).max(0)).unwrap_or(u32::MAX);
        let filled = f64::from(passed_us) / 1e6 * self.rate_per_s;
        state.tokens = (state.tokens + filled).min(self.rate_per_s);
        state.at_us = now_us;
        if state.tokens < 1.0 {
            // The slowest rate is one a second, so that a second is always enough.
            return Err(1);
        }
        state.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        for rate in [1_u32, 3, 500] {
            let bucket = Bucket::new(rate);
            let taken = |at_s: i64| {
                let tries = (0..2_000).map(|_| bucket.take(at_s * 1_000_000));
                tries.flatten().count()
            };
            assert_eq!(taken(0), rate as usize, "what may come at once");
            assert_eq!(taken(1), rate as usize, "a second later");
            assert_eq!(taken(1), 0, "nothing more in the same second");
            assert_eq!(taken(1_000), rate as usize, "a pause is not saved up");
        }
    }
}
