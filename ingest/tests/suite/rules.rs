//! Rule files: what is wrong with one is said with line, key and hint; whatever comes in, nothing is lost.

use std::fmt::Write;
use std::path::PathBuf;

use backtrail_ingest::{Context, Rule, Rules, rules};
use backtrail_schemas::Delivery;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{context, crate_folder, found, ids, mapped, samples};

const GOOD: &str = r#"
name = "own"
reads = "what our CD posts"
natural_key = "id"
authentication = "none"
rollback = "not at all"
cannot_tell = "who did it"
key = ["/id"]
time = "/at"
[claims]
body = [{ at = "/cd", is = 1 }]
[[event]]
kind = "deployment"
phase = "started"
"#;

/// Each mistake is one line of [`GOOD`] replaced, or lines added to its end.
const MISTAKES: &[(&str, &str)] = &[
    ("name = \"own\"", "name = own"),
    ("name = \"own\"", ""),
    ("name = \"own\"", "name = \"Own CD\""),
    ("name = \"own\"", "name = \"own\"\nname = \"other\""),
    ("name = \"own\"", "name = \"own\"\nnames = \"other\""),
    ("reads = \"what our CD posts\"", "reads = 7"),
    ("reads = \"what our CD posts\"", "reads = \"a | b\""),
    ("key = [\"/id\"]", ""),
    ("key = [\"/id\"]", "key = []"),
    ("key = [\"/id\"]", "key = [\"id\"]"),
    ("key = [\"/id\"]", "key = [\"/a~2\"]"),
    ("key = [\"/id\"]", "key = [\"./id\"]"),
    ("key = [\"/id\"]", "key = [\"header:x y\"]"),
    ("key = [\"/id\"]", "key = [7]"),
    ("time = \"/at\"", ""),
    ("time = \"/at\"", "time = 7"),
    ("time = \"/at\"", "time = \"/at\"\ntime_basis = \"receipt\""),
    ("time = \"/at\"", "time = \"/at\"\ntime_basis = \"guess\""),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"unix\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"%Y-%m-%d %H:%M\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"%H:%M\", zone = \"UTC\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"%Q\", zone = \"UTC\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"%Y-%m-%d %H:%M:%S %z\", zone = \"UTC\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"%Y-%m-%d %H:%M:%S\", zone = \"CET\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", as = \"unix_ms\", zone = \"UTC\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", zone = \"UTC\" }"),
    ("time = \"/at\"", "time = { from = \"/at\", plus = \"/took\" }"),
    ("body = [{ at = \"/cd\", is = 1 }]", "body = [{ at = \"header:x\", is = 1 }]"),
    ("body = [{ at = \"/cd\", is = 1 }]", "headers = [{ at = \"/cd\", is = 1 }]"),
    ("body = [{ at = \"/cd\", is = 1 }]", "body = [{ at = \"/cd\" }]"),
    ("body = [{ at = \"/cd\", is = 1 }]", "body = [{ at = \"/cd\", is = 1, not = 2 }]"),
    ("body = [{ at = \"/cd\", is = 1 }]", "body = [{ at = \"/cd\", is = 1.5 }]"),
    ("body = [{ at = \"/cd\", is = 1 }]", "body = [{ at = \"/cd\", matches = \"x\" }]"),
    ("body = [{ at = \"/cd\", is = 1 }]", "body = { at = \"/cd\", is = 1 }"),
    ("[[event]]", "[[events]]"),
    ("[[event]]", "[event]"),
    ("kind = \"deployment\"", "kind = \"deploy\""),
    ("kind = \"deployment\"", "kind = \"ledger\""),
    ("phase = \"started\"", "phase = \"begun\""),
    ("phase = \"started\"", "phase = { from = \"/state\", map = { ok = \"good\" } }"),
    ("phase = \"started\"", "phase = { from = \"/state\" }"),
    ("phase = \"started\"", "phase = \"started\"\neach = \"./list\""),
    ("", "[event.columns]\nservise = \"/app\""),
    ("", "[event.columns]\nactor = \"/user\""),
    ("", "[event.columns]\ntitle = \"/title\""),
    ("", "[event.columns]\ntitle_commitment = \"/title\""),
    ("", "[event.columns]\nsource = \"/from\""),
    ("", "[event.columns]\nservice = \"app\""),
    ("", "[event.columns]\nservice = 7"),
    ("", "[event.columns]\nservice = \"\""),
    ("", "[event.columns]\nservice = { from = \"/a\", value = \"b\" }"),
    ("", "[event.columns]\nservice = { from = \"/a\", as = \"unix_s\" }"),
    ("", "[event.columns]\nseverity = { value = \"2\" }"),
    ("", "[event.columns]\nseverity = 9007199254740993"),
    ("", "[event.columns]\nseverity = { from = \"/sev\", map = { high = \"1\" } }"),
    ("", "[event.columns]\nplanned = { value = \"yes\" }"),
    ("", "[event.columns]\ncommitted_at = { value = \"yesterday\" }"),
    ("", "[event.columns]\nsignal_value = { value = \"1e3\" }"),
    ("", "[event.columns]\nmechanism = { value = \"revert\" }"),
    ("", "[event.columns]\nservice = \"/a\"\nservice = \"/b\""),
    ("", "[event.texts]\nservice = \"/app\""),
    ("", "[event.people]\nservice = { person = \"/app\" }"),
    ("", "[event.people]\nactor = \"/user\""),
    ("", "[event.people]\nactor = { name = \"/user\" }"),
    ("", "[event.people]\nactor = { person = \"/user\", bot = \"/agent\" }"),
    ("", "[event.people]\nactor = { bot = \"/agent\", name = \"/name\" }"),
    ("", "[[ignore]]\nwhen = [{ at = \"/type\", is = \"ping\" }]"),
    ("", "[[ignore]]\nbecause = \"a ping\""),
    ("", "[[ignore]]\nwhen = []\nbecause = \"a ping\""),
];

