//! Conversations with the mail server, stage by stage: what goes wrong before a recipient is named is about the server,
//! and lettre's own transport does not say how far it came.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::advice::{Facts, advise};
use super::encryption::{self, Tls};
use super::failure::{Failure, Stage, Verdict};
use super::pool::{COURTESY, Pool, pause, quit, timeout};
use super::tap::{Speaks, Tap};
use crate::config::{self, Encryption, SmtpServer};

/// For a whole conversation: a server that answers each step in time can make it last. Shorter than a lease.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// Connections that rest longer are closed.
const IDLE: Duration = Duration::from_mins(1);

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// For the connection to one address.
    connect: Duration,
    /// For each answer.
    step: Duration,
    /// After this without a greeting it is found out what the port speaks, on a connection of its own. Only where a
    /// person waits for the answer: the server would log it as an attack.
    probe: Option<Duration>,
}

impl Pace {
    pub const DELIVERY: Self =
        Self { connect: Duration::from_secs(10), step: Duration::from_secs(30), probe: None };
    pub const TRIAL: Self = Self {
        connect: Duration::from_secs(5),
        step: Duration::from_secs(10),
        probe: Some(Duration::from_secs(2)),
    };
}

pub(super) struct Smtp {
    server: SmtpServer,
    /// None is the address literal of each connection.
    helo_name: Option<ClientId>,
    tls: Tls,
    pace: Pace,
    pool: Pool,
    /// Connections that have got past their opening and have work.
    busy: AtomicUsize,
}

/// One attempt's time.
struct Attempt {
    deadline: Instant,
    step: Duration,
}

impl Attempt {
    fn new(pace: Pace) -> Self {
        Self { deadline: Instant::now() + ATTEMPT_TIMEOUT, step: pace.step }
    }

    fn rest(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    async fn step<T, E>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, E>>,
        failure: impl FnOnce(E) -> Failure,
    ) -> Result<T, Failure> {
        let limit = self.step.min(self.rest());
        if let Some(outcome) = timeout(limit, work).await {
            return outcome.map_err(failure);
        }
        let verdict = if stage < Stage::Recipient { Verdict::Server } else { Verdict::Temporary };
        Err(Failure::at(stage, verdict, format!("no answer within {} s", limit.as_secs().max(1))))
    }
}

impl Smtp {
    pub fn new(server: SmtpServer, helo_name: Option<ClientId>, pace: Pace) -> Result<Self, String> {
        let tls = Tls::new(&server)?;
        Ok(Self { server, helo_name, tls, pace, pool: Pool::new(IDLE), busy: AtomicUsize::new(0) })
    }

