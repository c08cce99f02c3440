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
mod marks;
mod native;
mod pagerduty;
mod table;

use facts::Facts;
use line::Line;
pub(crate) use line::text;

use crate::answers::Mark;

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

/// The events of the story by the short names that `ANSWERS.md` uses.
pub fn marks() -> Vec<(String, Mark)> {
    marks::all(&Facts::read())
}

/// The production deployments that have an id of their own: id, and the class that metrics.md gives them (`aborted` for a
/// canary that was withdrawn), decided by hand.
pub fn classes() -> Vec<(String, &'static str)> {
    let facts = Facts::read();
    let production = facts.deployments.iter().filter(|d| d.environment == "production");
    let named = production.filter(|d| !(d.task == "rollback" && d.rollback.is_none()));
    named.map(|d| (facts.deployment_id(&d.key), d.class)).collect()
}

/// The lines in the order of their receipt; those received at once in the order of what they say.
fn written(mut lines: Vec<Line>) -> String {
    lines.sort_by_key(|line| (line.received, line.occurred));
    lines.iter().map(|line| line.text() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_deliveries_are_those_of_the_tables() {
        let made = deliveries();
        let committed: Vec<_> = crate::story().collect();
        assert_eq!(made.len(), committed.len());
        for ((file, text), (name, bytes)) in made.iter().zip(committed) {
            assert_eq!(*file, name);
            assert!(text.as_bytes() == bytes, "{file}: run the example `story` and commit");
        }
        assert!(made.iter().map(|(_, text)| text.len()).sum::<usize>() < 1_500_000);
    }

    #[test]
    fn the_committed_answers_name_the_events_of_the_tables() {
        let answers = crate::answers::ANSWERS;
        assert!(
            crate::answers::with_marks(answers, &marks()) == answers,
            "run the example `story` and commit"
        );
    }

    #[test]
    fn ids_are_unique() {
        let facts = Facts::read();
        let ids: std::collections::BTreeSet<String> =
            facts.deployments.iter().map(|d| facts.deployment_id(&d.key)).collect();
        assert_eq!(ids.len(), facts.deployments.len());
        let marks = marks();
        let names: std::collections::BTreeSet<&String> =
            marks.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), marks.len());
    }

    #[test]
    fn the_classes_add_up_to_the_answers() {
        let classes = classes();
        let of =
            |wanted: &[&str]| classes.iter().filter(|(_, class)| wanted.contains(class)).count();
        assert_eq!(
            of(&["forward", "fix_forward", "reapply"]),
            88 + 1,
            "one of them failed to deploy"
        );
        assert_eq!(of(&["reapply"]), 6);
        assert_eq!((of(&["restart"]), of(&["aborted"])), (1, 2));
    }

    #[test]
    fn every_delivery_is_in_order_and_nothing_arrives_before_it_happens() {
        for (file, text) in deliveries() {
            let mut last = String::new();
            for line in text.lines() {
                let line = backtrail_schemas::json::parse(line.as_bytes()).unwrap();
                let received = line["received_at"].as_str().unwrap().to_owned();
                assert!(last <= received, "{file}");
                assert!(received.as_str() <= "2026-09-30T20:00:00.000000Z", "{file}: {received}");
                last = received;
            }
        }
    }
}