fn said(mistake: &(&str, &str)) -> String {
    let (line, instead) = mistake;
    let text =
        if line.is_empty() { format!("{GOOD}{instead}\n") } else { GOOD.replace(line, instead) };
    match Rule::parse("own.toml", &text) {
        Err(error) => format!("{instead}\n  {error}\n  hint: {}\n", error.hint),
        Ok(_) => panic!("{instead} is accepted"),
    }
}

/// The snapshot of all errors, and where it lies.
pub(crate) fn errors() -> (PathBuf, String) {
    let mut page = String::new();
    for mistake in MISTAKES {
        let _ = writeln!(page, "{}", said(mistake));
    }
    (crate_folder().join("tests/expected/rule_errors.txt"), page)
}

#[test]
fn every_mistake_is_told_with_line_key_and_hint() {
    Rule::parse("own.toml", GOOD).unwrap();
    let (path, page) = errors();
    let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(on_disk == page, "{} is stale; it is now\n{page}", path.display());
}

#[test]
fn a_rule_file_has_bounds() {
    let long = format!("{GOOD}# {}\n", "x".repeat(128 << 10));
    assert!(Rule::parse("own.toml", &long).unwrap_err().what.contains("bytes"));
    let many =
        format!("{GOOD}{}", "[[event]]\nkind = \"deployment\"\nphase = \"live\"\n".repeat(128));
    assert!(Rule::parse("own.toml", &many).unwrap_err().what.contains("one block more"));
    let nested = format!("{GOOD}x = {}", "[".repeat(100_000));
    assert!(!Rule::parse("own.toml", &nested).unwrap_err().hint.is_empty());
    let deep = GOOD.replace("\"/id\"", &format!("\"{}\"", "/a".repeat(33)));
    assert!(Rule::parse("own.toml", &deep).unwrap_err().what.contains("steps"));
}

#[test]
fn names_are_taken_once() {
    let rule = |name: &str| {
        Rule::parse(&format!("{name}.toml"), &GOOD.replace("\"own\"", &format!("\"{name}\"")))
            .unwrap()
    };
    assert!(Rules::new(vec![rule("own"), rule("other")]).is_ok());
    for (rules, says) in [
        (vec![rule("own"), rule("own")], "own.toml:2: name: `own` is the name in own.toml too"),
        (vec![rule("jenkins")], "jenkins.toml:2: name: `jenkins` is a source that is built in"),
        (vec![rule("github")], "github.toml:2: name: `github` is a source that is built in"),
    ] {
        assert_eq!(Rules::new(rules).unwrap_err().to_string(), says);
    }
}

fn own(changes: &[(&str, &str)]) -> Context {
    let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| text.replace(from, to));
    let rule = Rule::parse("own.toml", &text).unwrap_or_else(|e| panic!("{e}: {}", e.hint));
    Context { rules: Rules::new(vec![rule]).unwrap(), ..Context::file() }
}

fn delivery(body: &Value) -> Delivery {
    Delivery { body: body.to_string().into_bytes(), ..Delivery::default() }
}

