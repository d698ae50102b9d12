//! Links that change an account's address when they are followed, and what invalidates them.

use chrono::TimeDelta;
use diesel::QueryResult;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::{outbox, users};
use doorward_core::domain::{MailKind, UserId};

/// The address that a link to verify it was sent to, or is being sent to, if that link works.
pub(super) fn pending_address(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<Option<String>> {
    match outbox::unsent_address(conn, MailKind::VerifyEmail, user)? {
        Some(address) => Ok(Some(address)),
        None => one_time_tokens::find_valid(conn, user, Purpose::VerifyEmail, now),
    }
}

/// Invalidates the links that were sent to verify an address of this user.
pub(super) fn end_verification(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    outbox::cancel(conn, MailKind::VerifyEmail, user, now)?;
    one_time_tokens::spoil_others(conn, user, Purpose::VerifyEmail, now)
}

/// Invalidates what would give the account back to a former address.
pub(super) fn end_undo(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    outbox::cancel_undo(conn, user, now)?;
    one_time_tokens::spoil_others(conn, user, Purpose::UndoEmail, now)
}

/// Invalidates the links that say that a sign-in was someone else's, also those that are still to be sent.
pub(super) fn end_not_me(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    outbox::cancel(conn, MailKind::NewDevice, user, now)?;
    one_time_tokens::spoil_others(conn, user, Purpose::NotMe, now)
}

/// The same when an operator recovers an account. For as long as such a link would be valid, none is made either: the
/// address that is replaced next may be a thief's.
pub(super) fn close_undo(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    users::close_undo(conn, user, now + TimeDelta::days(7))?;
    end_not_me(conn, user, now)?;
    end_undo(conn, user, now)
}
