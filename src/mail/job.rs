//! Emails as a kind of job: a claimed email is rendered, delivered, and marked as sent; or put back, or given up.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;
use lettre::Message;
use uuid::Uuid;

use super::claim::{self, OutgoingEmail};
use super::delivery::Delivery;
use super::failure::{Failure, Stage, Verdict};
use super::message::{self, Settings};
use super::outage::Outage;
use super::refusals::Refusals;
use super::render::{self, Link, Occasion};
use crate::clock::{Clock, Timestamp};
use crate::db::Conn;
use crate::jobs::{Backoff, Claim, Claimed, JobKind, Outcome, Schedule};
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::outbox::{self, UnsentEmail};

/// Sends the emails in the outbox.
pub(super) struct SendEmail {
    clock: Clock,
    settings: Settings,
    delivery: Delivery,
    outage: Outage,
    refusals: Refusals,
}

impl SendEmail {
    pub fn new(clock: Clock, settings: Settings, delivery: Delivery) -> Self {
        Self { clock, settings, delivery, outage: Outage::default(), refusals: Refusals::default() }
    }

    fn message(&self, claimed: &Claimed<OutgoingEmail>) -> Result<Message, Failure> {
        let OutgoingEmail { kind, address, username, language, token, sign_in, .. } = &claimed.job;
        let link = token.as_ref().map(|minted| Link { token: &minted.token, expires_at: minted.expires_at });
        let language = self.settings.languages.choose(&[language.as_deref()], None);
        let rendered = render::render(
            language,
            *kind,
            username.as_deref(),
            self.settings.site(),
            sign_in.as_ref().map_or(Occasion::from(claimed.created_at), |(place, at)| Occasion {
                at: *at,
                user_agent: place.user_agent.as_deref(),
                address: place.ip.as_deref(),
            }),
            link,
        )
        .map_err(|error| Failure::unsendable(error.to_string()))?;
        // Each attempt has an id of its own, because each has another link: a receiver that drops what it has seen
        // before must not drop the link that works.
        let id = format!("{}.{}", claimed.id, claimed.attempt);
        self.settings
            .address(address, &id, self.clock.now())?
            .subject(rendered.subject)
            .multipart(message::alternatives(rendered.text, rendered.html))
            .map_err(|error| Failure::unsendable(error.to_string()))
    }

    /// Logs once that the server accepts no email, and once that it does again.
    fn note_outage(&self, email: &OutgoingEmail, result: &Result<(), Failure>) {
        let now = self.clock.instant();
        match result {
            Err(failure) if failure.verdict == Verdict::Server => {
                if self.outage.note_failure(failure, now) {
                    let (server, error) = (self.delivery.address(), describe(email, failure));
                    tracing::error!(
                        server,
                        error,
                        "cannot send email: all email waits and is tried again for up to 24 hours; check the \
                         settings with `doorward mail test ADDRESS`"
                    );
                }
            }
            // The conversation never reached this email, so it says nothing about the server.
            Err(failure) if failure.code.is_none() || failure.stage < Some(Stage::Sender) => {}
            Ok(()) | Err(_) => {
                if let Some(lasted) = self.outage.note_success(now) {
                    let waited_s = lasted.as_secs();
                    tracing::warn!(server = self.delivery.address(), waited_s, "email can be sent again");
                }
            }
        }
    }
}

/// A failure for the log. A server may repeat what it was sent, so the token and the address are left out.
fn describe(email: &OutgoingEmail, failure: &Failure) -> String {
    let token = email.token.as_ref().map_or("", |minted| &minted.token);
    let sent_to = message::recipient(&email.address).map(|to| to.to_string()).unwrap_or_default();
    failure.describe(&[token, &email.address, &sent_to])
}

impl JobKind for SendEmail {
    type Row = UnsentEmail;
    type Job = OutgoingEmail;
    type Failure = Failure;

