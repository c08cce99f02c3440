//! Small vocabularies that several sources share: severities, tiers, package URLs, image references.

use std::borrow::Cow;

use crate::document::percent_decoded;

/// The severity that a label such as `P1`, `SEV-2` or `3` states, 1 (worst) to 5; other labels state none.
pub(crate) fn severity(label: &str) -> Option<i64> {
    let lower = label.trim().to_ascii_lowercase();
    let unnamed =
        ["severity", "priority", "sev", "p", "s"].iter().find_map(|p| lower.strip_prefix(p));
    let digit = unnamed.unwrap_or(&lower).trim_start_matches(['-', ' ', '_']);
    digit.parse().ok().filter(|n| digit.len() == 1 && (1..=5).contains(n))
}

/// What an environment is for, where its name is one of the usual words.
pub(crate) fn tier(environment: &str) -> Option<&'static str> {
    match environment.to_ascii_lowercase().as_str() {
        "production" | "prod" => Some("production"),
        "staging" | "stage" => Some("staging"),
        "testing" | "test" | "qa" => Some("testing"),
        "development" | "dev" => Some("development"),
        _ => None,
    }
}

/// What a package URL says of the version: its label, and the digest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) version: Option<String>,
    pub(crate) digest: Option<String>,
}

/// Reads `pkg:type/namespace/name@version?qualifiers#subpath` (package-url specification, "Parsing"). A version that is
/// a digest is one; a `tag` qualifier is the label then. `None` when it is no package URL.
pub(crate) fn package(purl: &str) -> Option<Package> {
    let rest = purl.strip_prefix("pkg:")?;
    let rest = rest.split('#').next()?;
    let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    path.split_once('/').filter(|(ty, name)| !ty.is_empty() && !name.is_empty())?;
    let version =
        path.rsplit_once('@').map(|(_, version)| decoded(version)).filter(|v| !v.is_empty());
    let tag = qualifiers
        .split('&')
        .find_map(|q| q.strip_prefix("tag="))
        .map(decoded)
        .filter(|t| !t.is_empty());
    Some(match version {
        Some(version) if is_digest(&version) => Package { version: tag, digest: Some(version) },
        version => Package { version: version.or(tag), digest: None },
    })
}

/// The tag and the digest of an image reference such as `registry:5000/shop/cart:1.4@sha256:…`.
pub(crate) fn image(reference: &str) -> Package {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest).filter(|d| is_digest(d))),
        None => (reference, None),
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag).filter(|t| !t.is_empty());
    Package { version: tag.map(str::to_owned), digest: digest.map(str::to_owned) }
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with("sha")
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Whether the text is the whole hash of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn decoded(text: &str) -> String {
    match String::from_utf8_lossy(&percent_decoded(text.as_bytes())) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

/// Whether the text is a decimal number that column `signal_value` takes: `-?digits[.digits]`.
pub(crate) fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_states_a_severity_or_none() {
        for (label, want) in [
            ("P1", Some(1)),
            ("sev-2", Some(2)),
            ("SEV 3", Some(3)),
            ("4", Some(4)),
            ("Severity 5", Some(5)),
            ("P0", None),
            ("P6", None),
            ("P12", None),
            ("high", None),
            ("", None),
            ("+1", None),
        ] {
            assert_eq!(severity(label), want, "{label}");
        }
    }

    #[test]
    fn a_package_url_names_a_version_or_a_digest() {
        let hex = "0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427";
        let both =
            package(&format!("pkg:oci/cart@sha256%3A{hex}?repository_url=x&tag=1.4")).unwrap();
        assert_eq!(
            both,
            Package { version: Some("1.4".into()), digest: Some(format!("sha256:{hex}")) }
        );
        assert_eq!(
            package("pkg:npm/%40shop/cart@2.0.1#lib").unwrap().version.as_deref(),
            Some("2.0.1")
        );
        assert_eq!(package("pkg:oci/cart"), Some(Package::default()));
        for bad in ["oci/cart@1", "pkg:", "pkg:oci", "pkg:/cart"] {
            assert_eq!(package(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_registry_port_is_no_tag() {
        assert_eq!(image("registry:5000/shop/cart"), Package::default());
        assert_eq!(image("registry:5000/shop/cart:1.4").version.as_deref(), Some("1.4"));
        let digest = format!("sha256:{}", "a".repeat(64));
        let both = image(&format!("cart:1.4@{digest}"));
        assert_eq!(both, Package { version: Some("1.4".into()), digest: Some(digest) });
    }

    #[test]
    fn decimals_are_plain() {
        assert!(["0", "-1.5", "0.97"].iter().all(|t| is_decimal(t)));
        assert!(["", "1e3", ".5", "NaN", "[1]", "1."].iter().all(|t| !is_decimal(t)));
    }
}
