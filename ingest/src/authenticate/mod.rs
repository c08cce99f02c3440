//! Who sent a delivery: signatures and secrets, checked over the raw bytes before anything is parsed.
//!
//! Pure: keys, headers, body and time come in, and out comes which key it was. Each source may have several live keys, so that
//! they can be changed without a gap; all of them are tried, so that the time taken does not tell which one held.

mod claim;
mod scheme;

use std::collections::BTreeMap;
use std::fmt;

use backtrail_schemas::Timestamp;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use subtle::{Choice, ConstantTimeEq};

use crate::limits::{CLOCK_TOLERANCE_S, KEYS_MAX, SECRET_BYTES_MIN};
use claim::{Algorithm, Claim, claim};
pub use scheme::{SCHEMES, Scheme, default_scheme};

/// What names of headers say that hold secrets: of ours, of other schemes, and of the proxies on the way.
const SECRET_WORDS: [&str; 11] = [
    "authorization",
    "token",
    "cookie",
    "secret",
    "password",
    "credential",
    "api-key",
    "apikey",
    "access-key",
    "jwt",
    "oidc",
];

/// A secret. It is compared and nothing else: neither shown nor logged.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One live secret of a source.
#[derive(Clone, Debug)]
pub struct Key {
    /// What column `authn_key_id` says when it held; not secret.
    pub id: String,
    /// The secret as the source has it: of `basic` the text `user:password`, of `mtls` the name in the certificate.
    pub secret: Secret,
}

/// How the deliveries of one source are checked.
#[derive(Clone, Debug)]
pub struct Authenticator {
    scheme: Scheme,
    header: Option<String>,
    timestamp_header: Option<String>,
    keys: Vec<Key>,
}

/// What is known of a request before its body is understood.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Headers, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    /// The body as it came, still compressed if it was.
    pub body: &'a [u8],
    /// The DNS names and URIs in the client's certificate, if the connection checked one.
    pub names: &'a [String],
    /// The time of receipt.
    pub now: Timestamp,
}

/// What held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The word of column `authn_method`.
    pub method: &'static str,
    /// The key.
    pub key_id: String,
}

/// Why a request is not from whom it says. The sender is not told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It carries no signature or secret.
    Missing,
    /// What it carries has not the form of the scheme.
    Malformed,
    /// It was signed too long ago, or in the future.
    Stale,
    /// No live key gives this signature, or is this secret.
    Wrong,
}

impl Authenticator {
    /// Checks with `scheme`. `header` names the header where the scheme leaves it open, `timestamp_header` that of the signed
    /// time.
    ///
    /// # Errors
    /// What does not fit the scheme, as a text without secrets.
    pub fn new(
        scheme: Scheme,
        header: Option<&str>,
        timestamp_header: Option<&str>,
        keys: Vec<Key>,
    ) -> Result<Self, String> {
        let word = scheme.word();
        if header.is_some() != (scheme == Scheme::Header) && !(scheme == Scheme::Grafana) {
            let what = if header.is_some() { "has its own header" } else { "needs `header`" };
            return Err(format!("scheme `{word}` {what}"));
        }
        if timestamp_header.is_some() && scheme != Scheme::Grafana {
            return Err(format!("scheme `{word}` takes no `timestamp_header`"));
        }
        let name = |text: Option<&str>| -> Result<Option<String>, String> {
            let Some(text) = text else { return Ok(None) };
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            let fits = !text.is_empty() && text.bytes().all(plain);
            let lower = fits.then(|| text.to_ascii_lowercase());
            lower.map(Some).ok_or_else(|| format!("`{text}` is not the name of a header"))
        };
        let (header, timestamp_header) = (name(header)?, name(timestamp_header)?);
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(format!("has {} secrets; 1 to {KEYS_MAX} may be live", keys.len()));
        }
        let keys = keys.into_iter().map(|key| prepared(scheme, key)).collect::<Result<_, _>>()?;
        Ok(Self { scheme, header, timestamp_header, keys })
    }

    /// Whether the body is needed to know who sent it.
    pub fn signs_body(&self) -> bool {
        self.scheme.signs_body()
    }

    /// Which live key vouches for `request`.
    ///
    /// # Errors
    /// None does.
    pub fn verify(&self, request: &Request<'_>) -> Result<Authenticated, Refused> {
        let held = |key: &Key, method| Authenticated { method, key_id: key.id.clone() };
        if !self.signs_body() {
            let method = self.scheme.method();
            return self.presented(request).map(|key| held(key, method));
        }
        let claim = claim(
            self.scheme,
            request.headers,
            self.header.as_deref(),
            self.timestamp_header.as_deref(),
        )?;
        if let Some(at_s) = claim.timestamp_s {
            let now_s = request.now.micros().div_euclid(1_000_000);
            if now_s.abs_diff(at_s) > CLOCK_TOLERANCE_S {
                return Err(Refused::Stale);
            }
        }
        let fitting = self.keys.iter().map(|key| (key, signed_by(key, &claim, request.body)));
        chosen(fitting).map(|key| held(key, claim.algorithm.word()))
    }

    /// The key whose secret is itself in the request.
    fn presented(&self, request: &Request<'_>) -> Result<&Key, Refused> {
        if self.scheme == Scheme::Mtls {
            let named = |key: &Key| request.names.iter().any(|n| n.as_bytes() == key.secret.0);
            let missing = if request.names.is_empty() { Refused::Missing } else { Refused::Wrong };
            return self.keys.iter().find(|key| named(key)).ok_or(missing);
        }
        let text = |name: &str| request.headers.get(name).ok_or(Refused::Missing);
        let after = |word: &str| {
            let (begin, rest) = text("authorization")?.split_once(' ').ok_or(Refused::Malformed)?;
            begin.eq_ignore_ascii_case(word).then_some(rest).ok_or(Refused::Malformed)
        };
        let shown = match self.scheme {
            Scheme::Bearer => after("bearer")?.as_bytes().to_vec(),
            Scheme::Basic => {
                BASE64.decode(after("basic")?.as_bytes()).map_err(|_| Refused::Malformed)?
            }
            Scheme::GitLab => text("x-gitlab-token")?.as_bytes().to_vec(),
            _ => text(self.header.as_deref().unwrap_or_default())?.as_bytes().to_vec(),
        };
        chosen(self.keys.iter().map(|key| (key, same(&key.secret.0, &shown))))
    }
}

