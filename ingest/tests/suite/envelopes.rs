//! What comes in something else: CloudEvents, OTLP batches in JSON and protobuf, rows of CSV.

use std::fs;
use std::path::Path;

use backtrail_ingest::Context;
use backtrail_ingest::limits::{LINE_BYTES_MAX, PROTOBUF_BYTES_MAX, REFUSED_BYTES_MAX};
use backtrail_schemas::Delivery;
use serde_json::json;

use crate::support::{as_json, crate_folder, found, ids, mapped};
use crate::traps::{Columns, Trap, check_columns, check_traps, outline, result};

#[test]
fn each_trap_of_an_envelope_is_avoided() {
    check_traps(TRAPS);
}

#[test]
fn records_say_how_it_is_known() {
    check_columns(COLUMNS);
}

/// A sender whose template was never set up loses nothing without being told.
#[test]
fn a_list_that_is_missing_is_not_an_empty_one() {
    let outlined = |source: &str, body: &str| {
        let (source, body) = (Some(source.to_owned()), body.as_bytes().to_vec());
        let result = mapped(&Delivery { source, body, ..Delivery::default() });
        assert_eq!(result.ignored.is_some(), result.rejects.is_empty());
        result.rejects.first().map(|reject| reject.code.to_string())
    };
    for (source, empty) in [
        ("alertmanager", r#"{"alerts":[]}"#),
        ("grafana", r#"{"alerts":[]}"#),
        ("datadog", r#"{"data":[]}"#),
        ("otlp", "{}"),
    ] {
        let other = outlined(source, r#"{"title":"down","body":{"status":"failed"}}"#);
        assert_eq!(other.as_deref(), Some("missing_field"), "{source}");
        assert_eq!(outlined(source, empty), None, "{source}");
    }
}

const TRAPS: &[Trap] = &[
    (
        "one bad record takes no other with it, and foreign ones are passed over",
        "otlp/batch.json",
        &[
            "deployment/queued",
            "deployment/failed",
            "deployment/succeeded",
            "wrong_type",
            "unknown_type",
            "unknown_type",
            "wrong_type",
            "forbidden_field",
            "missing_field",
            "bad_time",
            "wrong_type",
            "bad_value",
            "wrong_type",
            "wrong_type",
            "wrong_type",
        ],
    ),
    ("somebody else's logs are no facts", "otlp/other_records.json", &[]),
    ("traces are no logs", "otlp/spans.json", &[]),
    (
        "the name may be an attribute",
        "otlp/rollback_by_attribute_name.json",
        &["rollback/succeeded"],
    ),
    ("a body that is no protobuf is kept", "otlp/protobuf.ndjson:5", &["bad_protobuf"]),
    ("JSON that is called protobuf is kept", "otlp/protobuf.ndjson:6", &["bad_protobuf"]),
    (
        "one bad envelope takes no other with it",
        "cloudevents/batch.json",
        &[
            "deployment/succeeded",
            "deployment/succeeded",
            "unmapped_type",
            "unmapped_type",
            "unmapped_type",
            "missing_field",
            "bad_value",
        ],
    ),
    (
        "the header of the webhook lives in the type",
        "cloudevents/binary_silent.json",
        &["unmapped_type"],
    ),
    (
        "a CDEvent after something else is still read",
        "cloudevents/batch_of_foreign_first.ndjson:1",
        &["deployment/succeeded", "unmapped_type"],
    ),
];

const COLUMNS: &[Columns] = &[
    (
        "otlp/deployment_succeeded.json",
        "deployment/succeeded",
        &[
            ("service", "cart"),
            ("service_namespace", "shop"),
            ("environment", "production"),
            ("region", "eu-1"),
            ("version", "1.8.0"),
            ("outcome", "succeeded"),
            ("time_basis", "source_event"),
        ],
    ),
    (
        "otlp/emitter_is_elsewhere.json",
        "deployment/started",
        &[("service", "basket"), ("source_instance", "shipper")],
    ),
    ("otlp/incident_detected.json", "incident/detected", &[("time_basis", "receipt")]),
    ("cloudevents/structured.json", "deployment/succeeded", &[("source", "github")]),
    ("cloudevents/page.json", "deployment/live", &[("source", "native")]),
];

#[test]
fn the_place_of_an_emitter_is_not_that_of_what_it_speaks_of() {
    let draft = result("otlp/emitter_is_elsewhere.json").drafts.remove(0);
    for column in ["environment", "region", "version"] {
        assert_eq!(draft.event.get(column), None, "{column}");
    }
}

#[test]
fn nanoseconds_are_cut_and_zero_is_no_time() {
    for (sample, want) in [
        ("otlp/deployment_succeeded.json", "2026-04-02T09:04:00.123456Z"),
        ("otlp/incident_detected.json", "2026-04-02T09:04:01.000000Z"),
    ] {
        let at = result(sample).drafts[0].event.timestamp("occurred_at").unwrap();
        assert_eq!(at.to_string(), want, "{sample}");
    }
}

#[test]
fn protobuf_and_json_are_one_delivery() {
    for (line, sample) in
        [(1, "otlp/deployment_succeeded.json"), (2, "otlp/incident_detected.json")]
    {
        let binary = result(&format!("otlp/protobuf.ndjson:{line}"));
        assert_eq!(as_json(&binary), as_json(&result(sample)), "{sample}");
        assert!(!binary.drafts.is_empty());
    }
}

#[test]
fn a_protobuf_body_has_a_limit_of_its_own() {
    let mut delivery = Delivery { body: vec![0; PROTOBUF_BYTES_MAX + 1], ..Delivery::default() };
    delivery.headers.insert("content-type".into(), "application/x-protobuf; v=1".into());
    assert_eq!(outline(&mapped(&delivery)), ["too_large"]);
    delivery.body.truncate(0);
    assert!(mapped(&delivery).ignored.is_some(), "an empty request is one");
}

#[test]
fn a_record_without_an_id_is_told_by_what_it_says() {
    let body = |text: &str, time: &str| {
        let record = json!({"eventName": "backtrail.deployment.live", "timeUnixNano": time, "body": {"stringValue": text},
            "attributes": [{"key": "deployment.id", "value": {"stringValue": "d-1"}}]});
        let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]});
        ids(&mapped(&Delivery { body: logs.to_string().into_bytes(), ..Delivery::default() }))
    };
    let first = body("x", "1775120640000000000");
    assert_eq!(body("y", "1775120640000000000"), first);
    assert_ne!(body("x", "1775120641000000000"), first);
}

#[test]
fn an_envelope_changes_no_fact() {
    let bare = ids(&result("cloudevents/structured.json"));
    for sample in ["cloudevents/encoded.json", "cloudevents/binary.json"] {
        assert_eq!(ids(&result(sample)), bare, "{sample}");
    }
}

#[test]
fn an_envelope_of_cdevents_is_from_cdevents() {
    let samples = crate_folder().join("tests/samples");
    for (sample, want) in [
        ("cdevents/binary.json", "cdevents"),
        ("cdevents/batch.json", "cdevents"),
        ("cloudevents/binary.json", "cloudevents"),
        ("cloudevents/structured.json", "cloudevents"),
        ("cloudevents/batch_of_foreign_first.ndjson", "cdevents"),
        ("otlp/protobuf.ndjson", "otlp"),
    ] {
        let (delivery, _) = found(&samples.join(sample)).remove(0).mapped(&Context::file());
        assert_eq!(delivery.source.as_deref(), Some(want), "{sample}");
    }
}

/// What a CSV file gives: the line, and the body or the code of the reject.
fn rows(content: &[u8]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, content).unwrap();
    let name = |origin: &str| origin.rsplit_once("t.csv:").unwrap().1.to_owned();
    let outcome = |one: &backtrail_ingest::read::Found| match &one.refused {
        Some(reject) => reject.code.to_string(),
        None => String::from_utf8(one.delivery.body.clone()).unwrap(),
    };
    found(Path::new(&path)).iter().map(|one| (name(&one.delivery.origin), outcome(one))).collect()
}