    const NAME: &'static str = "email";
    const SCHEDULE: Schedule = Schedule {
        concurrency: 4,
        // The conversation ends earlier by itself: `smtp::ATTEMPT_TIMEOUT`.
        time_limit: Duration::from_secs(90),
        lease: TimeDelta::minutes(2),
        backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_hours(1) },
        // After a day an email is of no use any more: a user who still wants it has asked again.
        give_up_after: TimeDelta::hours(24),
    };

    fn next(&self, conn: &mut Conn) -> QueryResult<Option<(UnsentEmail, Timestamp)>> {
        Ok(outbox::first(conn)?.map(|row| {
            let due_at = row.next_attempt_at;
            (row, due_at)
        }))
    }

    fn claim(
        &self,
        conn: &mut Conn,
        row: UnsentEmail,
        now: Timestamp,
        lease_ends_at: Timestamp,
    ) -> QueryResult<Claim<OutgoingEmail>> {
        claim::claim(conn, row, now, lease_ends_at)
    }

    async fn run(&self, claimed: &Claimed<OutgoingEmail>) -> Result<(), Failure> {
        let kind = claimed.job.kind.as_str();
        let result = match self.message(claimed) {
            Ok(message) => self.delivery.send(kind, &claimed.id, self.clock.now(), message).await,
            Err(failure) => Err(failure),
        };
        self.note_outage(&claimed.job, &result);
        result.map_err(|failure| {
            if failure.verdict == Verdict::Refused && self.refusals.add(&claimed.id) {
                failure.judged(Verdict::Unsendable)
            } else {
                failure
            }
        })
    }

    fn timed_out(&self, limit: Duration) -> Failure {
        Failure::temporary(format!("the attempt took longer than {} s", limit.as_secs()))
    }

    fn is_final(failure: &Failure) -> bool {
        failure.verdict == Verdict::Unsendable
    }

    fn report(&self, claimed: &Claimed<OutgoingEmail>, outcome: Outcome<'_, Failure>) {
        let Claimed { id, attempt, job, .. } = claimed;
        let (kind, user) = (job.kind.as_str(), job.user.as_ref().map(tracing::field::display));
        match outcome {
            Outcome::Done => {
                self.refusals.forget(id);
                tracing::info!(id, kind, user, attempt, "email sent");
            }
            Outcome::Retry { after, failure } => {
                let (retry_s, error) = (after.as_secs(), describe(job, failure));
                if failure.verdict == Verdict::Server {
                    // An outage has one line for all emails: see `note_outage`.
                    tracing::debug!(id, kind, attempt, retry_s, error, "email not sent");
                } else {
                    tracing::warn!(id, kind, user, attempt, retry_s, error, "email not sent");
                }
            }
            Outcome::GivenUp { failure } => {
                self.refusals.forget(id);
                let error = describe(job, failure);
                tracing::error!(id, kind, user, attempt, error, "gave up on an email");
            }
        }
    }

    fn complete(&self, conn: &mut Conn, claimed: &Claimed<OutgoingEmail>, now: Timestamp) -> QueryResult<()> {
        outbox::mark_sent(conn, &claimed.id, now)
    }

    fn put_back(
        &self,
        conn: &mut Conn,
        claimed: &Claimed<OutgoingEmail>,
        due_at: Timestamp,
    ) -> QueryResult<()> {
        outbox::put_back(conn, &claimed.id, claimed.attempt, due_at)
    }

    fn give_up(
        &self,
        conn: &mut Conn,
        claimed: &Claimed<OutgoingEmail>,
        event: Uuid,
        now: Timestamp,
    ) -> QueryResult<()> {
        outbox::delete(conn, &claimed.id)?;
        let OutgoingEmail { kind, user, .. } = &claimed.job;
        let event = NewEvent::of_server(event, Action::MailGivenUp, *user);
        audit_events::insert(conn, &NewEvent { detail: Some(kind.as_str()), ..event }, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::smtp::ATTEMPT_TIMEOUT;

    #[test]
    fn a_lease_outlasts_an_attempt() {
        let Schedule { time_limit, lease, .. } = SendEmail::SCHEDULE;
        let lease = lease.to_std().unwrap();
        assert!(ATTEMPT_TIMEOUT < time_limit && time_limit < lease && lease > ATTEMPT_TIMEOUT * 3 / 2);
    }
}
