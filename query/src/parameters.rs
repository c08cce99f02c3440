//! The thresholds of the definitions, by name (metrics, corner case 32).

use std::collections::BTreeMap;

use crate::error::Error;
use crate::limits::DURATION_US_MAX;

/// One threshold.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The name, as in `--param name=value`.
    pub name: &'static str,
    /// What it decides.
    pub meaning: &'static str,
    default: Value,
}

/// The value of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A duration in microseconds.
    Duration(i64),
    /// A number in millionths.
    Number(i64),
}

/// All thresholds with the values of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters(BTreeMap<&'static str, Value>);

impl Parameters {
    /// The defaults, with `given` put over them.
    ///
    /// # Errors
    /// A name that is none of [`DEFINITIONS`], or a value that is not a duration such as `24h`, `15min`, `30d`, or (for
    /// `burn_threshold`) not a decimal number.
    pub fn new(given: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut values: BTreeMap<_, _> = DEFINITIONS.iter().map(|d| (d.name, d.default)).collect();
        for (name, text) in given {
            let definition = DEFINITIONS.iter().find(|d| d.name == name).ok_or_else(|| {
                Error::unknown("parameter", name, DEFINITIONS.iter().map(|d| d.name))
            })?;
            values.insert(definition.name, parse(definition, text)?);
        }
        Ok(Self(values))
    }

    /// Every threshold in order of its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Value)> {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    /// The duration called `name`, in microseconds.
    pub fn duration_us(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Duration(us)) => Some(*us),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    /// A form that [`Parameters::new`] reads back, with the largest unit that is exact.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Duration(us) => {
                let (unit, size) =
                    UNITS.iter().find(|(_, size)| us % size == 0).unwrap_or(&("us", 1));
                write!(f, "{}{unit}", us / size)
            }
            Self::Number(millionths) => {
                let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

fn parse(definition: &Definition, text: &str) -> Result<Value, Error> {
    let bad = |want: &str| {
        Error::query(format!("parameter `{}`: `{text}` is not {want}", definition.name))
    };
    match definition.default {
        Value::Duration(_) => parse_duration(text)
            .map(Value::Duration)
            .ok_or_else(|| bad("a duration").with_hint("write it like 24h, 15min, 30d, 5s")),
        Value::Number(_) => parse_millionths(text)
            .map(Value::Number)
            .ok_or_else(|| bad("a number of at most six decimals")),
    }
}

/// `<whole number><unit>`; a bare `m` is refused, since it could be minutes or months.
fn parse_duration(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let size = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<i64>().ok()?.checked_mul(size).filter(|us| *us <= DURATION_US_MAX)
}

fn parse_millionths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let millionths: i64 = format!("{fraction:0<6}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths)
}

/// Units of a duration, largest first.
const UNITS: &[(&str, i64)] = &[
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

const fn minutes(name: &'static str, n: i64, meaning: &'static str) -> Definition {
    Definition { name, meaning, default: Value::Duration(n * 60_000_000) }
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// Every threshold, with its default.
pub const DEFINITIONS: &[Definition] = &[
    minutes(
        "oscillation_window",
        24 * HOUR,
        "longest absence of a version whose return is a flip or a cycle",
    ),
    minutes(
        "relapse_window",
        60,
        "after a rollback, how long a second one or a reopening undoes its success",
    ),
    minutes("hold", 15, "how long SLIs must stay in target to count as recovered"),
    minutes("verify_deadline", 60, "how soon after a rollback a hold must begin"),
    minutes(
        "reopen_window",
        24 * HOUR,
        "how long after its end an incident reopens instead of recurring",
    ),
    minutes(
        "failure_horizon",
        24 * HOUR,
        "how long after going live a failure is the deployment's",
    ),
    minutes("cooldown", 4 * HOUR, "how long after a rollback a slot should rest"),
    minutes("coalesce", 30, "how far apart rollbacks of several slots are still one episode"),
    minutes("postmortem_deadline", 48 * HOUR, "how soon after closing a postmortem is due"),
    minutes("late_after", 15, "how long after its occurrence a recorded event is late"),
    minutes(
        "link_window",
        24 * HOUR,
        "how long before an incident a deployment may be blamed by time",
    ),
    Definition {
        name: "disorder",
        meaning: "how much two clocks may disagree before an incident is invalid",
        default: Value::Duration(5_000_000),
    },
    minutes("slo_period", 30 * DAY, "the period of an error budget"),
    Definition {
        name: "burn_threshold",
        meaning: "the burn rate that alerts",
        default: Value::Number(2_000_000),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str) -> Result<Parameters, Error> {
        Parameters::new(&BTreeMap::from([(name.to_owned(), text.to_owned())]))
    }

    #[test]
    fn values_are_read_and_printed_alike() {
        for (name, text, shown) in [
            ("cooldown", "4h", "4h"),
            ("cooldown", "90min", "90min"),
            ("cooldown", "120min", "2h"),
            ("cooldown", "0s", "0d"),
            ("slo_period", "28d", "28d"),
            ("hold", "1500ms", "1500ms"),
            ("burn_threshold", "14.4", "14.4"),
            ("burn_threshold", "2", "2"),
        ] {
            let parameters = with(name, text).unwrap();
            let value = parameters.iter().find(|(n, _)| *n == name).unwrap().1;
            assert_eq!(value.to_string(), shown);
            assert_eq!(with(name, shown).unwrap(), parameters);
        }
    }

    #[test]
    fn mistakes_are_explained() {
        assert_eq!(with("cooldwn", "4h").unwrap_err().hint(), Some("did you mean cooldown?"));
        for (name, text) in [
            ("hold", "15"),
            ("hold", "15m"),
            ("hold", "-1h"),
            ("hold", "1e3s"),
            ("hold", "999999999d"),
            ("burn_threshold", "2h"),
            ("burn_threshold", "1.1234567"),
        ] {
            assert!(with(name, text).is_err(), "{name}={text}");
        }
    }
}
