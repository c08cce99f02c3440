//! The second half of the model: one incident's marks become passes, phases and durations.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::incident_model::{Mark, Outcome, earliest, least};

const DISORDER: i64 = 5;

/// The marks of one pass, raised.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
struct Pass {
    first: bool,
    assumed: bool,
    begin: Option<i64>,
    /// Detected, decided, acted, verified; the first is the cut itself in later passes.
    marks: [Option<i64>; 4],
    closed: Option<i64>,
    raw_end: Option<i64>,
    floor: Option<i64>,
    invalid: bool,
    clamped: bool,
}

impl Pass {
    /// Takes the own mark, else the earliest borrowed one that is in order with what came before and with the own marks
    /// that follow, and raises it to what came before. What was stated comes first, the raised mark second.
    fn take(
        &mut self,
        own: Option<i64>,
        lent: &[i64],
        next: Option<i64>,
    ) -> (Option<i64>, Option<i64>) {
        let Some(floor) = self.floor else {
            self.floor = own;
            return (own, own);
        };
        let in_order =
            |at: &i64| *at >= floor - DISORDER && next.is_none_or(|next| *at <= next + DISORDER);
        let raw = own.or_else(|| lent.iter().copied().filter(in_order).min());
        let Some(at) = raw else { return (None, None) };
        self.invalid |= own.is_some() && floor - at > DISORDER;
        self.clamped |= at < floor;
        self.floor = Some(at.max(floor));
        (raw, self.floor)
    }
}

/// `later` is a start, other than the detection, that the incident states only after these rows.
fn pass_of(
    rows: &[Mark],
    family: Option<(Option<i64>, Option<i64>)>,
    cut: Option<i64>,
    later: Option<i64>,
) -> Pass {
    let lent = |names: &[&str]| -> Vec<i64> {
        rows.iter().filter(|r| !r.own && names.contains(&r.name)).map(|r| r.at).collect()
    };
    let close = earliest(rows, "resolved").or_else(|| earliest(rows, "closed"));
    let next =
        |names: &[&str]| names.iter().filter_map(|name| earliest(rows, name)).chain(close).min();
    let mut pass = Pass { first: family.is_some(), begin: cut, floor: cut, ..Pass::default() };
    if let Some((start, detection)) = family {
        let (start, detection) =
            (least(start, earliest(rows, "started")), least(detection, earliest(rows, "detected")));
        let tool = start.is_none() || start == detection;
        let limit = if start.or(detection).is_none() { later } else { start.filter(|_| !tool) };
        let alarms = lent(&["decided automatically"]);
        let alarm =
            alarms.into_iter().filter(|at| limit.is_none_or(|limit| *at >= limit - DISORDER)).min();
        let detected = least(detection, alarm);
        pass.assumed = tool || start == detected;
        pass.begin = if pass.assumed { detected } else { start };
        pass.floor = pass.begin;
        if let Some(begin) = pass.begin {
            pass.invalid = detected.is_some_and(|d| begin - d > DISORDER);
            pass.clamped = detected.is_some_and(|d| d < begin);
            pass.marks[0] = detected.map(|d| d.max(begin));
            pass.floor = pass.marks[0].or(pass.floor);
        }
    } else {
        pass.marks[0] = cut;
    }
    let decisions = lent(&["decided", "decided automatically"]);
    pass.marks[1] =
        pass.take(earliest(rows, "decided"), &decisions, next(&["acted", "verified"])).1;
    pass.marks[2] = pass.take(earliest(rows, "acted"), &lent(&["acted"]), next(&["verified"])).1;
    let acted = pass.floor;
    let (verified, raised) = pass.take(earliest(rows, "verified"), &lent(&["verified"]), close);
    pass.marks[3] = raised;
    let (closed, raised) = pass.take(close, &[], None);
    pass.closed = raised;
    pass.raw_end = verified.or(closed);
    pass.floor = acted;
    pass
}

