//! The wall clock.

use std::time::Instant;

use backtrail_ledger::Clock;
use backtrail_schemas::Timestamp;

/// The system's clock, and the time since it was made.
pub(crate) struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where the clock enters")]
        let start = Instant::now();
        Self { start }
    }
}

/// The clock of a simulated ledger before its first delivery: the beginning of time, so that no delivery is late.
pub(crate) struct Beginning;

impl Clock for Beginning {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0).expect("1970 is in range")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is where the clock enters")]
        let now = chrono::Utc::now();
        Timestamp::from_datetime(now).expect("the present lies between 1970 and 9999")
    }

    fn elapsed_us(&self) -> Option<i64> {
        i64::try_from(self.start.elapsed().as_micros()).ok()
    }
}
