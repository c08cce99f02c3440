//! What happens again is a row of its own; what is sent again is the same row.

use std::collections::BTreeSet;

use backtrail_schemas::{Delivery, Draft};

use crate::support::{mapped, samples};

fn sample(name: &str) -> Delivery {
    samples().into_iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no sample {name}")).1
}

/// The ids of the events of that kind and phase in a delivery.
fn ids(delivery: &Delivery, which: &str) -> BTreeSet<String> {
    let text = |draft: &Draft, column| draft.event.text(column).unwrap().to_owned();
    let drafts = mapped(delivery).drafts;
    let wanted =
        drafts.iter().filter(|d| format!("{}/{}", text(d, "kind"), text(d, "phase")) == which);
    let ids: BTreeSet<String> = wanted.map(|d| text(d, "event_id")).collect();
    assert!(!ids.is_empty(), "no {which}");
    ids
}

#[test]
fn what_happens_again_is_another_fact() {
    for (trap, which, first, again) in [
        (
            "an issue that lost the label gets it again",
            "incident/reported",
            "github/issues_labeled.json",
            "github/issues_labeled_again.json",
        ),
        (
            "an alert group is reopened twice, and no time is said",
            "incident/reopened",
            "grafana-irm/untimed.ndjson:2",
            "grafana-irm/untimed.ndjson:4",
        ),
        (
            "a job that is made again counts its builds from 1",
            "deployment/started",
            "jenkins/started.json",
            "jenkins/started_in_a_job_made_again.json",
        ),
        (
            "a pipeline that failed is restarted at a stage",
            "rollback/succeeded",
            "spinnaker/pipeline_failed_rolled_back.json",
            "spinnaker/pipeline_restarted.json",
        ),
    ] {
        let [first, again] = [first, again].map(|name| ids(&sample(name), which));
        assert!(first.is_disjoint(&again), "{trap}");
    }
}

/// Each attempt of Sentry's has a time and an id of its own.
#[test]
fn what_is_sent_again_is_the_same_fact() {
    for (name, which) in [
        ("sentry/issue_created.json", "health/breached"),
        ("sentry/issue_unresolved.ndjson:1", "health/breached"),
        ("sentry/issue_resolved.ndjson:1", "health/recovered"),
        ("sentry/metric_alert_critical.ndjson:1", "health/breached"),
        ("sentry/metric_alert_warning.ndjson:1", "health/warning"),
        ("sentry/metric_alert_resolved.json", "health/recovered"),
        ("sentry/metric_alert_resolved_undated.ndjson:1", "health/recovered"),
        ("sentry/event_alert.json", "health/breached"),
    ] {
        let first = sample(name);
        let mut again = first.clone();
        again.headers.insert("sentry-hook-timestamp".to_owned(), "1775219000".to_owned());
        again.headers.insert("request-id".to_owned(), "0b0b".to_owned());
        assert_eq!(ids(&first, which), ids(&again, which), "{name}");
        // What opens again is another alert or issue, and so is what another event triggers.
        let body = String::from_utf8(again.body).unwrap();
        again.body = ["\"id\":", "\"id\": ", "\"event_id\": ", "\"event_id\":"]
            .iter()
            .fold(body, |body, key| body.replace(&format!("{key}\""), &format!("{key}\"9")))
            .into_bytes();
        assert!(ids(&first, which).is_disjoint(&ids(&again, which)), "{name}");
    }
}
