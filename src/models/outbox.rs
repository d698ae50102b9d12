//! The table `outbox`: emails to send. A row says what is to be sent; its link is minted when the email is sent.

use diesel::dsl::{count_star, min, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::{Timestamp, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::db::{Conn, locked};
use crate::schema::{outbox, users};
use doorward_core::domain::{LoginId, MailKind, UserId};

/// How the name of a client begins that is a network: a keyed hash follows. Earlier versions stored the network itself.
pub const NETWORK: &str = "network:";

/// Which emails to count.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// Those with links to a mailbox, whichever account they are about, except those that a known device requested.
    Recipient(&'a str),
    /// Requests to a mailbox to verify an address.
    Claims(&'a str),
    /// Those with links about an account, except those that a known device requested.
    User(UserId),
    /// Requests to verify an address that one client caused: the client as rows name it, and as earlier versions did.
    Client([&'a str; 2]),
    /// Those that a device requested on which the account's user has signed in before.
    Device(&'a str),
    /// Those that all such devices of a user requested.
    Devices(UserId),
    /// Notices about an account, except those of sign-ins: a thief who signs in again and again must not use up what is
    /// left for the others.
    Notices(UserId),
    /// Notices about sign-ins to an account.
    NewDevices(UserId),
    /// Those of one kind to an address that are not about a particular account.
    ToAddress(MailKind, &'a str),
}

/// How many emails were added since `since`, sent or not.
pub fn count_since(conn: &mut Conn, counted: Counted<'_>, since: Timestamp) -> QueryResult<i64> {
    let recent = outbox::table.filter(outbox::created_at.gt(since)).count();
    let has_link = outbox::kind.eq_any(MailKind::ASKED_FOR.map(MailKind::as_str));
    let by_unknown_client =
        outbox::client.is_null().or(outbox::client.assume_not_null().not_like("device:%"));
    match counted {
        Counted::Recipient(mailbox) => recent
            .filter(outbox::recipient.eq(mailbox))
            .filter(has_link)
            .filter(by_unknown_client)
            .get_result(conn),
        Counted::Claims(mailbox) => recent
            .filter(outbox::recipient.eq(mailbox))
            .filter(outbox::kind.eq(MailKind::VerifyEmail.as_str()))
            .get_result(conn),
        Counted::User(user) => recent
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(has_link)
            .filter(by_unknown_client)
            .get_result(conn),
        Counted::Client(names) => recent
            .filter(outbox::client.eq_any(names))
            .filter(outbox::kind.eq(MailKind::VerifyEmail.as_str()))
            .get_result(conn),
        Counted::Device(device) => recent.filter(outbox::client.eq(device)).get_result(conn),
        Counted::Devices(user) => recent
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(outbox::client.assume_not_null().like("device:%"))
            .filter(outbox::client.is_not_null())
            .get_result(conn),
        Counted::Notices(user) => recent
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(outbox::kind.ne_all(MailKind::ASKED_FOR.map(MailKind::as_str)))
            .filter(outbox::kind.ne(MailKind::NewDevice.as_str()))
            .get_result(conn),
        Counted::NewDevices(user) => recent
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(outbox::kind.eq(MailKind::NewDevice.as_str()))
            .get_result(conn),
        Counted::ToAddress(kind, address) => recent
            .filter(outbox::address.eq(address))
            .filter(outbox::kind.eq(kind.as_str()))
            .filter(outbox::user_id.eq(""))
            .get_result(conn),
    }
}

/// The address of the latest email of a kind about a user, and when it was added.
pub fn latest(conn: &mut Conn, kind: MailKind, user: UserId) -> QueryResult<Option<(String, Timestamp)>> {
    outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(kind.as_str()))
        .order((outbox::created_at.desc(), outbox::id.desc()))
        .select((outbox::address, outbox::created_at))
        .first(conn)
        .optional()
}

/// The address of a user's latest email of a kind that is yet to be sent.
pub fn unsent_address(conn: &mut Conn, kind: MailKind, user: UserId) -> QueryResult<Option<String>> {
    outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(kind.as_str()))
        .filter(outbox::sent_at.is_null())
        .order((outbox::created_at.desc(), outbox::id.desc()))
        .select(outbox::address)
        .first(conn)
        .optional()
}

/// Cancels the unsent emails with links of a user, or with `None` of all users. An email that is being sent right now
/// stays as a row, so that the limits count it, and is not tried again.
pub fn cancel_links(conn: &mut Conn, user: Option<UserId>, now: Timestamp) -> QueryResult<()> {
    let kinds = MailKind::ASKED_FOR.map(MailKind::as_str);
    let unsent = outbox::table.filter(outbox::sent_at.is_null()).filter(outbox::kind.eq_any(kinds));
    let untried = outbox::attempts.eq(0);
    if let Some(user) = user {
        let of_user = outbox::user_id.eq(user.to_string());
        diesel::delete(unsent.clone().filter(of_user.clone()).filter(untried)).execute(conn)?;
        diesel::update(unsent.filter(of_user)).set(outbox::sent_at.eq(now)).execute(conn)?;
    } else {
        diesel::delete(unsent.clone().filter(untried)).execute(conn)?;
        diesel::update(unsent).set(outbox::sent_at.eq(now)).execute(conn)?;
    }
    Ok(())
}

/// Whether an unsent email tells the user's former address how to undo a change.
pub fn has_unsent_undo(conn: &mut Conn, user: UserId) -> QueryResult<bool> {
    let rows: i64 = outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(MailKind::EmailChangedUndo.as_str()))
        .filter(outbox::sent_at.is_null())
        .count()
        .get_result(conn)?;
    Ok(rows > 0)
}

/// Cancels the unsent email to a user's former address that tells how to undo a change.
pub fn cancel_undo(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    diesel::update(
        outbox::table
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(outbox::kind.eq(MailKind::EmailChangedUndo.as_str()))
            .filter(outbox::sent_at.is_null()),
    )
    .set(outbox::sent_at.eq(now))
    .execute(conn)
    .map(drop)
}

/// Cancels the unsent invitations to an address: a new one replaces them.
pub fn cancel_invitations(conn: &mut Conn, address: &str, now: Timestamp) -> QueryResult<()> {
    let unsent = outbox::table
        .filter(outbox::address.eq(address))
        .filter(outbox::kind.eq(MailKind::Invitation.as_str()))
        .filter(outbox::sent_at.is_null());
    diesel::update(unsent).set(outbox::sent_at.eq(now)).execute(conn).map(drop)
}

/// Cancels a user's unsent emails of one kind.
pub fn cancel(conn: &mut Conn, kind: MailKind, user: UserId, now: Timestamp) -> QueryResult<()> {
    let unsent = outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(kind.as_str()))
        .filter(outbox::sent_at.is_null());
    diesel::delete(unsent.clone().filter(outbox::attempts.eq(0))).execute(conn)?;
    diesel::update(unsent).set(outbox::sent_at.eq(now)).execute(conn).map(drop)
}

fn user_text(user: Option<UserId>) -> String {
    user.map(|user| user.to_string()).unwrap_or_default()
}

/// The condition that an email belongs to no account, in a form that no index has: many rows meet it.
const OF_NO_ACCOUNT: &str = "outbox.user_id || '' = ''";

/// Removes a deleted user from their emails. The rows stay, because the limits go on counting them.
pub fn forget_user(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    let of_user = || outbox::table.filter(outbox::user_id.eq(user.to_string()));
    diesel::delete(of_user().filter(outbox::sent_at.is_null()).filter(outbox::attempts.eq(0)))
        .execute(conn)?;
    diesel::update(of_user().filter(outbox::sent_at.is_null())).set(outbox::sent_at.eq(now)).execute(conn)?;
    // The device is of no use without its user: only that it was a known one still counts.
    let by_device = of_user().filter(outbox::client.like("device:%"));
    diesel::update(by_device).set(outbox::client.eq("device:")).execute(conn)?;
    let in_clear = of_user().filter(outbox::client.not_like("device:%"));
    diesel::update(in_clear.filter(outbox::client.not_like("network:%")))
        .set(outbox::client.eq(None::<String>))
        .execute(conn)?;
    let forgotten = (outbox::user_id.eq(""), outbox::address.eq(""), outbox::login_id.eq(None::<String>));
    diesel::update(of_user()).set(forgotten).execute(conn).map(drop)
}

/// Removes an address that no account has any more from emails that belong to no account. An invitation that is still
/// to be sent is for the person, not for the account, and keeps it.
pub fn forget_address(conn: &mut Conn, address: &str, now: Timestamp) -> QueryResult<()> {
    let to_it = || outbox::table.filter(outbox::address.eq(address)).filter(sql::<Bool>(OF_NO_ACCOUNT));
    let unsent_links = || {
        to_it().filter(outbox::sent_at.is_null()).filter(outbox::kind.eq(MailKind::ResetByAddress.as_str()))
    };
    diesel::delete(unsent_links().filter(outbox::attempts.eq(0))).execute(conn)?;
    diesel::update(unsent_links()).set(outbox::sent_at.eq(now)).execute(conn)?;
    let sent = || to_it().filter(outbox::sent_at.is_not_null());
    let in_clear = sent().filter(outbox::client.not_like("device:%"));
    diesel::update(in_clear.filter(outbox::client.not_like("network:%")))
        .set(outbox::client.eq(None::<String>))
        .execute(conn)?;
    diesel::update(sent()).set(outbox::address.eq("")).execute(conn).map(drop)
}

/// Deletes up to `limit` the emails that were sent before `before`. Returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, outbox.id: String, outbox::sent_at.lt(before), limit)
}

/// An email to add.
#[derive(Debug, Clone, Copy)]
pub struct NewEmail<'a> {
    pub kind: MailKind,
    /// None if it is about an address that several accounts may have.
    pub user: Option<UserId>,
    pub address: &'a str,
    /// The mailbox that the limits count `address` as: a keyed hash.
    pub recipient: &'a str,
    /// The client or device that requested it, if limits depend on that: [`NETWORK`] and a keyed hash, or `device:` and
    /// an id.
    pub client: Option<&'a str>,
    /// For a reader whose account has no language.
    pub language: Option<&'a str>,
    /// The login that it tells of.
    pub login: Option<LoginId>,
}

/// An email that was sent or is yet to be, as it is shown to the person who gets it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize, ToSchema)]
pub struct StoredEmail {
    #[schema(example = "verify_email")]
    pub kind: String,
    #[schema(example = "alice@example.org")]
    pub address: String,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub sent_at: Option<Timestamp>,
}

/// Up to `limit` of a user's emails, the newest first.
pub fn of_user(conn: &mut Conn, user: UserId, limit: i64) -> QueryResult<Vec<StoredEmail>> {
    outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .order((outbox::created_at.desc(), outbox::id))
        .limit(limit)
        .select((outbox::kind, outbox::address, outbox::created_at, outbox::sent_at))
        .load(conn)
}

/// Up to `limit` of the emails to an address that belong to no account, the newest first.
pub fn to_address(conn: &mut Conn, address: &str, limit: i64) -> QueryResult<Vec<StoredEmail>> {
    outbox::table
        .filter(outbox::address.eq(address))
        .filter(sql::<Bool>(OF_NO_ACCOUNT))
        .order((outbox::created_at.desc(), outbox::id))
        .limit(limit)
        .select((outbox::kind, outbox::address, outbox::created_at, outbox::sent_at))
        .load(conn)
}

/// Adds an email, due now. After the commit, call [`Mail::wake`](crate::mail::Mail::wake).
pub fn enqueue(conn: &mut Conn, id: Uuid, email: NewEmail<'_>, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(id.to_string()),
            outbox::kind.eq(email.kind.as_str()),
            outbox::user_id.eq(user_text(email.user)),
            outbox::address.eq(email.address),
            outbox::recipient.eq(email.recipient),
            outbox::client.eq(email.client),
            outbox::language.eq(email.language),
            outbox::login_id.eq(email.login.map(|login| login.to_string())),
            outbox::next_attempt_at.eq(now),
            outbox::created_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// An email that was not sent yet.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = outbox)]
pub struct UnsentEmail {
    pub id: String,
    pub kind: String,
    pub user_id: String,
    pub address: String,
    /// How often it was claimed. The number also tells one claim from the next.
    pub attempts: i32,
    pub next_attempt_at: Timestamp,
    pub created_at: Timestamp,
    pub language: Option<String>,
    pub login_id: Option<String>,
}

/// How many emails are not sent yet, and since when the oldest of them waits.
pub fn backlog(conn: &mut Conn) -> QueryResult<(i64, Option<Timestamp>)> {
    let unsent = outbox::table.filter(outbox::sent_at.is_null());
    unsent.select((count_star(), min(outbox::created_at))).get_result(conn)
}

/// The email that has been due longest, or the one that is due next.
pub fn first(conn: &mut Conn) -> QueryResult<Option<UnsentEmail>> {
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
            outbox::language,
            outbox::login_id,
        ))
        .first(conn)
        .optional()
}

