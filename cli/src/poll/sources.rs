//! The APIs that are polled, as data.

use super::plan::{Api, Auth, List, More, Next, Order, Parts, Purpose, Times};

/// The API of a source, if it can be polled.
pub(super) fn api(source: &str) -> Option<&'static Api> {
    APIS.iter().find(|api| api.source == source)
}

/// The sources that can be polled.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    APIS.iter().map(|api| api.source)
}

/// `owner/name`.
fn is_repository(text: &str) -> bool {
    text.split_once('/').is_some_and(|(owner, name)| is_word(owner) && is_segment(name))
}

/// `group/subgroup/name`, or a number.
fn is_project(text: &str) -> bool {
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    number || text.contains('/') && text.split('/').all(is_segment)
}

/// A name that is part of a path, and leads nowhere else.
fn is_segment(text: &str) -> bool {
    !matches!(text, "." | "..") && is_word(&text.replace('.', "_"))
}

/// ASCII letters, digits, `-` and `_`; at most as many as the longest name of a vendor (GitLab).
fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (1..=255).contains(&text.len()) && text.bytes().all(plain)
}

const DAY_S: i64 = 86_400;

/// What lists have in common unless they say otherwise.
const LIST: List = List {
    name: "",
    path: "",
    times: Times::Rfc3339,
    elements: "",
    changed: &["/updated_at", "/created_at"],
    order: Order::Any,
    next: Next::Link,
    per_page: 100,
    total: None,
    early_s: 0,
    without: None,
    below: None,
    purpose: Purpose::Deliver,
};

const APIS: &[Api] = &[
    Api {
        source: "github",
        address: Some("https://api.github.com"),
        headers: &[
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
        ],
        auth: Auth::Scheme("Bearer"),
        parts: Some(Parts { what: "repositories, as owner/name", is_name: is_repository }),
        lists: &[GITHUB_DEPLOYMENTS, GITHUB_RUNS, GITHUB_ISSUES, GITHUB_HOOK],
    },
    Api {
        source: "gitlab",
        address: Some("https://gitlab.com/api/v4"),
        headers: &[("accept", "application/json")],
        auth: Auth::Headers("private-token", None),
        parts: Some(Parts { what: "projects, as group/name or number", is_name: is_project }),
        lists: &[GITLAB_DEPLOYMENTS, GITLAB_INCIDENTS],
    },
    Api {
        source: "pagerduty",
        address: Some("https://api.pagerduty.com"),
        headers: &[("accept", "application/vnd.pagerduty+json;version=2")],
        auth: Auth::Scheme("Token token="),
        parts: None,
        lists: &[PAGERDUTY_ENTRIES, PAGERDUTY_INCIDENTS],
    },
    Api {
        source: "servicenow",
        address: None,
        headers: &[("accept", "application/json")],
        auth: Auth::BasicOrBearer,
        parts: None,
        lists: &[SERVICENOW_INCIDENTS, SERVICENOW_CHANGES, SERVICENOW_APPROVALS],
    },
    Api {
        source: "datadog",
        address: Some("https://api.datadoghq.com"),
        headers: &[("accept", "application/json")],
        auth: Auth::Headers("dd-api-key", Some("dd-application-key")),
        parts: None,
        lists: &[DATADOG_INCIDENTS],
    },
    Api {
        source: "sentry",
        address: Some("https://sentry.io"),
        headers: &[("accept", "application/json")],
        auth: Auth::Scheme("Bearer"),
        parts: Some(Parts { what: "organisations, by their slug", is_name: is_word }),
        lists: &[SENTRY_RELEASES],
    },
];

/// The newest first, by when they were made. A status changes a deployment, and one of an old deployment (a later one makes
/// it inactive) is looked for back to thirty days.
const GITHUB_DEPLOYMENTS: List = List {
    name: "deployments",
    path: "/repos/{of}/deployments?per_page=100",
    order: Order::Newest("/created_at"),
    early_s: 30 * DAY_S,
    below: Some(&GITHUB_STATUSES),
    ..LIST
};

const GITHUB_STATUSES: List = List {
    name: "deployment statuses",
    path: "/repos/{of}/deployments/{id}/statuses?per_page=100",
    changed: &["/created_at"],
    ..LIST
};

/// A run may last 35 days on runners of one's own; three days are a run of today that was begun before a weekend.
const GITHUB_RUNS: List = List {
    name: "workflow runs",
    path: "/repos/{of}/actions/runs?per_page=100&created={from}..{until}",
    elements: "/workflow_runs",
    total: Some("/total_count"),
    early_s: 3 * DAY_S,
    ..LIST
};

const GITHUB_ISSUES: List = List {
    name: "issues",
    path: "/repos/{of}/issues?state=all&labels={label}&sort=updated&direction=asc&since={from}&page={page}&per_page=100",
    order: Order::Changed,
    without: Some("/pull_request"),
    ..LIST
};

const GITHUB_HOOK: List = List {
    name: "deliveries of the webhook",
    path: "/repos/{of}/hooks/{hook}/deliveries?per_page=100",
    changed: &["/delivered_at"],
    order: Order::Newest("/delivered_at"),
    purpose: Purpose::Pushes,
    ..LIST
};

const GITLAB_DEPLOYMENTS: List = List {
    name: "deployments",
    path: "/projects/{project}/deployments?order_by=updated_at&sort=asc&updated_after={from}&page={page}&per_page=100",
    order: Order::Changed,
    ..LIST
};

const GITLAB_INCIDENTS: List = List {
    name: "incidents",
    path: "/projects/{project}/issues?issue_type=incident&scope=all&order_by=updated_at&sort=asc&updated_after={from}&page={page}&per_page=100",
    order: Order::Changed,
    ..LIST
};

