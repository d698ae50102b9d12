//! Which servers' certificates are trusted.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// Trusts the system's root certificates, or those of the file that the environment variable `SSL_CERT_FILE` names. They
/// are read only if they are needed.
pub fn trust_system_roots(is_needed: bool) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    if is_needed {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            let text = format!("there are no certificates to trust (SSL_CERT_FILE names a file){why}");
            return Err(Error::NoRootCertificates(text));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::NoRootCertificates(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // A WebSocket begins as HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
