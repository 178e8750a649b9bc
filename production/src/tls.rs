//! Encrypted connections to either server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Whether and how a connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    #[default]
    Off,
    /// With the authorities of this file, or those of the system.
    On { ca_file: Option<PathBuf> },
}

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificates in {0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    #[error("the system's certificates cannot be used: {0}")]
    System(String),
}

/// How to speak TLS as a client, trusting the authorities of a file in PEM or the system's.
///
/// The cryptography is chosen here and not by the process, so that no other library can.
///
/// # Errors
/// [`TlsError`] when there is no authority to trust.
pub fn client(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(authorities(ca_file)?);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the suites of both versions")
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(config)
}

/// The authorities of a file in PEM, or those of the system, for whatever speaks TLS by itself.
///
/// # Errors
/// [`TlsError`] when there is no authority to trust.
pub fn authorities(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    match ca_file {
        Some(file) => of_file(file),
        None => of_system(),
    }
}

fn of_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |why: String| TlsError::Unreadable(file.to_owned(), why);
    let mut found = Vec::new();
    let certificates = CertificateDer::pem_file_iter(file);
    for certificate in certificates.map_err(|error| unreadable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|error| unreadable(error.to_string()))?;
        found.push(certificate);
    }
    if found.is_empty() {
        return Err(unreadable("there is none".into()));
    }
    Ok(found)
}

/// Those of them that are well-formed: systems also keep some that nobody can use.
fn of_system() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let is_usable =
        |certificate: &CertificateDer<'_>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let usable: Vec<_> = found.certs.into_iter().filter(is_usable).collect();
    if usable.is_empty() {
        let error = found.errors.first().map(ToString::to_string);
        let why = error.unwrap_or_else(|| "there are none".into());
        return Err(TlsError::System(why));
    }
    Ok(usable)
}
