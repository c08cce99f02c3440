//! Numbers, times and durations as a page shows them. Everything is rounded here, once, and nowhere else.

use std::fmt::Write;

use backtrail_schemas::Timestamp;
use serde_json::Value;

/// Appends formatted text.
pub(crate) fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes all text");
}

/// A count with thin groups of three: `12 345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `2026-10-05 10:00:00`, cut to seconds; what it is printed beside says UTC.
pub fn time(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-10-01` for a midnight, else as [`time`].
pub fn instant(at: Timestamp) -> String {
    let text = time(at);
    text.strip_suffix(" 00:00:00").map_or_else(|| text.clone(), str::to_owned)
}

/// A window, its end exclusive: `2026-10-01 to 2026-11-01 (UTC)`. The instants are in UTC, whatever zone cut them.
pub fn window(from: Timestamp, to: Timestamp, zone: &str) -> String {
    let cut = if zone == "UTC" { String::new() } else { format!(", cut in {zone}") };
    format!("{} to {} (UTC{cut})", instant(from), instant(to))
}

/// `5 Oct 2026`.
pub fn date(at: Timestamp) -> String {
    at.to_datetime().format("%-d %b %Y").to_string()
}

/// A duration in the two largest units that say something: `1 h 5 min`, `45 s`, `2 d 3 h`; cut, not rounded up.
pub fn duration(us: i64) -> String {
    let sign = if us < 0 { "−" } else { "" };
    let seconds = us.unsigned_abs() / 1_000_000;
    let (d, h, m, s) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let parts = [(d, "d"), (h, "h"), (m, "min"), (s, "s")];
    let Some(first) = parts.iter().position(|(n, _)| *n > 0) else {
        return if us == 0 {
            "0 s".to_owned()
        } else {
            format!("{sign}{} ms", us.unsigned_abs() / 1000)
        };
    };
    let shown = parts[first..].iter().take(2).filter(|(n, _)| *n > 0);
    let texts: Vec<String> = shown.map(|(n, unit)| format!("{n}\u{a0}{unit}")).collect();
    format!("{sign}{}", texts.join(" "))
}

/// A decimal text with at most three decimals, half to even, without the zeros at its end.
pub fn decimal(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (kept, rest) = fraction.split_at_checked(3).unwrap_or((fraction, ""));
    let digits = format!("{whole}{kept:0<3}");
    let Ok(thousandths) = digits.parse::<i64>() else { return text.to_owned() };
    let rest = rest.trim_end_matches('0');
    let up = rest > "5" || rest == "5" && thousandths % 2 != 0;
    let rounded = thousandths.abs() + i64::from(up);
    let sign = if text.starts_with('-') && rounded != 0 { "−" } else { "" };
    let shown = format!("{sign}{}.{:03}", rounded / 1000, rounded % 1000);
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A ratio of six decimals as percent with one, half to even.
pub fn percent(ratio: &str) -> String {
    let Some(millionths) = ratio
        .split_once('.')
        .and_then(|(whole, fraction)| format!("{whole}{fraction:0<6}").parse::<u64>().ok())
    else {
        return ratio.to_owned();
    };
    let (tenths, rest) = (millionths / 1000, millionths % 1000);
    let up = rest > 500 || rest == 500 && tenths % 2 != 0;
    let tenths = tenths + u64::from(up);
    format!("{}.{}\u{a0}%", tenths / 10, tenths % 10)
}

/// `n` of something, with its plural.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n as u64), if n == 1 { one } else { many })
}

/// A cell of a result: times and durations are recognised by their column's name.
pub fn cell(column: &str, value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::Bool(b) => (if *b { "yes" } else { "no" }).to_owned(),
        Value::Number(n) => match n.as_i64() {
            Some(us) if column.ends_with("_us") => duration(us),
            _ => n.to_string(),
        },
        Value::String(text) => match text.parse() {
            Ok(at) if column.ends_with("_at") => time(at),
            _ => text.clone(),
        },
        Value::Array(list) => {
            let texts: Vec<String> = list.iter().map(|v| cell("", v)).collect();
            texts.join(", ")
        }
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(k, v)| format!("{k} {}", cell("", v))).collect();
            pairs.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_say_two_units() {
        for (us, want) in [
            (0, "0 s"),
            (999, "0 ms"),
            (1_500_000, "1\u{a0}s"),
            (65_000_000, "1\u{a0}min 5\u{a0}s"),
            (3_600_000_000, "1\u{a0}h"),
            (3_659_000_000, "1\u{a0}h"),
            (-90_000_000, "−1\u{a0}min 30\u{a0}s"),
            (187_200_000_000, "2\u{a0}d 4\u{a0}h"),
        ] {
            assert_eq!(duration(us), want);
        }
    }

    #[test]
    fn ratios_are_percent() {
        for (ratio, want) in [
            ("1.000000", "100.0\u{a0}%"),
            ("0.642857", "64.3\u{a0}%"),
            ("0.000500", "0.0\u{a0}%"),
            ("0.001500", "0.2\u{a0}%"),
            ("none", "none"),
        ] {
            assert_eq!(percent(ratio), want);
        }
    }

    #[test]
    fn counts_are_grouped_and_decimals_rounded() {
        assert_eq!(
            [count(0), count(999), count(12_345), count(1_000_000)].join("|"),
            "0|999|12\u{202f}345|1\u{202f}000\u{202f}000"
        );
        for (text, want) in [
            ("0.000000", "0"),
            ("1.000000", "1"),
            ("0.923076", "0.923"),
            ("0.215500", "0.216"),
            ("0.214500", "0.214"),
            ("0.999600", "1"),
            ("12", "12"),
            ("-0.000100", "0"),
            ("-1.500", "−1.5"),
            ("x", "x"),
        ] {
            assert_eq!(decimal(text), want);
        }
    }
}
