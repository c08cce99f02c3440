//! Keys by which a shop can say in a free field of its own (GitHub's `deployment.payload`, CDEvents' `customData`) what
//! the source has no field for.

use backtrail_schemas::{Draft, Timestamp, Value as Cell};
use serde_json::Value;

use crate::context::Labels;
use crate::facts::put_tier;

/// The keys that are read, and the column each goes to. A value that is neither a text nor a whole number is not ours,
/// and neither is one of [`COMMITTED_AT`] that is no time.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("service", "service"),
    ("environment", "environment"),
    ("region", "region"),
    ("version", "version"),
    ("artifact_digest", "artifact_digest"),
    ("commit_sha", "commit_sha"),
    (COMMITTED_AT, COMMITTED_AT),
    ("deployment_id", "deployment_id"),
    ("change_id", "change_id"),
    ("incident_id", "incident_id"),
    ("rollback_id", "rollback_id"),
    ("rollback_of", "rollback_of"),
];

/// When the deployed commit was made, as an RFC 3339 time.
const COMMITTED_AT: &str = "committed_at";

/// What the free field `extra` states.
#[derive(Debug, Default)]
pub(crate) struct Conventions(Vec<(&'static str, String)>);

impl Conventions {
    /// Reads an object, or a text that holds one as JSON.
    pub(crate) fn read(extra: Option<&Value>) -> Self {
        let parsed;
        let object = match extra {
            Some(Value::String(text)) => {
                parsed = backtrail_schemas::json::parse(text.as_bytes()).unwrap_or_default();
                &parsed
            }
            Some(value) => value,
            None => return Self::default(),
        };
        let stated = KEYS.iter().filter_map(|(key, column)| {
            let text = match object.get(key)? {
                Value::String(text) => text.clone(),
                Value::Number(n) if !n.is_f64() => n.to_string(),
                _ => return None,
            };
            let ours = *column != COMMITTED_AT || Timestamp::parse_rfc3339(&text).is_ok();
            Some((*column, text)).filter(|(_, text)| ours && !text.is_empty())
        });
        Self(stated.collect())
    }

    /// What is stated for a column.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == column).map(|(_, text)| text.as_str())
    }

    /// Puts what is stated into the columns in `wanted`, over what is there.
    pub(crate) fn put(&self, draft: &mut Draft, wanted: &[&str]) {
        for (column, text) in self.0.iter().filter(|(column, _)| wanted.contains(column)) {
            let value: Cell = match Timestamp::parse_rfc3339(text) {
                Ok(at) if *column == COMMITTED_AT => at.into(),
                _ => text.as_str().into(),
            };
            draft.event.put(column, value);
        }
    }
}

impl Labels {
    /// Puts what labels say of the place into the columns that nothing was said about. `get` looks up a label.
    pub(crate) fn put_place<'t>(&self, draft: &mut Draft, get: impl Fn(&str) -> Option<&'t str>) {
        for (column, names) in &self.places {
            let said = names.iter().find_map(|name| get(name)).filter(|text| !text.is_empty());
            if draft.event.get(column).is_none() {
                draft.event.put_some(column, said);
            }
        }
        put_tier(draft);
    }

    /// The same from tags of the form `label:value`.
    pub(crate) fn put_place_from_tags(&self, draft: &mut Draft, tags: &[&str]) {
        self.put_place(draft, |label| {
            tags.iter().find_map(|tag| {
                let (name, value) = tag.split_once(':')?;
                name.trim().eq_ignore_ascii_case(label).then_some(value.trim())
            })
        });
    }
}

/// Whether one of the labels is `wanted`, whatever its case.
pub(crate) fn labelled<'t>(labels: impl IntoIterator<Item = &'t str>, wanted: &str) -> bool {
    labels.into_iter().any(|label| label.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_of_the_commit_is_a_time() {
        let mut draft = Draft::new("deployment", "started");
        for (text, want) in
            [("soon", None), ("2026-04-01T10:00:00+02:00", Some("2026-04-01T08:00:00Z"))]
        {
            let read = Conventions::read(Some(&json!({"committed_at": text})));
            read.put(&mut draft, &[COMMITTED_AT]);
            let want = want.map(|at| Timestamp::parse_rfc3339(at).unwrap().into());
            assert_eq!(draft.event.get(COMMITTED_AT), want.as_ref(), "{text}");
        }
    }

    #[test]
    fn only_texts_and_whole_numbers_are_ours() {
        let said = json!({"service": "cart", "version": 12, "region": {"x": 1}, "change_id": 1.5, "other": "x", "rollback_of": ""});
        let read = Conventions::read(Some(&said));
        assert_eq!((read.get("service"), read.get("version")), (Some("cart"), Some("12")));
        assert_eq!(read.0.len(), 2);
        assert_eq!(Conventions::read(Some(&json!(said.to_string()))).get("service"), Some("cart"));
        for nothing in [json!(""), json!("free text"), json!([1]), json!(null)] {
            assert!(Conventions::read(Some(&nothing)).0.is_empty());
        }
    }
}
