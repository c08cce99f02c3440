//! What the definitions say about incidents, once more and naively: rows one after the other, no SQL, whole seconds.
//!
//! Written from the text alone. It knows production only, and rollbacks and incidents of one service.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use crate::incident_pass_model::walk;

/// An event of a random history. Times are seconds.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) at: i64,
    pub(crate) id: String,
    pub(crate) what: What,
}

/// What happened, to which incident or rollback.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A phase of an incident.
    Incident {
        of: String,
        phase: &'static str,
        resolved: Option<i64>,
        drill: bool,
        merged_into: Option<String>,
    },
    /// A phase of a rollback.
    Rollback { of: String, phase: &'static str, names: Option<String>, automatic: bool },
    /// A failed verification that names an incident or a rollback.
    Failed { incident: Option<String>, rollback: Option<String> },
}

/// How an incident came out. Durations are seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) phases: [Option<i64>; 4],
    pub(crate) unattributed: Option<i64>,
    pub(crate) active: Option<i64>,
    pub(crate) elapsed: Option<i64>,
    pub(crate) censored: bool,
    pub(crate) order: &'static str,
    pub(crate) excluded: Option<&'static str>,
}

const REOPEN_WINDOW: i64 = 86_400;

/// One statement about an incident, in canonical order: time, place of kind and phase, id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) at: i64,
    rank: usize,
    id: String,
    pub(crate) name: &'static str,
    pub(crate) own: bool,
}

fn mark(at: i64, kind: &str, phase: &str, id: &str, name: &'static str, own: bool) -> Mark {
    let rank = backtrail_schemas::kinds::rank(kind, phase).unwrap();
    Mark { at, rank, id: id.to_owned(), name, own }
}

#[derive(Clone, Debug, Default)]
struct Rollback {
    decided: Option<i64>,
    live: Option<i64>,
    verified: Option<i64>,
    begin: i64,
    names: Option<String>,
    automatic: bool,
}

/// One generation of an incident.
#[derive(Clone, Debug)]
struct Generation {
    name: String,
    base: String,
    begins: Option<i64>,
    until: Option<i64>,
    rows: Vec<Mark>,
    open_until: Option<i64>,
    cancelled: bool,
    drill: bool,
}

impl Generation {
    fn start(&self) -> Option<i64> {
        self.begins.or_else(|| earliest(&self.rows, "started"))
    }

    fn detection(&self) -> Option<i64> {
        self.begins.or_else(|| earliest(&self.rows, "detected"))
    }

    fn has_begun(&self, at: i64) -> bool {
        self.begins.is_none_or(|begins| begins <= at)
    }
}

/// The earliest own mark of a name.
pub(crate) fn earliest(rows: &[Mark], name: &str) -> Option<i64> {
    rows.iter().filter(|r| r.own && r.name == name).map(|r| r.at).min()
}

/// The earlier of two instants that may be unknown.
pub(crate) fn least(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

/// The outcome of every incident of `rows`, by name, as seen at `as_of`.
pub(crate) fn incidents(rows: &[Row], as_of: i64) -> BTreeMap<String, Outcome> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(canonical);
    let mut parents: BTreeMap<String, Option<String>> = BTreeMap::new();
    for row in &rows {
        if let What::Incident { of, merged_into, .. } = &row.what {
            let parent = parents.entry(of.clone()).or_default();
            *parent = merged_into.clone().or(parent.take());
        }
    }
    let generations: Vec<Generation> =
        parents.keys().flat_map(|name| generations(&rows, name)).collect();
    let rollbacks = rollbacks(&rows);
    let mut outcomes = BTreeMap::new();
    for generation in &generations {
        let mut marks = generation.rows.clone();
        for (id, rollback) in &rollbacks {
            if tie(rollback, &generations, &parents).as_ref() == Some(&generation.name) {
                marks.extend(borrowed(id, rollback, &rows, generation));
            }
        }
        marks.sort();
        let family = family(generation, &generations, &parents);
        let mut outcome = walk(&marks, family, as_of);
        if parents[&generation.base].is_some() {
            outcome.excluded = Some("duplicate");
        } else if generation.drill {
            outcome.excluded = Some("drill");
        } else if generation.cancelled {
            outcome.excluded = Some("cancelled");
        }
        outcomes.insert(generation.name.clone(), outcome);
    }
    outcomes
}