#[test]
fn times_have_many_forms() {
    let want = "2026-04-03T10:00:00.000000Z";
    for (form, at) in [
        ("\"/at\"", json!("2026-04-03T12:00:00+02:00")),
        ("{ from = \"/at\", as = \"unix_s\" }", json!(1_775_210_400)),
        ("{ from = \"/at\", as = \"unix_s\" }", json!("1775210400")),
        ("{ from = \"/at\", as = \"unix_ms\" }", json!(1_775_210_400_000_u64)),
        ("{ from = \"/at\", as = \"unix_ns\" }", json!(1_775_210_400_000_000_000_u64)),
        ("{ from = \"/at\", as = \"unix_ms\", plus = \"/took\" }", json!(1_775_210_395_000_u64)),
        (
            "{ from = \"/at\", as = \"%d.%m.%Y %H:%M\", zone = \"+02:00\" }",
            json!("03.04.2026 12:00"),
        ),
        ("{ from = \"/at\", as = \"%Y%m%dT%H%M%S%z\" }", json!("20260403T060000-0400")),
    ] {
        let context = own(&[("\"/at\"", form)]);
        let body = json!({"cd": 1, "id": 7, "at": at, "took": 5000});
        let result = backtrail_ingest::map(&delivery(&body), &context);
        let said = result.drafts.first().and_then(|d| d.event.timestamp("occurred_at"));
        assert_eq!(said.map(|at| at.to_string()).as_deref(), Some(want), "{form}: {result:?}");
    }
}

#[test]
fn an_event_may_have_another_time_than_the_others() {
    let body = json!({"cd": 1, "id": 7, "at": "2026-04-03T10:00:00Z"});
    let one = Delivery {
        received_at: Some("2026-04-03T10:00:09.000000Z".parse().unwrap()),
        ..delivery(&body)
    };
    for (changes, basis) in [
        (&[][..], "source_event"),
        (&[("phase = \"started\"", "phase = \"started\"\ntime_basis = \"receipt\"")], "receipt"),
        (&[("time = \"/at\"", "time_basis = \"receipt\"")], "receipt"),
        (
            &[
                ("time = \"/at\"", "time_basis = \"receipt\""),
                ("phase = \"started\"", "phase = \"started\"\ntime = \"/at\""),
            ],
            "source_event",
        ),
    ] {
        let event = backtrail_ingest::map(&one, &own(changes)).drafts.remove(0).event;
        assert_eq!(event.text("time_basis"), Some(basis), "{changes:?}");
        let second = if basis == "receipt" { "09" } else { "00" };
        let at = event.timestamp("occurred_at").unwrap().to_string();
        assert_eq!(at, format!("2026-04-03T10:00:{second}.000000Z"));
    }
}

#[test]
fn a_configured_place_is_put_into_what_a_rule_reads() {
    let body = json!({"cd": 1, "id": 7, "at": "2026-04-03T10:00:00Z", "region": "eu"});
    let context =
        own(&[("phase = \"started\"", "phase = \"started\"\ncolumns = { region = \"/region\" }")]);
    let defaults = vec![("region", "us".to_owned()), ("environment", "live".to_owned())];
    let result = backtrail_ingest::map(&delivery(&body), &Context { defaults, ..context });
    let event = &result.drafts[0].event;
    assert_eq!((event.text("region"), event.text("environment")), (Some("eu"), Some("live")));
}

#[test]
fn a_time_that_is_none_is_rejected_with_its_place() {
    for (form, at, code) in [
        ("\"/at\"", json!("soon"), "bad_time"),
        ("{ from = \"/at\", as = \"unix_s\" }", json!(i64::MAX), "bad_time"),
        ("{ from = \"/at\", as = \"unix_s\" }", json!("-1"), "bad_time"),
        ("{ from = \"/at\", as = \"unix_s\" }", json!(0), "missing_field"),
        ("{ from = \"/at\", as = \"unix_s\" }", json!(1.5), "wrong_type"),
        ("{ from = \"/at\", as = \"unix_s\", plus = \"/took\" }", json!(5), "bad_time"),
        ("\"/at\"", json!(null), "missing_field"),
        (
            "{ from = \"/at\", as = \"%d.%m.%Y %H:%M\", zone = \"UTC\" }",
            json!("31.02.2026 12:00"),
            "bad_time",
        ),
    ] {
        let context = own(&[("\"/at\"", form)]);
        let body = json!({"cd": 1, "id": 7, "at": at, "took": -6});
        let result = backtrail_ingest::map(&delivery(&body), &context);
        assert!(result.drafts.is_empty(), "{form} {at}");
        assert_eq!(result.rejects[0].code, code, "{form} {at}: {result:?}");
        assert!(
            result.rejects[0].reason.contains("$.at")
                || result.rejects[0].reason.contains("$.took")
        );
    }
}

