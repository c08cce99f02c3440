//! The tables of facts, read.

use std::collections::BTreeMap;

use backtrail_schemas::Timestamp;

use super::table::{at, later, number, rows, some};

/// A person of the organisation. All are made up.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) key: &'static str,
    pub(crate) name: String,
    pub(crate) login: &'static str,
    pub(crate) github: u64,
    pub(crate) pagerduty: &'static str,
}

/// A service, with the tool that deploys it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) tier: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) regions: Vec<&'static str>,
    pub(crate) team: &'static str,
    pub(crate) recovery_s: i64,
    pub(crate) rollback_s: i64,
}

/// One row of `releases.txt`.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) change: &'static str,
    pub(crate) service: &'static str,
    pub(crate) version: &'static str,
    pub(crate) start: Timestamp,
    pub(crate) last_start: Timestamp,
    /// When the change was asked for.
    pub(crate) asked: Timestamp,
    /// When the commit of its version was made.
    pub(crate) committed: Timestamp,
    pub(crate) scope: &'static str,
    pub(crate) actor: &'static str,
    pub(crate) author: &'static str,
    pub(crate) approver: &'static str,
    pub(crate) control: &'static str,
}

/// One deployment of one slot.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    /// `change/region`, `change/staging` or the key of `acts.txt`.
    pub(crate) key: String,
    pub(crate) change: Option<&'static str>,
    pub(crate) service: &'static str,
    pub(crate) environment: &'static str,
    pub(crate) region: &'static str,
    pub(crate) version: &'static str,
    /// The how manieth deployment of its slot, from 1.
    pub(crate) revision: u32,
    /// GitHub's task, or `abort` for a canary that was withdrawn.
    pub(crate) task: &'static str,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    /// `live`, `failed`, `aborted` or `started`.
    pub(crate) outcome: &'static str,
    pub(crate) actor: &'static str,
    /// What metrics.md calls it, decided by hand.
    pub(crate) class: &'static str,
    pub(crate) rollback: Option<&'static str>,
    pub(crate) of: Option<&'static str>,
    pub(crate) incident: Option<&'static str>,
}

/// One row of `incidents.txt`.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) key: &'static str,
    pub(crate) service: &'static str,
    pub(crate) priority: &'static str,
    pub(crate) by: &'static str,
    pub(crate) title: String,
    /// The times of its rows, by phase.
    pub(crate) marks: BTreeMap<&'static str, Timestamp>,
}

/// Everything that happened, as tables.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) people: Vec<Person>,
    pub(crate) services: Vec<Service>,
    pub(crate) releases: Vec<Release>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) incidents: Vec<Incident>,
}

impl Facts {
    /// Reads the tables.
    pub(crate) fn read() -> Self {
        let services: Vec<Service> =
            rows(include_str!("../../story/facts/services.txt")).map(|row| service(&row)).collect();
        let releases: Vec<Vec<&str>> =
            rows(include_str!("../../story/facts/releases.txt")).collect();
        let acts = rows(include_str!("../../story/facts/acts.txt")).map(|row| act(&row));
        let mut deployments: Vec<Deployment> =
            releases.iter().flat_map(|row| rollout(row, &services)).chain(acts).collect();
        deployments.sort_by(|a, b| (a.start, &a.key).cmp(&(b.start, &b.key)));
        for at in 0..deployments.len() {
            let slot = |d: &Deployment| (d.service, d.environment, d.region);
            let same =
                deployments[..at].iter().filter(|d| slot(d) == slot(&deployments[at])).count();
            deployments[at].revision = u32::try_from(same + 1).expect("the story is short");
        }
        Self {
            people: rows(include_str!("../../story/facts/people.txt"))
                .map(|row| person(&row))
                .collect(),
            releases: releases.iter().map(|row| release(row, &releases, &services)).collect(),
            incidents: rows(include_str!("../../story/facts/incidents.txt"))
                .map(|row| incident(&row))
                .collect(),
            services,
            deployments,
        }
    }

    /// The person called `key`; `None` for automation.
    pub(crate) fn person(&self, key: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.key == key)
    }

    /// When the commit of a deployment was made; unknown of acts, which bring back what is there.
    pub(crate) fn committed(&self, deployment: &Deployment) -> Option<Timestamp> {
        let change = deployment.change?;
        self.releases.iter().find(|r| r.change == change).map(|release| release.committed)
    }

    /// The service called `name`.
    pub(crate) fn service(&self, name: &str) -> &Service {
        self.services.iter().find(|s| s.name == name).expect("the tables name known services")
    }

    /// The id that the deployment called `key` has in its deliveries.
    pub(crate) fn deployment_id(&self, key: &str) -> String {
        let found = self.deployments.iter().find(|d| d.key == key);
        let deployment = found.expect("the tables name known deployments");
        deployment_id(deployment, self.service(deployment.service))
    }

    /// The deployments that a tool made, in the order of their start.
    pub(crate) fn deployed_by<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a Deployment> {
        self.deployments.iter().filter(move |d| self.service(d.service).tool.starts_with(tool))
    }
}

