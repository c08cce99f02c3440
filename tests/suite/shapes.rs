//! What the tool prints for machines has the shapes that `schemas/json` publishes.

use std::path::Path;

use serde_json::Value;

use crate::tool::{ok, run};
use crate::whole_way::story;

/// The keywords that these schemas use; a schema with another one is a mistake of ours.
const KEYWORDS: &[&str] = &[
    "$schema",
    "$id",
    "title",
    "description",
    "type",
    "enum",
    "const",
    "minimum",
    "required",
    "properties",
    "additionalProperties",
    "items",
];

/// Where and how `value` differs from `schema`, in the part of JSON Schema that is used here.
fn differences(schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    let Value::Object(rules) = schema else {
        assert_eq!(*schema, Value::Bool(false), "a schema is an object, or false");
        return out.push(format!("{at}: must not be there"));
    };
    for (keyword, rule) in rules {
        assert!(KEYWORDS.contains(&keyword.as_str()), "unknown keyword {keyword}");
        let holds = match keyword.as_str() {
            "type" => match rule {
                Value::Array(types) => types.iter().any(|ty| is_a(value, ty)),
                ty => is_a(value, ty),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64() >= rule.as_f64(),
            _ => true,
        };
        if !holds {
            out.push(format!("{at}: {value} against {keyword} {rule}"));
        }
    }
    if let (Value::Array(items), Some(rule)) = (value, rules.get("items")) {
        for (n, item) in items.iter().enumerate() {
            differences(rule, item, &format!("{at}/{n}"), out);
        }
    }
    let Value::Object(fields) = value else { return };
    for name in rules.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            out.push(format!("{at}: {name} is missing"));
        }
    }
    let properties = rules.get("properties").and_then(Value::as_object);
    for (name, field) in fields {
        let rule = properties.and_then(|p| p.get(name)).or(rules.get("additionalProperties"));
        if let Some(rule) = rule {
            differences(rule, field, &format!("{at}/{name}"), out);
        }
    }
}

fn is_a(value: &Value, ty: &Value) -> bool {
    match ty.as_str().unwrap() {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

/// Whether `text` is JSON of the published shape.
pub(crate) fn check(name: &str, text: &str) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = top.join(format!("schemas/json/{name}.v1.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(schema["$id"], format!("urn:backtrail:{name}:1"));
    let value: Value = serde_json::from_str(text).unwrap();
    let mut found = Vec::new();
    differences(&schema, &value, "", &mut found);
    assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
    let mut none = Vec::new();
    differences(
        &schema,
        &Value::Object([("other".to_owned(), value)].into_iter().collect()),
        "",
        &mut none,
    );
    assert!(!none.is_empty(), "{name} accepts anything");
}

#[test]
fn what_the_tool_prints_for_machines_has_its_shape() {
    let dir = tempfile::tempdir().unwrap();
    let ok = |args: &[&str]| ok(dir.path(), args);
    let lines = story();
    std::fs::write(dir.path().join("few.ndjson"), lines[..20].join("\n")).unwrap();
    std::fs::write(dir.path().join("story.ndjson"), lines.join("\n")).unwrap();
    ok(&["init", "ledger", "--origin", "shapes.example/test", "--simulated-clock"]);
    for line in ok(&["ingest", "--ledger", "ledger", "--format", "ndjson", "few.ndjson"]).lines() {
        check("receipt", line);
    }
    check("ingest", &ok(&["ingest", "--ledger", "ledger", "--format", "json", "story.ndjson"]));
    check("ingest", &ok(&["quarantine", "retry", "--ledger", "ledger", "--format", "json"]));
    check("verify", &ok(&["verify", "ledger", "--vkey", "ledger.vkey", "--json"]));
    let metrics = ["metrics", "--ledger", "ledger", "--period", "2026-Q3", "--format", "json"];
    check("metrics", &ok(&metrics));
    for (kind, what) in [("soc2", ["--period", "2026-Q3"]), ("monthly", ["--period", "2026-09"])] {
        ok(&[&["report", kind, "--ledger", "ledger", "--out", kind], &what[..]].concat());
        let report = std::fs::read_to_string(dir.path().join(kind).join("report.json")).unwrap();
        check("report", &report);
    }
    let head = dir.path().join("ledger/checkpoint");
    let note = std::fs::read_to_string(&head).unwrap();
    std::fs::write(&head, note.replacen("shapes.example", "shades.example", 1)).unwrap();
    let ran = run(dir.path(), ["verify", "ledger", "--vkey", "ledger.vkey", "--json"]);
    assert_ne!(ran.exit, 0);
    check("verify", &ran.out);
}