    /// For logs: where mail is sent to, without who signs in.
    pub fn address(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    pub async fn send(&self, message: &Message) -> Result<(), Failure> {
        let attempt = Attempt::new(self.pace);
        let mut facts = Facts::default();
        if let Some(connection) = self.pool.take().await {
            match self.hand_over(&attempt, connection, &mut facts, message).await {
                // Some servers take so many mails of a connection and no more.
                Err(failure) if failure.stage == Some(Stage::Sender) && failure.is_goodbye() => {}
                outcome => return outcome,
            }
        }
        match Box::pin(self.open(&attempt, &mut facts)).await {
            Ok(connection) => self.hand_over(&attempt, connection, &mut facts, message).await,
            Err(failure) => Err(self.unopened(failure, &facts)),
        }
    }

    async fn hand_over(
        &self,
        attempt: &Attempt,
        mut connection: AsyncSmtpConnection,
        facts: &mut Facts,
        message: &Message,
    ) -> Result<(), Failure> {
        facts.note(&self.server, &connection);
        let busy = Busy::new(&self.busy);
        let outcome = transact(attempt, &mut connection, message).await;
        drop(busy);
        match outcome {
            Ok(()) => {
                self.pool.put(connection);
                Ok(())
            }
            Err(failure) => {
                match (failure.stage, failure.code) {
                    // Nothing was said of it.
                    (None, _) => self.pool.put(connection),
                    (_, Some(_)) => quit(connection),
                    // One that is out of step, or hangs, is only dropped.
                    (_, None) => {}
                }
                let from = message.envelope().from().map(ToString::to_string).unwrap_or_default();
                Err(self.explain(failure, facts, &from))
            }
        }
    }

    fn unopened(&self, mut failure: Failure, facts: &Facts) -> Failure {
        // Too many connections, say: as long as another one works, not all mail waits.
        let may_pass = failure.stage.is_some_and(|stage| stage <= Stage::Hello)
            && failure.code.is_none_or(|code| code < 500);
        if may_pass && self.busy.load(Ordering::Relaxed) > 0 {
            failure.verdict = Verdict::Temporary;
        }
        self.explain(failure, facts, "")
    }

    fn explain(&self, failure: Failure, facts: &Facts, from: &str) -> Failure {
        let advice = advise(&self.server, &failure, facts, from);
        let failure = failure.with_advice(advice);
        let Some((user, password)) = &self.server.credentials else { return failure };
        // As they cross the network (RFC 4616), if the server repeats a command that it does not know.
        let plain = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
        failure.hiding(&[password, &plain, &BASE64_STANDARD.encode(password)])
    }

    async fn open(&self, attempt: &Attempt, facts: &mut Facts) -> Result<AsyncSmtpConnection, Failure> {
        let stream = self.connect(attempt).await?;
        let (local, peer) = (stream.local_addr(), stream.peer_addr());
        let (Ok(local), Ok(peer)) = (local, peer) else {
            return Err(Failure::server(Stage::Connect, "the connection was closed at once"));
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
            let limit = self.pace.connect.min(attempt.rest());
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

    /// Waits for the greeting. A server that says nothing may be waiting for us to begin: with TLS, or HTTP.
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
                Err(Failure::server(Stage::Greeting, "the server says nothing"))
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
                "the server offers no way to sign in with a name and a password"
            };
            return Err(Failure::server(Stage::Auth, offers));
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials);
        attempt.step(Stage::Auth, signed_in, |error| Failure::smtp(Stage::Auth, &error)).await.map(drop)
    }
}

/// Whether the server said something in SMTP, were it no.
fn is_answer(outcome: &Result<AsyncSmtpConnection, lettre::transport::smtp::Error>) -> bool {
    outcome.as_ref().err().is_none_or(|error| error.status().is_some())
}

/// One more connection that has work, until it is dropped.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_ascii(address: &Address) -> bool {
    address.user().is_ascii() && address.domain().is_ascii()
}

/// Hands one mail over.
async fn transact(
    attempt: &Attempt,
    connection: &mut AsyncSmtpConnection,
    message: &Message,
) -> Result<(), Failure> {
    let envelope = message.envelope();
    let sender_is_ascii = envelope.from().is_none_or(is_ascii);
    let needs_utf8 = !sender_is_ascii || !envelope.to().iter().all(is_ascii);
    if needs_utf8 && !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        return Err(if sender_is_ascii {
            Failure::unsendable(
                "the address is not ASCII before its @, which this server does not take (SMTPUTF8)",
            )
        } else {
            let why = "mail.from is not ASCII before its @, which this server does not take (SMTPUTF8)";
            Failure::server(Stage::Sender, why)
        });
    }
    let bytes = message.formatted();
    let mut parameters = Vec::new();
    if needs_utf8 {
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let sender = connection.command(Mail::new(envelope.from().cloned(), parameters));
    let refused = |error| {
        let failure = Failure::smtp(Stage::Sender, &error);
        // Asked for more than usual, it says no to this mail only, unless it closes (421).
        match failure.code {
            Some(500..) if needs_utf8 && sender_is_ascii => failure.judged(Verdict::Refused),
            Some(code) if needs_utf8 && sender_is_ascii && code != 421 => failure.judged(Verdict::Temporary),
            _ => failure,
        }
    };
    attempt.step(Stage::Sender, sender, refused).await?;
    for recipient in envelope.to() {
        let named = connection.command(Rcpt::new(recipient.clone(), Vec::new()));
        attempt.step(Stage::Recipient, named, |error| Failure::smtp(Stage::Recipient, &error)).await?;
    }
    let announced = connection.command(Data);
    attempt.step(Stage::Data, announced, |error| Failure::smtp(Stage::Data, &error)).await?;
    // Some servers look at a mail for long before they take it.
    let patient = Attempt { step: ATTEMPT_TIMEOUT, ..*attempt };
    let taken = connection.message(&bytes);
    patient.step(Stage::Data, taken, |error| Failure::smtp(Stage::Data, &error)).await.map(drop)
}

#[cfg(test)]
mod tests;
