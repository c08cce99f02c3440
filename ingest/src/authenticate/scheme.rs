//! The schemes by name, and which source has which.

/// How a source shows that it is the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `X-Hub-Signature-256: sha256=<hex>` over the body.
    GitHub,
    /// The secret itself in `X-Gitlab-Token`.
    GitLab,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`, also as `svix-…`. *Source*: Standard Webhooks 1.0.0.
    StandardWebhooks,
    /// `X-PagerDuty-Signature: v1=<hex>,…` over the body.
    PagerDuty,
    /// `X-Rootly-Signature: t=<unix>,v1=<hex>` over time and body.
    Rootly,
    /// `X-Slack-Signature: v0=<hex>` over `v0:<time>:<body>`.
    Slack,
    /// `Stripe-Signature: t=<unix>,v1=<hex>` over `<time>.<body>`.
    Stripe,
    /// Bare hex over the body, or over `<time>:<body>` where a header for the time is configured.
    Grafana,
    /// `Sentry-Hook-Signature: <hex>` over the body.
    Sentry,
    /// `X-Signature: sha256=<hex>`, also sha384 and sha512, over the body.
    Flux,
    /// `X-LD-Signature: <hex>` over the body.
    LaunchDarkly,
    /// `X-TFE-Notification-Signature: <hex>`, HMAC-SHA512 over the body.
    Terraform,
    /// `fh-signature: <hex>` over the body.
    FireHydrant,
    /// `X-Hub-Signature: sha256=<hex>` over the body.
    Jira,
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `Authorization: Basic <base64 of user:password>`.
    Basic,
    /// The secret itself in a header that the config names.
    Header,
    /// A client certificate with a DNS name or URI that the config names.
    Mtls,
}

/// Every scheme with its word in the config.
pub const SCHEMES: &[(&str, Scheme)] = &[
    ("github", Scheme::GitHub),
    ("gitlab", Scheme::GitLab),
    ("standard-webhooks", Scheme::StandardWebhooks),
    ("pagerduty", Scheme::PagerDuty),
    ("rootly", Scheme::Rootly),
    ("slack", Scheme::Slack),
    ("stripe", Scheme::Stripe),
    ("grafana", Scheme::Grafana),
    ("sentry", Scheme::Sentry),
    ("flux", Scheme::Flux),
    ("launchdarkly", Scheme::LaunchDarkly),
    ("terraform", Scheme::Terraform),
    ("firehydrant", Scheme::FireHydrant),
    ("jira", Scheme::Jira),
    ("bearer", Scheme::Bearer),
    ("basic", Scheme::Basic),
    ("header", Scheme::Header),
    ("mtls", Scheme::Mtls),
];

/// The scheme that a source has of itself; the config must name one for any other.
pub fn default_scheme(source: &str) -> Option<Scheme> {
    let word = match source {
        "incident-io" => "standard-webhooks",
        "github" | "gitlab" | "pagerduty" | "rootly" | "grafana" | "sentry" | "flux"
        | "launchdarkly" | "terraform" | "firehydrant" | "jira" => source,
        _ => return None,
    };
    Scheme::named(word)
}

impl Scheme {
    /// The scheme of this word.
    pub fn named(word: &str) -> Option<Self> {
        SCHEMES.iter().find(|(known, _)| *known == word).map(|(_, scheme)| *scheme)
    }

    /// Its word in the config.
    pub fn word(self) -> &'static str {
        SCHEMES.iter().find(|(_, known)| *known == self).expect("every scheme has its word").0
    }

    /// Whether it is a signature over the body.
    pub(super) fn signs_body(self) -> bool {
        !matches!(self, Self::GitLab | Self::Bearer | Self::Basic | Self::Header | Self::Mtls)
    }

    /// The word of column `authn_method`, where it does not depend on the delivery.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Mtls => "mtls",
            _ => "token",
        }
    }
}
