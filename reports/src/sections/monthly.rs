//! The monthly rollback review: two to four pages for the people who run the services.

use std::collections::BTreeMap;

use backtrail_query::Window;

use crate::cells::{self, Row};
use crate::chart::{Bar, Chart, Data, Panel, Strip};
use crate::error::Error;
use crate::format;
use crate::model::{Block, Cell, Report, Table, headings, text};
use crate::sections::tables::{figure, metrics, of_query, table};
use crate::sections::{Part, common, part, soc2};
use crate::study::Study;

pub(crate) fn parts(study: &Study<'_>, report: &Report) -> Result<Vec<Part>, Error> {
    Ok(vec![
        month(study)?,
        outcomes(study),
        times(study),
        worst(study),
        stability(study, report),
        soc2::drills(study),
        actions(study),
        quality(study),
        sign_off(),
        common::verification(study, report),
    ])
}

/// What changed since last month.
fn month(study: &Study<'_>) -> Result<Part, Error> {
    let months = study.month_windows()?;
    let counts = counts(study);
    let series = |what: &str| -> Vec<i64> {
        months
            .iter()
            .map(|(label, _)| *counts.get(&(label.clone(), what.to_owned())).unwrap_or(&0))
            .collect()
    };
    let kinds = [
        ("deployments", "Deployments"),
        ("rollbacks", "Rollbacks"),
        ("failed rollbacks", "Failed rollbacks"),
        ("incidents", "Incidents"),
    ];
    let mut figures: Vec<_> = kinds
        .iter()
        .map(|(what, label)| {
            let values = series(what);
            let (now, before) =
                (values.last().copied().unwrap_or(0), values.iter().rev().nth(1).copied());
            figure(label, format::count(now.unsigned_abs()), change(now, before), "query months")
        })
        .collect();
    if let Some(row) = study.total("rollback_effective_success_rate") {
        figures.push(rate(row));
    }
    let axis = [months.first(), months.last()]
        .map(|m| m.map(|(label, _)| label.clone()).unwrap_or_default());
    let panels = kinds.iter().map(|(what, label)| {
        let values = series(what);
        let last = values.last().map(|n| format::count(n.unsigned_abs())).unwrap_or_default();
        Panel { label: (*label).to_owned(), values, last, axis: axis.clone() }
    });
    let chart = Chart {
        id: "chart-months".to_owned(),
        title: "Thirteen months".to_owned(),
        description: "One small column chart each for deployments, rollbacks, failed rollbacks and incidents by month; the \
                      table below has the numbers."
            .to_owned(),
        data: Data::Multiples { panels: panels.collect() },
    };
    let data = months_table(study, &months, &kinds.map(|(what, _)| series(what)));
    let blocks = vec![
        Block::Figures {
            items: figures,
            source: study.source("query months; rollback_effective_success_rate"),
        },
        Block::Figure { chart, table: data },
    ];
    Ok(part("month", "The month", blocks))
}

/// The numbers of the small multiples, one row a month.
fn months_table(study: &Study<'_>, months: &[(String, Window)], series: &[Vec<i64>]) -> Table {
    let row = |(at, (label, _)): (usize, &(String, Window))| {
        let mut row = vec![Cell::from(label.as_str())];
        row.extend(
            series.iter().map(|values| Cell::from(format::count(values[at].unsigned_abs()))),
        );
        row
    };
    Table {
        id: "table-months".to_owned(),
        caption: "By month, production only".to_owned(),
        columns: headings(&[
            "Month",
            "#Deployments",
            "#Rollbacks",
            "#Failed rollbacks",
            "#Incidents",
        ]),
        rows: months.iter().enumerate().map(row).collect(),
        empty: "No month.".to_owned(),
        source: Some(study.source("query months")),
    }
}

fn counts(study: &Study<'_>) -> BTreeMap<(String, String), i64> {
    let key = |row: &Row| {
        let text = |name: &str| cells::text(row, name).map(str::to_owned);
        Some(((text("month")?, text("what")?), cells::integer(row, "row_count")?))
    };
    study.rows("months").iter().filter_map(key).collect()
}

fn change(now: i64, before: Option<i64>) -> String {
    match before {
        None => "no month before".to_owned(),
        Some(before) if before == now => "as the month before".to_owned(),
        Some(before) if before < now => format!("{} more than the month before", now - before),
        Some(before) => format!("{} fewer than the month before", before - now),
    }
}

