//! Calling others over HTTP: witnesses, APIs that are polled, a server elsewhere; and whose certificates are trusted.

use std::path::Path;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{CertificateError, Error};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::exit::{BAD_INPUT, Failure, unreadable};

/// The environment variable that names a file with further roots, as in most other tools.
const VARIABLE: &str = "SSL_CERT_FILE";

/// What to do when nobody who is trusted signed a certificate.
pub(crate) const UNTRUSTED: &str = "if it is meant to be trusted, name a PEM file with who signed its certificate in SSL_CERT_FILE";

/// Calls others: an answer is an answer whatever its status, and nobody sends us elsewhere.
///
/// # Errors
/// `SSL_CERT_FILE` names something else than certificates.
pub(crate) fn agent(timeout: Duration) -> Result<Agent, Failure> {
    let tls = TlsConfig::builder().root_certs(roots()?).build();
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("backtrail/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls);
    Ok(config.build().into())
}

/// Whether the other side's certificate is signed by nobody who is trusted.
pub(crate) fn is_untrusted(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else { return false };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}

/// Why there was no answer, and what to do where that is known.
pub(crate) fn why(error: &ureq::Error) -> String {
    if is_untrusted(error) { format!("{error}; {UNTRUSTED}") } else { error.to_string() }
}

/// The roots that come with us, and those in the file of `SSL_CERT_FILE`.
fn roots() -> Result<RootCerts, Failure> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let own = own_roots(Path::new(&path))?;
    let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().chain(&own);
    Ok(all.map(|root| Certificate::from_der(root).to_owned()).into())
}

/// Those in the file that can be roots: a system's own list has some that are too old in form.
fn own_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = |what: &dyn std::fmt::Display| {
        Failure::new(BAD_INPUT, format_args!("{VARIABLE}: {}: {what}", path.display()))
            .hint("name a file of certificates in PEM form, of those who sign other certificates")
    };
    let pem = std::fs::read(path).map_err(|e| {
        let e = unreadable(path, &e);
        Failure { message: format!("{VARIABLE}: {}", e.message), ..e }
    })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let mut found = found.map_err(|e| wrong(&e))?;
    found.retain(|root| webpki::anchor_from_trusted_cert(root).is_ok());
    if found.is_empty() { Err(wrong(&"there is no certificate in it")) } else { Ok(found) }
}
