//! TLS for both listeners: one certificate, which is read again when its files change, so that renewing it
//! takes no restart.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};

use crate::config;
use crate::ownership::{self, Need};

/// How often the files are checked, in real time.
const PACE: Duration = Duration::from_secs(2);

/// The certificate in use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: config::Tls,
    /// The stamps of the files when `current` was read.
    seen: Mutex<Stamps>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn load(files: config::Tls) -> Result<Self, String> {
        // Taken before the files are read, so that a change in between is noticed later.
        let seen = Mutex::new(stamps(&files));
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Self(Arc::new(Inner { files, seen, current })))
    }

    /// The configuration of the listeners: TLS 1.2 and 1.3, no client certificates.
    ///
    /// # Errors
    /// If the library refuses its own defaults.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone())))
    }

    /// Watches the files for as long as the process runs. If a pair does not match, as between the writing of
    /// one file and of the other, or cannot be read, the previous pair stays in use and the new one is tried
    /// again.
    pub async fn watch(self) {
        let mut complaint = None;
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            match self.reread() {
                Ok(false) => {}
                Ok(true) => {
                    complaint = None;
                    tracing::info!("reloaded the certificate");
                }
                Err(error) if complaint.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot use the new certificate; kept the old one");
                    complaint = Some(error);
                }
            }
        }
    }

    /// Reads the files if they have changed since they were last read successfully. Returns whether they had.
    fn reread(&self) -> Result<bool, String> {
        let now = stamps(&self.0.files);
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == *seen {
            return Ok(false);
        }
        let key = read(&self.0.files)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        *seen = now;
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Shows whether the two files were written or replaced.
type Stamps = [Option<(SystemTime, u64, u64)>; 2];

fn stamps(files: &config::Tls) -> Stamps {
    use std::os::unix::fs::MetadataExt;

    [&files.cert, &files.key].map(|path: &PathBuf| {
        // Follows links: renewal tools keep one that points to the newest file.
        let data = fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len(), data.ino()))
    })
}

fn read(files: &config::Tls) -> Result<CertifiedKey, String> {
    let bad = |path: &Path, error: &dyn std::fmt::Display| format!("cannot use {}: {error}", path.display());
    let open = |path: &Path| {
        let file = ownership::explained(File::open(path), path, Need::Read);
        file.map(BufReader::new).map_err(|error| bad(path, &error))
    };
    let chain = CertificateDer::pem_reader_iter(open(&files.cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(&files.cert, &error))?;
    if chain.is_empty() {
        return Err(bad(&files.cert, &"it contains no PEM certificate"));
    }
    let key = PrivateKeyDer::from_pem_reader(open(&files.key)?)
        .map_err(|_| bad(&files.key, &"it contains no PEM private key"))?;
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| bad(&files.key, &"this kind of key cannot sign"))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Unknown: the key does not reveal its public half.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(bad(&files.cert, &format!("it does not match {}: {error}", files.key.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(dir: &Path, name: &str) -> config::Tls {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let files = config::Tls { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
        fs::write(&files.cert, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_file_that_does_not_match_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let files = write_pair(dir.path(), "localhost");
        Certificate::load(files.clone()).unwrap().server_config().unwrap();
        let error = |files: &config::Tls| Certificate::load(files.clone()).unwrap_err();
        let swapped = config::Tls { cert: files.key.clone(), key: files.cert.clone() };
        assert!(error(&swapped).ends_with("key.pem: it contains no PEM certificate"));
        let no_key = config::Tls { key: files.cert.clone(), ..files.clone() };
        assert!(error(&no_key).ends_with("it contains no PEM private key"));
        let missing = config::Tls { key: dir.path().join("none.pem"), ..files.clone() };
        assert!(error(&missing).contains("none.pem"));
        let certificate = Certificate::load(files.clone()).unwrap();
        assert_eq!(certificate.reread(), Ok(false));
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
        assert!(error(&files).contains("does not match"), "{}", error(&files));
        for _ in 0..2 {
            assert!(certificate.reread().is_err(), "it is tried again");
        }
        fs::write(&files.cert, other.cert.pem()).unwrap();
        assert_eq!((certificate.reread(), certificate.reread()), (Ok(true), Ok(false)));
    }
}
