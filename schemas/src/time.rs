//! Instants: UTC, microseconds, from 1970 to 9999.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Utc};

use crate::error::Error;
use crate::limits::TIMESTAMP_MAX_US;

/// An instant in UTC with microsecond resolution, 1970-01-01 to the end of 9999.
///
/// Its text is always `YYYY-MM-DDTHH:MM:SS.ffffffZ`, so text order is time order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `us` microseconds after 1970-01-01T00:00:00Z, if it lies in range.
    pub fn from_micros(us: i64) -> Option<Self> {
        (0..=TIMESTAMP_MAX_US).contains(&us).then_some(Self(us))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The instant `seconds` later, or `None` past the end of the range.
    pub fn plus_seconds(self, seconds: i64) -> Option<Self> {
        Self::from_micros(self.0.checked_add(seconds.checked_mul(1_000_000)?)?)
    }

    /// Reads RFC 3339 with any offset. Finer fractions are cut towards the past and second 60 becomes 59.999999.
    ///
    /// # Errors
    /// The text is not RFC 3339, or the instant lies outside 1970 to 9999.
    pub fn parse_rfc3339(text: &str) -> Result<Self, Error> {
        let bad = || Error::time(text);
        let leap = text.get(17..19) == Some("60");
        let plain = if leap {
            format!("{}59.999999{}", &text[..17], offset_of(text))
        } else {
            text.to_owned()
        };
        let at = DateTime::parse_from_rfc3339(&plain).map_err(|_| bad())?;
        Self::from_datetime(at.with_timezone(&Utc)).ok_or_else(bad)
    }

    /// The instant of a `chrono` time, cut to microseconds towards the past.
    pub fn from_datetime(at: DateTime<Utc>) -> Option<Self> {
        let us = at.timestamp().checked_mul(1_000_000)?;
        Self::from_micros(
            us.checked_add(i64::from(at.timestamp_subsec_nanos().min(999_999_999) / 1000))?,
        )
    }

    /// The same instant for calendar arithmetic.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).expect("the range is narrower than chrono's")
    }
}

/// What follows the seconds and their fraction: `Z` or an offset.
fn offset_of(text: &str) -> &str {
    text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit())
}

impl Timestamp {
    /// The canonical text. Every row has several, so it is not left to a general formatter.
    pub(crate) fn to_bytes(self) -> [u8; 27] {
        let date = self.to_datetime().date_naive();
        let of_day = self.0.cast_unsigned() % 86_400_000_000;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (end, value) in [
            (4, date.year().unsigned_abs()),
            (7, date.month()),
            (10, date.day()),
            (13, (of_day / 3_600_000_000) as u32),
            (16, (of_day / 60_000_000 % 60) as u32),
            (19, (of_day / 1_000_000 % 60) as u32),
            (26, (of_day % 1_000_000) as u32),
        ] {
            let (mut at, mut rest) = (end, value);
            while rest > 0 {
                at -= 1;
                text[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_bytes()).expect("digits and signs"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads the canonical text only: 27 characters, six decimals, `Z`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let at = Self::parse_rfc3339(text)?;
        if at.to_string() == text { Ok(at) } else { Err(Error::time(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_read_and_cut() {
        for (text, want) in [
            ("2026-10-01T00:00:00Z", "2026-10-01T00:00:00.000000Z"),
            ("2026-10-01t02:00:00.1234569+02:00", "2026-10-01T00:00:00.123456Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
            ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text).unwrap().to_string(), want);
        }
    }

    #[test]
    fn the_text_is_chronos() {
        let days = (0..).step_by(86_399_123_457).take_while(|us| *us <= TIMESTAMP_MAX_US);
        for us in days.step_by(97).chain([0, TIMESTAMP_MAX_US]) {
            let at = Timestamp::from_micros(us).unwrap();
            let chronos = at.to_datetime().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            assert_eq!(at.to_string(), chronos);
        }
    }

    #[test]
    fn what_is_no_instant_of_ours_is_refused() {
        for text in [
            "",
            "2026-10-01",
            "1969-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "é026-10-01T00:00:60Z",
        ] {
            assert!(Timestamp::parse_rfc3339(text).is_err(), "{text}");
        }
        assert!("2026-10-01T00:00:00Z".parse::<Timestamp>().is_err());
    }
}
