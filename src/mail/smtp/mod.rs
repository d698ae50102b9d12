//! Conversations with the mail server, driven command by command. lettre's own transport does not tell at which stage one
//! failed, and the stage decides what a failure means: before a recipient is named, it is about the server and not about
//! the email.

mod advice;
mod encryption;
mod first_bytes;
mod opening;
mod pool;
mod timing;
mod transaction;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::Message;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;

use self::advice::{Facts, advise};
use self::opening::Opener;
use self::pool::{Pool, quit};
use self::timing::Attempt;
use self::transaction::transact;
use super::failure::{Failure, Stage, Verdict};
use crate::config::SmtpServer;

#[cfg(test)]
pub(super) use self::timing::ATTEMPT_TIMEOUT;
pub(super) use self::timing::Pace;

/// Connections that are idle for longer are closed.
const IDLE: Duration = Duration::from_mins(1);

/// A mail server, and the connections to it.
pub(super) struct Smtp {
    opener: Opener,
    pool: Pool,
    /// Connections that are past their opening and hand over an email.
    busy: AtomicUsize,
}

impl Smtp {
    pub fn new(server: SmtpServer, helo_name: Option<ClientId>, pace: Pace) -> Result<Self, String> {
        let opener = Opener::new(server, helo_name, pace)?;
        Ok(Self { opener, pool: Pool::new(IDLE), busy: AtomicUsize::new(0) })
    }

    /// Where email is sent to, for logs: without the credentials.
    pub fn address(&self) -> String {
        let server = &self.opener.server;
        format!("{}:{}", server.host, server.port)
    }

    /// Sends one email, over an idle connection if there is one.
    pub async fn send(&self, message: &Message) -> Result<(), Failure> {
        let attempt = Attempt::new(self.opener.pace);
        let mut facts = Facts::default();
        if let Some(connection) = self.pool.take().await {
            match self.hand_over(&attempt, connection, &mut facts, message).await {
                // Some servers accept only so many emails on one connection.
                Err(failure) if failure.stage == Some(Stage::Sender) && failure.is_goodbye() => {}
                outcome => return outcome,
            }
        }
        match Box::pin(self.opener.open(&attempt, &mut facts)).await {
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
        facts.note(&self.opener.server, &connection);
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
                    // The email was refused before a command was sent.
                    (None, _) => self.pool.put(connection),
                    (_, Some(_)) => quit(connection),
                    // A connection that is out of step, or hangs, is only dropped.
                    (_, None) => {}
                }
                let from = message.envelope().from().map(ToString::to_string).unwrap_or_default();
                Err(self.explain(failure, facts, &from))
            }
        }
    }

    /// Judges a connection that could not be opened.
    fn unopened(&self, mut failure: Failure, facts: &Facts) -> Failure {
        // Perhaps there are too many connections: as long as another one works, only this email waits.
        let may_pass = failure.stage.is_some_and(|stage| stage <= Stage::Hello)
            && failure.code.is_none_or(|code| code < 500);
        if may_pass && self.busy.load(Ordering::Relaxed) > 0 {
            failure.verdict = Verdict::Temporary;
        }
        self.explain(failure, facts, "")
    }

    /// Adds advice to a failure, and hides the password in it.
    fn explain(&self, failure: Failure, facts: &Facts, from: &str) -> Failure {
        let advice = advise(&self.opener.server, &failure, facts, from);
        let failure = failure.with_advice(advice);
        let Some((user, password)) = &self.opener.server.credentials else { return failure };
        // As sent over the network (RFC 4616): a server may repeat a command that it does not know.
        let plain = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
        failure.hiding(&[password, &plain, &BASE64_STANDARD.encode(password)])
    }
}

/// Counts one more busy connection until it is dropped.
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

#[cfg(test)]
mod tests;