/// GitHub numbers its deployments, Argo counts the revisions of an object, the other pipelines name theirs after the
/// change.
pub(crate) fn deployment_id(deployment: &Deployment, service: &Service) -> String {
    match service.tool {
        "github" => number(&deployment.key).to_string(),
        "argo" => format!("{}:{}", super::argo::uid(deployment), deployment.revision),
        _ => format!("{}-{}", service.name, deployment.key.replace('/', "-").to_lowercase()),
    }
}

/// PagerDuty's id of an incident of the story.
pub(crate) fn incident_id(key: &str) -> String {
    format!("QLANTERN{key}")
}

fn person(row: &[&'static str]) -> Person {
    Person {
        key: row[0],
        name: row[1].replace('_', " "),
        login: row[2],
        github: row[3].parse().expect("people.txt numbers people"),
        pagerduty: row[4],
    }
}

fn service(row: &[&'static str]) -> Service {
    let seconds = |cell: &str| cell.parse().expect("services.txt counts seconds");
    Service {
        name: row[0],
        tier: row[1],
        tool: row[2],
        regions: row[3].split(',').collect(),
        team: row[4],
        recovery_s: seconds(row[5]),
        rollback_s: seconds(row[6]),
    }
}

fn release(row: &[&'static str], all: &[Vec<&'static str>], services: &[Service]) -> Release {
    let slots = rollout(row, services);
    let last = slots.iter().map(|d| d.start).max().expect("a release has a slot");
    let first = all.iter().find(|other| other[1..3] == row[1..3]).expect("the row itself at least");
    let minutes: i64 = first[13].parse().expect("releases.txt counts minutes");
    Release {
        asked: asked(row),
        committed: later(asked(first), -minutes * 60),
        change: row[0],
        service: row[1],
        version: row[2],
        start: at(row[3], row[4]),
        last_start: last,
        scope: row[7],
        actor: row[8],
        author: row[9],
        approver: row[10],
        control: row[11],
    }
}

/// When the change of a row was asked for: a planned one the day before, any other shortly before.
fn asked(row: &[&'static str]) -> Timestamp {
    let minutes = if row[7] == "all" { 26 * 60 } else { 40 };
    later(at(row[3], row[4]), -minutes * 60)
}

/// The deployments of one row of `releases.txt`.
fn rollout(row: &[&'static str], services: &[Service]) -> Vec<Deployment> {
    let number = |cell: &str| cell.parse::<i64>().expect("releases.txt counts minutes");
    let (start, minutes, gap) = (at(row[3], row[4]), number(row[5]), number(row[6]));
    let service =
        services.iter().find(|s| s.name == row[1]).expect("releases.txt names known services");
    let regions: Vec<&str> = match row[7] {
        "all" | "prod" => service.regions.clone(),
        one => vec![one],
    };
    let slot = |key: &str, environment, region, start, class| Deployment {
        key: format!("{}/{key}", row[0]),
        change: Some(row[0]),
        service: service.name,
        environment,
        region,
        version: row[2],
        revision: 0,
        task: "deploy",
        start,
        end: Some(later(start, minutes * 60)),
        outcome: "live",
        actor: row[8],
        class,
        rollback: None,
        of: None,
        incident: None,
    };
    let staging = (row[7] == "all")
        .then(|| slot("staging", "staging", service.regions[0], later(start, -3600), "staging"));
    let production = (0..).zip(regions).map(|(nth, region)| {
        slot(region, "production", region, later(start, nth * gap * 60), row[12])
    });
    staging.into_iter().chain(production).collect()
}

fn act(row: &[&'static str]) -> Deployment {
    Deployment {
        key: row[0].to_owned(),
        change: None,
        service: row[1],
        environment: "production",
        region: row[2],
        version: row[3],
        revision: 0,
        task: row[4],
        start: at(row[5], row[6]),
        end: some(row[7]).map(|time| at(row[5], time)),
        outcome: row[8],
        actor: row[9],
        class: row[10],
        rollback: some(row[11]),
        of: some(row[12]),
        incident: some(row[13]),
    }
}

fn incident(row: &[&'static str]) -> Incident {
    let phases =
        ["started", "detected", "acknowledged", "decided", "mitigated", "verified", "resolved"];
    let marks = phases.iter().zip(&row[4..11]);
    Incident {
        key: row[0],
        service: row[1],
        priority: row[2],
        by: row[11],
        title: row[12].replace('_', " "),
        marks: marks.filter_map(|(phase, cell)| Some((*phase, at(row[3], some(cell)?)))).collect(),
    }
}
