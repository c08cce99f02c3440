//! What the product prints for the story is what a person worked out by hand: every number of `samples/story/ANSWERS.md`,
//! asked for with the command that stands below it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use backtrail_samples::answers::{ANSWERS, Answer, parse};
use serde_json::{Map, Value};

use crate::tool::ok;
use crate::whole_way::story;

/// One row that a command printed.
type Row = Map<String, Value>;

#[test]
fn the_product_prints_every_number_of_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path());
    let answers = parse(ANSWERS).unwrap().answers;
    assert_eq!(answers.len(), ANSWERS.matches("\nvalue: ").count(), "a number is not parsed");
    let mut printed = BTreeMap::new();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for answer in &answers {
        let rows = printed.entry(&answer.ask).or_insert_with(|| ask(dir.path(), &answer.ask));
        wrong.extend(differences(answer, rows));
        compared += 1;
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(compared, answers.len());
}

/// A ledger of the story, and the tool by its own name.
fn ledger(dir: &Path) {
    std::fs::write(dir.join("story.ndjson"), story().join("\n")).unwrap();
    ok(dir, ["init", "ledger", "--origin", "story.example/test", "--simulated-clock"]);
    ok(dir, ["ingest", "--ledger", "ledger", "story.ndjson"]);
    std::fs::create_dir(dir.join("bin")).unwrap();
    let tool = env!("CARGO_BIN_EXE_backtrail-under-test");
    std::os::unix::fs::symlink(tool, dir.join("bin/backtrail")).unwrap();
}

/// Runs the line as a person would, in a shell, and reads the rows.
fn ask(dir: &Path, line: &str) -> Vec<Row> {
    let path = dir.join("bin");
    let output = Command::new("sh")
        .args(["-euc", &format!("PATH={}:$PATH\n{line} --format ndjson", path.display())])
        .env("BACKTRAIL_LEDGER", dir.join("ledger"))
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|row| serde_json::from_str(row).unwrap()).collect()
}

/// The value, and what it was computed from: how many were counted, hit, still going, left out.
fn differences(answer: &Answer, rows: &[Row]) -> Vec<String> {
    let name = &answer.name;
    let mut fitting = rows.iter().filter(|row| is_of(answer, row));
    let (Some(row), None) = (fitting.next(), fitting.next()) else {
        return vec![format!("{name}: `{}` prints no row for it, or several", answer.ask)];
    };
    let mut expected = vec![(answer.field.as_str(), answer.value.parse::<f64>().unwrap())];
    let number = |n: usize| f64::from(u32::try_from(n).unwrap());
    let [items, hits, censored] =
        [answer.items.len(), answer.hits.len(), answer.censored.len()].map(number);
    if row.contains_key("excluded_by") {
        match answer.formula.split(' ').next().unwrap() {
            "ratio" | "per_100" => expected.extend([("numerator", hits), ("denominator", items)]),
            "per_day" => expected.push(("numerator", items)),
            "sum" | "mean" | "max" | "percentile" => expected.push(("n", items)),
            "km" => expected.extend([("n", items), ("censored", censored)]),
            _ => {}
        }
    }
    let mut wrong: Vec<String> = expected
        .iter()
        .filter(|(column, want)| row[*column].as_f64() != Some(*want))
        .map(|(column, want)| format!("{name}: {column} is {}, not {want}", row[*column]))
        .collect();
    if row.contains_key("excluded_by") && excluded(row) != answer.excluded {
        wrong.push(format!("{name}: excluded {:?}, not {:?}", excluded(row), answer.excluded));
    }
    wrong
}

/// Whether the row is the one that the answer is about: its service and group, or the total.
fn is_of(answer: &Answer, row: &Row) -> bool {
    let same = |column: &str| {
        row.get(column)
            .is_none_or(|cell| cell.as_str() == answer.filter.get(column).map(String::as_str))
    };
    ["service", "environment", "dimension", "dimension_value"].iter().all(|column| same(column))
}

/// The reasons that occurred, with their counts.
fn excluded(row: &Row) -> BTreeMap<String, u64> {
    let Some(Value::Object(by)) = row.get("excluded_by") else { return BTreeMap::new() };
    let counts = by.iter().map(|(reason, n)| (reason.clone(), n.as_u64().unwrap()));
    counts.filter(|(_, n)| *n > 0).collect()
}
