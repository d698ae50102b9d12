//! A certificate of a test's own, and clients that trust it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::support::app::{TestApp, spawn_with};
use crate::support::time::PATIENCE;

/// A certificate for `localhost` that signs for itself, and its files.
pub struct Identity {
    pub cert: PathBuf,
    pub key: PathBuf,
    dir: tempfile::TempDir,
}

impl Identity {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Self { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem"), dir };
        identity.renew();
        identity
    }

    /// Another certificate in the same files.
    pub fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for (path, text) in [(&self.cert, made.cert.pem()), (&self.key, made.signing_key.serialize_pem())] {
            let new = self.dir.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, path).unwrap();
        }
    }

    pub async fn app(&self) -> TestApp {
        spawn_with(&self.settings()).await
    }

    pub fn settings(&self) -> [(&str, &str); 3] {
        let (cert, key) = (self.cert.to_str().unwrap(), self.key.to_str().unwrap());
        [("tls.cert", cert), ("tls.key", key), ("public_url", "https://localhost")]
    }
}

/// What trusts the certificate of this file alone.
pub fn client(cert: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // As browsers and curl do.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Over HTTPS, as `curl` would.
pub async fn post(app: &TestApp, config: &Arc<ClientConfig>, path: &str, body: Value) -> (u16, Value) {
    let connector = awc::Connector::new().rustls_0_23(Arc::clone(config));
    let client = awc::Client::builder().connector(connector).timeout(PATIENCE).finish();
    let url = format!("https://localhost:{}{path}", app.address.port());
    let mut answer = client.post(url).send_json(&body).await.unwrap();
    let text = answer.body().await.unwrap();
    assert_eq!(answer.version(), awc::http::Version::HTTP_11);
    (answer.status().as_u16(), serde_json::from_slice(&text).unwrap_or_default())
}
