//! The answers of the controls, as a page shows them.

use crate::error::Error;
use crate::evaluate::{Evaluation, Item, State};
use crate::format;
use crate::generate::{rows_file, rows_path, sql_path};
use crate::hash;
use crate::limits::EXCEPTIONS_SHOWN_MAX;
use crate::model::{ControlResult, Counts, Ipe, ItemView, ReasonCount};
use crate::pack::{Control, Status};
use crate::sampling::{self, Drawn};
use crate::study::Study;

/// Every control of the study.
///
/// # Errors
/// A row cannot be written in canonical form.
pub(crate) fn controls(study: &Study<'_>) -> Result<Vec<ControlResult>, Error> {
    study.controls.iter().map(|(control, evaluation)| result(study, control, evaluation)).collect()
}

fn result(
    study: &Study<'_>,
    control: &Control,
    evaluation: &Evaluation,
) -> Result<ControlResult, Error> {
    let counts = counts(evaluation);
    let exceptions = evaluation.items.iter().filter(|item| item.status == Status::Fail);
    let exempted = evaluation.items.iter().filter(|item| item.exemption.is_some());
    let view = |item: &Item| view(study, control, item);
    let tested =
        evaluation.items.iter().filter(|i| matches!(i.status, Status::Pass | Status::Fail));
    let ids: Vec<&str> = tested.map(|item| item.item_id.as_str()).collect();
    Ok(ControlResult {
        id: control.id.clone(),
        version: control.version.clone(),
        family: control.family.clone(),
        title: control.title.clone(),
        statement: control.statement.clone(),
        item: control.item.clone(),
        procedure: control.procedure.clone(),
        remediation: control.remediation.clone(),
        state: evaluation.state,
        state_words: evaluation.state.words().to_owned(),
        note: evaluation.note.clone(),
        result: in_words(evaluation.state, &counts),
        reasons: reasons(control, evaluation),
        ipe: ipe(control, evaluation)?,
        columns: control.columns.iter().map(|column| column.title.clone()).collect(),
        exceptions: exceptions.take(EXCEPTIONS_SHOWN_MAX).map(view).collect(),
        exceptions_unshown: counts.fail.saturating_sub(EXCEPTIONS_SHOWN_MAX),
        exempted: exempted.map(view).collect(),
        sample: sample(study, &control.id, &ids),
        counts,
    })
}

fn counts(evaluation: &Evaluation) -> Counts {
    let count = |status| evaluation.items.iter().filter(|item| item.status == status).count();
    let (pass, fail) = (count(Status::Pass), count(Status::Fail));
    Counts {
        population: evaluation.items.len(),
        expected: evaluation.expected,
        tested: pass + fail,
        pass,
        fail,
        exempt: count(Status::Exempt),
        not_applicable: count(Status::NotApplicable),
    }
}

