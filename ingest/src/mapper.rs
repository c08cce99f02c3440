//! From one delivery to drafts and rejects: pure, total, never guessing.

use backtrail_schemas::limits::LEAF_BYTES_MAX;
use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Value as Cell, leaf};
use serde_json::Value;

use crate::context::Context;
use crate::document::{self, Document};
use crate::limits::{
    DELIVERY_DRAFT_BYTES_MAX, DELIVERY_EVENTS_MAX, LEAF_BYTES_PER_COMMITMENT,
    LEAF_BYTES_PER_PERSON, LEAF_BYTES_RESERVED, REASON_CHARS_MAX,
};
use crate::node::reject;
use crate::recognise::recognise;
use crate::rules::{self, Rule};
use crate::sources;

/// How one source's deliveries are read by code; others are read by a [`Rule`].
#[derive(Debug)]
pub struct Mapper {
    /// The name in column `source` and in `--source`.
    pub name: &'static str,
    /// Whether its bodies may be YAML.
    pub(crate) yaml: bool,
    /// Whether the headers name the source.
    pub(crate) claims: fn(&Delivery) -> bool,
    /// Whether a body without telling headers has the shape of this source.
    pub(crate) looks: fn(&Value) -> bool,
    /// The mapping itself.
    pub(crate) map: fn(&Value, &Delivery, &Context) -> Mapped,
}

/// What maps the deliveries of one source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mapping<'a> {
    /// Code of ours.
    Code(&'static Mapper),
    /// A rule file that is bundled.
    Bundled(&'a Rule),
    /// A rule file of the user.
    Own(&'a Rule),
}

impl<'a> Mapping<'a> {
    /// All of them: code, bundled rules, the user's rules.
    pub(crate) fn all(context: &'a Context) -> impl Iterator<Item = Self> {
        let bundled = rules::bundled().iter().map(Mapping::Bundled);
        let own = context.rules.iter().map(Mapping::Own);
        mappers().iter().map(Mapping::Code).chain(bundled).chain(own)
    }

    /// The name of the source.
    pub(crate) fn name(self) -> &'a str {
        match self {
            Self::Code(mapper) => mapper.name,
            Self::Bundled(rule) | Self::Own(rule) => rule.name(),
        }
    }

    fn reads_yaml(self) -> bool {
        matches!(self, Self::Code(mapper) if mapper.yaml)
    }

    /// Whether the headers name the source.
    pub(crate) fn claims(self, delivery: &Delivery) -> bool {
        match self {
            Self::Code(mapper) => (mapper.claims)(delivery),
            Self::Bundled(rule) | Self::Own(rule) => rule.claims(delivery),
        }
    }

    /// Whether a body without telling headers has the shape of this source.
    pub(crate) fn looks(self, body: &Value) -> bool {
        match self {
            Self::Code(mapper) => (mapper.looks)(body),
            Self::Bundled(rule) | Self::Own(rule) => rule.looks(body),
        }
    }

    /// What becomes of a delivery with this body.
    pub(crate) fn map(self, body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
        match self {
            Self::Code(mapper) => (mapper.map)(body, delivery, context),
            Self::Bundled(rule) | Self::Own(rule) => rule.map(body, delivery, context),
        }
    }
}

/// All mappers that are code, in the order of `docs/sources.md`.
pub fn mappers() -> &'static [Mapper] {
    &[
        sources::native::MAPPER,
        sources::cdevents::MAPPER,
        sources::github::MAPPER,
        sources::pagerduty::MAPPER,
        sources::argo::MAPPER,
        sources::alertmanager::ALERTMANAGER,
        sources::alertmanager::GRAFANA,
        sources::opsgenie::MAPPER,
        sources::datadog::MAPPER,
        sources::servicenow::MAPPER,
        sources::jira::MAPPER,
        sources::launchdarkly::MAPPER,
        sources::gitlab::MAPPER,
        sources::otlp::MAPPER,
        sources::cloudevents::MAPPER,
        sources::octopus::MAPPER,
        sources::argocd::MAPPER,
        sources::kubernetes::MAPPER,
        sources::helm::MAPPER,
        sources::flagger::MAPPER,
        sources::flux::MAPPER,
    ]
}

/// What became of `delivery`: drafts, rejects, or the reason why it was left out; never nothing.
///
/// Pure: the same delivery and context give the same result. Each reject says which file and line
/// ([`Delivery::origin`], without its folder) and which path of the body it is about.
pub fn map(delivery: &Delivery, context: &Context) -> Mapped {
    map_recognised(delivery, context).1
}

/// As [`map`], with the source that the delivery was recognised as, if it was.
pub(crate) fn map_recognised<'a>(
    delivery: &Delivery,
    context: &'a Context,
) -> (Option<&'a str>, Mapped) {
    match recognised(delivery, context) {
        Ok((mapping, document)) => {
            let context = &*context.of(mapping.name());
            let mapped = mapping.map(&document.value, delivery, context);
            (Some(mapping.name()), completed(mapped, delivery, context))
        }
        Err(reject) => (None, completed(refused(reject), delivery, context)),
    }
}

