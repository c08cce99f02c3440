//! Several accounts of one source whose deliveries do not name them: each is told apart by what the config says.

use std::path::Path;

use serde_json::{Value, json};

use crate::intake::post;
use crate::polled::{Api, Reply, poll, polled, sql};
use crate::serving::{Serving, ledger, rows};
use crate::tool::{check, ok, run};

const HARBOUR: &str = "harbour-token-41-elm";
const MEADOW: &str = "meadow-token-63-yew";

const CONFIG: &str = "
[sources.opsgenie]
instance = 'harbour'
scheme = 'bearer'
secrets = [{ id = 'a', env = 'HARBOUR' }]

[sources.opsgenie-meadow]
source = 'opsgenie'
instance = 'meadow'
scheme = 'bearer'
secrets = [{ id = 'b', env = 'MEADOW' }]
defaults = { service = 'till' }
labels = { incident = 'outage' }
";

/// An alert that is an incident by one of its tags, as Opsgenie tells of it.
fn alert(action: &str, tag: &str) -> Value {
    json!({"action": action, "alert": {"alertId": "7c1f-INC7", "message": "carts stall", "tags": [tag],
        "createdAt": 1_772_442_000_000_u64, "updatedAt": 1_772_442_000_000_000_000_u64, "username": "System"}})
}

fn send(server: &Serving, name: &str, token: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let request = post(name, &[("authorization", &bearer)], body.to_string().as_bytes());
    let (status, _, answer) = server.send(&request);
    (status, serde_json::from_slice(&answer).unwrap_or_default())
}

