//! One mail's way: claimed, made, sent, marked; or put back, or given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use lettre::Message;

use super::delivery::Delivery;
use super::failure::{Failure, Stage, Verdict};
use super::message::{self, Settings};
use super::outage::Outage;
use crate::actors::Db;
use crate::actors::db::DbError;
use crate::auth::secret;
use crate::clock::{Clock, Timestamp};
use crate::db::{self, Conn};
use crate::mail::render::{self, Link};
use crate::models::address_links;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::outbox::{self, Recipient, Waiting};
use doorward_core::domain::MailKind;
use doorward_core::domain::UserId;

/// How long a link works that verifies an address.
const VERIFY_TTL: TimeDelta = TimeDelta::minutes(30);
/// The same for a new password: as long as the limits on emails may keep a further one back.
const RESET_TTL: TimeDelta = TimeDelta::hours(1);
/// The same for a change of address that is taken back.
const UNDO_TTL: TimeDelta = TimeDelta::days(7);
/// How long one attempt owns its row; longer than an attempt can take (`smtp::ATTEMPT_TIMEOUT`).
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How long a row is left alone that could not be claimed.
const SKIPPED: TimeDelta = TimeDelta::seconds(1);
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
/// After this a mail has lost its sense, and whoever wanted it has asked again.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(24);
/// A server that says "never" is asked again all the same: many say so while they are being set up.
const REFUSALS: u32 = 3;
/// Mails whose refusals are counted. Past it counting begins anew, and mails are tried more often.
const COUNTED: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// What looking into the outbox came to.
pub(super) enum Claim {
    Send(Box<Claimed>),
    Skipped,
    NothingUntil(Option<Timestamp>),
}

/// A mail that is ours until its lease ends.
pub(super) struct Claimed {
    mail: Waiting,
    kind: MailKind,
    /// None where a stranger may have chosen it: the address is not verified.
    username: Option<String>,
    /// The token of this attempt. It exists in the clear here and in the mail, nowhere else.
    token: Option<(String, Timestamp)>,
}

impl Claimed {
    /// A failure for the log: a server may repeat what it was sent.
    fn describe(&self, failure: &Failure) -> String {
        let token = self.token.as_ref().map_or("", |(token, _)| token);
        let sent_to = message::recipient(&self.mail.address).map(|to| to.to_string()).unwrap_or_default();
        failure.describe(&[token, &self.mail.address, &sent_to])
    }
}

#[derive(Clone)]
pub(super) struct Job {
    pub db: Db,
    pub clock: Clock,
    settings: Arc<Settings>,
    delivery: Arc<Delivery>,
    outage: Arc<Outage>,
    refusals: Refusals,
}

/// How often the server said "never" about a mail. Attempts that never came so far do not count. Not kept: another
/// process asks three times as well.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<HashMap<String, u32>>>);

impl Refusals {
    /// Adds one. Answers how many there are.
    fn add(&self, mail: &str) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED {
            counts.clear();
        }
        let count = counts.entry(mail.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn forget(&self, mail: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(mail);
    }
}

impl Job {
    pub fn new(db: Db, clock: Clock, settings: Settings, delivery: Delivery) -> Self {
        let (settings, delivery) = (Arc::new(settings), Arc::new(delivery));
        Self { db, clock, settings, delivery, outage: Arc::default(), refusals: Refusals::default() }
    }

    /// Takes the mail that has been due longest, and mints its link.
    pub async fn claim(&self) -> Result<Claim, WorkError> {
        let now = self.clock.now();
        // Most looks find nothing: they must not wait for the database's one writer.
        match self.db.run::<_, WorkError>(|conn| Ok(outbox::first(conn)?)).await? {
            None => Ok(Claim::NothingUntil(None)),
            Some(mail) if mail.next_attempt_at > now => Ok(Claim::NothingUntil(Some(mail.next_attempt_at))),
            Some(mail) => {
                self.db.run_writing(move |conn| db::write(conn, |conn| claim(conn, mail, now))).await
            }
        }
    }

