//! The table `outbox`: mails to send. A row is an intent; its link is minted when the mail leaves.

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::{Conn, locked};
use crate::domain::UserId;
use crate::schema::{audit_events, outbox, users};

/// Which mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    VerifyEmail,
    ResetPassword,
    PasswordChanged,
    EmailChanged,
}

impl MailKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
        }
    }
}

/// Whether such a mail was asked for since `since`.
pub fn any_since(
    conn: &mut Conn,
    kind: MailKind,
    user: UserId,
    address: &str,
    since: Timestamp,
) -> QueryResult<bool> {
    let rows: i64 = outbox::table
        .filter(outbox::address.eq(address))
        .filter(outbox::created_at.gt(since))
        .filter(outbox::kind.eq(kind.as_str()))
        .filter(outbox::user_id.eq(user.to_string()))
        .count()
        .get_result(conn)?;
    Ok(rows > 0)
}

/// Takes back a user's mails of one kind that have not left.
pub fn cancel(conn: &mut Conn, kind: MailKind, user: UserId) -> QueryResult<()> {
    diesel::delete(
        outbox::table
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(outbox::kind.eq(kind.as_str()))
            .filter(outbox::sent_at.is_null()),
    )
    .execute(conn)
    .map(drop)
}

/// Deletes all mails of a user, sent or not.
pub fn delete_of_user(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    diesel::delete(outbox::table.filter(outbox::user_id.eq(user.to_string()))).execute(conn).map(drop)
}

/// Deletes the mails that were sent before `before`; answers how many.
pub fn purge(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(outbox::table.filter(outbox::sent_at.lt(before))).execute(conn)
}

/// Adds a mail, due now. After the commit, wake the mailer.
pub fn enqueue(
    conn: &mut Conn,
    id: Uuid,
    kind: MailKind,
    user: UserId,
    address: &str,
    now: Timestamp,
) -> QueryResult<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(id.to_string()),
            outbox::kind.eq(kind.as_str()),
            outbox::user_id.eq(user.to_string()),
            outbox::address.eq(address),
            outbox::next_attempt_at.eq(now),
            outbox::created_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

impl MailKind {
    /// Reads a row's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::VerifyEmail, Self::ResetPassword, Self::PasswordChanged, Self::EmailChanged]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// A mail that waits.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = outbox)]
pub struct Waiting {
    pub id: String,
    pub kind: String,
    pub user_id: String,
    pub address: String,
    /// How often it was tried. Each claim raises it, so it also tells claims apart.
    pub attempts: i32,
    pub next_attempt_at: Timestamp,
    pub created_at: Timestamp,
}

/// The mail that has been due longest, or the one that is due next.
pub fn first(conn: &mut Conn) -> QueryResult<Option<Waiting>> {
    outbox::table
        .filter(outbox::sent_at.is_null())
        .order((outbox::next_attempt_at, outbox::id))
        .select((
            outbox::id,
            outbox::kind,
            outbox::user_id,
            outbox::address,
            outbox::attempts,
            outbox::next_attempt_at,
            outbox::created_at,
        ))
        .first(conn)
        .optional()
}

/// Takes a mail for one attempt, in one statement: of two processes that read the same row, one gets it.
/// Whoever dies with it loses it when the lease ends. Answers whether it is ours; then `attempts` is one more.
pub fn claim(conn: &mut Conn, mail: &Waiting, now: Timestamp, lease_ends_at: Timestamp) -> QueryResult<bool> {
    let row = outbox::table
        .find(&mail.id)
        .filter(outbox::sent_at.is_null())
        .filter(outbox::next_attempt_at.le(now))
        .filter(outbox::attempts.eq(mail.attempts));
    let claimed = diesel::update(row)
        .set((outbox::attempts.eq(mail.attempts + 1), outbox::next_attempt_at.eq(lease_ends_at)))
        .execute(conn)?;
    Ok(claimed == 1)
}

/// The name and current address of a mail's user, if that account is still there and enabled. Nobody can change it
/// until the transaction ends.
pub fn lock_recipient(conn: &mut Conn, user: &str) -> QueryResult<Option<(String, Option<String>)>> {
    let query =
        users::table.find(user).filter(users::disabled_at.is_null()).select((users::username, users::email));
    locked!(conn, query, first).optional()
}

pub fn mark_sent(conn: &mut Conn, id: &str, now: Timestamp) -> QueryResult<()> {
    diesel::update(outbox::table.find(id)).set(outbox::sent_at.eq(now)).execute(conn).map(drop)
}

/// Puts a failed attempt's mail back, unless its lease has ended and another attempt is under way.
pub fn put_back(conn: &mut Conn, id: &str, attempts: i32, next_attempt_at: Timestamp) -> QueryResult<()> {
    diesel::update(outbox::table.find(id).filter(outbox::attempts.eq(attempts)))
        .set(outbox::next_attempt_at.eq(next_attempt_at))
        .execute(conn)
        .map(drop)
}

/// Forgets a mail that must not leave any more.
pub fn delete(conn: &mut Conn, id: &str) -> QueryResult<()> {
    diesel::delete(outbox::table.find(id)).execute(conn).map(drop)
}

/// Forgets a mail that would not leave, and says so where an operator looks for what happened to an account.
pub fn give_up(conn: &mut Conn, mail: &Waiting, event: Uuid, now: Timestamp) -> QueryResult<()> {
    delete(conn, &mail.id)?;
    diesel::insert_into(audit_events::table)
        .values((
            audit_events::id.eq(event.to_string()),
            audit_events::at.eq(now),
            audit_events::action.eq("mail_given_up"),
            audit_events::subject.eq(&mail.user_id),
            audit_events::detail.eq(&mail.kind),
        ))
        .execute(conn)
        .map(drop)
}
