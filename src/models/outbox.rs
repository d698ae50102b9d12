//! The table `outbox`: mails to send. A row is an intent; its link is minted when the mail leaves.

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::{Conn, locked};
use crate::schema::{audit_events, outbox, users};
use doorward_core::domain::{MailKind, UserId};

/// Which of the emails that were asked for to count.
#[derive(Debug, Clone, Copy)]
pub enum Counted<'a> {
    /// To a mailbox, whichever account they are about, but for those that the owner's own device asked for.
    Recipient(&'a str),
    /// Those to a mailbox that ask it to verify a claim.
    Claims(&'a str),
    /// About an account, but for those that the owner's own device asked for.
    User(UserId),
    /// Those that ask to verify a claim, by one client.
    Client(&'a str),
    /// By one device on which the account's user has signed in before, and by all of them.
    Device(&'a str),
    Devices(UserId),
    /// Notices about an account.
    Notices(UserId),
    /// Those of one kind to an address that are about no account.
    ToAddress(MailKind, &'a str),
}

/// How many emails were asked for since `since`, sent or not.
pub fn count_since(conn: &mut Conn, counted: Counted<'_>, since: Timestamp) -> QueryResult<i64> {
    let recent = outbox::table.filter(outbox::created_at.gt(since)).count();
    let asked_for = outbox::kind.eq_any(MailKind::ASKED_FOR.map(MailKind::as_str));
    let by_strangers = outbox::client.is_null().or(outbox::client.assume_not_null().not_like("device:%"));
    match counted {
        Counted::Recipient(mailbox) => recent
            .filter(outbox::recipient.eq(mailbox))
            .filter(asked_for)
            .filter(by_strangers)
            .get_result(conn),
        Counted::Claims(mailbox) => recent
            .filter(outbox::recipient.eq(mailbox))
            .filter(outbox::kind.eq(MailKind::VerifyEmail.as_str()))
            .get_result(conn),
        Counted::User(user) => recent
            .filter(outbox::user_id.eq(user.to_string()))
            .filter(asked_for)
            .filter(by_strangers)
            .get_result(conn),
        Counted::Client(client) => recent
            .filter(outbox::client.eq(client))
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
            .get_result(conn),
        Counted::ToAddress(kind, address) => recent
            .filter(outbox::address.eq(address))
            .filter(outbox::kind.eq(kind.as_str()))
            .filter(outbox::user_id.eq(""))
            .get_result(conn),
    }
}

/// Where the latest email of a kind about a user was to go, and when it was asked for.
pub fn latest(conn: &mut Conn, kind: MailKind, user: UserId) -> QueryResult<Option<(String, Timestamp)>> {
    outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(kind.as_str()))
        .order((outbox::created_at.desc(), outbox::id.desc()))
        .select((outbox::address, outbox::created_at))
        .first(conn)
        .optional()
}

/// Takes back the emails with links that these accounts are still to be sent; `None` is all of them. One that is on its
/// way stays as a row that counts, and is not tried again.
pub fn cancel_links(conn: &mut Conn, user: Option<UserId>, now: Timestamp) -> QueryResult<()> {
    let kinds = MailKind::ASKED_FOR.map(MailKind::as_str);
    let waiting = outbox::table.filter(outbox::sent_at.is_null()).filter(outbox::kind.eq_any(kinds));
    let untried = outbox::attempts.eq(0);
    if let Some(user) = user {
        let of_user = outbox::user_id.eq(user.to_string());
        diesel::delete(waiting.clone().filter(of_user.clone()).filter(untried)).execute(conn)?;
        diesel::update(waiting.filter(of_user)).set(outbox::sent_at.eq(now)).execute(conn)?;
    } else {
        diesel::delete(waiting.clone().filter(untried)).execute(conn)?;
        diesel::update(waiting).set(outbox::sent_at.eq(now)).execute(conn)?;
    }
    Ok(())
}

/// Whether the user's former address is still to be told how to take a change back.
pub fn undo_waits(conn: &mut Conn, user: UserId) -> QueryResult<bool> {
    let rows: i64 = outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(MailKind::EmailChangedUndo.as_str()))
        .filter(outbox::sent_at.is_null())
        .count()
        .get_result(conn)?;
    Ok(rows > 0)
}

/// Takes back what is still to be sent to a former address about how to take a change back.
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

/// Takes back a user's emails of one kind that have not left.
pub fn cancel(conn: &mut Conn, kind: MailKind, user: UserId, now: Timestamp) -> QueryResult<()> {
    let waiting = outbox::table
        .filter(outbox::user_id.eq(user.to_string()))
        .filter(outbox::kind.eq(kind.as_str()))
        .filter(outbox::sent_at.is_null());
    diesel::delete(waiting.clone().filter(outbox::attempts.eq(0))).execute(conn)?;
    diesel::update(waiting).set(outbox::sent_at.eq(now)).execute(conn).map(drop)
}

fn user_text(user: Option<UserId>) -> String {
    user.map(|user| user.to_string()).unwrap_or_default()
}

/// Forgets the emails of a user who is gone, but that there were some: limits go on counting them.
pub fn forget_user(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    let of_user = || outbox::table.filter(outbox::user_id.eq(user.to_string()));
    diesel::delete(of_user().filter(outbox::sent_at.is_null()).filter(outbox::attempts.eq(0)))
        .execute(conn)?;
    diesel::update(of_user().filter(outbox::sent_at.is_null())).set(outbox::sent_at.eq(now)).execute(conn)?;
    diesel::update(of_user()).set((outbox::user_id.eq(""), outbox::address.eq(""))).execute(conn).map(drop)
}

/// Deletes the mails that were sent before `before`; answers how many.
pub fn purge(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(outbox::table.filter(outbox::sent_at.lt(before))).execute(conn)
}

/// An email to add.
#[derive(Debug, Clone, Copy)]
pub struct NewMail<'a> {
    pub kind: MailKind,
    /// None if it is about an address that several accounts may claim.
    pub user: Option<UserId>,
    pub address: &'a str,
    /// The mailbox that `address` leads to, as far as can be told.
    pub recipient: &'a str,
    /// Who asked for it, if limits depend on that.
    pub client: Option<&'a str>,
}

/// Adds an email, due now. After the commit, wake the mailer.
pub fn enqueue(conn: &mut Conn, id: Uuid, mail: NewMail<'_>, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(id.to_string()),
            outbox::kind.eq(mail.kind.as_str()),
            outbox::user_id.eq(user_text(mail.user)),
            outbox::address.eq(mail.address),
            outbox::recipient.eq(mail.recipient),
            outbox::client.eq(mail.client),
            outbox::next_attempt_at.eq(now),
            outbox::created_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
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

/// An email's user as no other transaction can change them until this one ends.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Recipient {
    pub username: String,
    pub email: Option<String>,
    pub email_verified_at: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
}

/// The user of an email, if that account is still there.
pub fn lock_recipient(conn: &mut Conn, user: &str) -> QueryResult<Option<Recipient>> {
    let query = users::table.find(user).select((
        users::username,
        users::email,
        users::email_verified_at,
        users::disabled_at,
    ));
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