    pub async fn send(&self, claimed: Box<Claimed>) {
        let Claimed { mail, kind, .. } = &*claimed;
        let outcome = match self.message(&claimed) {
            Ok(message) => self.delivery.send(kind.as_str(), &mail.id, self.clock.now(), message).await,
            Err(failure) => Err(failure),
        };
        let now = self.clock.now();
        let attempt = mail.attempts;
        self.watch(&claimed, &outcome);
        let recorded = match outcome {
            Ok(()) => {
                self.refusals.forget(&mail.id);
                tracing::info!(mail = %mail.id, kind = kind.as_str(), user = %mail.user_id, attempt, "mail sent");
                let id = mail.id.clone();
                self.db.run_writing::<_, WorkError>(move |conn| Ok(outbox::mark_sent(conn, &id, now)?)).await
            }
            Err(failure) => self.fail(&claimed, &failure, now).await,
        };
        if let Err(error) = recorded {
            tracing::error!(mail = %mail.id, %error, "cannot note what became of a mail; it is tried again");
        }
    }

    /// Says once that the server takes nothing, and once that it does again.
    fn watch(&self, claimed: &Claimed, outcome: &Result<(), Failure>) {
        let now = self.clock.instant();
        match outcome {
            Err(failure) if failure.verdict == Verdict::Server => {
                if self.outage.note_failure(failure, now) {
                    let (server, error) = (self.delivery.address(), claimed.describe(failure));
                    tracing::error!(
                        server,
                        error,
                        "no mail can leave: all mail waits and is tried again for a day; `doorward mail test ADDRESS` \
                         tries the settings"
                    );
                }
            }
            // It answered for this mail, so it takes mail.
            Err(failure) if failure.code.is_none() || failure.stage < Some(Stage::Sender) => {}
            Ok(()) | Err(_) => {
                if let Some(lasted) = self.outage.note_success(now) {
                    let waited_s = lasted.as_secs();
                    tracing::warn!(server = self.delivery.address(), waited_s, "mail leaves again");
                }
            }
        }
    }

    async fn fail(&self, claimed: &Claimed, failure: &Failure, now: Timestamp) -> Result<(), WorkError> {
        let Claimed { mail, kind, .. } = claimed;
        let error = claimed.describe(failure);
        let attempt = mail.attempts;
        let delay = backoff(attempt);
        let next = now + TimeDelta::from_std(delay).unwrap_or(LEASE);
        let mail = mail.clone();
        let is_hopeless = match failure.verdict {
            Verdict::Server | Verdict::Temporary => false,
            Verdict::Refused => self.refusals.add(&mail.id) >= REFUSALS,
            Verdict::Unsendable => true,
        };
        if is_hopeless || next - mail.created_at > GIVE_UP_AFTER {
            self.refusals.forget(&mail.id);
            tracing::error!(
                mail = %mail.id, kind = kind.as_str(), user = %mail.user_id, attempt, error, "mail given up"
            );
            let event = self.clock.new_id();
            return self
                .db
                .run_writing(move |conn| {
                    db::write(conn, |conn| Ok(outbox::give_up(conn, &mail, event, now)?))
                })
                .await;
        }
        let retry_s = delay.as_secs();
        if failure.verdict == Verdict::Server {
            // What keeps all mail back has its own line.
            tracing::debug!(mail = %mail.id, kind = kind.as_str(), attempt, retry_s, error, "mail not sent");
        } else {
            tracing::warn!(
                mail = %mail.id, kind = kind.as_str(), user = %mail.user_id, attempt, retry_s, error, "mail not sent"
            );
        }
        self.db.run_writing(move |conn| Ok(outbox::put_back(conn, &mail.id, attempt, next)?)).await
    }

