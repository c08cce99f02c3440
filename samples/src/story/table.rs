//! How the tables of facts are read, and what is made up from a name: times, ids, digests.

use backtrail_schemas::Timestamp;
use backtrail_schemas::id::event_id;

/// The rows of a table: what stands between spaces, without comments and empty lines.
pub(crate) fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_whitespace().collect())
}

/// A cell that may be `-` for nothing.
pub(crate) fn some(cell: &'static str) -> Option<&'static str> {
    (cell != "-").then_some(cell)
}

/// A day `MM-DD` of the story's year and a time `HH:MM` or `HH:MM:SS`.
pub(crate) fn at(day: &str, time: &str) -> Timestamp {
    let seconds = if time.len() == "HH:MM".len() { ":00" } else { "" };
    Timestamp::parse_rfc3339(&format!("2026-{day}T{time}{seconds}Z"))
        .expect("the tables of the story hold days and times")
}

/// `MM-DDTHH:MM` of the story's year.
pub(crate) fn instant(text: &str) -> Timestamp {
    let (day, time) = text.split_once('T').expect("the tables of the story write MM-DDTHH:MM");
    at(day, time)
}

/// So many seconds later, or earlier if negative.
pub(crate) fn later(from: Timestamp, seconds: i64) -> Timestamp {
    from.plus_seconds(seconds).expect("the story lies in 2026")
}

/// RFC 3339 with whole seconds, as most vendors write.
pub(crate) fn iso(at: Timestamp) -> String {
    at.to_string().replace(".000000Z", "Z")
}

/// `digits` hex digits that belong to `label`: commits, digests, uids.
pub(crate) fn hex(label: &str, digits: usize) -> String {
    let mut out = String::new();
    for block in 0.. {
        if out.len() >= digits {
            break;
        }
        let id = event_id("story", "", label, &block.to_string(), "");
        out.push_str(id.trim_start_matches("story:"));
    }
    out.truncate(digits);
    out
}

/// A number of nine digits that belongs to `label`, as vendors number their objects.
pub(crate) fn number(label: &str) -> u64 {
    let low = u64::from_str_radix(&hex(label, 12), 16).expect("hex digits");
    100_000_000 + low % 900_000_000
}

/// A UUID that belongs to `label`.
pub(crate) fn uuid(label: &str) -> String {
    let h = hex(label, 32);
    format!("{}-{}-4{}-8{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
}

/// A text of a table, with its spaces back.
pub(crate) fn prose(cell: &str) -> String {
    cell.replace('_', " ")
}
