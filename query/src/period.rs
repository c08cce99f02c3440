//! Calendar periods, cut in a time zone.

use backtrail_schemas::Timestamp;
use chrono::{DateTime, Datelike, Duration, Months, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::error::Error;

/// The half-open span `[from, to)` of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant inside.
    pub from: Timestamp,
    /// First instant after.
    pub to: Timestamp,
}

/// A window and what the person called it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The text, such as `2026-Q3`.
    pub label: String,
    /// What it means in the zone that it was parsed for.
    pub window: Window,
}

impl Period {
    /// Reads `2026`, `2026-Q3`, `2026-10` or `FROM..TO`, whose ends are dates or RFC 3339 instants, the end exclusive.
    ///
    /// # Errors
    /// The text is none of these, or the period is empty or outside 1970 to 9999.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, Error> {
        let window = match text.split_once("..") {
            Some((from, to)) => {
                Window { from: end_of(from, text, zone)?, to: end_of(to, text, zone)? }
            }
            None => calendar(text, zone).ok_or_else(|| refuse(text))?,
        };
        if window.from >= window.to {
            return Err(Error::query(format!("period `{text}` is empty"))
                .with_hint("the end is exclusive and must be later than the start"));
        }
        Ok(Self { label: text.to_owned(), window })
    }

    /// The last month of `zone` that had ended at `as_of`.
    ///
    /// # Errors
    /// There is none since 1970.
    pub fn last_complete_month(as_of: Timestamp, zone: Tz) -> Result<Self, Error> {
        let local = as_of.to_datetime().with_timezone(&zone).date_naive();
        let month = local.with_day(1).and_then(|first| first.checked_sub_months(Months::new(1)));
        let label = month.map(|m| m.format("%Y-%m").to_string()).unwrap_or_default();
        Self::parse(&label, zone).map_err(|_| {
            Error::query(format!("no month had ended at {as_of}")).with_hint("give a period")
        })
    }

    /// The span.
    pub fn window(&self) -> Window {
        self.window
    }
}

fn refuse(text: &str) -> Error {
    Error::query(format!("`{text}` is not a period"))
        .with_hint("use 2026, 2026-Q3, 2026-10 or 2026-10-01..2026-10-15")
}

/// A year, quarter or month.
fn calendar(text: &str, zone: Tz) -> Option<Window> {
    let (year, rest) = text.split_at_checked(4)?;
    let year: i32 = digits(year)?;
    let (month, months) = match rest.strip_prefix('-') {
        None if rest.is_empty() => (1, 12),
        Some(part) => match part.strip_prefix('Q') {
            Some(quarter) if quarter.len() == 1 => {
                (digits::<u32>(quarter)?.checked_sub(1)?.checked_mul(3)? + 1, 3)
            }
            None if part.len() == 2 => (digits(part)?, 1),
            _ => return None,
        },
        None => return None,
    };
    let from = NaiveDate::from_ymd_opt(year, month, 1)?;
    let to = from.checked_add_months(Months::new(months))?;
    Some(Window { from: start_of_day(from, zone)?, to: start_of_day(to, zone)? })
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// One end of `FROM..TO`.
fn end_of(text: &str, whole: &str, zone: Tz) -> Result<Timestamp, Error> {
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    match date() {
        Some(date) => start_of_day(date, zone).ok_or_else(|| refuse(whole)),
        None => Timestamp::parse_rfc3339(text).map_err(|_| refuse(whole)),
    }
}

/// The first instant of a local day. Where clocks jump over midnight it is the instant of the jump, where midnight comes
/// twice it is the first one.
fn start_of_day(date: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let midnight = date.and_hms_opt(0, 0, 0)?;
    let found =
        (0..=MINUTES_SKIPPED_MAX).find_map(|m| earliest(midnight + Duration::minutes(m), zone))?;
    Timestamp::from_datetime(found)
}

fn earliest(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    zone.from_local_datetime(&local).earliest().map(|at| at.with_timezone(&Utc))
}

/// Clocks have jumped by up to a whole day (Samoa, 30 December 2011).
const MINUTES_SKIPPED_MAX: i64 = 25 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, zone: &str, from: &str, to: &str) {
        let window = Period::parse(text, zone.parse().unwrap()).unwrap().window;
        let shown = (window.from.to_string(), window.to.to_string());
        assert_eq!(shown, (format!("{from}.000000Z"), format!("{to}.000000Z")), "{text} {zone}");
    }

    #[test]
    fn periods_are_cut_in_their_zone() {
        check("2026", "UTC", "2026-01-01T00:00:00", "2027-01-01T00:00:00");
        check("2026-Q3", "UTC", "2026-07-01T00:00:00", "2026-10-01T00:00:00");
        check("2026-12", "UTC", "2026-12-01T00:00:00", "2027-01-01T00:00:00");
        check("2026-10", "Europe/Berlin", "2026-09-30T22:00:00", "2026-10-31T23:00:00");
        check("2026-03", "America/New_York", "2026-03-01T05:00:00", "2026-04-01T04:00:00");
        check(
            "2026-10-01..2026-10-02",
            "Asia/Kolkata",
            "2026-09-30T18:30:00",
            "2026-10-01T18:30:00",
        );
        check(
            "2026-10-01T00:00:00+02:00..2026-10-02",
            "UTC",
            "2026-09-30T22:00:00",
            "2026-10-02T00:00:00",
        );
    }

    #[test]
    fn a_day_without_midnight_starts_at_the_jump() {
        check(
            "2018-11-04..2018-11-05",
            "America/Sao_Paulo",
            "2018-11-04T03:00:00",
            "2018-11-05T02:00:00",
        );
        check(
            "2011-12-30..2012-01-01",
            "Pacific/Apia",
            "2011-12-30T10:00:00",
            "2011-12-31T10:00:00",
        );
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "", "26", "2026-13", "2026-Q5", "2026-Q0", "2026-1", "2026-Q03", "2026/10", "+026",
            "1969",
        ] {
            assert!(Period::parse(text, Tz::UTC).is_err(), "{text}");
        }
        for text in
            ["2026-10-02..2026-10-01", "2026-10-01..2026-10-01", "..", "2026-10-01..", "x..y"]
        {
            assert!(Period::parse(text, Tz::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_is_the_last_month_that_had_ended() {
        for (as_of, zone, want) in [
            ("2026-11-01T00:00:00Z", "UTC", "2026-10"),
            ("2026-10-31T23:59:59Z", "UTC", "2026-09"),
            ("2026-10-31T23:00:00Z", "Europe/Berlin", "2026-10"),
            ("2026-01-15T00:00:00Z", "UTC", "2025-12"),
        ] {
            let as_of = Timestamp::parse_rfc3339(as_of).unwrap();
            assert_eq!(
                Period::last_complete_month(as_of, zone.parse().unwrap()).unwrap().label,
                want
            );
        }
    }
}
