//! TLS, and who the client's certificate says it is.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::exit::{BAD_INPUT, Failure, unreadable};

/// The DNS names and URIs in the certificate that a connection's client showed and proved to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(pub(super) Arc<Vec<String>>);

/// Reads the server's certificate chain and key; with `client_ca`, clients may show a certificate that one of these signed.
pub(super) fn acceptor(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<TlsAcceptor, Failure> {
    let chain = certificates(certificate)?;
    let pem = read(key)?;
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| wrong(key, &e))?;
    let builder = ServerConfig::builder();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(|e| wrong(path, &e))?;
            }
            // Other sources on the same port have no certificate: theirs are asked for, not demanded.
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated();
            builder.with_client_cert_verifier(verifier.build().map_err(|e| wrong(path, &e))?)
        }
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|e| wrong(key, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What the client's certificate, which the handshake has checked, says of its holder.
pub(super) fn names(connection: &ServerConnection) -> Names {
    let leaf = connection.peer_certificates().and_then(|chain| chain.first());
    let parsed = leaf.and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
    let names = parsed.map(|certificate| {
        let all = certificate.valid_dns_names().chain(certificate.valid_uri_names());
        all.map(str::to_owned).collect()
    });
    Names(Arc::new(names.unwrap_or_default()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|e| wrong(path, &e))?;
    if found.is_empty() { Err(wrong(path, &"there is no certificate in it")) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| unreadable(path, &e))
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(BAD_INPUT, format_args!("{}: {error}", path.display()))
        .hint("`[serve] tls_certificate`, `tls_key` and `tls_client_ca` are files in PEM form")
}
