//! Every sample with each of a few kinds of damage, one at a time; `fuzz` tries several at once.

use backtrail_schemas::Delivery;
use serde_json::{Value, json};

use crate::fuzz::accounted;
use crate::support::samples;

fn check(name: &str, delivery: &Delivery) {
    let source = name.split('/').next().map(str::to_owned);
    accounted(delivery);
    accounted(&Delivery { source, ..delivery.clone() });
}

#[test]
fn every_truncation_is_mapped_or_rejected() {
    for (name, delivery) in samples() {
        for end in (0..delivery.body.len()).step_by(23) {
            check(&name, &Delivery { body: delivery.body[..end].to_vec(), ..delivery.clone() });
        }
    }
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
pub(crate) fn pointers(value: &Value) -> Vec<String> {
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
