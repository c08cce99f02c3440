//! The comment at the top of a `.sql` file, read as fields (`-- name: text`).

/// The text of field `name` in the leading comment of `sql`. Lines that continue a field start with `--` and at least two
/// spaces.
pub(crate) fn field(sql: &str, name: &str) -> Option<String> {
    let mut lines = sql.lines().map_while(|line| line.strip_prefix("--"));
    let first = lines.find_map(|line| {
        let (found, text) = line.split_once(':')?;
        (found.trim() == name && !found.starts_with("  ")).then(|| text.trim().to_owned())
    })?;
    let more = lines.take_while(|line| line.starts_with("  ")).map(str::trim);
    Some(more.fold(first, |text, line| format!("{text} {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_go_on() {
        let sql = "-- view:  events\n-- shows: one\n--        two: and three\n-- reads: log\nselect 1 -- shows: no\n";
        assert_eq!(field(sql, "view").as_deref(), Some("events"));
        assert_eq!(field(sql, "shows").as_deref(), Some("one two: and three"));
        assert_eq!(field(sql, "reads").as_deref(), Some("log"));
        assert_eq!(field(sql, "two"), None);
    }
}
