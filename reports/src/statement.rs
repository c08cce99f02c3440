//! The SQL of a control as it is run: placeholders filled in, and the rules that it must keep.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::integrity::Integrity;
use crate::pack::Control;

/// The tables that a control may read.
pub const TABLES: &[&str] = &[
    "approval_rows",
    "cooldowns",
    "deployment_rows",
    "deployments",
    "events",
    "facts",
    "incidents",
    "integrity",
    "parameters",
    "person_directories",
    "reapplies",
    "rollback_rows",
    "rollbacks",
    "services",
    "slot_history",
    "source_days",
    "source_gaps",
    "source_statements",
];

/// `sql` with `$reasons`, `$integrity` and the control's parameters filled in: what runs, what a page prints, and what
/// an auditor runs again.
///
/// # Errors
/// A placeholder has no value.
pub fn fill(
    sql: &str,
    control: &Control,
    parameters: &BTreeMap<String, i64>,
    integrity: &Integrity,
) -> Result<String, Error> {
    let mut out = String::with_capacity(sql.len() * 2);
    let mut rest = sql;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let name: &str = word_at(&rest[at + 1..]);
        match (name, parameters.get(name)) {
            ("reasons", _) => out.push_str(&reasons(control)),
            ("integrity", _) => out.push_str(&checks(integrity)),
            (_, Some(value)) => out.push_str(&value.to_string()),
            (_, None) => {
                return Err(Error::reject(format!("{}: no parameter `{name}`", control.id)));
            }
        }
        rest = &rest[at + 1 + name.len()..];
    }
    out.push_str(rest);
    Ok(out)
}

fn reasons(control: &Control) -> String {
    let row = |r: &crate::pack::Reason| {
        format!("    ({}, {}, {})", quoted(&r.code), quoted(r.status.word()), quoted(&r.meaning))
    };
    let rows: Vec<String> = control.reasons.iter().map(row).collect();
    format!("(values\n{}\n  ) as r (reason_code, status, reason)", rows.join(",\n"))
}