fn check_rows(content: &[u8], want: &[(&str, &str)]) {
    let rows = rows(content);
    let rows: Vec<(&str, &str)> = rows.iter().map(|(l, b)| (l.as_str(), b.as_str())).collect();
    assert_eq!(rows, want, "{}", String::from_utf8_lossy(content));
}

#[test]
fn a_row_is_its_data_or_an_object_of_its_cells() {
    check_rows(b"id,data\n1,\"{\"\"a\"\":\n1}\"\n2,x\n", &[("2", "{\"a\":\n1}"), ("3", "x")]);
    check_rows(
        b"\xef\xbb\xbfid,name\r\n1,cart\r\n2,\r\n",
        &[("2", r#"{"id":"1","name":"cart"}"#), ("3", r#"{"id":"2"}"#)],
    );
    check_rows(b"id,name\n", &[]);
    check_rows(b"", &[]);
}

#[test]
fn a_bad_row_takes_no_other_with_it() {
    check_rows(
        b"id,name\n1\n2,\xff\n3,cart\n",
        &[("2", "bad_csv"), ("3", "bad_text"), ("4", r#"{"id":"3","name":"cart"}"#)],
    );
    check_rows(b"id,id\n1,2\n", &[("1", "bad_csv")]);
    check_rows(b"id,\xff\n1,2\n", &[("1", "bad_text")]);
}

#[test]
fn a_row_without_an_end_is_cut() {
    let mut content = b"id,name\n1,cart\n2,\"".to_vec();
    content.resize(content.len() + LINE_BYTES_MAX + (1 << 20), b'x');
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, content).unwrap();
    let found = found(&path);
    assert_eq!(found.len(), 2);
    let refused = found[1].refused.as_ref().unwrap();
    assert_eq!(
        (&*refused.code, found[1].delivery.body.len() <= REFUSED_BYTES_MAX),
        ("too_large", true)
    );
    assert_eq!(refused.reason, format!("a row of more than {LINE_BYTES_MAX} bytes"));
}