fn asked(dir: &Path, question: &str) -> Vec<String> {
    let sql = ["sql", "--ledger", "ledger", "--period", "2026-03", "--format", "csv", question];
    ok(dir, sql).lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn one_id_of_two_accounts_is_two_incidents() {
    let dir = ledger(3);
    let dir = dir.path();
    std::fs::write(dir.join("backtrail.toml"), CONFIG).unwrap();
    let mut server = Serving::start_with(dir, &[], &[("HARBOUR", HARBOUR), ("MEADOW", MEADOW)]);
    for (name, token, tag) in
        [("opsgenie", HARBOUR, "incident"), ("opsgenie-meadow", MEADOW, "outage")]
    {
        for outcome in ["accepted", "duplicate"] {
            let (status, answer) = send(&server, name, token, &alert("Create", tag));
            assert_eq!(status, 200, "{answer}");
            assert!(answer.to_string().contains(outcome), "{name}: {answer}");
        }
    }
    assert_eq!(send(&server, "opsgenie-meadow", HARBOUR, &alert("Close", "outage")).0, 401);
    assert_eq!(server.signal("-TERM"), 0);
    let found = "select source_instance, incident_id, service from events where kind = 'incident' order by 1";
    assert_eq!(asked(dir, found), ["harbour,7c1f-INC7,", "meadow,7c1f-INC7,till"]);
    let named = "select incident_id from incidents where incident_id like '%INC7' order by 1";
    assert_eq!(asked(dir, named), ["harbour/7c1f-INC7", "meadow/7c1f-INC7"]);
}

/// What a retry understands later has the ids that it would have had at once.
#[test]
fn quarantine_remembers_whose_a_delivery_was() {
    let dir = ledger(3);
    let dir = dir.path();
    let history = r#"[{"revision":1,"updated":"2026-03-01T10:00:00Z","status":"deployed","chart":"shop-4.1.0","app_version":"4.1.0","description":"Install complete"}]"#;
    std::fs::write(dir.join("history.json"), history).unwrap();
    let ingest = ["ingest", "--ledger", "ledger", "--source", "helm", "history.json"];
    let told = |more: &[&'static str]| [&ingest[..], &["--instance", "meadow"], more].concat();
    assert!(ok(dir, told(&[])).contains("1 quarantined"));
    let config = "[sources.helm]\ninstance = 'harbour'\ndefaults = { service = 'till' }\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let retry = ["quarantine", "retry", "--ledger", "ledger"];
    assert!(ok(dir, retry).contains("0 quarantined"));
    assert!(ok(dir, told(&["--default", "service=till"])).contains("0 accepted + 1 duplicate"));
    assert!(ok(dir, ingest).contains("1 accepted"), "the config names another account");
    let helm =
        rows(dir).into_iter().filter(|row| row["source"] == "helm" && row["kind"] == "deployment");
    let instances: Vec<Value> = helm.map(|row| row["source_instance"].clone()).collect();
    assert_eq!(instances, ["meadow", "harbour"]);
}

/// A count and an all-clear are about a source as a whole, so a poll of one of its accounts makes none.
#[test]
fn an_account_is_polled_as_itself() {
    let api = Api::start(|_| {
        let incident = json!({"data": {"type": "incidents", "id": "d7", "attributes": {"public_id": 7, "title": "carts stall",
            "state": "active", "created": "2025-05-01T10:00:00Z", "modified": "2025-05-01T11:00:00Z", "fields": {}}}});
        Reply::json(
            &json!({"data": {"type": "incidents_search_results", "attributes": {"total": 1, "incidents": [incident]}}}),
        )
    });
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, ["init", "ledger", "--origin", "poll.example/test", "--simulated-clock"]);
    let asked =
        format!("api = '{}'\ntoken_env = 'TOKEN'\napplication_key_env = 'SECOND'", api.address);
    let first = format!(
        "[ledger]\npath = 'ledger'\n[sources.datadog]\ninstance = 'harbour'\n[sources.datadog.poll]\n{asked}\n"
    );
    let second = format!(
        "[sources.dd-meadow]\nsource = 'datadog'\ninstance = 'meadow'\n[sources.dd-meadow.poll]\n{asked}\n"
    );
    let window = ["--since", "2025-05-01", "--until", "2025-05-03"];
    let of = |name| polled(dir, &[&[name], &window[..]].concat());
    std::fs::write(dir.join("backtrail.toml"), &first).unwrap();
    let alone = of("datadog");
    assert_eq!(alone["said"], json!(["manifest", "reconciled"]), "{alone}");
    std::fs::write(dir.join("backtrail.toml"), first + &second).unwrap();
    let account = of("dd-meadow");
    assert_eq!(
        (&account["totals"]["accepted"], &account["said"]),
        (&alone["totals"]["accepted"], &json!([]))
    );
    let again = of("datadog");
    assert_eq!((&again["totals"]["accepted"], &again["said"]), (&json!(0), &json!([])));
    let ids = "select distinct source_instance, incident_id from events where kind = 'incident' order by 1";
    assert_eq!(sql(dir, ids), ["harbour,d7", "meadow,d7"]);
    assert!(dir.join("ledger.poll/dd-meadow.json").is_file());
    check(&poll(dir, &["dd-orchard"]), 64, &["`dd-orchard` has no API that is polled"]);
    // What is wrong with an account is said of its own section.
    std::fs::write(dir.join("backtrail.toml"), second.replace("'TOKEN'", "'NOT_SET'")).unwrap();
    let said = poll(dir, &["dd-meadow", "--ledger", "ledger"]);
    check(&said, 66, &["sources.dd-meadow.poll.token_env names no variable"]);
}

#[test]
fn accounts_are_checked() {
    let dir = ledger(3);
    let dir = dir.path();
    std::fs::write(dir.join("long"), HARBOUR).unwrap();
    let sends = "scheme = 'bearer'\nsecrets = [{ id = 'a', file = 'long' }]\n";
    let section = |name: &str, keys: &str| format!("[sources.{name}]\n{sends}{keys}\n");
    let eu = section("ops-eu", "source = 'opsgenie'\ninstance = 'eu'");
    for (config, exit, said) in [
        (eu.clone(), 0, "fine: "),
        (section("opsgenie", "instance = 'us'") + &eu, 0, "fine: "),
        (section("opsgenie", "") + &eu, 65, "sources.opsgenie needs an `instance` of its own"),
        (section("opsgenie", "instance = 'eu'") + &eu, 65, "needs an `instance` of its own"),
        (section("ops-eu", "source = 'opsgenie'"), 65, "sources.ops-eu needs an `instance`"),
        (section("ops-eu", "source = 'opsgeni'\ninstance = 'eu'"), 65, "did you mean opsgenie?"),
        (section("github", "source = 'gitlab'\ninstance = 'eu'"), 65, "is a source itself"),
        (section("'ops/eu'", "source = 'opsgenie'\ninstance = 'eu'"), 65, "name of an account"),
        (section("opsgenie", "instance = ''"), 65, "sources.opsgenie.instance: ``"),
        (section("opsgenie", "instance = 'default'"), 65, "cannot be an instance"),
        (section("opsgenie", "instance = ' eu'"), 65, "cannot be an instance"),
        (
            "[sources.ops-eu]\nsource = 'opsgenie'\ninstance = 'eu'\n".into(),
            65,
            "sources.ops-eu needs a `scheme`",
        ),
        (
            "[sources.ops-eu]\nsource = 'opsgenie'\ninstance = 'eu'\nrules = 'x.toml'\n".into(),
            66,
            "x.toml",
        ),
    ] {
        std::fs::write(dir.join("backtrail.toml"), &config).unwrap();
        let ran = run(dir, ["serve", "--check", "--ledger", "ledger"]);
        assert_eq!(ran.exit, exit, "{config}: {}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(said), "{config}: {}", ran.err);
    }
    std::fs::write(dir.join("backtrail.toml"), "").unwrap();
    let dry = ["ingest", "--dry-run", "--instance", "default", "history.ndjson"];
    check(&run(dir, dry), 64, &["`default` cannot be an instance", "hint: "]);
}
