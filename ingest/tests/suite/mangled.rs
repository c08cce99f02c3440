//! Damaged deliveries: never a panic, never nothing, never an event that is none.

use backtrail_schemas::Delivery;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::{mapped, samples};

/// Maps under recognition and under the source's name.
fn check(name: &str, delivery: &Delivery) {
    let source = name.split('/').next().map(str::to_owned);
    for delivery in [delivery.clone(), Delivery { source, ..delivery.clone() }] {
        let result = mapped(&delivery);
        let some =
            !result.drafts.is_empty() || !result.rejects.is_empty() || result.ignored.is_some();
        assert!(some, "{name} vanished: {}", String::from_utf8_lossy(&delivery.body));
        for draft in &result.drafts {
            draft.event.check_drafted(&["recorded_at"]).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        for reject in &result.rejects {
            assert!(!reject.reason.is_empty() && !reject.reason.contains('\n'), "{name}");
        }
    }
}

#[test]
fn every_truncation_is_mapped_or_rejected() {
    for (name, delivery) in samples() {
        for end in (0..delivery.body.len()).step_by(23) {
            check(&name, &Delivery { body: delivery.body[..end].to_vec(), ..delivery.clone() });
        }
    }
}

#[test]
fn flipped_bytes_are_mapped_or_rejected() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, ..Config::with_cases(40) },
        rng,
    );
    let all = samples();
    let flips = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4);
    runner
        .run(&flips, |flips| {
            for (name, delivery) in &all {
                let mut damaged = delivery.clone();
                for (at, byte) in &flips {
                    let at = at.index(damaged.body.len());
                    damaged.body[at] ^= byte;
                }
                check(name, &damaged);
            }
            Ok(())
        })
        .unwrap();
}

/// Every value of every sample, one at a time, as something else: a third of the list each, in turn.
#[test]
fn every_swapped_type_is_mapped_or_rejected() {
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!("9999-12-31T23:59:59.999999Z"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": ""}),
    ];
    for (name, delivery) in samples() {
        let Ok(body) = serde_json::from_slice::<Value>(&delivery.body) else { continue };
        for (n, pointer) in pointers(&body).into_iter().enumerate() {
            for other in others.iter().skip(n % 3).step_by(3) {
                let mut swapped = body.clone();
                *swapped.pointer_mut(&pointer).unwrap() = other.clone();
                check(
                    &name,
                    &Delivery { body: swapped.to_string().into_bytes(), ..delivery.clone() },
                );
            }
        }
    }
}

/// Every value of every sample, one at a time, left out.
#[test]
fn every_missing_member_is_mapped_or_rejected() {
    for (name, delivery) in samples() {
        let Ok(body) = serde_json::from_slice::<Value>(&delivery.body) else { continue };
        for pointer in pointers(&body) {
            let Some((parent, key)) = pointer.rsplit_once('/') else { continue };
            let mut less = body.clone();
            let key = key.replace("~1", "/").replace("~0", "~");
            if let Some(Value::Object(object)) = less.pointer_mut(parent) {
                object.remove(&key);
                check(&name, &Delivery { body: less.to_string().into_bytes(), ..delivery.clone() });
            }
        }
    }
}

/// The JSON pointers of all values, the top included.
fn pointers(value: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let below = |key: String, child: &Value, all: &mut Vec<String>| {
        all.extend(pointers(child).into_iter().map(|rest| format!("/{key}{rest}")));
    };
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                below(key.replace('~', "~0").replace('/', "~1"), child, &mut all);
            }
        }
        Value::Array(list) => {
            for (at, child) in list.iter().enumerate() {
                below(at.to_string(), child, &mut all);
            }
        }
        _ => {}
    }
    all
}
