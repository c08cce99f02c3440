//! Runs a control: its query, its count, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use backtrail_query::Session;
use serde::{Deserialize, Serialize};

use crate::cells::{self, Row};
use crate::error::Error;
use crate::format;
use crate::integrity::Integrity;
use crate::overlay::Overlay;
use crate::pack::{Control, Status};
use crate::statement;

/// What a control came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// At least one item was tested, and none is an exception.
    Effective,
    /// At least one item is an exception.
    Exceptions,
    /// No item could be tested: an empty population is never a pass.
    NotTested,
    /// Nothing speaks against the control, but the log has a gap, does not hold, or cannot answer for some item.
    Inconclusive,
    /// The query failed or contradicted itself.
    Error,
}

impl State {
    /// The words on a page.
    pub fn words(self) -> &'static str {
        match self {
            Self::Effective => "no exceptions",
            Self::Exceptions => "exceptions",
            Self::NotTested => "not tested",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }
}

/// One item of a population with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub item_id: String,
    /// What it came to.
    pub status: Status,
    /// What it would have come to without the exemption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying_status: Option<Status>,
    /// The number of the exemption that covers it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption: Option<usize>,
    /// Why, from the control's closed list.
    pub reason_code: String,
    /// Why, in words.
    pub reason: String,
    /// When it happened.
    pub occurred_at: Option<String>,
    /// The evidence columns.
    pub evidence: Row,
    /// The positions in the log of the rows that the answer rests on.
    pub seq: Vec<i64>,
    /// The ids of those rows, in the same order.
    pub event_id: Vec<String>,
}

/// The answer of one control.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The query as it ran.
    pub sql: String,
    /// The count as it ran.
    pub count_sql: String,
    /// The control's parameters in force.
    pub parameters: BTreeMap<String, i64>,
    /// Every item of the population, in order of their ids.
    pub items: Vec<Item>,
    /// How many items the second query counted.
    pub expected: Option<i64>,
    /// What it came to.
    pub state: State,
    /// Why it is an error or inconclusive.
    pub note: Option<String>,
}

/// What is known about the log as a whole when a control is judged.
#[derive(Clone, Debug, Default)]
pub struct Ground<'a> {
    /// The verifier's result.
    pub integrity: Integrity,
    /// Why the log does not cover the whole window, if it does not.
    pub gaps: Vec<String>,
    /// The organisation's own settings.
    pub overlay: Option<&'a Overlay>,
}

/// Runs `control` over the session's window. A failing query is an answer (state `error`), not an `Err`.
///
/// # Errors
/// The control's own definition is broken: a placeholder without a value.
pub async fn run(
    control: &Control,
    session: &Session,
    ground: &Ground<'_>,
) -> Result<Evaluation, Error> {
    let parameters = match ground.overlay {
        Some(overlay) => overlay.parameters_of(control),
        None => Overlay::default().parameters_of(control),
    };
    let sql = statement::fill(&control.sql, control, &parameters, &ground.integrity)?;
    let count_sql = statement::fill(&control.count_sql, control, &parameters, &ground.integrity)?;
    let answer = answer(control, session, &sql, &count_sql).await;
    let (mut items, expected, broken) = match answer {
        Ok((items, expected)) => (items, Some(expected), None),
        Err(error) => (Vec::new(), None, Some(error.to_string())),
    };
    if let Some(overlay) = ground.overlay {
        for item in &mut items {
            exempt(item, control, overlay);
        }
    }
    let (state, note) = match broken {
        Some(why) => (State::Error, Some(why)),
        None => judge(control, &items, ground),
    };
    Ok(Evaluation { sql, count_sql, parameters, items, expected, state, note })
}

async fn answer(
    control: &Control,
    session: &Session,
    sql: &str,
    count_sql: &str,
) -> Result<(Vec<Item>, i64), Error> {
    let query = async |name: &str, sql: &str| {
        let found = session.sql(sql).await.map_err(|e| Error::query(name, e))?;
        cells::rows(&found.batches)
    };
    let rows = query(&control.id, sql).await?;
    let items: Vec<Item> =
        rows.into_iter().map(|row| item(control, row)).collect::<Result<_, _>>()?;
    let counted = query(&control.id, count_sql).await?;
    let expected = counted.first().and_then(|row| cells::integer(row, "expected"));
    let Some(expected) = expected else {
        return Err(Error::reject(format!("{}: the count gave no number", control.id)));
    };
    check_population(control, &items, expected)?;
    Ok((items, expected))
}

