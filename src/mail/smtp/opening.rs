//! The beginning of a conversation: connect, encrypt, greet, sign in. What fails here is about the server, not about an
//! email.

use std::net::SocketAddr;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;

use super::advice::Facts;
use super::encryption::{self, Tls};
use super::first_bytes::{Speaks, Tap};
use super::timing::{Attempt, COURTESY, Pace, pause, timeout};
use crate::config::{self, Encryption, SmtpServer};
use crate::mail::failure::{Failure, Stage};

/// Opens connections to a mail server.
pub(super) struct Opener {
    pub server: SmtpServer,
    /// The name for EHLO. None is the address literal of each connection.
    helo_name: Option<ClientId>,
    tls: Tls,
    pub pace: Pace,
}

impl Opener {
    pub fn new(server: SmtpServer, helo_name: Option<ClientId>, pace: Pace) -> Result<Self, String> {
        let tls = Tls::new(&server)?;
        Ok(Self { server, helo_name, tls, pace })
    }

    /// Opens a connection that is ready for an email. Notes in `facts` what it learns about the server.
    pub async fn open(&self, attempt: &Attempt, facts: &mut Facts) -> Result<AsyncSmtpConnection, Failure> {
        let stream = self.connect(attempt).await?;
        let (local, peer) = (stream.local_addr(), stream.peer_addr());
        let (Ok(local), Ok(peer)) = (local, peer) else {
            return Err(Failure::server(Stage::Connect, "the connection was closed immediately"));
        };
        let helo = self.helo_name.clone().unwrap_or_else(|| config::address_literal(local.ip()));
        facts.helo = helo.to_string();
        let (raw, raw_seen) = Tap::new(stream, peer);
        let (stream, seen): (Box<dyn AsyncTokioStream>, _) = match &self.tls {
            Tls::Implicit(tls) => {
                let handshake = attempt.step(Stage::Tls, tls.connect(raw), |error| {
                    facts.tls_error = encryption::find_error(&error);
                    Failure::server(Stage::Tls, error.to_string())
                });
                let encrypted = handshake.await;
                facts.speaks = raw_seen.speaks();
                let (stream, seen) = Tap::new(encrypted?, peer);
                (Box::new(stream), seen)
            }
            Tls::Upgrade(_) | Tls::None => (Box::new(raw), raw_seen),
        };
        let greeting = Box::pin(AsyncSmtpConnection::connect_with_transport(stream, &helo));
        let greeted = attempt.step(Stage::Greeting, self.or_probe(greeting, peer, facts), |error| error);
        let greeted = Box::pin(greeted).await;
        facts.speaks = seen.speaks();
        let mut connection = greeted.map_err(|failure| match failure.stage {
            Some(Stage::Greeting) if seen.has_sent() => failure.moved_to(Stage::Hello),
            _ => failure,
        })?;
        self.encrypt(attempt, &mut connection, &helo, facts).await?;
        facts.note(&self.server, &connection);
        self.sign_in(attempt, &mut connection).await?;
        Ok(connection)
    }

    async fn connect(&self, attempt: &Attempt) -> Result<TcpStream, Failure> {
        let name = self.server.name();
        let lookup = tokio::net::lookup_host((name.as_str(), self.server.port));
        let found =
            attempt.step(Stage::Lookup, lookup, |error| Failure::server(Stage::Lookup, error.to_string()));
        let mut failure = Failure::server(Stage::Lookup, "the name has no address");
        for address in found.await? {
            let limit = self.pace.connect.min(attempt.remaining());
            match timeout(limit, TcpStream::connect(address)).await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => {
                    failure = Failure::server(Stage::Connect, format!("{address}: {error}"));
                }
                None => {
                    let why = format!("{address}: no answer within {} s", limit.as_secs());
                    failure = Failure::server(Stage::Connect, why);
                }
            }
        }
        Err(failure)
    }

    /// Waits for the greeting. A server that says nothing may expect the client to begin: with TLS, or HTTP.
    async fn or_probe(
        &self,
        greeting: impl Future<Output = Result<AsyncSmtpConnection, lettre::transport::smtp::Error>>,
        peer: SocketAddr,
        facts: &mut Facts,
    ) -> Result<AsyncSmtpConnection, Failure> {
        let failed = |error| Failure::smtp(Stage::Greeting, &error);
        let Some(patience) = self.pace.probe.filter(|_| self.server.encryption != Encryption::Implicit)
        else {
            return greeting.await.map_err(failed);
        };
        let mut greeting = std::pin::pin!(greeting);
        let outcome = tokio::select! {
            outcome = &mut greeting => Some(outcome),
            () = pause(patience) => None,
        };
        let silence = match outcome {
            Some(outcome) if is_answer(&outcome) => return outcome.map_err(failed),
            silence => silence,
        };
        facts.probed = timeout(COURTESY, encryption::probe(peer)).await;
        match (silence, facts.probed) {
            (Some(closed), _) => closed.map_err(failed),
            (None, Some(Speaks::Tls | Speaks::Http)) => {
                Err(Failure::server(Stage::Greeting, "the server sent nothing"))
            }
            (None, _) => greeting.await.map_err(failed),
        }
    }

    async fn encrypt(
        &self,
        attempt: &Attempt,
        connection: &mut AsyncSmtpConnection,
        helo: &ClientId,
        facts: &mut Facts,
    ) -> Result<(), Failure> {
        let Tls::Upgrade(parameters) = &self.tls else { return Ok(()) };
        if !connection.can_starttls() && self.server.encryption == Encryption::Opportunistic {
            return Ok(());
        }
        if !connection.can_starttls() {
            return Err(Failure::server(Stage::StartTls, "the server does not offer it"));
        }
        let upgrade = connection.starttls(parameters.clone(), helo);
        let upgraded = attempt.step(Stage::StartTls, upgrade, |error| {
            facts.tls_error = encryption::find_error(&error);
            let stage = if facts.tls_error.is_some() { Stage::Tls } else { Stage::StartTls };
            Failure::smtp(stage, &error)
        });
        upgraded.await
    }

    async fn sign_in(&self, attempt: &Attempt, connection: &mut AsyncSmtpConnection) -> Result<(), Failure> {
        let Some((user, password)) = &self.server.credentials else { return Ok(()) };
        if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            let offers = if connection.server_info().supports_auth_mechanism(Mechanism::Xoauth2) {
                "the server offers XOAUTH2 only"
            } else {
                "the server offers no way to sign in with a user name and a password"
            };
            return Err(Failure::server(Stage::Auth, offers));
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials);
        attempt.step(Stage::Auth, signed_in, |error| Failure::smtp(Stage::Auth, &error)).await.map(drop)
    }
}

/// Whether the server answered in SMTP, even with a refusal.
fn is_answer(outcome: &Result<AsyncSmtpConnection, lettre::transport::smtp::Error>) -> bool {
    outcome.as_ref().err().is_none_or(|error| error.status().is_some())
}
