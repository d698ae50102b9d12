//! TLS to the mail server, and what its errors mean.

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

use super::tap::{Speaks, Tap};
use crate::config::{Encryption, SmtpServer};

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
    /// Reads the certificates that this system trusts, if the server is ever to be encrypted.
    pub fn new(server: &SmtpServer) -> Result<Self, String> {
        Ok(match server.encryption {
            Encryption::None => Self::None,
            Encryption::Implicit => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                let name = ServerName::try_from(server.name())
                    .map_err(|_| "mail.url: no certificate can be for its host".to_owned())?;
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

/// The TLS library's own error, where an error has one among its sources.
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

/// Begins a TLS handshake and looks at what comes back: a server that speaks TLS from the start answers with TLS, one of
/// HTTP says that this is no HTTP.
pub(super) async fn probe(peer: SocketAddr) -> Speaks {
    let (Ok(connector), Ok(stream)) = (connector(RootCertStore::empty()), TcpStream::connect(peer).await)
    else {
        return Speaks::Nothing;
    };
    let (tap, seen) = Tap::new(stream, peer);
    // It fails: no certificate is trusted here.
    let _ = connector.connect(ServerName::from(peer.ip()), tap).await;
    seen.speaks()
}

/// What is wrong with the server's certificate, and what to do.
pub(super) fn advise(error: &rustls::Error, host: &Host<String>) -> Option<String> {
    Some(match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "The server's certificate has expired (or this machine's clock is wrong).".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "The server's certificate is not valid yet (or this machine's clock is wrong).".to_owned()
            }
            CertificateError::NotValidForName => {
                format!("The server's certificate is not for {host}: write the name that it is for.")
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                // As rustls shows them: DnsName("mail.example").
                let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name));
                let names = names.take(5).collect::<Vec<_>>().join(", ");
                let names = if names.is_empty() { "no name".to_owned() } else { names };
                format!("The server's certificate is for {names}, not for {host}: write a name that it is for.")
            }
            CertificateError::Revoked => "The server's certificate was revoked.".to_owned(),
            _ => "No authority that this system trusts has signed the server's certificate (is it self-signed?): \
                  add the authority to the system's store, or name a file with it in SSL_CERT_FILE."
                .to_owned(),
        },
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            "The server and we agree on no version of TLS: it must know TLS 1.2 or 1.3.".to_owned()
        }
        _ => return None,
    })
}
