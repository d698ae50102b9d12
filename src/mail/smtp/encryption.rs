//! TLS with the mail server, and what its errors mean.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use lettre::transport::smtp::client::TlsParameters;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::first_bytes::{Speaks, Tap};
use crate::config::{Encryption, SmtpServer};

const CERTIFIED_NAME: &str = "In mail.url, use a name that the certificate is for.";

pub(super) enum Tls {
    None,
    /// From the first byte.
    Implicit(Implicit),
    /// By STARTTLS.
    Upgrade(TlsParameters),
}

pub(super) struct Implicit {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Prepares TLS as the settings ask for it; reads the certificates that this system trusts.
    pub fn new(server: &SmtpServer) -> Result<Self, String> {
        Ok(match server.encryption {
            Encryption::None => Self::None,
            Encryption::Implicit => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                let name = ServerName::try_from(server.name())
                    .map_err(|_| "mail.url: no certificate can be issued for its host".to_owned())?;
                Self::Implicit(Implicit { connector: connector(roots)?, name })
            }
            Encryption::Required | Encryption::Opportunistic => {
                Self::Upgrade(TlsParameters::new(server.name()).map_err(|error| error.to_string())?)
            }
        })
    }
}

impl Implicit {
    pub async fn connect<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The error of rustls among the sources of an error.
pub(super) fn find_error(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(found.clone());
        }
        next = error.source();
    }
    None
}

/// Begins a TLS handshake to see how the port answers: a server that expects TLS from the start answers with TLS, a web
/// server with an error in HTTP.
pub(super) async fn probe(peer: SocketAddr) -> Speaks {
    let (Ok(connector), Ok(stream)) = (connector(RootCertStore::empty()), TcpStream::connect(peer).await)
    else {
        return Speaks::Nothing;
    };
    let (tap, seen) = Tap::new(stream, peer);
    // The handshake fails in any case: this connector trusts no certificate.
    let _ = connector.connect(ServerName::from(peer.ip()), tap).await;
    seen.speaks()
}

/// What is wrong with the server's certificate or TLS version, and what to do.
pub(super) fn advise(error: &rustls::Error, host: &Host<String>) -> Option<String> {
    Some(match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "The server's certificate has expired, or this machine's clock is wrong.".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "The server's certificate is not valid yet, or this machine's clock is wrong.".to_owned()
            }
            CertificateError::NotValidForName => {
                format!("The server's certificate is not for {host}. {CERTIFIED_NAME}")
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                // As rustls shows them: DnsName("mail.example").
                let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name));
                let names = names.take(5).collect::<Vec<_>>().join(", ");
                let names = if names.is_empty() { "no name".to_owned() } else { names };
                format!("The server's certificate is for {names}, not for {host}. {CERTIFIED_NAME}")
            }
            CertificateError::Revoked => "The server's certificate has been revoked.".to_owned(),
            _ => "The server's certificate is self-signed, or signed by an authority that this system does not trust. Add \
                  the authority to the system's certificate store, or set SSL_CERT_FILE to a file that contains it."
                .to_owned(),
        },
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            "The server and Doorward support no common version of TLS. The server needs TLS 1.2 or 1.3.".to_owned()
        }
        _ => return None,
    })
}
