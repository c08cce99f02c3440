//! Large bodies in the shapes that samples suggest: every list and object filled, every text long. Time grows with size
//! alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use backtrail_ingest::limits::{BODY_BYTES_MAX, LIST_ELEMENTS_MAX};
use backtrail_schemas::Delivery;
use serde_json::{Value, json};

use crate::fuzz::accounted;
use crate::mangled::pointers;
use crate::support::samples;

/// The longest that a delivery of `bytes` may take: ten times what its parsing takes without optimisation.
fn allowed(bytes: usize) -> Duration {
    Duration::from_secs(1) + Duration::from_micros(bytes as u64)
}

/// `cargo test -p backtrail-ingest --test suite -- --ignored --nocapture sizes` tells the slowest shape of each source.
#[test]
#[ignore = "takes minutes"]
fn a_large_body_takes_time_by_its_size() {
    check_shapes(1 << 20, |_| true);
}

#[test]
#[ignore = "takes minutes"]
fn the_largest_list_takes_time_by_its_size() {
    check_shapes(BODY_BYTES_MAX - 1024, |shape| shape.ends_with("list"));
}

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement for people")]
fn check_shapes(bytes: usize, wanted: fn(&str) -> bool) {
    let mut slowest: BTreeMap<String, (Duration, String)> = BTreeMap::new();
    for (shape, (delivery, pointer)) in shapes().into_iter().filter(|(shape, _)| wanted(shape)) {
        let delivery = filled(delivery, &pointer, bytes);
        let begun = Instant::now();
        accounted(&delivery);
        let took = begun.elapsed();
        if took > allowed(bytes) {
            println!("too slow: {took:?} {shape}");
        }
        let source = shape.split('/').next().unwrap_or_default().to_owned();
        let known = slowest.entry(source).or_default();
        *known = std::cmp::max(std::mem::take(known), (took, shape));
    }
    for (took, shape) in slowest.values() {
        println!("{took:?} {shape}");
    }
    assert!(slowest.values().all(|(took, _)| *took < allowed(bytes)));
}

/// One place of each shape: source and path, where the elements of a list are alike.
fn shapes() -> BTreeMap<String, (Delivery, String)> {
    let mut shapes = BTreeMap::new();
    for (name, delivery) in samples() {
        let Ok(body) = serde_json::from_slice::<Value>(&delivery.body) else { continue };
        let source = name.split('/').next().unwrap_or_default();
        for pointer in pointers(&body) {
            let kind = match body.pointer(&pointer) {
                Some(Value::Array(list)) if !list.is_empty() => "list",
                Some(Value::Object(_)) => "object",
                Some(Value::String(_)) => "text",
                _ => continue,
            };
            let alike = |step: &str| step.bytes().all(|b| b.is_ascii_digit());
            let steps = pointer.split('/').map(|step| if alike(step) { "" } else { step });
            let shape = format!("{source}{} {kind}", steps.collect::<Vec<_>>().join("/"));
            shapes.insert(shape, (delivery.clone(), pointer));
        }
    }
    shapes
}

/// The delivery with so much at `pointer` that it has about this size.
fn filled(delivery: Delivery, pointer: &str, bytes: usize) -> Delivery {
    let mut body: Value = serde_json::from_slice(&delivery.body).unwrap();
    let place = body.pointer_mut(pointer).unwrap();
    let each = place.to_string().len();
    match place {
        Value::Array(list) => {
            let each = each / list.len() + 1;
            let more =
                list.iter().cycle().take(LIST_ELEMENTS_MAX.min(bytes / each)).cloned().collect();
            *list = more;
        }
        Value::Object(object) => {
            object.extend((0..bytes / 24).map(|n| (format!("key-of-a-stranger-{n}"), json!(n))));
        }
        Value::String(text) => *text = text.repeat(bytes / each + 1),
        _ => {}
    }
    Delivery { body: body.to_string().into_bytes(), ..delivery }
}

/// Each deployment of a list is compared with its replica sets: all of one uid would be a square.
#[test]
fn a_list_of_one_deployment_and_its_sets_is_bounded() {
    let meta = json!({"name": "cart", "namespace": "kiln", "uid": "u-1"});
    let owner = json!([{"kind": "Deployment", "name": "cart", "uid": "u-1"}]);
    let deployment = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta});
    let set = json!({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"name": "cart-1", "namespace": "kiln", "ownerReferences": owner}});
    let items = [vec![deployment; 5_000], vec![set; 5_000]].concat();
    let body = json!({"kind": "List", "apiVersion": "v1", "items": items}).to_string().into_bytes();
    let result = accounted(&Delivery { body, ..Delivery::default() });
    assert!(result.drafts.is_empty());
    assert_eq!(result.rejects.iter().map(|r| r.code.as_ref()).collect::<Vec<_>>(), ["too_large"]);
}

/// A body in which each of many rows repeats a long text would become many times its size.
#[test]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn rows_that_repeat_a_long_text_are_bounded() {
    let long = |bytes: usize| "x".repeat(bytes);
    let at = "2026-04-02T09:12:00Z";
    let alert = json!({"status": "firing", "labels": {"alertname": "a"}, "startsAt": at});
    let services: Vec<String> = (0..100_000).map(|n| format!("service-{n}")).collect();
    let record =
        json!({"eventName": "backtrail.deployment.live", "timeUnixNano": "1775121001104000000"});
    let milestone = json!({"id": "m", "type": "started", "occurred_at": "2026-04-02 09:12:00 UTC"});
    for (source, code, body) in [
        (
            "alertmanager",
            "too_large",
            json!({"receiver": "r", "status": "firing", "externalURL": long(60_000), "alerts": vec![&alert; 9_000]}),
        ),
        (
            "alertmanager",
            "too_large",
            json!({"receiver": "r", "status": "firing", "externalURL": long(10 << 20), "alerts": vec![&alert; 9_000]}),
        ),
        (
            "datadog",
            "too_large",
            json!({"data": {"attributes": {"services": services, "started_at": 1_775_121_001_104_000_000_i64}}}),
        ),
        (
            "datadog",
            "too_large",
            json!({"data": {"attributes": {"services": vec![long(20_000); 900], "started_at": 1_775_121_001_104_000_000_i64}}}),
        ),
        (
            "otlp",
            "wrong_type",
            json!({"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": long(10 << 20)}}]},
            "scopeLogs": [{"logRecords": vec![&record; 9_000]}]}]}),
        ),
        (
            "firehydrant",
            "too_large",
            json!({"event": {"resource_type": "incident", "operation": "UPDATED"},
            "data": {"incident": {"id": long(60_000), "milestones": vec![&milestone; 9_000]}}}),
        ),
    ] {
        let body = body.to_string().into_bytes();
        assert!(body.len() < BODY_BYTES_MAX);
        let source = Some(source.to_owned());
        let begun = Instant::now();
        let result = accounted(&Delivery { source: source.clone(), body, ..Delivery::default() });
        assert!(begun.elapsed() < allowed(BODY_BYTES_MAX), "{source:?}: {:?}", begun.elapsed());
        assert!(result.drafts.is_empty());
        let codes: BTreeSet<&str> = result.rejects.iter().map(|r| r.code.as_ref()).collect();
        assert_eq!(codes, BTreeSet::from([code]), "{source:?}");
    }
}
