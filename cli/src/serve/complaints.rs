//! What goes wrong with deliveries and connections is counted all and logged now and then: a flood must not fill the
//! system's log.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::limits::COMPLAINT_US;

/// When was one logged, and how many were not since.
#[derive(Default)]
pub(super) struct Complaints {
    next_us: AtomicI64,
    silent: AtomicU64,
}

impl Complaints {
    /// One more at `now_us`. `Some` if it should be logged, with how many before it were not.
    pub(super) fn one_more(&self, now_us: i64) -> Option<u64> {
        let next = self.next_us.load(Ordering::Relaxed);
        let due = now_us >= next;
        let first = |next| {
            let later = now_us + COMPLAINT_US;
            let order = Ordering::Relaxed;
            self.next_us.compare_exchange(next, later, order, order).is_ok()
        };
        if due && first(next) {
            return Some(self.silent.swap(0, Ordering::Relaxed));
        }
        self.silent.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second_is_logged_and_the_others_are_counted() {
        let complaints = Complaints::default();
        assert_eq!(complaints.one_more(5), Some(0));
        assert!((0..10).all(|n| complaints.one_more(5 + n).is_none()));
        assert_eq!(complaints.one_more(5 + COMPLAINT_US), Some(10));
    }
}