fn rate(row: &Row) -> crate::model::Figure {
    let value = cells::text(row, "value").map_or_else(|| "—".to_owned(), format::percent);
    let part = |name: &str| cells::integer(row, name).unwrap_or(0);
    let mut note = format!("{} of {} ended rollbacks", part("numerator"), part("denominator"));
    if let (Some(low), Some(high)) = (cells::text(row, "ci_low"), cells::text(row, "ci_high")) {
        format::add(
            &mut note,
            format_args!("; 95 % interval {} to {}", format::percent(low), format::percent(high)),
        );
    }
    figure("Rollback success rate", value, note, "rollback_effective_success_rate")
}

/// Rollbacks by outcome and by trigger.
fn outcomes(study: &Study<'_>) -> Part {
    let rows = study.rows("rollbacks");
    let mut blocks = Vec::new();
    for (id, title, column) in [
        ("outcome", "Rollbacks by effective outcome", "effective_outcome"),
        ("trigger", "Rollbacks by trigger", "trigger"),
    ] {
        let mut by: BTreeMap<&str, i64> = BTreeMap::new();
        for row in rows {
            *by.entry(cells::text(row, column).unwrap_or("unknown")).or_default() += 1;
        }
        let bar = |(label, n): (&&str, &i64)| Bar {
            label: (*label).to_owned(),
            value: *n,
            text: n.to_string(),
        };
        let chart = Chart {
            id: format!("chart-{id}"),
            title: title.to_owned(),
            description: format!("One bar for each {id}; the table below has the numbers."),
            data: Data::Bars { rows: by.iter().map(bar).collect() },
        };
        let data = Table {
            id: format!("table-{id}"),
            caption: title.to_owned(),
            columns: headings(&[if id == "outcome" { "Outcome" } else { "Trigger" }, "#Rollbacks"]),
            rows: by.iter().map(|(label, n)| vec![(*label).into(), n.to_string().into()]).collect(),
            empty: "Nothing was rolled back.".to_owned(),
            source: Some(study.source("query rollbacks")),
        };
        blocks.push(if by.is_empty() {
            Block::Table(data)
        } else {
            Block::Figure { chart, table: data }
        });
    }
    blocks.push(soc2::rollbacks(study));
    part("outcomes", "Rollbacks", blocks)
}

/// The phases of incidents and of rollbacks as distributions against the objective.
fn times(study: &Study<'_>) -> Part {
    let strips = |query: &str, kinds: &[(&str, &str)]| -> Vec<Strip> {
        kinds
            .iter()
            .map(|(column, label)| {
                let values: Vec<i64> = study
                    .rows(query)
                    .iter()
                    .filter(|row| query != "incidents" || ended(row))
                    .filter_map(|row| cells::integer(row, column))
                    .collect();
                let text = format!("n = {}", values.len());
                Strip { label: (*label).to_owned(), values, objective: None, text }
            })
            .collect()
    };
    let incident = strips(
        "incidents",
        &[
            ("detect_us", "Detect"),
            ("decide_us", "Decide"),
            ("act_us", "Act"),
            ("verify_us", "Verify"),
        ],
    );
    let rollback = strips(
        "rollbacks",
        &[
            ("exposure_us", "Exposure"),
            ("response_us", "Response"),
            ("execution_us", "Execution"),
            ("recovery_us", "SLI recovery"),
        ],
    );
    let mut blocks = vec![text(
        "Each dot is one incident that has ended, or one rollback. Medians and other quantiles are exact and are left out where there are too \
         few values; averages of skewed durations mislead and are not shown alone.",
    )];
    for (id, title, strips) in [
        ("phases", "Phases of the incidents", incident),
        ("rollback-times", "Times of the rollbacks", rollback),
    ] {
        blocks.push(dots(study, id, title, strips));
    }
    blocks.push(metrics(study, "Times and rates of the month", |_| true));
    part("times", "How long it took", blocks)
}

/// Whether an incident counts and is over: the phase that an open one is in has no length yet.
fn ended(row: &Row) -> bool {
    cells::text(row, "excluded_by").is_none() && cells::text(row, "ended_at").is_some()
}

fn dots(study: &Study<'_>, id: &str, title: &str, rows: Vec<Strip>) -> Block {
    let most = rows.iter().flat_map(|row| &row.values).copied().max();
    let line = |strip: &Strip| {
        let mut sorted = strip.values.clone();
        sorted.sort_unstable();
        let at = |at: Option<&i64>| at.map_or_else(|| "—".to_owned(), |us| format::duration(*us));
        vec![
            strip.label.as_str().into(),
            strip.values.len().into(),
            at(sorted.first()).into(),
            at(sorted.get(sorted.len().saturating_sub(1) / 2).filter(|_| sorted.len() > 1)).into(),
            at(sorted.last()).into(),
        ]
    };
    let data = Table {
        id: format!("table-{id}"),
        caption: title.to_owned(),
        columns: headings(&["Phase", "#n", "#Shortest", "#Median (lower)", "#Longest"]),
        rows: rows.iter().map(line).collect(),
        empty: "Nothing happened.".to_owned(),
        source: Some(study.source(if id == "phases" {
            "query incidents"
        } else {
            "query rollbacks"
        })),
    };
    let Some(most) = most else { return Block::Table(data) };
    let chart = Chart {
        id: format!("chart-{id}"),
        title: title.to_owned(),
        description:
            "One line for each phase with one dot for each value; the table below has the numbers."
                .to_owned(),
        data: Data::Dots { rows, axis_end: format::duration(most) },
    };
    Block::Figure { chart, table: data }
}

