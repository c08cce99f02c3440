//! The files that are made from the column table. `just generate` writes them; a test fails when one is stale.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use crate::columns::{COLUMNS, Column, REQUIRED, Role, SEQ, Type};
use crate::event::PROFILE;
use crate::kinds::KINDS;
use crate::limits::{INTEGER_MAX, LEAF_BYTES_MAX};

/// The generated files: path from the top of the project, and content.
pub fn generated_files() -> Vec<(&'static str, String)> {
    vec![("schemas/json/event.v1.json", event_json_schema()), ("docs/events.md", events_page())]
}

/// The JSON Schema of a leaf.
fn event_json_schema() -> String {
    let columns = COLUMNS.iter().filter(|c| c.name != SEQ);
    let properties: Map<String, Json> = columns.map(|c| (c.name.to_owned(), property(c))).collect();
    let phases: Vec<Json> = KINDS
        .iter()
        .map(|(kind, phases)| {
            json!({
                "if": { "properties": { "kind": { "const": kind } } },
                "then": { "properties": { "phase": { "enum": phases } } },
            })
        })
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:backtrail:event:1",
        "title": "Backtrail event",
        "description": format!("One leaf of the log, profile {PROFILE}. At most {LEAF_BYTES_MAX} bytes in canonical form."),
        "type": "object",
        "additionalProperties": false,
        "required": REQUIRED,
        "properties": properties,
        "allOf": phases,
    });
    let mut text = serde_json::to_string_pretty(&schema).expect("JSON of strings and numbers");
    text.push('\n');
    text
}

fn property(column: &Column) -> Json {
    let text = json!({ "type": "string", "minLength": 1 });
    let mut property = match column.ty {
        Type::String => text,
        Type::Integer => {
            json!({ "type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX })
        }
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Timestamp => json!({
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$",
        }),
        Type::StringList => json!({ "type": "array", "minItems": 1, "items": text }),
        Type::StringMap => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[a-z][a-z0-9_.]{0,127}$" },
            "additionalProperties": text,
        }),
    };
    let person = r"^(person:[a-z2-7]{26}|(bot|vendor):.+)$";
    match column.role {
        Role::Plain => {}
        Role::Vocabulary(words) => property["enum"] = json!(words),
        Role::Person => property["pattern"] = json!(person),
        Role::PersonSet => {
            property["items"]["pattern"] = json!(person);
            property["uniqueItems"] = json!(true);
        }
        Role::Set => property["uniqueItems"] = json!(true),
        Role::Commitment => property["pattern"] = json!("^hmac-sha256:[0-9a-f]{64}$"),
        Role::Decimal => property["pattern"] = json!(r"^-?[0-9]+(\.[0-9]+)?$"),
    }
    if column.name == "schema" {
        property["const"] = json!(PROFILE);
    }
    if column.name == "kind" {
        property["enum"] = json!(KINDS.iter().map(|(kind, _)| kind).collect::<Vec<_>>());
    }
    property["description"] = json!(column.meaning);
    property
}

/// `docs/events.md`.
fn events_page() -> String {
    let mut page = String::from(PAGE_HEAD);
    let mut group = "";
    for c in COLUMNS {
        if c.group != group {
            group = c.group;
            let _ = write!(
                page,
                "\n### {group}\n\n| column | type | meaning | name from |\n|---|---|---|---|\n"
            );
        }
        let required = if c.required() { ", required" } else { "" };
        let words = match c.role {
            Role::Vocabulary(words) => format!(": `{}`", words.join("`, `")),
            _ => String::new(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {}{required} | {}{words} | {} |",
            c.name,
            type_name(c),
            c.meaning,
            c.origin
        );
    }
    page.push_str("\n## Kinds and phases\n\nWhere two rows of one entity have the same time, this order decides.\n\n| kind | phases |\n|---|---|\n");
    for (kind, phases) in KINDS {
        let _ = writeln!(page, "| `{kind}` | {} |", phases.join(", "));
    }
    page
}

fn type_name(column: &Column) -> &'static str {
    match (column.role, column.ty) {
        (Role::Person, _) => "pseudonym",
        (Role::PersonSet, _) => "set of pseudonyms",
        (Role::Set, _) => "set of strings",
        (Role::Commitment, _) => "commitment",
        (Role::Decimal, _) => "decimal text",
        (_, Type::String) => "string",
        (_, Type::Integer) => "integer",
        (_, Type::Boolean) => "boolean",
        (_, Type::Timestamp) => "timestamp",
        (_, Type::StringList) => "list of strings",
        (_, Type::StringMap) => "map of strings",
    }
}

const PAGE_HEAD: &str = "\
# Events

<!-- Made from the column table in schemas/src/columns.rs by `just generate`. -->

One wide, flat, append-only table: a row is one fact, as one source reported it at one time. Rows never change. What is
unknown is absent, never guessed; what a rule inferred is a row of its own with `assertion = 'inferred'` and the rule's
name. `schemas/json/event.v1.json` is the JSON Schema of a row's canonical form; `docs/ledger-format.md` has the form
itself.

There are no floats: ratios are parts per million (`_ppm`), measured values are decimal text. Times are UTC with
microseconds. People are pseudonyms (`person:…`), automation is `bot:<name>`, a vendor `vendor:<name>`; names and free
texts lie in the vault, and the row holds a salted commitment to each text. Keys of `attributes` are the source's labels;
each byte outside `[a-z0-9_.]` is written `_xHH`, so `app.kubernetes.io/name` is `app.kubernetes.io_x2fname`, and a first
byte that is not a letter is written `x_xHH`.

## Columns
";
