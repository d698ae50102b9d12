//! The table `audit_events`: what happened to accounts, for whoever has to find out later.

use std::net::IpAddr;

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::audit_events;
use doorward_core::domain::{MailKind, UserId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Registered,
    /// Brought in from another system's file; `detail` says from where.
    Imported,
    SignedIn,
    PasswordReset,
    PasswordChanged,
    EmailChangeRequested,
    EmailVerified,
    /// An account that was never used after its registration was removed.
    RemovedUnused,
    RefreshReused,
    /// Ten wrong current passwords: the login was revoked.
    PasswordGuessed,
    /// A change of address was taken back from the former one.
    EmailChangeUndone,
    Disabled,
    Unlocked,
    Enabled,
    Deleted,
    KeysRotated,
    /// An email could not be sent; `detail` is its kind.
    MailGivenUp,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody over the network; mostly the subject.
    User,
    /// Somebody at this machine, with the command line.
    Operator,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Imported => "imported",
            Self::SignedIn => "signed_in",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailVerified => "email_verified",
            Self::RemovedUnused => "removed_unused",
            Self::RefreshReused => "refresh_reused",
            Self::PasswordGuessed => "password_guessed",
            Self::EmailChangeUndone => "email_change_undone",
            Self::Unlocked => "unlocked",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
            Self::KeysRotated => "keys_rotated",
            Self::MailGivenUp => "mail_given_up",
        }
    }
}

/// Notes what happened to `subject`, and from which address it was asked for.
pub fn insert(
    conn: &mut Conn,
    id: Uuid,
    actor: Actor,
    action: Action,
    subject: Option<UserId>,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> QueryResult<()> {
    let subject = subject.map(|user| user.to_string());
    diesel::insert_into(audit_events::table)
        .values((
            audit_events::id.eq(id.to_string()),
            audit_events::at.eq(now),
            audit_events::actor.eq((actor == Actor::Operator).then_some("operator")),
            audit_events::action.eq(action.as_str()),
            audit_events::subject.eq(subject),
            audit_events::ip.eq(ip.map(|ip| ip.to_string())),
        ))
        .execute(conn)
        .map(drop)
}

/// Notes that `subject` was brought in, and `mark`: which row of which file that was.
pub fn insert_imported(
    conn: &mut Conn,
    id: Uuid,
    subject: UserId,
    mark: &str,
    now: Timestamp,
) -> QueryResult<()> {
    diesel::insert_into(audit_events::table)
        .values((
            audit_events::id.eq(id.to_string()),
            audit_events::at.eq(now),
            audit_events::action.eq(Action::Imported.as_str()),
            audit_events::subject.eq(subject.to_string()),
            audit_events::detail.eq(mark),
        ))
        .execute(conn)
        .map(drop)
}

/// Records that an email of this kind was given up. `subject` is the user it was about, or empty.
pub fn insert_mail_given_up(
    conn: &mut Conn,
    id: Uuid,
    subject: &str,
    kind: MailKind,
    now: Timestamp,
) -> QueryResult<()> {
    diesel::insert_into(audit_events::table)
        .values((
            audit_events::id.eq(id.to_string()),
            audit_events::at.eq(now),
            audit_events::action.eq(Action::MailGivenUp.as_str()),
            audit_events::subject.eq(subject),
            audit_events::detail.eq(kind.as_str()),
        ))
        .execute(conn)
        .map(drop)
}

/// The marks of all rows that were ever brought in, as far as the trail goes back.
pub fn imported_marks(conn: &mut Conn) -> QueryResult<Vec<String>> {
    audit_events::table
        .filter(audit_events::action.eq(Action::Imported.as_str()))
        .select(audit_events::detail.assume_not_null())
        .filter(audit_events::detail.is_not_null())
        .load(conn)
}

/// Whether this has happened to `subject` since `since`.
pub fn has_happened(conn: &mut Conn, subject: UserId, action: Action, since: Timestamp) -> QueryResult<bool> {
    let events = audit_events::table
        .filter(audit_events::at.gt(since))
        .filter(audit_events::subject.eq(subject.to_string()))
        .filter(audit_events::action.eq(action.as_str()));
    diesel::select(diesel::dsl::exists(events)).get_result(conn)
}

/// Forgets the addresses of a user who is gone.
pub fn blank_addresses(conn: &mut Conn, subject: UserId) -> QueryResult<()> {
    diesel::update(audit_events::table.filter(audit_events::subject.eq(subject.to_string())))
        .set(audit_events::ip.eq(None::<String>))
        .execute(conn)
        .map(drop)
}

/// What a user can repeat as often as they like. Other lines, those of operators above all, must not be pushed out by it.
const REPEATABLE: [Action; 5] = [
    Action::SignedIn,
    Action::Registered,
    Action::RefreshReused,
    Action::PasswordChanged,
    Action::EmailChangeRequested,
];

/// Deletes the oldest lines of what users can repeat past the newest `keep`; answers how many.
pub fn purge_repeatable(conn: &mut Conn, keep: i64) -> QueryResult<usize> {
    let repeatable = REPEATABLE.map(Action::as_str);
    let oldest: Option<Timestamp> = audit_events::table
        .filter(audit_events::action.eq_any(repeatable))
        .order(audit_events::at.desc())
        .offset(keep)
        .select(audit_events::at)
        .first(conn)
        .optional()?;
    let Some(oldest) = oldest else { return Ok(0) };
    diesel::delete(
        audit_events::table
            .filter(audit_events::action.eq_any(repeatable))
            .filter(audit_events::actor.is_null())
            .filter(audit_events::at.le(oldest)),
    )
    .execute(conn)
}

/// Deletes what happened before `before`; answers how much.
pub fn purge(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(audit_events::table.filter(audit_events::at.lt(before))).execute(conn)
}