fn item(control: &Control, mut row: Row) -> Result<Item, Error> {
    let text =
        |row: &mut Row, name: &str| row.remove(name).and_then(|v| v.as_str().map(str::to_owned));
    let wrong = |what: &str| Error::reject(format!("{}: a row {what}", control.id));
    let item_id = text(&mut row, "item_id").ok_or_else(|| wrong("without item_id"))?;
    let reason_code = text(&mut row, "reason_code").ok_or_else(|| wrong("without reason_code"))?;
    let listed = control
        .reason(&reason_code)
        .ok_or_else(|| wrong(&format!("with the unknown reason `{reason_code}`")))?;
    let status = text(&mut row, "status");
    if status.as_deref() != Some(listed.status.word()) {
        return Err(wrong(&format!("whose status is not that of `{reason_code}`")));
    }
    let reason = text(&mut row, "reason").unwrap_or_default();
    let occurred_at = text(&mut row, "occurred_at");
    let seq = cells::integers(&row, "seq");
    row.remove("seq");
    let ids = row.remove("event_id");
    let ids = ids.as_ref().and_then(|v| v.as_array()).into_iter().flatten();
    let event_id = ids.filter_map(|v| v.as_str().map(str::to_owned)).collect();
    let item = Item {
        item_id,
        status: listed.status,
        underlying_status: None,
        exemption: None,
        reason_code,
        reason,
        occurred_at,
        evidence: row,
        seq,
        event_id,
    };
    if item.seq.len() == item.event_id.len() {
        Ok(item)
    } else {
        Err(wrong("with positions that lack their ids"))
    }
}

/// The population must be whole: nothing twice, and as many as the second query counts.
fn check_population(control: &Control, items: &[Item], expected: i64) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = items.iter().find(|item| !seen.insert(&item.item_id)) {
        return Err(Error::reject(format!(
            "{}: item `{}` is there twice",
            control.id, twice.item_id
        )));
    }
    if i64::try_from(items.len()) != Ok(expected) {
        let (id, n) = (&control.id, items.len());
        return Err(Error::reject(format!("{id}: {n} items, but the count says {expected}")));
    }
    Ok(())
}

/// An exemption turns an exception, or an item that leaves the control open, into an exempt item and keeps what it was.
fn exempt(item: &mut Item, control: &Control, overlay: &Overlay) {
    if item.status != Status::Fail && !is_open(item, control) {
        return;
    }
    let at = item.occurred_at.as_deref().and_then(|text| text.parse().ok());
    let column = |name: &str| cells::text(&item.evidence, name).map(str::to_owned);
    let covering = |e: &crate::overlay::Exemption| e.covers(&control.id, &item.item_id, at, column);
    if let Some(number) = overlay.exemptions.iter().position(covering) {
        item.exemption = Some(number + 1);
        item.underlying_status = Some(item.status);
        item.status = Status::Exempt;
    }
}

/// Whether nothing can be concluded as long as this item stands.
fn is_open(item: &Item, control: &Control) -> bool {
    let reason = control.reason(&item.reason_code);
    item.status != Status::Exempt && reason.is_some_and(|reason| reason.inconclusive)
}

fn judge(control: &Control, items: &[Item], ground: &Ground<'_>) -> (State, Option<String>) {
    if items.iter().any(|item| item.status == Status::Fail) {
        return (State::Exceptions, None);
    }
    let log_fails = ground.integrity.exit != 0 && control.id != INTEGRITY_CONTROL;
    if log_fails {
        let why = format!("the log does not verify (code {})", ground.integrity.exit);
        return (State::Inconclusive, Some(why));
    }
    if !ground.gaps.is_empty() && control.id != INTEGRITY_CONTROL {
        return (State::Inconclusive, Some(ground.gaps.join("; ")));
    }
    let open: Vec<&Item> = items.iter().filter(|item| is_open(item, control)).collect();
    if let Some(first) = open.first() {
        let (n, of) = (open.len(), format::plural(items.len(), "item", "items"));
        return (State::Inconclusive, Some(format!("{n} of {of}: {}", first.reason)));
    }
    let tested = items.iter().any(|item| item.status == Status::Pass);
    (if tested { State::Effective } else { State::NotTested }, None)
}