/// Whether a header, its name in lower case, holds a secret, of this or any other use, and must not be kept.
pub fn is_secret(header: &str) -> bool {
    SECRET_WORDS.iter().any(|word| header.contains(word))
}

/// The key as it is compared.
fn prepared(scheme: Scheme, key: Key) -> Result<Key, String> {
    let id = &key.id;
    if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("has a secret whose id is not 1 to 64 visible ASCII characters".to_owned());
    }
    if scheme == Scheme::Mtls {
        return Ok(key);
    }
    let wrong = |what: &str| Err(format!("secret `{id}` {what}"));
    if key.secret.0.len() < SECRET_BYTES_MIN {
        return wrong(&format!("has less than {SECRET_BYTES_MIN} bytes"));
    }
    if scheme == Scheme::Basic && !key.secret.0.contains(&b':') {
        return wrong("is not `user:password`");
    }
    if scheme != Scheme::StandardWebhooks {
        return Ok(key);
    }
    let text = key.secret.0.strip_prefix(b"whsec_").unwrap_or(&key.secret.0);
    match BASE64.decode(text) {
        Ok(bytes) => Ok(Key { secret: Secret(bytes), ..key }),
        Err(_) => wrong("is not base64 after `whsec_`"),
    }
}

/// The key that holds, after all have been looked at.
fn chosen<'k>(keys: impl Iterator<Item = (&'k Key, Choice)>) -> Result<&'k Key, Refused> {
    let held = keys.fold(None, |held, (key, holds)| if holds.into() { Some(key) } else { held });
    held.ok_or(Refused::Wrong)
}

/// Whether two secrets are the same. Only their lengths show in the time that it takes.
fn same(a: &[u8], b: &[u8]) -> Choice {
    a.ct_eq(b)
}

/// Whether one of the signatures is that of `key`.
fn signed_by(key: &Key, claim: &Claim, body: &[u8]) -> Choice {
    let parts = [claim.before_body.as_slice(), body];
    let code = match claim.algorithm {
        Algorithm::Sha256 => code::<Hmac<Sha256>>(&key.secret, &parts),
        Algorithm::Sha384 => code::<Hmac<Sha384>>(&key.secret, &parts),
        Algorithm::Sha512 => code::<Hmac<Sha512>>(&key.secret, &parts),
    };
    claim.signatures.iter().fold(Choice::from(0), |held, one| held | same(&code, one))
}

fn code<M: Mac + KeyInit>(secret: &Secret, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(&secret.0).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