/// Claims an email for one attempt, in one statement: of two processes that read the same row, one gets it. If that one
/// dies, its claim ends with the lease. Returns whether the caller has it; then `attempts` in the row is one more.
pub fn claim(
    conn: &mut Conn,
    email: &UnsentEmail,
    now: Timestamp,
    lease_ends_at: Timestamp,
) -> QueryResult<bool> {
    let row = outbox::table
        .find(&email.id)
        .filter(outbox::sent_at.is_null())
        .filter(outbox::next_attempt_at.le(now))
        .filter(outbox::attempts.eq(email.attempts));
    let claimed = diesel::update(row)
        .set((outbox::attempts.eq(email.attempts + 1), outbox::next_attempt_at.eq(lease_ends_at)))
        .execute(conn)?;
    Ok(claimed == 1)
}

/// The user of an email, locked: no other transaction can change the row until this one ends.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Recipient {
    pub username: String,
    pub email: Option<String>,
    pub email_verified_at: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
    pub language: Option<String>,
}

/// Locks the user of an email. None if the account was deleted.
pub fn lock_recipient(conn: &mut Conn, user: &str) -> QueryResult<Option<Recipient>> {
    let query = users::table.find(user).select((
        users::username,
        users::email,
        users::email_verified_at,
        users::disabled_at,
        users::language,
    ));
    locked!(conn, query, get_result).optional()
}

pub fn mark_sent(conn: &mut Conn, id: &str, now: Timestamp) -> QueryResult<()> {
    diesel::update(outbox::table.find(id)).set(outbox::sent_at.eq(now)).execute(conn).map(drop)
}

/// Makes an email due again after a failed attempt, unless the lease has ended and another attempt has begun.
pub fn put_back(conn: &mut Conn, id: &str, attempts: i32, next_attempt_at: Timestamp) -> QueryResult<()> {
    diesel::update(outbox::table.find(id).filter(outbox::attempts.eq(attempts)))
        .set(outbox::next_attempt_at.eq(next_attempt_at))
        .execute(conn)
        .map(drop)
}

/// Deletes an email that must not be sent any more.
pub fn delete(conn: &mut Conn, id: &str) -> QueryResult<()> {
    diesel::delete(outbox::table.find(id)).execute(conn).map(drop)
}