fn canonical(row: &Row) -> (i64, usize, String) {
    let (kind, phase) = match &row.what {
        What::Incident { phase, .. } => ("incident", *phase),
        What::Rollback { phase, .. } => ("rollback", *phase),
        What::Failed { .. } => ("verification", "failed"),
    };
    (row.at, backtrail_schemas::kinds::rank(kind, phase).unwrap(), row.id.clone())
}

/// Own rows in order, the claim in place of a missing close.
fn own_rows(rows: &[Row], name: &str) -> Vec<Mark> {
    let (mut marks, mut claim, mut closed) = (Vec::new(), None, false);
    for row in rows {
        match &row.what {
            What::Incident { of, phase, resolved, .. } if of == name => {
                let called = match *phase {
                    "reported" => "detected",
                    "mitigated" => "acted",
                    other => other,
                };
                marks.push(mark(row.at, "incident", phase, &row.id, called, true));
                closed |= matches!(*phase, "resolved" | "closed");
                claim = resolved.or(claim);
            }
            What::Failed { incident: Some(of), .. } if of == name => {
                marks.push(mark(row.at, "verification", "failed", &row.id, "failed", true));
            }
            _ => {}
        }
    }
    if let Some(at) = claim.filter(|_| !closed) {
        marks.push(mark(at, "incident", "resolved", "claim", "resolved", true));
    }
    marks.sort();
    marks
}

/// Cuts an incident wherever it reopens later than the window after its last end; own marks decide.
fn generations(rows: &[Row], name: &str) -> Vec<Generation> {
    let drills: Vec<_> = rows
        .iter()
        .filter(|r| matches!(&r.what, What::Incident { of, drill: true, .. } if of == name))
        .map(canonical)
        .collect();
    let first = Generation {
        name: name.to_owned(),
        base: name.to_owned(),
        begins: None,
        until: None,
        rows: Vec::new(),
        open_until: None,
        cancelled: false,
        drill: false,
    };
    let mut all = vec![first];
    let mut pass: Vec<Mark> = Vec::new();
    let last =
        |pass: &[Mark], name: &str| pass.iter().filter(|m| m.name == name).map(|m| m.at).max();
    for mark in own_rows(rows, name) {
        let end = last(&pass, "resolved").or(last(&pass, "closed")).or(last(&pass, "verified"));
        let current = all.last_mut().unwrap();
        // What an earlier generation stated holds for the later ones, not the other way round.
        let drilled =
            |mark: &Mark| drills.iter().any(|d| *d <= (mark.at, mark.rank, mark.id.clone()));
        match mark.name {
            "reopened" if end.is_some_and(|end| mark.at - end > REOPEN_WINDOW) => {
                current.until = Some(mark.at);
                let next = format!("{name}#{}", all.len() + 1);
                let fresh = Generation {
                    name: next,
                    begins: Some(mark.at),
                    rows: Vec::new(),
                    open_until: None,
                    cancelled: false,
                    ..all[0].clone()
                };
                all.push(Generation { until: None, drill: drilled(&mark), ..fresh });
                pass.clear();
                continue;
            }
            "reopened" if end.is_some() => pass.clear(),
            "failed"
                if last(&pass, "acted").is_some()
                    && last(&pass, "resolved").or(last(&pass, "closed")).is_none() =>
            {
                pass.clear();
            }
            _ => pass.push(mark.clone()),
        }
        current.open_until =
            ["verified", "resolved", "closed"].iter().filter_map(|n| last(&pass, n)).max();
        current.drill |= drilled(&mark);
        if matches!(mark.name, "cancelled" | "detected" | "reopened") {
            current.cancelled = mark.name == "cancelled";
        }
        if current.begins.is_none() || !matches!(mark.name, "started" | "detected") {
            current.rows.push(mark);
        }
    }
    all
}