/// What reads a delivery, and its parsed body.
fn recognised<'a>(
    delivery: &Delivery,
    context: &'a Context,
) -> Result<(Mapping<'a>, Document), Reject> {
    let document = document::parse(delivery)?;
    let mapping = recognise(delivery, &document.value, context)?;
    if document.yaml && !mapping.reads_yaml() {
        return Err(reject("bad_json", format!("a {} delivery is JSON", mapping.name())));
    }
    Ok((mapping, document))
}

/// Drafts that are events, rejects that say where, and never nothing.
fn completed(mut mapped: Mapped, delivery: &Delivery, context: &Context) -> Mapped {
    if is_full(&mapped) {
        let reason = format!("more than {DELIVERY_EVENTS_MAX} elements");
        mapped = refused(reject("too_large", reason));
    }
    for draft in std::mem::take(&mut mapped.drafts) {
        match complete(draft, context) {
            Ok(draft) => mapped.drafts.push(draft),
            Err(reject) => mapped.rejects.push(reject),
        }
    }
    if mapped.drafts.is_empty() && mapped.rejects.is_empty() && mapped.ignored.is_none() {
        mapped.rejects.push(reject("no_fact", "the delivery holds no event"));
    }
    for reject in &mut mapped.rejects {
        reject.reason = located(&delivery.origin, &reject.reason);
    }
    mapped
}

/// Whether a delivery gives more than it may: the rest of it need not be looked at.
pub(crate) fn is_full(mapped: &Mapped) -> bool {
    mapped.drafts.len() + mapped.rejects.len() > DELIVERY_EVENTS_MAX
}

/// A delivery that is one reject.
pub(crate) fn refused(reject: Reject) -> Mapped {
    Mapped { rejects: vec![reject], ..Mapped::default() }
}

/// A delivery without a fact for the log.
pub(crate) fn ignored(why: impl Into<String>) -> Mapped {
    Mapped { ignored: Some(why.into()), ..Mapped::default() }
}

/// Puts several results into one; what one element ignores does not hide the others.
pub(crate) fn gathered(parts: impl IntoIterator<Item = Mapped>) -> Mapped {
    let (mut all, mut bytes) = (Mapped::default(), 0);
    for part in parts {
        bytes += part.drafts.iter().map(draft_bytes).sum::<usize>();
        if bytes > DELIVERY_DRAFT_BYTES_MAX {
            let reason = format!("events of more than {DELIVERY_DRAFT_BYTES_MAX} bytes together");
            return refused(reject("too_large", reason));
        }
        all.drafts.extend(part.drafts);
        all.rejects.extend(part.rejects);
        all.ignored = all.ignored.or(part.ignored);
        if is_full(&all) {
            break;
        }
    }
    if !(all.drafts.is_empty() && all.rejects.is_empty()) {
        all.ignored = None;
    }
    all
}

/// What a draft holds, in bytes: about what it takes in memory beyond its columns.
fn draft_bytes(draft: &Draft) -> usize {
    let cell = |value: &Cell| match value {
        Cell::String(text) => text.len(),
        Cell::StringList(list) => list.iter().map(String::len).sum(),
        Cell::StringMap(map) => map.iter().map(|(key, text)| key.len() + text.len()).sum(),
        Cell::Integer(_) | Cell::Boolean(_) | Cell::Timestamp(_) => size_of::<i64>(),
    };
    let cells = draft.event.iter().map(|(_, value)| cell(value)).sum::<usize>();
    cells + draft.texts.iter().map(|(_, text)| text.len()).sum::<usize>()
}

/// The draft with the configured place, if it is an event that fits into a leaf.
fn complete(mut draft: Draft, context: &Context) -> Result<Draft, Reject> {
    for (column, text) in &context.defaults {
        if draft.event.get(column).is_none() {
            draft.event.put(column, text.as_str());
        }
    }
    draft.event.check_drafted(&["recorded_at"]).map_err(|e| reject("bad_value", e.to_string()))?;
    let texts = draft.texts.iter().map(|(field, text)| (*field, text.as_str()));
    let mut vaulted = texts.chain(draft.people.iter().map(|(column, who)| (*column, name_of(who))));
    if let Some((field, _)) = vaulted.find(|(_, text)| text.is_empty() || text.contains('\0')) {
        return Err(reject("bad_value", format!("field `{field}`: empty, or U+0000 in a text")));
    }
    let bytes = leaf::encode(&draft.event).map_err(|e| reject("too_large", e.to_string()))?.len();
    let later = LEAF_BYTES_RESERVED
        + draft
            .people
            .iter()
            .map(|(_, who)| LEAF_BYTES_PER_PERSON + name_of(who).len())
            .sum::<usize>()
        + draft.texts.len() * LEAF_BYTES_PER_COMMITMENT;
    if bytes + later > LEAF_BYTES_MAX {
        let reason = format!(
            "an event of {bytes} bytes; with pseudonyms and commitments it exceeds {LEAF_BYTES_MAX}"
        );
        return Err(reject("too_large", reason));
    }
    Ok(draft)
}

fn name_of(who: &Identity) -> &str {
    match who {
        Identity::Person { id, .. } => id,
        Identity::Bot(name) | Identity::Vendor(name) => name,
    }
}

/// The reason with the file and line before it, on one line and of bounded length.
pub(crate) fn located(origin: &str, reason: &str) -> String {
    let whole = if origin.is_empty() { reason.to_owned() } else { format!("{origin}: {reason}") };
    whole.chars().take(REASON_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