fn checks(integrity: &Integrity) -> String {
    let row = |c: &crate::integrity::Check| {
        format!("    ({}, {}, {}, {})", quoted(c.id), quoted(c.question), c.examined, c.findings)
    };
    let rows: Vec<String> = integrity.checks().iter().map(row).collect();
    format!("(values\n{}\n  ) as i (item_id, question, examined, findings)", rows.join(",\n"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn word_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// Everything that is wrong with the control's SQL; empty if it keeps the rules: one read-only query over the tables it
/// names, all placeholders declared, nothing that depends on the clock or on chance, nothing approximate, a total order,
/// and every reason code it gives declared.
pub fn lint(control: &Control) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut reads = BTreeSet::new();
    for (name, sql) in [("sql", &control.sql), ("count.sql", &control.count_sql)] {
        let tokens = tokens(sql);
        let here = |what: String| format!("{}.{name}: {what}", control.id);
        reads.extend(tables_of(&tokens));
        for token in &tokens {
            if let Token::Word(word) = token
                && (FORBIDDEN.contains(&word.as_str()) || word.starts_with("approx_"))
            {
                wrong.push(here(format!(
                    "`{word}` is not repeatable, not exact, or does more than read"
                )));
            }
            if let Token::Placeholder(p) = token
                && !control.parameters.contains_key(p)
                && !["reasons", "integrity"].contains(&p.as_str())
            {
                wrong.push(here(format!("`${p}` is not declared")));
            }
        }
        if tokens.contains(&Token::Mark(';')) {
            wrong.push(here("more than one statement".to_owned()));
        }
    }
    let ends = ["order", "by", "j", "item_id"].map(|w| Token::Word(w.to_owned()));
    let last: Vec<Token> =
        tokens(&control.sql).into_iter().filter(|t| *t != Token::Mark('.')).collect();
    if !last.ends_with(&ends) {
        wrong.push(format!("{}.sql: does not end with `order by j.item_id`", control.id));
    }
    wrong.extend(undeclared(control, &reads));
    wrong
}

fn undeclared(control: &Control, reads: &BTreeSet<String>) -> Vec<String> {
    let id = &control.id;
    let declared: BTreeSet<String> = control.reads.iter().cloned().collect();
    let mut wrong: Vec<String> = reads
        .symmetric_difference(&declared)
        .map(|table| format!("{id}: `{table}` is read but not declared, or declared but not read"))
        .collect();
    wrong.extend(
        reads
            .iter()
            .filter(|table| !TABLES.contains(&table.as_str()))
            .map(|table| format!("{id}: `{table}` is not a table that controls may read")),
    );
    let given: BTreeSet<String> = codes(&control.sql);
    let listed: BTreeSet<String> = control.reasons.iter().map(|r| r.code.clone()).collect();
    wrong.extend(given.symmetric_difference(&listed).map(|code| {
        format!("{id}: reason `{code}` is given but not declared, or declared but not given")
    }));
    wrong
}

/// The codes that the last `case` of a control can give: texts after `then` and `else` in capitals.
fn codes(sql: &str) -> BTreeSet<String> {
    let is_code = |t: &str| {
        !t.is_empty()
            && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let arm = |pair: &[Token]| match pair {
        [Token::Word(w), Token::Text(t)] if (w == "then" || w == "else") && is_code(t) => {
            Some(t.clone())
        }
        _ => None,
    };
    tokens(sql).windows(2).filter_map(arm).collect()
}

/// Names after `from` and `join` that are not named by a `with` of the same statement.
fn tables_of(tokens: &[Token]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut read = BTreeSet::new();
    for window in tokens.windows(3) {
        match window {
            [Token::Word(name), Token::Word(word), Token::Mark('(')] if word == "as" => {
                named.insert(name.clone());
            }
            // `is distinct from x.y` reads a column, not a table.
            [Token::Word(word), Token::Word(name), after]
                if (word == "from" || word == "join") && *after != Token::Mark('.') =>
            {
                read.insert(name.clone());
            }
            [Token::Word(word), Token::Placeholder(name), _]
                if (word == "from" || word == "join") && name == "integrity" =>
            {
                read.insert(name.clone());
            }
            _ => {}
        }
    }
    if let [.., Token::Word(word), Token::Word(name)] = tokens
        && word == "from"
    {
        read.insert(name.clone());
    }
    if let [.., Token::Word(word), Token::Placeholder(name)] = tokens
        && word == "from"
    {
        read.insert(name.clone());
    }
    read.retain(|name| !named.contains(name));
    read
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Placeholder(String),
    Mark(char),
}

/// The tokens of `sql`, words in lower case, comments left out.
fn tokens(sql: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let (token, used) = match c {
            '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            '\'' => {
                let end = rest[1..].find('\'').map_or(rest.len() - 1, |at| at + 1);
                (Some(Token::Text(rest[1..end].to_owned())), end + 1)
            }
            '$' => {
                let name = word_at(&rest[1..]);
                (Some(Token::Placeholder(name.to_owned())), 1 + name.len())
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let word = word_at(rest);
                (Some(Token::Word(word.to_ascii_lowercase())), word.len())
            }
            c if c.is_whitespace() => (None, c.len_utf8()),
            c => (Some(Token::Mark(c)), c.len_utf8()),
        };
        out.extend(token);
        rest = &rest[used.min(rest.len())..];
    }
    out
}

/// Words that a control's SQL may not use: they depend on the clock or on chance, or do more than read.
const FORBIDDEN: &[&str] = &[
    "now",
    "current_date",
    "current_time",
    "current_timestamp",
    "today",
    "random",
    "uuid",
    "insert",
    "update",
    "delete",
    "create",
    "drop",
    "copy",
    "set",
    "limit",
    "tablesample",
    "float",
    "double",
    "real",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;

    #[test]
    fn every_control_of_the_pack_keeps_the_rules() {
        for control in &pack::core().controls {
            assert_eq!(lint(control), Vec::<String>::new());
        }
    }

    #[test]
    fn each_rule_can_be_broken() {
        for (from, to, want) in [
            ("order by j.item_id", "", "does not end with"),
            ("order by j.item_id", "order by j.item_id limit 5", "`limit`"),
            ("bool_or(", "approx_distinct(", "`approx_distinct`"),
            ("w.window_start", "now()", "`now`"),
            ("$recorded_within_s", "$recorded_within", "`$recorded_within` is not declared"),
            ("from deployments as d", "from log as d", "`log` is not a table"),
            ("'WITHDRAWN'", "'GONE'", "`GONE`"),
            ("select count(*)", "; select count(*)", "more than one statement"),
        ] {
            let mut control = pack::core().control("CHG-02").unwrap().clone();
            control.sql = control.sql.replace(from, to);
            control.count_sql = control.count_sql.replace(from, to);
            let found = lint(&control).join("\n");
            assert!(found.contains(want), "{to}: {found}");
        }
    }

    #[test]
    fn what_runs_has_no_placeholder_left() {
        let control = pack::core().control("LOG-02").unwrap();
        let integrity = Integrity { levels: vec!["head".into()], ..Integrity::default() };
        let sql = fill(&control.sql, control, &BTreeMap::new(), &integrity).unwrap();
        assert!(
            !sql.contains('$')
                && sql.contains("('signature', ")
                && sql.contains("as r (reason_code")
        );
        let chg = pack::core().control("CHG-02").unwrap();
        assert!(fill(&chg.sql, chg, &BTreeMap::new(), &integrity).is_err());
    }
}