fn rollbacks(rows: &[Row]) -> BTreeMap<String, Rollback> {
    let mut all: BTreeMap<String, Rollback> = BTreeMap::new();
    for row in rows {
        match &row.what {
            What::Rollback { of, phase, names, automatic } => {
                let rollback = all
                    .entry(of.clone())
                    .or_insert_with(|| Rollback { begin: row.at, ..Rollback::default() });
                rollback.names.clone_from(names);
                rollback.automatic = *automatic;
                match *phase {
                    "decided" => rollback.decided = Some(row.at),
                    "live" => rollback.live = Some(row.at),
                    _ if rollback.live.is_some() => {
                        rollback.verified = rollback.verified.or(Some(row.at));
                    }
                    _ => {}
                }
                rollback.begin = rollback.decided.or(rollback.live).unwrap_or(rollback.begin);
            }
            What::Failed { rollback: Some(of), .. } => {
                // A failure takes back what had been verified before it.
                if let Some(rollback) = all.get_mut(of).filter(|r| r.live.is_some()) {
                    rollback.verified = None;
                }
            }
            _ => {}
        }
    }
    all
}

/// The incident at the end of the chain of merges; the incident itself when the chain has no end in the log.
fn root<'a>(name: &'a str, parents: &'a BTreeMap<String, Option<String>>) -> &'a str {
    let mut at = name;
    for _ in 0..=parents.len() {
        match parents.get(at) {
            Some(Some(parent)) => at = parent,
            Some(None) => return at,
            None => return name,
        }
    }
    name
}

/// The latest generation of `base` that had begun at `at`; the first begins with the world.
fn generation_at<'a>(generations: &'a [Generation], base: &str, at: i64) -> Option<&'a Generation> {
    generations.iter().rfind(|g| g.base == base && g.has_begun(at))
}

fn tie(
    rollback: &Rollback,
    generations: &[Generation],
    parents: &BTreeMap<String, Option<String>>,
) -> Option<String> {
    if let Some(named) = &rollback.names {
        parents.get(named)?;
        let target = generation_at(generations, root(named, parents), rollback.begin)?;
        if !target.drill {
            return Some(target.name.clone());
        }
    }
    let live = rollback.live?;
    let mut best: Option<(Option<i64>, &str)> = None;
    for open in generations.iter().filter(|g| !g.cancelled) {
        let from = open.start().or(open.detection());
        if from.is_none_or(|from| live < from) || open.open_until.is_some_and(|until| live > until)
        {
            continue;
        }
        let target = generation_at(generations, root(&open.base, parents), live)?;
        if target.drill || target.cancelled {
            continue;
        }
        let found = (target.start().or(target.detection()), target.name.as_str());
        if best.is_none_or(|best| found.0 > best.0 || (found.0 == best.0 && found.1 < best.1)) {
            best = Some(found);
        }
    }
    best.map(|(_, name)| name.to_owned())
}

fn borrowed(id: &str, rollback: &Rollback, rows: &[Row], generation: &Generation) -> Vec<Mark> {
    let decided = if rollback.automatic { "decided automatically" } else { "decided" };
    let given = [
        (rollback.decided, "decided", decided),
        (rollback.live, "live", "acted"),
        (rollback.verified, "verified", "verified"),
    ];
    let mut marks: Vec<Mark> = given
        .iter()
        .filter_map(|(at, phase, name)| Some(mark((*at)?, "rollback", phase, id, name, false)))
        .collect();
    for row in rows {
        let names = matches!(&row.what, What::Failed { rollback: Some(of), .. } if of == id);
        if names && !generation.rows.iter().any(|own| own.id == row.id) {
            marks.push(mark(row.at, "verification", "failed", &row.id, "failed", false));
        }
    }
    marks.retain(|m| generation.until.is_none_or(|until| m.at < until));
    marks
}

/// What is known of start and detection beside the rows of the first pass: a generation's own beginning, and what its
/// duplicates fold into it.
fn family(
    generation: &Generation,
    all: &[Generation],
    parents: &BTreeMap<String, Option<String>>,
) -> (Option<i64>, Option<i64>) {
    let mut family = (generation.begins, generation.begins);
    for child in all.iter().filter(|g| g.begins.is_none() && g.base != generation.base) {
        let first =
            least(child.start(), child.detection()).or(child.rows.first().map(|r| r.at)).unwrap();
        let target = generation_at(all, root(&child.base, parents), first).unwrap();
        if target.name == generation.name {
            family = (least(family.0, child.start()), least(family.1, child.detection()));
        }
    }
    family
}
