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
