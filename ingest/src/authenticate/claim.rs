//! What a request claims: its signatures, and what they are said to be over.
//!
//! Forms are strict: lower-case hex and padded base64, as all these senders write them. So no bit of a signature is without
//! meaning.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};

use super::Refused;
use super::scheme::Scheme;
use crate::limits::SIGNATURES_MAX;

/// Which HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The word of column `authn_method`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }
}

/// Signatures, any of which may hold, over `before_body` and the body.
pub(super) struct Claim {
    pub(super) algorithm: Algorithm,
    /// The signed time, in seconds since 1970.
    pub(super) timestamp_s: Option<i64>,
    pub(super) before_body: Vec<u8>,
    pub(super) signatures: Vec<Vec<u8>>,
}

/// Reads what `headers` claim under `scheme`.
pub(super) fn claim(
    scheme: Scheme,
    headers: &BTreeMap<String, String>,
    header: Option<&str>,
    timestamp_header: Option<&str>,
) -> Result<Claim, Refused> {
    let text = |name: &str| headers.get(name).map(String::as_str).ok_or(Refused::Missing);
    match scheme {
        Scheme::GitHub => of_body(one(text("x-hub-signature-256")?, "sha256=")?),
        Scheme::Jira => of_body(one(text("x-hub-signature")?, "sha256=")?),
        Scheme::Sentry => of_body(one(text("sentry-hook-signature")?, "")?),
        Scheme::LaunchDarkly => of_body(one(text("x-ld-signature")?, "")?),
        Scheme::FireHydrant => of_body(one(text("fh-signature")?, "")?),
        Scheme::PagerDuty => of_body(several(text("x-pagerduty-signature")?, "v1=")?),
        Scheme::Terraform => {
            let signatures = one(text("x-tfe-notification-signature")?, "")?;
            Ok(Claim { algorithm: Algorithm::Sha512, ..of_body(signatures)? })
        }
        Scheme::Flux => flux(text("x-signature")?),
        Scheme::Slack => {
            let at = text("x-slack-request-timestamp")?;
            timed(at, format!("v0:{at}:"), one(text("x-slack-signature")?, "v0=")?)
        }
        Scheme::Rootly => {
            let (at, signatures) = listed(text("x-rootly-signature")?)?;
            timed(at, at.to_owned(), signatures)
        }
        Scheme::Stripe => {
            let (at, signatures) = listed(text("stripe-signature")?)?;
            timed(at, format!("{at}."), signatures)
        }
        Scheme::Grafana => {
            let signatures = one(text(header.unwrap_or("x-grafana-alerting-signature"))?, "")?;
            let Some(name) = timestamp_header else { return of_body(signatures) };
            let at = text(name)?;
            timed(at, format!("{at}:"), signatures)
        }
        Scheme::StandardWebhooks => standard(headers),
        Scheme::GitLab | Scheme::Bearer | Scheme::Basic | Scheme::Header | Scheme::Mtls => {
            Err(Refused::Malformed)
        }
    }
}

/// Signatures over the body alone.
#[expect(clippy::unnecessary_wraps, reason = "the arms of `claim` are one expression each")]
fn of_body(signatures: Vec<Vec<u8>>) -> Result<Claim, Refused> {
    let algorithm = Algorithm::Sha256;
    Ok(Claim { algorithm, timestamp_s: None, before_body: Vec::new(), signatures })
}

/// Signatures over a time, here as text, and the body.
fn timed(at: &str, before_body: String, signatures: Vec<Vec<u8>>) -> Result<Claim, Refused> {
    let digits = !at.is_empty() && at.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| at.parse().ok()).flatten().ok_or(Refused::Malformed)?;
    let (algorithm, before_body) = (Algorithm::Sha256, before_body.into_bytes());
    Ok(Claim { algorithm, timestamp_s: Some(seconds), before_body, signatures })
}

/// The one signature of `<before><hex>`.
fn one(text: &str, before: &str) -> Result<Vec<Vec<u8>>, Refused> {
    let hex = text.strip_prefix(before).ok_or(Refused::Malformed)?;
    Ok(vec![HEXLOWER.decode(hex.as_bytes()).map_err(|_| Refused::Malformed)?])
}

/// The signatures of `<version><hex>,…`; those of other versions are left out.
fn several(text: &str, version: &str) -> Result<Vec<Vec<u8>>, Refused> {
    collected(text.split(',').filter_map(|part| part.trim().strip_prefix(version)), |hex| {
        HEXLOWER.decode(hex.as_bytes()).ok()
    })
}

/// The time and the signatures of `t=<unix>,v1=<hex>,…`.
fn listed(text: &str) -> Result<(&str, Vec<Vec<u8>>), Refused> {
    let mut times = text.split(',').filter_map(|part| part.trim().strip_prefix("t="));
    match (times.next(), times.next()) {
        (Some(at), None) => Ok((at, several(text, "v1=")?)),
        _ => Err(Refused::Malformed),
    }
}

fn flux(text: &str) -> Result<Claim, Refused> {
    let algorithms = [
        ("sha256=", Algorithm::Sha256),
        ("sha384=", Algorithm::Sha384),
        ("sha512=", Algorithm::Sha512),
    ];
    let known = algorithms.iter().find(|(before, _)| text.starts_with(before));
    let (before, algorithm) = known.ok_or(Refused::Malformed)?;
    Ok(Claim { algorithm: *algorithm, ..of_body(one(text, before)?)? })
}

/// *Source*: Standard Webhooks, "Signature scheme"; Svix sends the same under its own names.
fn standard(headers: &BTreeMap<String, String>) -> Result<Claim, Refused> {
    let family = if headers.contains_key("webhook-signature") { "webhook" } else { "svix" };
    let text = |name: &str| headers.get(&format!("{family}-{name}")).ok_or(Refused::Missing);
    let (id, at, signatures) = (text("id")?, text("timestamp")?, text("signature")?);
    let signatures =
        collected(signatures.split(' ').filter_map(|part| part.strip_prefix("v1,")), |base64| {
            BASE64.decode(base64.as_bytes()).ok()
        })?;
    timed(at, format!("{id}.{at}."), signatures)
}

/// At least one signature, and not more than anybody sends.
fn collected<'t>(
    texts: impl Iterator<Item = &'t str>,
    decode: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, Refused> {
    let texts: Vec<&str> = texts.take(SIGNATURES_MAX + 1).collect();
    let read: Option<Vec<_>> = texts.iter().map(|text| decode(text)).collect();
    read.filter(|read| (1..=SIGNATURES_MAX).contains(&read.len())).ok_or(Refused::Malformed)
}
