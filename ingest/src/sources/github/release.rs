//! Webhook `release`: a version that can be deployed.

use backtrail_schemas::{Mapped, Reject};

use super::Hook;
use crate::facts::{When, put_actor, put_text};
use crate::mapper::ignored;
use crate::node::Node;

/// `published`, `released` and `prereleased` come for one release: they are one fact.
pub(super) fn changed(node: &Node<'_>, hook: &Hook<'_>) -> Result<Mapped, Reject> {
    let action = node.get("action");
    let release = node.get("release").required_object()?;
    let published = release.get("published_at");
    let (phase, when, who) = match action.required_text()? {
        "published" | "released" | "prereleased" => {
            ("published", When::event(published.required_time()?), release.get("author"))
        }
        "created" | "edited" | "unpublished" | "deleted" => {
            return Ok(ignored("a draft or an edit of a release, without a time of its own"));
        }
        _ => {
            return Err(
                action.unknown("unmapped_type", "is not an action of a release that is read")
            );
        }
    };
    let key = format!("release:{}", release.get("id").required_id()?);
    let mut draft = hook.facts.draft("artifact", phase, &key, when);
    let tag = release.get("tag_name").required_text()?;
    draft.event.put("service", hook.repository_name());
    draft.event.put("repository", hook.repository_url());
    draft.event.put("version", tag);
    draft.event.put("ref", tag);
    put_actor(&mut draft, hook.account(&who)?);
    put_text(&mut draft, "title", &release.get("name"))?;
    put_text(&mut draft, "url", &release.get("html_url"))?;
    Ok(Mapped { drafts: vec![draft], ..Mapped::default() })
}
