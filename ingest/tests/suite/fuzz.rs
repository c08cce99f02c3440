//! Nothing that a stranger sends panics, vanishes, or becomes an event that is none: one target per source.
//!
//! A target takes the samples of its source and changes values, keys, headers and bytes. `cargo test` tries each for a
//! fraction of a second; ten minutes over all of them on two cores are
//! `BOLERO_RANDOM_TEST_TIME_MS=37000 cargo test -p backtrail-ingest --test suite fuzz::targets`.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use backtrail_schemas::{Delivery, Mapped};
use bolero::check;

use crate::coverage::is_promised;
use crate::damage::{Damage, Edit};
use crate::support::{self, mapped, samples};

/// How long each target runs unless `BOLERO_RANDOM_TEST_TIME_MS` says otherwise.
const TARGET_TIME: Duration = Duration::from_millis(250);

/// What the page of sources has in backticks: every code of a reject is among it.
static PAGE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let samples = support::crate_folder().join("tests/samples");
    let page = backtrail_ingest::docs::generated_files(&samples).unwrap().remove(0).1;
    page.split('`').skip(1).step_by(2).map(str::to_owned).collect()
});

/// One test per source, and the list of them.
macro_rules! targets {
    ($($target:ident $source:literal),* $(,)?) => {
        const TARGETS: &[&str] = &[$($source),*];
        mod targets {
            $(#[test]
            fn $target() {
                super::fuzz($source);
            })*
        }
    };
}

targets! {
    native "native", cdevents "cdevents", github "github", pagerduty "pagerduty", argo_rollouts "argo-rollouts",
    alertmanager "alertmanager", grafana "grafana", opsgenie "opsgenie", datadog "datadog", servicenow "servicenow",
    jira "jira", launchdarkly "launchdarkly", gitlab "gitlab", otlp "otlp", cloudevents "cloudevents",
    octopus "octopus", argocd "argocd", kubernetes "kubernetes", helm "helm", flagger "flagger", flux "flux",
    jenkins "jenkins", spinnaker "spinnaker", harness "harness", terraform "terraform", incident_io "incident-io",
    rootly "rootly", firehydrant "firehydrant", squadcast "squadcast", grafana_irm "grafana-irm", sentry "sentry",
    own_cd "own-cd",
}

#[test]
fn every_source_is_a_target() {
    assert_eq!(TARGETS, support::folders());
}

/// Arbitrary bytes, and damaged samples.
fn fuzz(source: &str) {
    let prefix = format!("{source}/");
    let own = samples().into_iter().filter(|(name, _)| name.starts_with(&prefix));
    let damage = Damage::new(own.map(|(_, delivery)| delivery).collect());
    check!().with_test_time(TARGET_TIME).with_type::<(u16, Vec<Edit>, Vec<u8>)>().for_each(
        |(which, edits, bytes)| match which % 16 {
            0 => judge(source, &Delivery { body: bytes.clone(), ..Delivery::default() }),
            _ => judge(source, &damage.done(which / 16, edits)),
        },
    );
}

/// Maps twice, under recognition and under the source's name.
fn judge(source: &str, delivery: &Delivery) {
    for named in [None, Some(source.to_owned())] {
        let delivery = Delivery { source: named, ..delivery.clone() };
        let result = accounted(&delivery);
        assert_eq!(mapped(&delivery), result, "pure: {}", shown(&delivery));
    }
}

/// What becomes of a delivery: something, each event one that the log takes, each reject one that people can look up.
pub(crate) fn accounted(delivery: &Delivery) -> Mapped {
    let result = mapped(delivery);
    let facts = result.drafts.len() + result.rejects.len();
    assert!(facts > 0 || result.ignored.is_some(), "vanished: {}", shown(delivery));
    assert!(facts == 0 || result.ignored.is_none(), "ignored in part: {}", shown(delivery));
    for draft in &result.drafts {
        let valid = draft.event.check_drafted(&["recorded_at"]);
        valid.unwrap_or_else(|e| panic!("{e}: {}", shown(delivery)));
        let [source, kind, phase] =
            ["source", "kind", "phase"].map(|name| draft.event.text(name).unwrap());
        assert!(is_promised(source, kind, phase), "{source} {kind}/{phase}: {}", shown(delivery));
    }
    for reject in &result.rejects {
        assert!(PAGE.contains(reject.code.as_ref()), "{reject:?} has a code of its own");
        let told = !reject.reason.is_empty() && !reject.reason.contains(char::is_control);
        assert!(told, "{reject:?}");
    }
    result
}

fn shown(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.body).into_owned()
}
