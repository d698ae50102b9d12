//! The table `outbox`: mails to send. A row is an intent; its link is minted when the mail leaves.

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::domain::UserId;
use crate::schema::outbox;

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
