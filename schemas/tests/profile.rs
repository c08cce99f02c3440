//! The profile `leaf/1`: what it refuses, and that rows, events and bytes agree.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use backtrail_schemas::columns::{COLUMNS, Role, SEQ, Type};
use backtrail_schemas::{Event, Timestamp, Value, docs, event, leaf, limits, rows};
use proptest::prelude::*;

fn sample() -> Event {
    let at = Timestamp::parse_rfc3339("2026-10-01T12:00:00Z").unwrap();
    let mut event = Event::new("deployment", "started");
    event
        .put("event_id", "native:demo:1")
        .put("source", "native")
        .put("time_basis", "source_event");
    event.put("occurred_at", at).put("recorded_at", at);
    event
}

#[test]
fn generated_files_are_current() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (path, content) in docs::generated_files() {
        let on_disk = std::fs::read_to_string(top.join(path)).unwrap_or_default();
        assert!(on_disk == content, "{path} is stale: run `just generate`");
    }
}

#[test]
fn the_canonical_form_is_what_the_profile_says() {
    let mut event = sample();
    event
        .put("service", "caf\u{e9} \"\\\u{8}\u{c}\n\r\t\u{1f}\u{7f}\u{1f600}")
        .put("severity", -3)
        .put("drill", false);
    event.put("tags", vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]);
    event.put_attribute("app.kubernetes.io/name", "x").unwrap();
    let want = concat!(
        r#"{"attributes":{"app.kubernetes.io_x2fname":"x"},"drill":false,"event_id":"native:demo:1","kind":"deployment","#,
        r#""occurred_at":"2026-10-01T12:00:00.000000Z","phase":"started","recorded_at":"2026-10-01T12:00:00.000000Z","#,
        r#""schema":"event/1","service":"café \"\\\b\f\n\r\t\u001f"#,
        "\u{7f}\u{1f600}",
        r#"","severity":-3,"source":"native","tags":["a","b"],"time_basis":"source_event"}"#,
    );
    let bytes = leaf::encode(&event).unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), want);
    assert_eq!(leaf::decode(&bytes).unwrap(), event);
}

/// Each is refused, and the message names the field.
#[test]
fn violations_of_the_profile_are_refused_with_the_field() {
    let base = String::from_utf8(leaf::encode(&sample()).unwrap()).unwrap();
    let with = |extra: &str| base.replacen('{', &format!("{{{extra},"), 1);
    let long = "x".repeat(limits::LEAF_BYTES_MAX);
    for (field, bad) in [
        ("approvals_required", with(r#""approvals_required":1.5"#)),
        ("approvals_required", with(r#""approvals_required":9007199254740992"#)),
        ("approvals_required", with(r#""approvals_required":"1""#)),
        ("actor", with(r#""actor":"a","actor":"b""#)),
        ("actor", with(r#""actor":"""#)),
        ("actor", with(r#""actor":null"#)),
        ("actor", with(r#""actor":"\u0000""#)),
        ("authors", with(r#""authors":[]"#)),
        ("authors", with(r#""authors":[""]"#)),
        ("authors", with(r#""authors":[1]"#)),
        ("attributes", with(r#""attributes":{}"#)),
        ("attributes", with(r#""attributes":{"Team":"x"}"#)),
        ("attributes", with(r#""attributes":{"é":"x"}"#)),
        ("attributes.a", with(r#""attributes":{"a":"x","a":"y"}"#)),
        ("completed_at", with(r#""completed_at":"2026-10-01T12:00:00Z""#)),
        ("seq", with(r#""seq":1"#)),
        ("Actor", with(r#""Actor":"a""#)),
        ("actor", with(r#""actor":"\ud800""#)),
        ("canonical", base.replacen('{', "{ ", 1)),
        ("canonical", base.replace("event_id\":\"n", "event_id\":\"\\u006e")),
        ("65535", with(&format!(r#""actor":"{long}""#))),
    ] {
        let error = leaf::decode(bad.as_bytes()).expect_err(&bad).to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}

#[test]
fn an_event_of_this_version_is_checked_against_the_table() {
    for (field, change) in [
        ("kind", ("kind", "nothing")),
        ("phase", ("phase", "declared")),
        ("environment_tier", ("environment_tier", "prod")),
        ("actor", ("actor", "alice@example.org")),
        ("signal_value", ("signal_value", "1e3")),
        ("title_commitment", ("title_commitment", "hmac-sha256:00")),
    ] {
        let mut event = sample();
        event.put(change.0, change.1);
        assert_eq!(event.check().unwrap_err().field_name(), Some(field));
    }
    let mut event = sample();
    event.remove("source");
    assert_eq!(event.check().unwrap_err().field_name(), Some("source"));
    assert!(event.check_drafted(&["source"]).is_ok());
    assert!(sample().check().is_ok());
}

#[test]
fn keys_of_labels_are_escaped() {
    for (label, key) in [
        ("team", "team"),
        ("app.kubernetes.io/name", "app.kubernetes.io_x2fname"),
        ("A", "x_x41"),
        ("9a", "x_x39a"),
        ("é", "x_xc3_xa9"),
    ] {
        assert_eq!(event::escape_key(label), key);
    }
}

fn text() -> impl Strategy<Value = String> {
    "[^\u{0}]{1,12}".prop_filter("not empty", |t| !t.is_empty())
}

fn value(ty: Type) -> BoxedStrategy<Value> {
    match ty {
        Type::String => text().prop_map(Value::String).boxed(),
        Type::Integer => {
            (-limits::INTEGER_MAX..=limits::INTEGER_MAX).prop_map(Value::Integer).boxed()
        }
        Type::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Type::Timestamp => (0..=limits::TIMESTAMP_MAX_US)
            .prop_map(|us| Value::Timestamp(Timestamp::from_micros(us).unwrap()))
            .boxed(),
        Type::StringList => prop::collection::vec(text(), 1..4).prop_map(Value::StringList).boxed(),
        Type::StringMap => prop::collection::btree_map("[a-z][a-z0-9_.]{0,9}", text(), 1..4)
            .prop_map(|map: BTreeMap<_, _>| Value::StringMap(map))
            .boxed(),
    }
}

/// A sample with a random choice of optional columns, of any value of the right type.
fn any_event() -> impl Strategy<Value = Event> {
    let optional: Vec<_> = COLUMNS.iter().filter(|c| c.name != SEQ && !c.required()).collect();
    prop::sample::subsequence(optional, 0..12).prop_flat_map(|columns| {
        let values: Vec<_> = columns.iter().map(|c| value(c.ty)).collect();
        values.prop_map(move |values| {
            let mut event = sample();
            for (column, value) in columns.iter().zip(values) {
                event.put(column.name, value);
            }
            event
        })
    })
}

proptest! {
    #[test]
    fn bytes_events_and_rows_agree(events in prop::collection::vec(any_event(), 1..5), start in 0u64..1000) {
        let batch = rows::to_batch(start, &events).unwrap();
        let read = rows::Rows::new(&batch).unwrap();
        for (row, event) in events.iter().enumerate() {
            let bytes = leaf::encode(event).unwrap();
            prop_assert_eq!(&leaf::decode(&bytes).unwrap(), event);
            prop_assert_eq!(&read.event(row).unwrap(), event);
            prop_assert_eq!(read.leaf(row).unwrap(), bytes);
            prop_assert_eq!(read.seq(row), start as i64 + row as i64);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = leaf::decode(&bytes);
    }
}

#[test]
fn roles_that_have_words_have_several() {
    assert!(COLUMNS.iter().all(|c| !matches!(c.role, Role::Vocabulary(words) if words.len() < 2)));
}