/// What PagerDuty lists at most by offset.
const PAGERDUTY_NEXT: Next = Next::Offset { more: More::Flag("/more"), most: Some(10_000) };

const PAGERDUTY_ENTRIES: List = List {
    name: "log entries",
    path: "/log_entries?is_overview=false&time_zone=UTC&total=true&since={from}&until={until}&offset={skip}&limit=100",
    elements: "/log_entries",
    next: PAGERDUTY_NEXT,
    total: Some("/total"),
    ..LIST
};

/// The query is about when they were made; an incident that goes on for longer is told by its log entries.
const PAGERDUTY_INCIDENTS: List = List {
    name: "incidents",
    path: "/incidents?time_zone=UTC&sort_by=created_at&total=true&since={from}&until={until}&offset={skip}&limit=100",
    elements: "/incidents",
    changed: &["/updated_at", "/last_status_change_at", "/created_at"],
    next: PAGERDUTY_NEXT,
    total: Some("/total"),
    early_s: 30 * DAY_S,
    ..LIST
};

/// A table of `ServiceNow`. By when rows were made: those that change meanwhile stay where they are. A query reads times in
/// the account's zone, so it cannot go on from the last change; and the total that it states has the rows that the account may not see.
const fn servicenow(name: &'static str, path: &'static str) -> List {
    List {
        name,
        path,
        times: Times::Local,
        elements: "/result",
        changed: &["/sys_updated_on/value"],
        next: Next::Offset { more: More::Linked, most: None },
        ..LIST
    }
}

const SERVICENOW_INCIDENTS: List = servicenow(
    "incident",
    "/api/now/table/incident?sysparm_query=sys_updated_on%3E%3D{from}%5EORDERBYsys_created_on%5EORDERBYsys_id&sysparm_display_value=all&sysparm_offset={skip}&sysparm_limit=100",
);

const SERVICENOW_CHANGES: List = servicenow(
    "change_request",
    "/api/now/table/change_request?sysparm_query=sys_updated_on%3E%3D{from}%5EORDERBYsys_created_on%5EORDERBYsys_id&sysparm_display_value=all&sysparm_offset={skip}&sysparm_limit=100",
);

const SERVICENOW_APPROVALS: List = servicenow(
    "sysapproval_approver",
    "/api/now/table/sysapproval_approver?sysparm_query=sys_updated_on%3E%3D{from}%5EORDERBYsys_created_on%5EORDERBYsys_id&sysparm_display_value=all&sysparm_offset={skip}&sysparm_limit=100",
);

/// The newest first, by when they were declared. Each is wrapped as `data`, as the webhook's and the single answer are.
const DATADOG_INCIDENTS: List = List {
    name: "incidents",
    path: "/api/v2/incidents/search?query=state%3A%28active%20OR%20stable%20OR%20resolved%29&sort=-created&page%5Boffset%5D={skip}&page%5Bsize%5D=100",
    elements: "/data/attributes/incidents",
    changed: &["/data/attributes/modified", "/data/attributes/created"],
    order: Order::Newest("/data/attributes/created"),
    next: Next::Offset { more: More::Full, most: None },
    early_s: 90 * DAY_S,
    ..LIST
};

/// The newest first, by when they were made. A release tells its last deploy; an old one that is deployed again, which is how
/// one goes back, is looked for back to ninety days.
const SENTRY_RELEASES: List = List {
    name: "releases",
    path: "/api/0/organizations/{of}/releases/?per_page=100",
    changed: &["/lastDeploy/dateFinished", "/dateCreated"],
    order: Order::Newest("/dateCreated"),
    early_s: 90 * DAY_S,
    ..LIST
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::plan::{Ask, Place, Window};
    use backtrail_schemas::Timestamp;

    #[test]
    fn names_are_those_of_the_vendor() {
        let good = [
            ("github", &["shop/cart", "a-b/c.d", "mira_acme/.github", "a/..b"][..]),
            ("gitlab", &["shop/cart", "shop/web/cart.js", "42"]),
            ("sentry", &["acme", "acme-2_x"]),
        ];
        let bad = [
            (
                "github",
                &["a", "a/", "/b", "a/b/c", "../x/y", "../x", "a/..", "a/b?x=1", "a b/c", "ä/b"][..],
            ),
            ("gitlab", &["cart", "", "a//b", "a/../b", "a/b#c", "a/b%2Fc", "/a/b", "-1"]),
            ("sentry", &["", ".", "a/b", "acme.example", "acme?"]),
        ];
        for (cases, want) in [(good, true), (bad, false)] {
            for (source, names) in cases {
                let parts = api(source).and_then(|api| api.parts.as_ref()).unwrap();
                for name in names {
                    assert_eq!((parts.is_name)(name), want, "{source} {name}");
                }
            }
        }
    }

    /// Every template is filled wholly, and every source has a mapper.
    #[test]
    fn every_list_can_be_asked_for() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        let window = Window { from: at("2025-05-01T00:00:00Z"), until: at("2025-05-02T00:00:00Z") };
        let place = Place {
            of: "acme/cart".into(),
            id: "7".into(),
            hook: "1".into(),
            label: "incident".into(),
        };
        for api in APIS {
            assert!(backtrail_ingest::sources().iter().any(|s| s.name == api.source));
            for list in api.lists.iter().chain(api.lists.iter().filter_map(|list| list.below)) {
                let path = Ask::first(list, window).path(list, &place, window);
                let plain = |b: u8| b.is_ascii_graphic() && !b"{}<>\"^".contains(&b);
                assert!(path.starts_with('/') && path.bytes().all(plain), "{path}");
                assert_eq!(path.contains("=100"), list.per_page == 100, "{path}");
            }
        }
    }
}