/// `n of N`, as a service auditor writes a result.
fn in_words(state: State, c: &Counts) -> String {
    let outside = match (c.exempt, c.not_applicable) {
        (0, 0) => String::new(),
        (exempt, 0) => format!(" {} exempt.", format::count(exempt as u64)),
        (0, na) => format!(" {} not applicable.", format::count(na as u64)),
        (exempt, na) => {
            format!(
                " {} exempt, {} not applicable.",
                format::count(exempt as u64),
                format::count(na as u64)
            )
        }
    };
    let of = format!(
        "{} of {}",
        format::count(c.pass as u64),
        format::plural(c.tested, "tested item", "tested items")
    );
    match state {
        State::Error => "The test could not be performed.".to_owned(),
        State::NotTested if c.population == 0 => {
            "No occurrence in the period, so the operation of the control could not be tested."
                .to_owned()
        }
        State::NotTested => format!("No item of the population could be tested.{outside}"),
        State::Inconclusive => {
            format!("{of} met the criterion, but the log does not cover the period.{outside}")
        }
        State::Effective => format!("No exceptions noted: {of} met the criterion.{outside}"),
        State::Exceptions => {
            format!(
                "{}: {of} met the criterion.{outside}",
                capital(&format::plural(c.fail, "exception", "exceptions"))
            )
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn reasons(control: &Control, evaluation: &Evaluation) -> Vec<ReasonCount> {
    let count =
        |code: &str| evaluation.items.iter().filter(|item| item.reason_code == code).count();
    let reason = |r: &crate::pack::Reason| ReasonCount {
        code: r.code.clone(),
        status: r.status,
        meaning: r.meaning.clone(),
        count: count(&r.code),
    };
    control.reasons.iter().map(reason).collect()
}

fn ipe(control: &Control, evaluation: &Evaluation) -> Result<Ipe, Error> {
    let times = || evaluation.items.iter().filter_map(|item| item.occurred_at.as_deref());
    let shown = |text: &str| text.parse().map_or_else(|_| text.to_owned(), format::time);
    Ok(Ipe {
        sql: evaluation.sql.clone(),
        sql_sha256: hash::hex(evaluation.sql.as_bytes()),
        sql_file: sql_path(control),
        rows_file: rows_path(control),
        rows_sha256: hash::hex(&rows_file(evaluation)?),
        parameters: evaluation
            .parameters
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect(),
        reads: control.reads.clone(),
        first: times().min().map(shown),
        last: times().max().map(shown),
    })
}

fn view(study: &Study<'_>, control: &Control, item: &Item) -> ItemView {
    let cell = |column: &crate::pack::Column| {
        let value = item.evidence.get(&column.name).unwrap_or(&serde_json::Value::Null);
        format::cell(&column.name, value)
    };
    let at = item.occurred_at.as_deref().and_then(|text| text.parse().ok());
    let exemption = item.exemption.and_then(|number| {
        let e = study.inputs.overlay.as_ref()?.exemptions.get(number - 1)?;
        let (reason, by, until) = (&e.reason, &e.approved_by, &e.expires_at);
        Some(format!("exemption {number}: {reason}; approved by {by}, until {until}"))
    });
    ItemView {
        item_id: item.item_id.clone(),
        at: at.map_or_else(|| "—".to_owned(), format::time),
        status: item.status,
        reason_code: item.reason_code.clone(),
        reason: item.reason.clone(),
        cells: control.columns.iter().map(cell).collect(),
        seq: item.seq.clone(),
        exemption,
    }
}

fn sample(study: &Study<'_>, control: &str, ids: &[&str]) -> Vec<Drawn> {
    // What the verifier checks is always looked at whole.
    if control == "LOG-02" {
        return Vec::new();
    }
    let seed = sampling::seed(&study.inputs.sample_seed, &study.checkpoint.root.to_string());
    let size = study.pack.sampling.size_for(ids.len() as u64);
    sampling::draw(&seed, ids.iter().copied(), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_read_like_a_service_auditors() {
        let counts = |pass, fail, exempt, na| Counts {
            population: pass + fail + exempt + na,
            expected: None,
            tested: pass + fail,
            pass,
            fail,
            exempt,
            not_applicable: na,
        };
        for (state, c, want) in [
            (
                State::Effective,
                counts(25, 0, 0, 0),
                "No exceptions noted: 25 of 25 tested items met the criterion.",
            ),
            (
                State::Exceptions,
                counts(22, 1, 2, 1),
                "1 exception: 22 of 23 tested items met the criterion. 2 exempt, 1 not applicable.",
            ),
            (
                State::NotTested,
                counts(0, 0, 0, 0),
                "No occurrence in the period, so the operation of the control could not be tested.",
            ),
            (
                State::NotTested,
                counts(0, 0, 0, 3),
                "No item of the population could be tested. 3 not applicable.",
            ),
            (State::Error, counts(0, 0, 0, 0), "The test could not be performed."),
        ] {
            assert_eq!(in_words(state, &c), want);
        }
    }
}