#[test]
fn a_users_rule_goes_before_what_is_built_in() {
    let one = samples().into_iter().find(|(name, _)| name == "rootly/mitigated.json").unwrap().1;
    let copy = rules::text("rootly").unwrap().replace("name = \"rootly\"", "name = \"our-rootly\"");
    let rule = Rule::parse("our-rootly.toml", &copy).unwrap();
    let context = Context { rules: Rules::new(vec![rule]).unwrap(), ..Context::file() };
    let sources = |context| {
        let result = backtrail_ingest::map(&one, context);
        result.drafts.iter().map(|d| d.event.text("source").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sources(&context), ["our-rootly"]);
    assert_eq!(sources(&Context::file()), ["rootly"]);
}

#[test]
fn a_webhook_of_jenkins_and_its_api_meet() {
    let events = |name: &str| {
        let all = samples().into_iter().filter(|(n, _)| n == name).map(|(_, d)| mapped(&d));
        all.flat_map(|m| m.drafts).collect::<Vec<_>>()
    };
    let polled = events("jenkins/api_builds.json");
    for name in ["jenkins/started.json", "jenkins/completed_success.json"] {
        let pushed = events(name).remove(0).event;
        let same =
            polled.iter().find(|d| d.event.get("event_id") == pushed.get("event_id")).unwrap();
        for (column, value) in same.event.iter() {
            assert_eq!(pushed.get(column), Some(value), "{name}: {column}");
        }
    }
}

/// Any JSON at all, read by each rule by name: mapped, ignored or rejected, never nothing and never an invalid event.
fn check_every_rule(body: &Value) {
    let context = context();
    for name in rules::names() {
        let source = Some(name.to_owned());
        let result = backtrail_ingest::map(&Delivery { source, ..delivery(body) }, &context);
        let some =
            !result.drafts.is_empty() || !result.rejects.is_empty() || result.ignored.is_some();
        assert!(some, "{name} lost {body}");
        let lost = result.rejects.iter().any(|r| r.code == "no_fact");
        assert!(!lost, "{name} says nothing of {body}");
        for draft in &result.drafts {
            draft.event.check_drafted(&["recorded_at"]).unwrap();
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z:/~.]{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("event"),
        Just("data"),
        Just("build"),
        Just("id"),
        Just("type"),
        Just("content"),
        Just("stages"),
        Just("execution"),
        Just("notifications"),
        Just("action"),
        Just("milestones"),
        Just("incident"),
        Just("builds"),
        Just("checks"),
        Just("phase"),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_json_is_mapped_ignored_or_rejected(body in any_json()) {
        check_every_rule(&Value::Object([("x".to_owned(), body.clone())].into_iter().collect()));
        if body.is_object() || body.is_array() {
            check_every_rule(&body);
        }
    }

    #[test]
    fn any_text_is_a_rule_file_or_an_error(text in "(\\[\\[event\\]\\]|\\[columns\\]|name|key|time|each|at|=|\"/a\"|\\{|\\}|\\[|\\]|,| |\n|7|true){0,60}") {
        let whole = format!("{GOOD}{text}");
        for text in [text.as_str(), whole.as_str()] {
            if let Err(error) = Rule::parse("any.toml", text) {
                prop_assert!(error.line >= 1 && !error.key.is_empty() && !error.hint.is_empty());
            }
        }
    }
}

/// Every sample of one source, read by the rules of every other.
#[test]
fn a_rule_loses_nothing_of_what_is_not_its_own() {
    for (_, one) in samples() {
        if let Ok(body) = serde_json::from_slice::<Value>(&one.body) {
            check_every_rule(&body);
        }
    }
}

#[test]
fn too_many_elements_are_refused_at_once() {
    let element = json!({"trigger": "run:applying", "run_status": "applying", "run_updated_at": "2026-04-03T10:00:00Z"});
    let body = json!({"notification_configuration_id": "n", "payload_version": 1, "run_id": "r", "notifications": vec![element; 10_002]});
    let result = mapped(&delivery(&body));
    assert_eq!((ids(&result).len(), result.rejects[0].code.as_ref()), (0, "too_large"));
    assert!(found(&crate_folder().join("tests/samples/terraform")).len() > 10);
}