/// The one control that says itself what the log's integrity is.
const INTEGRITY_CONTROL: &str = "LOG-02";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;

    fn item(id: &str, status: Status) -> Item {
        Item {
            item_id: id.to_owned(),
            status,
            underlying_status: None,
            exemption: None,
            reason_code: "X".to_owned(),
            reason: String::new(),
            occurred_at: Some("2026-10-02T00:00:00.000000Z".to_owned()),
            evidence: Row::from([("service".to_owned(), "legacy".into())]),
            seq: vec![],
            event_id: vec![],
        }
    }

    fn state(statuses: &[Status], exit: u8, gaps: &[&str]) -> State {
        let control = pack::core().control("CHG-02").unwrap();
        let items: Vec<Item> =
            (0..).zip(statuses).map(|(n, s)| item(&format!("i{n}"), *s)).collect();
        let integrity = Integrity { exit, ..Integrity::default() };
        let gaps = gaps.iter().map(|g| (*g).to_owned()).collect();
        judge(control, &items, &Ground { integrity, gaps, overlay: None }).0
    }

    #[test]
    fn an_empty_population_is_never_a_pass() {
        use Status::{Exempt, Fail, NotApplicable, Pass};
        for (statuses, exit, gaps, want) in [
            (&[][..], 0, &[][..], State::NotTested),
            (&[NotApplicable, Exempt], 0, &[], State::NotTested),
            (&[Pass, NotApplicable], 0, &[], State::Effective),
            (&[Pass, Fail], 0, &[], State::Exceptions),
            (&[Pass], 11, &[], State::Inconclusive),
            (&[Pass], 0, &["no deliveries on the 3rd"], State::Inconclusive),
            (&[Fail], 11, &["gap"], State::Exceptions),
        ] {
            assert_eq!(state(statuses, exit, gaps), want, "{statuses:?} {exit} {gaps:?}");
        }
    }

    #[test]
    fn what_the_log_cannot_answer_is_no_pass_unless_it_is_exempt() {
        let control = pack::core().control("LOG-01").unwrap();
        let open = |status| Item { reason_code: "NEVER_COUNTED".to_owned(), ..item("b", status) };
        let judged = |other| {
            let (state, note) =
                judge(control, &[item("a", Status::Pass), other], &Ground::default());
            (state, note.is_some())
        };
        assert_eq!(judged(open(Status::NotApplicable)), (State::Inconclusive, true));
        assert_eq!(judged(open(Status::Exempt)), (State::Effective, false));
        assert_eq!(judged(item("b", Status::NotApplicable)), (State::Effective, false));
    }

    #[test]
    fn a_population_is_counted_twice_and_has_nothing_twice() {
        let control = pack::core().control("CHG-02").unwrap();
        let two = [item("a", Status::Pass), item("b", Status::Pass)];
        assert!(check_population(control, &two, 2).is_ok());
        assert!(check_population(control, &two, 3).is_err());
        let twice = [item("a", Status::Pass), item("a", Status::Pass)];
        assert!(check_population(control, &twice, 2).is_err());
    }

    #[test]
    fn an_exemption_keeps_the_status_below_it() {
        let control = pack::core().control("CHG-02").unwrap();
        let overlay = Overlay {
            exemptions: vec![crate::overlay::Exemption {
                control: "CHG-02".into(),
                items: vec![],
                matching: BTreeMap::from([("service".into(), "legacy".into())]),
                reason: "r".into(),
                approved_by: "a".into(),
                approved_at: "2026-10-01T00:00:00Z".into(),
                expires_at: "2026-10-03T00:00:00Z".into(),
                compensating_control: "c".into(),
            }],
            ..Overlay::default()
        };
        for (status, want, below) in [
            (Status::Fail, Status::Exempt, Some(Status::Fail)),
            (Status::Pass, Status::Pass, None),
            (Status::NotApplicable, Status::NotApplicable, None),
        ] {
            let mut it = item("a", status);
            exempt(&mut it, control, &overlay);
            assert_eq!((it.status, it.underlying_status), (want, below));
        }
    }
}
