//! The wall clock.

use backtrail_ledger::Clock;
use backtrail_schemas::Timestamp;

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is where the wall clock enters")]
        let now = chrono::Utc::now();
        Timestamp::from_datetime(now).expect("the present lies between 1970 and 9999")
    }
}
