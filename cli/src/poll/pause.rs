//! How long to wait before the next request, by what the last answer said: pure.

use std::time::Duration;

use super::limits::BACKOFF;

/// What an answer says about when to ask again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// `Retry-After`: seconds, or a date.
    pub(super) retry_after: Option<String>,
    /// How many requests are left.
    pub(super) remaining: Option<u64>,
    /// When there are more again: seconds since 1970, or from now.
    pub(super) reset: Option<u64>,
}

/// The names that sources give these headers: GitHub and Datadog, GitLab and `PagerDuty`, Sentry.
const REMAINING: &[&str] =
    &["x-ratelimit-remaining", "ratelimit-remaining", "x-sentry-rate-limit-remaining"];
const RESET: &[&str] = &["x-ratelimit-reset", "ratelimit-reset", "x-sentry-rate-limit-reset"];

/// Numbers from here on are instants (2001), smaller ones are spans.
const INSTANT_MIN: u64 = 1_000_000_000;

impl Limits {
    /// The limits in these headers.
    pub(super) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number =
            |names: &[&str]| names.iter().find_map(|name| header(name)?.trim().parse().ok());
        Self {
            retry_after: header("retry-after").map(str::to_owned),
            remaining: number(REMAINING),
            reset: number(RESET),
        }
    }

    /// The pause that the source asks for, if it does. `now_s` is the time in seconds since 1970.
    pub(super) fn asked(&self, now_s: i64) -> Option<Duration> {
        let now = u64::try_from(now_s).unwrap_or(0);
        if let Some(text) = &self.retry_after {
            let date = || chrono::DateTime::parse_from_rfc2822(text.trim()).ok();
            let seconds = text.trim().parse::<u64>().ok();
            let until = || date().map(|at| u64::try_from(at.timestamp() - now_s).unwrap_or(0));
            return seconds.or_else(until).map(Duration::from_secs);
        }
        let reset = self.reset.filter(|_| self.remaining == Some(0))?;
        let span = if reset < INSTANT_MIN { reset } else { reset.saturating_sub(now) };
        // A source counts whole seconds: one more is surely after.
        Some(Duration::from_secs(span.saturating_add(1)))
    }
}

/// The pause before attempt `failed + 1`, where the source asks for none.
pub(super) fn backoff(failed: u32) -> Duration {
    BACKOFF * 2_u32.saturating_pow(failed.saturating_sub(1))
}

/// Whether the same question may be answered later.
pub(super) fn is_passing(status: u16, limits: &Limits) -> bool {
    let limited = status == 403 && (limits.retry_after.is_some() || limits.remaining == Some(0));
    limited || matches!(status, 408 | 425 | 429 | 500 | 502..=504)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(headers: &[(&str, &str)]) -> Limits {
        Limits::read(|name| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value))
    }

    #[test]
    fn each_source_says_when_in_its_own_way() {
        let now = 1_746_000_000;
        for (headers, want) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", "Wed, 30 Apr 2025 08:00:30 GMT")], Some(30)),
            (&[("retry-after", "Wed, 30 Apr 2025 07:00:00 GMT")], Some(0)),
            (&[("retry-after", "soon")], None),
            // GitHub: an instant. Datadog, PagerDuty: a span. GitLab: an instant.
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1746000059")], Some(60)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "59")], Some(60)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "9")], Some(10)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "1745000000")], Some(1)),
            (
                &[
                    ("x-sentry-rate-limit-remaining", "0"),
                    ("x-sentry-rate-limit-reset", "1746000009"),
                ],
                Some(10),
            ),
            (&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "59")], None),
            (&[("x-ratelimit-remaining", "0")], None),
            (&[], None),
        ] {
            assert_eq!(limits(headers).asked(now), want.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn only_what_passes_is_asked_for_again() {
        let none = Limits::default();
        let limited = limits(&[("x-ratelimit-remaining", "0")]);
        let passing = |status| is_passing(status, &none);
        assert!([408, 429, 500, 502, 503, 504].into_iter().all(passing));
        assert!(![200, 301, 400, 401, 403, 404, 422, 501].into_iter().any(passing));
        assert!(is_passing(403, &limited) && !is_passing(404, &limited));
        assert_eq!([1, 2, 3].map(backoff).map(|d| d.as_secs()), [1, 2, 4]);
    }
}
