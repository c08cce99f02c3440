//! The story: three months of a small organisation, from tables of facts to recorded deliveries.
//!
//! The facts lie in `samples/story/facts/*.txt`: who deployed what, where and when, what broke, and who decided what. The
//! modules here give each vendor's words to them. `cargo run -p backtrail-samples --example story` writes the
//! files that are committed; a test holds them to the tables.

mod argo;
mod cdevents;
mod facts;
mod github;
mod line;
mod native;
mod pagerduty;
mod table;

use facts::Facts;
use line::Line;

/// The recorded deliveries of each source: file name and NDJSON text, lines in the order in which they were received.
pub fn deliveries() -> Vec<(&'static str, String)> {
    let facts = Facts::read();
    let sources: [(&str, Vec<Line>); 5] = [
        ("argo-rollouts.ndjson", argo::lines(&facts)),
        ("cdevents.ndjson", cdevents::lines(&facts)),
        ("github.ndjson", github::lines(&facts)),
        ("native.ndjson", native::lines(&facts)),
        ("pagerduty.ndjson", pagerduty::lines(&facts)),
    ];
    sources.into_iter().map(|(file, lines)| (file, written(lines))).collect()
}

/// The lines in the order of their receipt; those received at once in the order of what they say.
fn written(mut lines: Vec<Line>) -> String {
    lines.sort_by_key(|line| (line.received, line.occurred));
    lines.iter().map(|line| line.text() + "\n").collect()
}