    fn message(&self, claimed: &Claimed) -> Result<Message, Failure> {
        let Claimed { mail, kind, username, token } = claimed;
        let public_url = &self.settings.public_url;
        let link = token.as_ref().map(|(token, expires_at)| Link { token, expires_at: *expires_at });
        let letter = render::render(*kind, username.as_deref(), public_url, mail.created_at, link)
            .map_err(|error| Failure::unsendable(error.to_string()))?;
        // Of its own for each attempt: each has another link, and a receiver that drops what it has seen must
        // not drop the good one.
        let id = format!("{}.{}", mail.id, mail.attempts);
        self.settings
            .address(&mail.address, &id, self.clock.now())?
            .subject(letter.subject)
            .multipart(message::alternatives(letter.text, letter.html))
            .map_err(|error| Failure::unsendable(error.to_string()))
    }
}

fn claim(conn: &mut Conn, mut mail: Waiting, now: Timestamp) -> Result<Claim, WorkError> {
    // First: whatever spoils the user's older links comes before the one that is minted here, or after it.
    let recipient = outbox::lock_recipient(conn, &mail.user_id)?;
    if !outbox::claim(conn, &mail, now, now + LEASE)? {
        // Somebody else has it; or its date was written by hand in a form that is not due for the database.
        return Ok(Claim::NothingUntil(Some(now + SKIPPED)));
    }
    mail.attempts += 1;
    let Some(kind) = MailKind::parse(&mail.kind) else {
        return drop_mail(conn, &mail, "this version does not know its kind");
    };
    if kind == MailKind::ResetByAddress {
        let token = mint(conn, kind, None, &mail, now)?;
        return Ok(Claim::Send(Box::new(Claimed { mail, kind, username: None, token })));
    }
    let (Ok(user), Some(Recipient { username, email, email_verified_at, disabled_at })) =
        (mail.user_id.parse::<UserId>(), recipient)
    else {
        return drop_mail(conn, &mail, "its account is gone");
    };
    let is_current = email.as_deref() == Some(&mail.address);
    if disabled_at.is_some() && !kind.is_notice() {
        return drop_mail(conn, &mail, "its account is disabled");
    }
    // A reset goes only where the account's mails still go. The other kinds go to an address that is not the
    // account's: one that is to be verified, or one that was replaced and must hear of it.
    if kind == MailKind::ResetPassword && !is_current {
        return drop_mail(conn, &mail, "its address is gone");
    }
    let verified = kind.is_notice() || is_current && email_verified_at.is_some();
    let token = mint(conn, kind, Some(user), &mail, now)?;
    let username = verified.then_some(username);
    Ok(Claim::Send(Box::new(Claimed { mail, kind, username, token })))
}

fn drop_mail(conn: &mut Conn, mail: &Waiting, why: &'static str) -> Result<Claim, WorkError> {
    tracing::info!(mail = %mail.id, kind = mail.kind, why, "mail dropped");
    outbox::delete(conn, &mail.id)?;
    Ok(Claim::Skipped)
}

/// Makes the link of an email, if its kind has one.
fn mint(
    conn: &mut Conn,
    kind: MailKind,
    user: Option<UserId>,
    mail: &Waiting,
    now: Timestamp,
) -> Result<Option<(String, Timestamp)>, WorkError> {
    let (purpose, ttl) = match kind {
        MailKind::VerifyEmail => (Some(Purpose::VerifyEmail), VERIFY_TTL),
        MailKind::ResetPassword => (Some(Purpose::ResetPassword), RESET_TTL),
        MailKind::EmailChangedUndo => (Some(Purpose::UndoEmail), UNDO_TTL),
        MailKind::ResetByAddress => (None, RESET_TTL),
        MailKind::PasswordChanged | MailKind::EmailChanged => return Ok(None),
    };
    let token = secret::random_token();
    let (hash, expires_at) = (secret::hash_token(&token), now + ttl);
    match (purpose, user) {
        (Some(purpose), Some(user)) => {
            one_time_tokens::insert(conn, &hash, purpose, user, &mail.address, expires_at)?;
        }
        _ => address_links::insert(conn, &hash, &mail.address, mail.created_at, expires_at)?,
    }
    Ok(Some((token, expires_at)))
}

/// 5 s after the first attempt, twice as long after each further one, at most an hour.
fn backoff(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or_default().min(16);
    (FIRST_BACKOFF * 2_u32.pow(doublings)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let waits: Vec<u64> = (1..=12).map(|attempt| backoff(attempt).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(backoff(i32::MAX), LONGEST_BACKOFF);
        assert_eq!(backoff(0), FIRST_BACKOFF);
    }

    #[test]
    fn a_lease_outlasts_an_attempt() {
        assert!(LEASE.to_std().unwrap() > super::super::smtp::ATTEMPT_TIMEOUT * 3 / 2);
    }
}