/// The five longest incidents.
fn worst(study: &Study<'_>) -> Part {
    let mut rows: Vec<&Row> = study
        .rows("incidents")
        .iter()
        .filter(|row| cells::text(row, "excluded_by").is_none())
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(cells::integer(row, "active_us")));
    let columns = [
        ("incident_id", "Incident"),
        ("service", "Service"),
        ("severity", "#Severity"),
        ("started_at", "Started (UTC)"),
        ("active_us", "#Active"),
        ("recovery_method", "Recovered by"),
        ("cause_deployment_id", "Cause"),
    ];
    let mut found = table(
        study,
        "incidents",
        "The longest incidents of the month",
        &columns,
        rows.into_iter().take(5),
        "No incident began.",
    );
    found.id.replace_range(.., "table-worst");
    let advice = text("For one of them in full: backtrail report incident ID.");
    part("worst", "Worst five", vec![Block::Table(found), advice])
}

/// Oscillation, cooldown, reapplied versions, emergencies: the controls that speak of them.
fn stability(study: &Study<'_>, report: &Report) -> Part {
    let wanted = ["RBK-05", "RBK-03", "RBK-01", "CHG-05"];
    let rows = report.controls.iter().filter(|c| wanted.contains(&c.id.as_str())).flat_map(|c| {
        c.reasons.iter().filter(|r| r.count > 0).map(move |r| {
            let mark = Cell {
                text: r.code.clone(),
                mark: Some(r.status.word().to_owned()),
                ..Cell::default()
            };
            vec![
                format!("{} {}", c.id, c.title).into(),
                mark,
                r.meaning.as_str().into(),
                r.count.into(),
            ]
        })
    });
    let reasons = Table {
        id: "table-stability".to_owned(),
        caption: "Oscillation, cooldown, reapplied versions, verification, decisions, emergencies"
            .to_owned(),
        columns: headings(&["Control", "Reason", "Meaning", "#Items"]),
        rows: rows.collect(),
        empty: "Nothing happened that these controls look at.".to_owned(),
        source: Some(study.source("controls RBK-01, RBK-03, RBK-05, CHG-05")),
    };
    let exceptions =
        report.controls.iter().filter(|c| wanted.contains(&c.id.as_str())).flat_map(|c| {
            c.exceptions.iter().map(move |i| {
                vec![
                    Cell::code(i.item_id.as_str()),
                    c.id.as_str().into(),
                    i.at.as_str().into(),
                    i.reason.as_str().into(),
                ]
            })
        });
    let list = Table {
        id: "table-stability-items".to_owned(),
        caption: "Items that are exceptions".to_owned(),
        columns: headings(&["Item", "Control", "At (UTC)", "Why"]),
        rows: exceptions.collect(),
        empty: "No exception.".to_owned(),
        source: Some(study.source("controls RBK-01, RBK-03, RBK-05, CHG-05")),
    };
    part("stability", "Stability and discipline", vec![Block::Table(reasons), Block::Table(list)])
}

fn actions(study: &Study<'_>) -> Part {
    let columns = [
        ("action_item_id", "Action item"),
        ("service", "Service"),
        ("incident_id", "Incident"),
        ("due_at", "Due (UTC)"),
        ("overdue", "Overdue"),
        ("age_us", "#Age"),
    ];
    let blocks = vec![of_query(
        study,
        "actions",
        "Open action items, oldest first",
        &columns,
        "No action item is open.",
    )];
    part("actions", "Action items", blocks)
}

fn quality(study: &Study<'_>) -> Part {
    let mut blocks = common::completeness(study).blocks;
    blocks.remove(0);
    part("quality", "Data quality", blocks)
}

fn sign_off() -> Part {
    let blocks = vec![
        Block::Authored { label: "Decisions wanted, and what was decided.".to_owned() },
        Block::Authored { label: "Reviewed by somebody other than the preparer: name, role, date. Record it as a review event.".to_owned() },
    ];
    part("sign-off", "Decisions and sign-off", blocks)
}
