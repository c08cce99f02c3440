//! The forms of time that a rule can read.

use backtrail_schemas::{Reject, Timestamp};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};

use crate::node::{Node, reject};

use super::at::{At, RuleError};

/// How a text or number states an instant.
#[derive(Clone, Debug, Default)]
pub(super) enum Form {
    /// RFC 3339; Go's zero time means never.
    #[default]
    Rfc3339,
    /// Whole units since 1970, of which so many are a second; zero means never.
    Unix(i64),
    /// A form of `chrono`, with the zone of texts that name none.
    Pattern { pattern: String, zone: Option<FixedOffset> },
}

impl Form {
    /// Reads the keys `as` and `zone`.
    pub(super) fn parse(form: Option<&At<'_>>, zone: Option<&At<'_>>) -> Result<Self, RuleError> {
        let form = match (form, zone) {
            (None, Some(zone)) => {
                return Err(zone.error("belongs to a form of time", "add `as = \"%Y-%m-%d …\"`"));
            }
            (None, None) => return Ok(Self::Rfc3339),
            (Some(form), _) => form,
        };
        let plain = match form.text()? {
            "rfc3339" => Self::Rfc3339,
            "unix_s" => Self::Unix(1),
            "unix_ms" => Self::Unix(1_000),
            "unix_ns" => Self::Unix(1_000_000_000),
            pattern => return Self::pattern(form, pattern, zone),
        };
        match zone {
            Some(zone) => Err(zone.error("is known by the form already", "leave it out")),
            None => Ok(plain),
        }
    }

    /// A form is good if it brings a whole instant back.
    fn pattern(form: &At<'_>, pattern: &str, zone: Option<&At<'_>>) -> Result<Self, RuleError> {
        const HINT: &str = "write rfc3339, unix_s, unix_ms, unix_ns, or a form such as \"%Y-%m-%d %H:%M:%S\" with `zone = \"UTC\"`, or with %z";
        let zone = zone.map(offset).transpose()?;
        let this = Self::Pattern { pattern: pattern.to_owned(), zone };
        if !pattern.contains('%') || StrftimeItems::new(pattern).any(|item| item == Item::Error) {
            return Err(form.error(format_args!("`{pattern}` is no form of time"), HINT));
        }
        let probe = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        let text = probe.with_timezone(&zone.unwrap_or(UTC)).format(pattern).to_string();
        let whole = this.instant(&text).is_some_and(|at| at.micros() / 60_000_000 == 28_333_333);
        let zoned = DateTime::parse_from_str(&text, pattern).is_ok();
        match (whole, zoned, zone) {
            (true, zoned, zone) if zoned != zone.is_some() => Ok(this),
            (true, true, _) => Err(form.error("reads a zone, and `zone` states one", HINT)),
            _ => Err(form.error("gives no date, time and zone together", HINT)),
        }
    }

    /// The instant that a text states.
    fn instant(&self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => Timestamp::parse_rfc3339(text).ok(),
            Self::Unix(per_second) => {
                let units: i64 = text.parse().ok()?;
                let micros = i128::from(units) * 1_000_000 / i128::from(*per_second);
                Timestamp::from_micros(i64::try_from(micros).ok()?)
            }
            Self::Pattern { pattern, zone: None } => {
                let at = DateTime::parse_from_str(text, pattern).ok()?;
                Timestamp::from_datetime(at.with_timezone(&Utc))
            }
            Self::Pattern { pattern, zone: Some(zone) } => {
                let at = NaiveDateTime::parse_from_str(text, pattern).ok()?;
                let at = at.and_local_timezone(*zone).single()?;
                Timestamp::from_datetime(at.with_timezone(&Utc))
            }
        }
    }

    /// The time at `node`, if there is one.
    pub(super) fn read(&self, node: &Node<'_>) -> Result<Option<Timestamp>, Reject> {
        if matches!(self, Self::Rfc3339) {
            return node.time();
        }
        let text = match self {
            Self::Unix(_) => node.id()?.filter(|units| units != "0"),
            _ => node.text()?.map(str::to_owned),
        };
        let Some(text) = text else { return Ok(None) };
        match self.instant(&text) {
            Some(at) => Ok(Some(at)),
            None => Err(node.refuse("bad_time", &format!("is no time in the form {self}"))),
        }
    }
}

impl Form {
    /// The instant that lies the duration at `node` after `at`, in the units of the form.
    pub(super) fn later(&self, at: Timestamp, node: &Node<'_>) -> Result<Timestamp, Reject> {
        let units = node.integer()?.ok_or_else(|| node.missing())?;
        let Self::Unix(per_second) = self else {
            return Err(node.refuse("bad_time", "has no unit"));
        };
        let micros = i128::from(units) * 1_000_000 / i128::from(*per_second);
        let sum = i64::try_from(i128::from(at.micros()) + micros).ok();
        let later = sum.and_then(Timestamp::from_micros).filter(|later| *later >= at);
        later.ok_or_else(|| node.refuse("bad_time", "is no duration"))
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rfc3339 => f.write_str("rfc3339"),
            Self::Unix(1) => f.write_str("unix_s"),
            Self::Unix(1_000) => f.write_str("unix_ms"),
            Self::Unix(_) => f.write_str("unix_ns"),
            Self::Pattern { pattern, .. } => f.write_str(pattern),
        }
    }
}

const UTC: FixedOffset = FixedOffset::east_opt(0).expect("zero is an offset");

/// `UTC` or `+HH:MM`; a zone whose offset changes would make some times ambiguous.
fn offset(at: &At<'_>) -> Result<FixedOffset, RuleError> {
    let text = at.text()?;
    if text == "UTC" {
        return Ok(UTC);
    }
    text.parse::<FixedOffset>().ok().filter(|_| text.len() == 6).ok_or_else(|| {
        at.error(
            format_args!("`{text}` is no fixed zone"),
            "write \"UTC\" or an offset such as \"+02:00\"",
        )
    })
}

/// When a delivery arrived, for events that say no time of their own.
pub(super) fn received(at: Option<Timestamp>) -> Result<Timestamp, Reject> {
    at.ok_or_else(|| {
        let why =
            "the event has no time of its own, and nobody recorded when it arrived (`received_at`)";
        reject("missing_field", why)
    })
}
