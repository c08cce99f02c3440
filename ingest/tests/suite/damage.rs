//! Samples with changes that keep them plausible: values from other samples, missing and doubled members, bent bytes.

use backtrail_schemas::Delivery;
use serde_json::{Value, json};

/// One change: what is done, to which value, with what.
pub(crate) type Edit = (u8, u16, u16);

/// The samples of one source, and what occurs in them.
pub(crate) struct Damage {
    samples: Vec<(Delivery, Option<Value>)>,
    keys: Vec<String>,
    values: Vec<Value>,
    headers: Vec<(String, String)>,
}

/// The most changes of one delivery: more leave nothing of the sample.
const EDITS_MAX: usize = 6;

impl Damage {
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Self {
        assert!(!deliveries.is_empty(), "a source has samples");
        let mut keys = vec![String::new(), "kind".into(), "items".into(), "\u{0}".into()];
        let mut values = odd_values();
        for body in deliveries.iter().filter_map(parsed) {
            collect(&body, &mut keys, &mut values);
        }
        keys.sort();
        keys.dedup();
        let headers = deliveries.iter().flat_map(|d| d.headers.clone()).collect();
        let samples = deliveries
            .into_iter()
            .map(|d| {
                let body = parsed(&d);
                (d, body)
            })
            .collect();
        Self { samples, keys, values, headers }
    }

    /// Sample `which` with some changes to it.
    pub(crate) fn done(&self, which: u16, edits: &[Edit]) -> Delivery {
        let (sample, body) = pick(&self.samples, which);
        let mut delivery = sample.clone();
        let mut body = body.clone();
        let (bytes, rest): (Vec<_>, Vec<_>) =
            edits.iter().copied().take(EDITS_MAX).partition(|(what, ..)| what % 16 == 0);
        for (what, at, with) in rest {
            match (&mut body, what % 16) {
                (_, 1) => self.bend_header(&mut delivery, at, with),
                (Some(body), what) => self.bend(body, what, at, with),
                (None, _) => bend_byte(&mut delivery.body, at, with),
            }
        }
        if let Some(body) = body {
            delivery.body = body.to_string().into_bytes();
        }
        for (_, at, with) in bytes {
            bend_byte(&mut delivery.body, at, with);
        }
        delivery
    }

    fn bend_header(&self, delivery: &mut Delivery, at: u16, with: u16) {
        let Some((name, value)) = self.headers.get(usize::from(at) % self.headers.len().max(1))
        else {
            return;
        };
        match with % 4 {
            0 => delivery.headers.remove(name),
            1 => delivery.headers.insert(name.clone(), String::new()),
            2 => delivery.headers.insert(name.clone(), pick(&self.keys, with).clone()),
            _ => delivery.headers.insert(name.clone(), value.clone()),
        };
    }

    /// Changes the value that is number `at` in the order of the document.
    fn bend(&self, body: &mut Value, what: u8, at: u16, with: u16) {
        let mut left = usize::from(at) % count(body);
        let place = nth(body, &mut left).expect("the place is counted");
        let value = pick(&self.values, with);
        let key = pick(&self.keys, with.rotate_left(5));
        match (what, &mut *place) {
            (2..=6, _) => *place = value.clone(),
            (7, Value::Object(object)) => {
                let gone = object.keys().nth(usize::from(with) % object.len().max(1)).cloned();
                object.remove(&gone.unwrap_or_default());
            }
            (8..=9, Value::Object(object)) => _ = object.insert(key.clone(), value.clone()),
            (7, Value::Array(list)) => list.truncate(usize::from(with) % 3),
            (8, Value::Array(list)) => list.push(value.clone()),
            (9, Value::Array(list)) => list.extend(list.clone()),
            (10, _) => *place = json!([place.take()]),
            (11, _) => *place = json!({key: place.take()}),
            (12, Value::String(text)) => text.push_str("\u{0}ü\u{202e} @\n"),
            (13, Value::String(text)) => {
                text.truncate(text.floor_char_boundary(usize::from(with) % 9));
            }
            (_, Value::Number(_)) => *place = json!(i64::from(with) << (u32::from(what) * 4)),
            (_, place) => *place = Value::String(place.to_string().repeat(usize::from(with) % 3)),
        }
    }
}

fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(""),
        json!(" "),
        json!("x"),
        json!("\u{0}"),
        json!("https://"),
        json!("-1"),
        json!("0001-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59.999999Z"),
        json!("2026-04-02T09:12:60+23:59"),
        json!("9".repeat(400)),
        json!("x".repeat(70_000)),
        json!([]),
        json!([null, [], {}]),
        json!({}),
        json!({"": {"": ""}}),
    ]
}

/// The body as a value: JSON, or one YAML document.
fn parsed(delivery: &Delivery) -> Option<Value> {
    let text = std::str::from_utf8(&delivery.body).ok()?;
    serde_json::from_str(text).ok().or_else(|| serde_saphyr::from_str(text).ok())
}

fn collect(value: &Value, keys: &mut Vec<String>, values: &mut Vec<Value>) {
    values.push(value.clone());
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                keys.push(key.clone());
                collect(child, keys, values);
            }
        }
        Value::Array(list) => list.iter().for_each(|child| collect(child, keys, values)),
        _ => {}
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(object) => object.values().map(count).sum(),
        Value::Array(list) => list.iter().map(count).sum(),
        _ => 0,
    }
}

fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(object) => object.values_mut().find_map(|child| nth(child, left)),
        Value::Array(list) => list.iter_mut().find_map(|child| nth(child, left)),
        _ => None,
    }
}

fn bend_byte(body: &mut Vec<u8>, at: u16, with: u16) {
    let Some(at) = usize::from(at).checked_rem(body.len()) else { return };
    let [how, byte] = with.to_be_bytes();
    match how % 4 {
        0 => body.truncate(at),
        1 => _ = body.remove(at),
        2 => body.insert(at, byte),
        _ => body[at] = byte,
    }
}

fn pick<T>(list: &[T], which: u16) -> &T {
    &list[usize::from(which) % list.len()]
}
