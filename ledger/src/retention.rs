//! How long a log keeps its rows: what genesis says, read.

/// Whether `text` can be a log's retention.
pub fn is_duration(text: &str) -> bool {
    days_of(text).is_some()
}

/// The days of an ISO 8601 duration of years, months, weeks and days; a year counts 366 days and a month 31, so that
/// nothing goes too early.
pub(crate) fn days_of(duration: &str) -> Option<i64> {
    let mut rest = duration.strip_prefix('P').filter(|rest| !rest.is_empty())?;
    let mut days = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let each = match unit.chars().next()? {
            'Y' => 366,
            'M' => 31,
            'W' => 7,
            'D' => 1,
            _ => return None,
        };
        days = days.checked_add(number.parse::<i64>().ok()?.checked_mul(each)?)?;
        rest = &unit[1..];
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::days_of;

    #[test]
    fn durations_are_read_or_refused() {
        for (text, days) in [
            ("P6Y", Some(2196)),
            ("P1Y6M", Some(552)),
            ("P90D", Some(90)),
            ("P2W", Some(14)),
            ("P0D", Some(0)),
            ("P", None),
            ("6Y", None),
            ("PT1H", None),
            ("PY", None),
            ("P1.5Y", None),
            ("P99999999999999999999Y", None),
            ("P9223372036854775807Y", None),
        ] {
            assert_eq!(days_of(text), days, "{text}");
        }
    }
}