/// Cuts marks in canonical order into passes and adds them up; `family` is what is known of start and detection besides.
pub(crate) fn walk(marks: &[Mark], family: (Option<i64>, Option<i64>), as_of: i64) -> Outcome {
    let mut passes: Vec<(Pass, Option<(&'static str, i64)>)> = Vec::new();
    let (mut rows, mut cut) = (Vec::new(), None);
    let start = earliest(marks, "started");
    let later = start.filter(|_| start != earliest(marks, "detected"));
    for mark in marks {
        if !matches!(mark.name, "reopened" | "failed") {
            rows.push(mark.clone());
            continue;
        }
        let pass = pass_of(&rows, cut.is_none().then_some(family), cut, later);
        let counts = match mark.name {
            "reopened" => pass.marks[3].is_some() || pass.closed.is_some(),
            _ => pass.marks[2].is_some() && pass.closed.is_none(),
        };
        if counts {
            passes.push((pass, Some((mark.name, mark.at))));
            rows.clear();
            cut = Some(mark.at);
        }
    }
    passes.push((pass_of(&rows, cut.is_none().then_some(family), cut, later), None));
    sum(&passes, as_of)
}

fn sum(passes: &[(Pass, Option<(&'static str, i64)>)], as_of: i64) -> Outcome {
    let begin = passes[0].0.begin;
    let last = &passes.last().unwrap().0;
    let censored = last.marks[3].is_none() && last.closed.is_none();
    let raw_end = last.raw_end.unwrap_or(as_of);
    let invalid = passes.iter().any(|(p, _)| p.invalid);
    let clamped = passes.iter().any(|(p, _)| p.clamped);
    let order = if invalid {
        "invalid"
    } else if clamped {
        "clamped"
    } else {
        "ok"
    };
    let mut outcome = Outcome {
        phases: [None; 4],
        unattributed: None,
        active: None,
        elapsed: None,
        censored,
        order,
        excluded: None,
    };
    let Some(begin) = begin else {
        outcome.excluded = Some("no_start");
        return outcome;
    };
    if (invalid && raw_end < begin) || (censored && as_of < begin) {
        outcome.excluded = Some("negative");
        return outcome;
    }
    if invalid {
        let elapsed = Some(raw_end - begin);
        return Outcome { unattributed: elapsed, active: elapsed, elapsed, ..outcome };
    }
    let (mut active, mut end, mut missing, mut phases) = (0, begin, [false; 4], [None; 4]);
    for (pass, cut) in passes {
        let (pass_end, open) = match (pass.marks[3], cut, pass.closed) {
            (Some(verified), _, _) => (verified, false),
            (None, Some((_, at)), _) => ((*at).max(pass.floor.unwrap()), false),
            (None, None, Some(closed)) => (closed, false),
            (None, None, None) => (as_of.max(pass.floor.unwrap()), true),
        };
        active += pass_end - pass.begin.unwrap();
        end = pass_end;
        add_phases(pass, pass_end, open, &mut phases, &mut missing);
    }
    for (phase, missing) in phases.iter_mut().zip(missing) {
        *phase = phase.filter(|_| !missing);
    }
    let known: i64 = phases.iter().flatten().sum();
    Outcome {
        phases,
        unattributed: Some(active - known),
        active: Some(active),
        elapsed: Some(end - begin),
        ..outcome
    }
}

/// Adds each phase's time in this pass, or notes that it lacks a boundary; a phase not entered is neither.
fn add_phases(
    pass: &Pass,
    end: i64,
    open: bool,
    phases: &mut [Option<i64>; 4],
    missing: &mut [bool; 4],
) {
    let bounds = [pass.begin, pass.marks[0], pass.marks[1], pass.marks[2], Some(end)];
    let last_bound = (0..4).rev().find(|k| bounds[*k].is_some()).unwrap();
    for k in 0..4 {
        if (k == 0 && (!pass.first || pass.assumed)) || (open && k > last_bound) {
            continue;
        }
        let to = if open && k == last_bound { Some(end) } else { bounds[k + 1] };
        match bounds[k].zip(to) {
            Some((from, to)) => phases[k] = Some(phases[k].unwrap_or(0) + to - from),
            None => missing[k] = true,
        }
    }
}
