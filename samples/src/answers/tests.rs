use super::*;

/// The story itself as the log: its own marks by `event_id`.
fn log() -> BTreeMap<String, Fact> {
    crate::story::marks().into_iter().map(|(_, mark)| (mark.event_id, mark.fact)).collect()
}

#[test]
fn every_answer_follows_from_the_events_that_it_names() {
    let (answers, log) = (parse(ANSWERS).unwrap(), log());
    assert!(answers.answers.len() >= 25);
    for answer in &answers.answers {
        let got = answers.recompute(answer, &|id| log.get(id).cloned());
        assert_eq!(got.as_ref(), Ok(&answer.value), "{}", answer.name);
    }
}

#[test]
fn names_are_unique_and_complete() {
    let answers = parse(ANSWERS).unwrap().answers;
    let mut seen = std::collections::BTreeSet::new();
    for answer in &answers {
        assert!(seen.insert(&answer.name), "{} twice", answer.name);
        let parts = [&answer.metric, &answer.field, &answer.formula, &answer.ask, &answer.value];
        assert!(parts.iter().all(|part| !part.is_empty()), "{}", answer.name);
        assert!(answer.filter.contains_key("window"), "{}", answer.name);
        assert_eq!(answer.ask.contains(&asked(answer)), !by_sql(answer), "{}", answer.name);
    }
}

/// What the metrics table has no row for is a query.
fn by_sql(answer: &Answer) -> bool {
    answer.metric == "incidents" || answer.filter.contains_key("source")
}

/// The command that metric and filter call for.
fn asked(answer: &Answer) -> String {
    let filter = |key: &str, flag: &str| {
        answer.filter.get(key).map(|text| format!(" {flag} {text}")).unwrap_or_default()
    };
    let (service, by) = (filter("service", "--service"), filter("dimension", "--by"));
    let window = &answer.filter["window"];
    format!("backtrail metrics --period {window} --metric {}{service}{by}", answer.metric)
}

#[test]
fn an_event_that_is_missing_or_moved_is_seen() {
    let (answers, log) = (parse(ANSWERS).unwrap(), log());
    let answer = answers.answers.iter().find(|a| a.name == "mttr_p50").unwrap();
    assert!(answers.recompute(answer, &|_| None).is_err());
    let moved = |id: &str| {
        let fact = log.get(id)?.clone();
        let occurred_at = fact.occurred_at.plus_seconds(1)?;
        Some(Fact { occurred_at, ..fact })
    };
    assert!(answers.recompute(answer, &moved).is_err());
}

#[test]
fn what_is_no_block_is_refused() {
    for bad in [
        "nothing",
        "colour: red",
        "item: I01",
        "item: a = b",
        "filter: q3",
        "excluded: few",
        "item: a = b -> c 5",
    ] {
        assert!(parse(&format!("```answer\n{bad}\n```")).is_err(), "{bad}");
    }
    assert!(parse("```marks\nx y z\n```").is_err());
}
