//! One module per source. Each is a pure function from a body to drafts and rejects.

pub(crate) mod argo;
pub(crate) mod argocd;
pub(crate) mod cdevents;
pub(crate) mod flagger;
pub(crate) mod flux;
pub(crate) mod github;
pub(crate) mod helm;
pub(crate) mod kubernetes;
pub(crate) mod native;
pub(crate) mod pagerduty;
