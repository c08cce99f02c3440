//! What a sync applies: revisions and the sources that they are of.

use backtrail_schemas::{Draft, Reject};

use crate::node::Node;
use crate::words::is_commit;

/// One revision per source. Two are the same release when both revisions and sources are.
pub(super) struct Release<'a>(Vec<Part<'a>>);

struct Part<'a> {
    revision: &'a str,
    source: Node<'a>,
}

impl PartialEq for Release<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (&Part<'_>, &Part<'_>)| {
            a.revision == b.revision && a.source.value() == b.source.value()
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl<'a> Release<'a> {
    /// Reads `revision` and `source`, or for several `revisions` and `sources`. Sources that are not named are those of
    /// the application's `spec`.
    pub(super) fn read(node: &Node<'a>, spec: &Node<'a>) -> Result<Self, Reject> {
        let several = node.get("revisions").items()?;
        if several.is_empty() {
            let Some(revision) = node.get("revision").text()? else { return Ok(Self(Vec::new())) };
            let stated = [node.get("source"), spec.get("source")];
            let source = stated.iter().find(|s| s.exists()).unwrap_or(&stated[0]).clone();
            return Ok(Self(vec![Part { revision, source }]));
        }
        let mut sources = node.get("sources").items()?;
        if sources.is_empty() {
            sources = spec.get("sources").items()?;
        }
        let mut parts = Vec::new();
        for (at, revision) in several.iter().enumerate() {
            let source = sources.get(at).cloned().unwrap_or_else(|| node.get("source"));
            parts.push(Part { revision: revision.text()?.unwrap_or_default(), source });
        }
        Ok(Self(parts))
    }

    /// Whether it names no revision.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the release: its revision, or all of them.
    pub(super) fn label(&self) -> Option<String> {
        let named: Vec<&str> =
            self.0.iter().map(|part| part.revision).filter(|r| !r.is_empty()).collect();
        Some(named.join("+")).filter(|label| !label.is_empty())
    }

    /// A commit of the only source is one; a chart's revision is its version. Of several sources none identifies the
    /// release alone.
    pub(super) fn put(&self, draft: &mut Draft) -> Result<(), Reject> {
        let [part] = self.0.as_slice() else {
            draft.event.put_some("version", self.label());
            return Ok(());
        };
        if part.source.get("chart").text()?.is_some() {
            draft.event.put_some("version", self.label());
            return Ok(());
        }
        let column = match part.revision {
            commit if is_commit(commit) => "commit_sha",
            digest if digest.starts_with("sha256:") => "artifact_digest",
            _ => "version",
        };
        draft.event.put_some(column, self.label());
        let repository = part.source.get("repoURL").text()?.map(without_credentials);
        draft.event.put_some("repository", repository);
        draft.event.put_some("ref", part.source.get("targetRevision").text()?);
        Ok(())
    }
}

/// The address without a user or token before its host.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_stays_out_of_the_repository() {
        for (url, want) in [
            ("https://bot:s3cret@git.kiln.example/shop/cart", "https://git.kiln.example/shop/cart"),
            ("https://git.kiln.example/a@b", "https://git.kiln.example/a@b"),
            ("git@git.kiln.example:shop/cart", "git@git.kiln.example:shop/cart"),
        ] {
            assert_eq!(without_credentials(url), want);
        }
    }

    #[test]
    fn a_release_is_its_revisions_and_sources() {
        let spec = json!({});
        let read = |body: &serde_json::Value| {
            let release = Release::read(&Node::root(body), &Node::root(&spec)).unwrap();
            release.label()
        };
        assert_eq!(read(&json!({"revision": "1.2.0"})).as_deref(), Some("1.2.0"));
        assert_eq!(read(&json!({"revisions": ["1.2.0", "", "ab"]})).as_deref(), Some("1.2.0+ab"));
        assert_eq!(read(&json!({})), None);
        let (a, b) = (
            json!({"revision": "1", "source": {"repoURL": "x"}}),
            json!({"revision": "1", "source": {"repoURL": "y"}}),
        );
        let release = |body| Release::read(&Node::root(body), &Node::root(&spec)).unwrap();
        assert!(release(&a) == release(&a) && release(&a) != release(&b));
    }
}
