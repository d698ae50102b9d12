//! A connection to the server, in the clear or under TLS.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, InvalidMessage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::connection::RESPONSE_TIMEOUT;
use crate::error::Error;
use crate::url::ServerUrl;

/// What a connection is made of: TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub async fn connect(url: &ServerUrl, tls: &Arc<ClientConfig>) -> Result<Box<dyn Stream>, Error> {
    let stream = TcpStream::connect((url.host(), url.port())).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    if !url.is_encrypted() {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(url.host().to_owned()).map_err(unreachable)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(tls_error)?;
    Ok(Box::new(stream))
}

/// Bounds how long a server may take to answer.
pub async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answer = timeout_at(Instant::now() + RESPONSE_TIMEOUT, work).await;
    answer.unwrap_or_else(|_| Err(Error::Unreachable("no answer in time".to_owned())))
}

#[expect(clippy::needless_pass_by_value, reason = "a function to map errors with")]
pub fn unreachable(error: impl ToString) -> Error {
    Error::Unreachable(error.to_string())
}

fn tls_error(error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            Error::WrongProtocol("this port speaks no TLS: the URL begins with ws:// or tcp://".to_owned())
        }
        Some(rustls::Error::InvalidCertificate(_)) => Error::UntrustedCertificate(error.to_string()),
        _ => unreachable(error),
    }
}
