//! One module per source. Each is a pure function from a body to drafts and rejects.

pub(crate) mod alertmanager;
pub(crate) mod argo;
pub(crate) mod argocd;
pub(crate) mod cdevents;
pub(crate) mod cloudevents;
pub(crate) mod datadog;
pub(crate) mod flagger;
pub(crate) mod flux;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod helm;
pub(crate) mod jira;
pub(crate) mod kubernetes;
pub(crate) mod launchdarkly;
pub(crate) mod native;
pub(crate) mod octopus;
pub(crate) mod opsgenie;
pub(crate) mod otlp;
pub(crate) mod pagerduty;
pub(crate) mod servicenow;
